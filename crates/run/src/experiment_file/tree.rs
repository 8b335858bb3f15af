//! TOML trees that remember where each part was written: parse, merge, set one path.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Span;

pub(super) type Table<'a> = DeTable<'a>;
pub(super) type Value<'a> = DeValue<'a>;
pub(super) type Key<'a> = Spanned<Cow<'a, str>>;

/// Deepest nesting of tables and arrays in one text; an experiment needs about six.
pub(super) const MAX_DEPTH: usize = 64;

/// Why a text has no tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub(super) span: Span,
    /// What the TOML parser says; nothing when the text is below [`MAX_DEPTH`] there.
    pub(super) syntax: Option<String>,
}

/// Parses a whole text whose first byte has offset `start` in the shared space.
pub(super) fn parse_table(text: &str, start: usize) -> Result<Table<'_>, Fault> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let root = root.into_inner();
    let too_deep = root.values().find_map(|value| below_depth(value, 1));
    match fault(too_deep, &errors, start) {
        None => Ok(shift_table(root, start)),
        Some(fault) => {
            dismantle(root.into_iter().map(|(_, value)| value).collect());
            Err(fault)
        }
    }
}

/// Parses one value whose first byte has offset `start` in the shared space.
pub(super) fn parse_value(text: &str, start: usize) -> Result<Spanned<Value<'_>>, Fault> {
    let (value, errors) = DeValue::parse_recoverable(text);
    match fault(below_depth(&value, 1), &errors, start) {
        None => Ok(shift(value, start)),
        Some(fault) => {
            dismantle(vec![value]);
            Err(fault)
        }
    }
}

fn fault(too_deep: Option<Span>, errors: &[toml::de::Error], start: usize) -> Option<Fault> {
    let (span, syntax) = match (too_deep, errors.first()) {
        (Some(span), _) => (span, None),
        (None, Some(error)) => (
            error.span().unwrap_or(0..0),
            Some(error.message().to_owned()),
        ),
        (None, None) => return None,
    };
    Some(Fault {
        span: shift_span(&span, start),
        syntax,
    })
}

/// Where a value is below [`MAX_DEPTH`], if it is anywhere.
fn below_depth(value: &Spanned<Value<'_>>, depth: usize) -> Option<Span> {
    if depth > MAX_DEPTH {
        return Some(value.span());
    }
    match value.get_ref() {
        Value::Table(table) => table
            .values()
            .find_map(|value| below_depth(value, depth + 1)),
        Value::Array(array) => array.iter().find_map(|item| below_depth(item, depth + 1)),
        _ => None,
    }
}

/// Drops values level by level. The parser bounds brackets and dots each on their own, together they
/// allow thousands of levels, and an ordinary drop calls itself for each.
fn dismantle(mut values: Vec<Spanned<Value<'_>>>) {
    while let Some(value) = values.pop() {
        match value.into_inner() {
            Value::Table(table) => values.extend(table.into_iter().map(|(_, value)| value)),
            Value::Array(array) => values.extend(array),
            _ => {}
        }
    }
}

fn shift_table(table: Table<'_>, start: usize) -> Table<'_> {
    let shifted = table.into_iter().map(|(key, value)| {
        let span = shift_span(&key.span(), start);
        (Spanned::new(span, key.into_inner()), shift(value, start))
    });
    shifted.collect()
}

fn shift(value: Spanned<Value<'_>>, start: usize) -> Spanned<Value<'_>> {
    let span = shift_span(&value.span(), start);
    let shifted = match value.into_inner() {
        Value::Table(table) => Value::Table(shift_table(table, start)),
        Value::Array(array) => {
            Value::Array(array.into_iter().map(|item| shift(item, start)).collect())
        }
        scalar => scalar,
    };
    Spanned::new(span, shifted)
}

fn shift_span(span: &Span, start: usize) -> Span {
    span.start + start..span.end + start
}

/// Lays `over` over `base`: tables merge key by key, everything else is replaced.
pub(super) fn merge<'a>(base: &mut Table<'a>, over: Table<'a>) {
    for (key, value) in over {
        let span = value.span();
        let below = base.remove(key.get_ref().as_ref()).map(Spanned::into_inner);
        let merged = match (below, value.into_inner()) {
            (Some(Value::Table(mut below)), Value::Table(above)) => {
                merge(&mut below, above);
                Value::Table(below)
            }
            (_, above) => above,
        };
        base.insert(key, Spanned::new(span, merged));
    }
}

/// One step of a dotted path, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) span: Span,
}

/// `method.0.loss`.
pub(super) fn dotted(path: &[Segment<'_>]) -> String {
    path.iter()
        .map(|segment| segment.name.as_ref())
        .collect::<Vec<_>>()
        .join(".")
}

/// The value at a path.
pub(super) fn get<'t, 'a>(
    table: &'t Table<'a>,
    path: &[Segment<'_>],
) -> Option<&'t Spanned<Value<'a>>> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(
        table.get(first.name.as_ref())?,
        |value, segment| match value.get_ref() {
            Value::Array(array) => array.get(segment.name.parse::<usize>().ok()?),
            value => value.get(segment.name.as_ref()),
        },
    )
}

/// Why a path leads nowhere: the step that fails, and what stands in its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blocked {
    /// Index of the failing segment.
    pub(super) step: usize,
    pub(super) by: Obstacle,
}

/// What a path cannot go through.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Obstacle {
    /// A value without parts, of this type.
    Scalar(&'static str),
    /// An array of this length has no such entry.
    Array(usize),
}

/// Sets the value at a path, making the tables on the way.
///
/// A string on the way becomes the `kind` of a table: `loss = "confidence"` and
/// `loss.preset=openai` give `loss = { kind = "confidence", preset = "openai" }`.
pub(super) fn set<'a>(
    table: &mut Table<'a>,
    path: &[Segment<'a>],
    value: Spanned<Value<'a>>,
) -> Result<(), Blocked> {
    set_at(table, path, 0, value)
}

fn set_at<'a>(
    table: &mut Table<'a>,
    path: &[Segment<'a>],
    step: usize,
    value: Spanned<Value<'a>>,
) -> Result<(), Blocked> {
    let Segment { name, span } = &path[step];
    let key = Spanned::new(span.clone(), name.clone());
    if step + 1 == path.len() {
        // Removed first: an insert alone would keep the old key, and with it the old place.
        table.remove(name.as_ref());
        table.insert(key, value);
        return Ok(());
    }
    let slot = table
        .entry(key)
        .or_insert_with(|| Spanned::new(span.clone(), Value::Table(Table::new())));
    set_within(slot, path, step + 1, value)
}

fn set_within<'a>(
    slot: &mut Spanned<Value<'a>>,
    path: &[Segment<'a>],
    step: usize,
    value: Spanned<Value<'a>>,
) -> Result<(), Blocked> {
    let Segment { name, span } = &path[step];
    let index = name.parse::<usize>().ok();
    if slot.get_ref().is_str() && index.is_none() {
        let mut table = Table::new();
        table.insert(
            Spanned::new(slot.span(), Cow::Borrowed("kind")),
            slot.clone(),
        );
        *slot = Spanned::new(span.clone(), Value::Table(table));
    }
    match slot.get_mut() {
        Value::Table(table) => set_at(table, path, step, value),
        Value::Array(array) => {
            let blocked = Blocked {
                step,
                by: Obstacle::Array(array.len()),
            };
            let item = index
                .and_then(|index| array.get_mut(index))
                .ok_or(blocked)?;
            if step + 1 == path.len() {
                *item = value;
                Ok(())
            } else {
                set_within(item, path, step + 1, value)
            }
        }
        scalar => Err(Blocked {
            step,
            by: Obstacle::Scalar(scalar.type_str()),
        }),
    }
}

/// A part of a tree, for looking things up.
#[derive(Debug, Clone)]
pub(super) struct Node<'t, 'a> {
    /// Keys and indices from the root.
    pub(super) steps: Vec<String>,
    /// Its key; array items have none.
    pub(super) key: Option<&'t Key<'a>>,
    pub(super) value: &'t Spanned<Value<'a>>,
}

impl Node<'_, '_> {
    /// Its dotted path.
    pub(super) fn path(&self) -> String {
        self.steps.join(".")
    }

    /// The dotted path of what holds it; empty at the top.
    pub(super) fn within(&self) -> String {
        self.steps[..self.steps.len() - 1].join(".")
    }

    /// Its key, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        self.key.map(|key| key.get_ref().as_ref())
    }

    /// Where its key is written; where the value is, for an item of an array.
    pub(super) fn key_span(&self) -> Span {
        self.key.map_or_else(|| self.value.span(), Spanned::span)
    }
}

/// Every part of a table, parents before children.
pub(super) fn nodes<'t, 'a>(table: &'t Table<'a>) -> Vec<Node<'t, 'a>> {
    let mut found = Vec::new();
    collect(table, &[], &mut found);
    found
}

fn collect<'t, 'a>(table: &'t Table<'a>, within: &[String], found: &mut Vec<Node<'t, 'a>>) {
    for (key, value) in table {
        let steps = longer(within, key.get_ref());
        collect_node(
            Node {
                steps,
                key: Some(key),
                value,
            },
            found,
        );
    }
}

fn collect_node<'t, 'a>(node: Node<'t, 'a>, found: &mut Vec<Node<'t, 'a>>) {
    let (steps, value) = (node.steps.clone(), node.value);
    found.push(node);
    match value.get_ref() {
        Value::Table(table) => collect(table, &steps, found),
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                let steps = longer(&steps, &index.to_string());
                collect_node(
                    Node {
                        steps,
                        key: None,
                        value,
                    },
                    found,
                );
            }
        }
        _ => {}
    }
}

fn longer(within: &[String], step: &str) -> Vec<String> {
    within.iter().cloned().chain([step.to_owned()]).collect()
}

/// The value at the end of some steps, for changing it.
pub(super) fn get_mut<'t, 'a>(
    table: &'t mut Table<'a>,
    steps: &[String],
) -> Option<&'t mut Spanned<Value<'a>>> {
    let (first, rest) = steps.split_first()?;
    rest.iter()
        .try_fold(table.get_mut(first.as_str())?, |value, step| {
            match value.get_mut() {
                Value::Array(array) => array.get_mut(step.parse::<usize>().ok()?),
                Value::Table(table) => table.get_mut(step.as_str()),
                _ => None,
            }
        })
}

/// The table at the end of some steps, for changing it; the root without steps.
pub(super) fn table_mut<'t, 'a>(
    root: &'t mut Table<'a>,
    steps: &[String],
) -> Option<&'t mut Table<'a>> {
    if steps.is_empty() {
        return Some(root);
    }
    match get_mut(root, steps)?.get_mut() {
        Value::Table(table) => Some(table),
        _ => None,
    }
}
