//! `[sweep]`: dotted keys, each with the values to try; every combination is a variant.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::DeArray;

use super::error::{ExperimentFileError, Problem};
use super::layers::{Layered, RESERVED, path_error};
use super::source::{Sources, Span};
use super::tree::{self, Segment, Table, Value};
use super::variants;

/// Most variants one file may spread out to.
pub const MAX_VARIANTS: usize = 1_000;

/// One value that a sweep gave to one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Dotted path, such as `method.0.loss`.
    pub key: String,
    /// The value.
    pub value: toml::Value,
}

/// A swept key.
#[derive(Debug, Clone)]
pub(super) struct Axis<'a> {
    path: Vec<Segment<'a>>,
    key: String,
    /// Where the key is written.
    span: Span,
    values: DeArray<'a>,
}

/// One combination.
#[derive(Debug)]
pub(super) struct Point<'a> {
    pub(super) assignments: Vec<Assignment>,
    pub(super) root: Spanned<Table<'a>>,
}

/// Takes the `[sweep]` table out of a file, its keys in order of writing.
///
/// `data.set = […]` and `"data.set" = […]` mean the same.
pub(super) fn take<'a>(
    sources: &Sources,
    file: &mut Table<'a>,
) -> Result<Vec<Axis<'a>>, ExperimentFileError> {
    let Some(sweep) = file.remove("sweep") else {
        return Ok(Vec::new());
    };
    let span = sweep.span();
    let Value::Table(table) = sweep.into_inner() else {
        return Err(refuse(
            sources,
            "",
            "`sweep` is not a table",
            &span,
            SWEEP_HELP,
        ));
    };
    let mut axes = Vec::new();
    flatten(sources, table, &[], &mut axes)?;
    axes.sort_by_key(|axis| axis.span.start);
    Ok(axes)
}

const SWEEP_HELP: &str = "write a `[sweep]` table with one line per key, such as \
                          data.set = [\"builtin:rotten-tomatoes\", \"builtin:subjectivity\"]";

fn flatten<'a>(
    sources: &Sources,
    table: Table<'a>,
    within: &[Segment<'a>],
    axes: &mut Vec<Axis<'a>>,
) -> Result<(), ExperimentFileError> {
    for (key, value) in table {
        let span = key.span();
        let mut path = within.to_vec();
        path.extend(key.get_ref().split('.').map(|name| Segment {
            name: Cow::Owned(name.to_owned()),
            span: span.clone(),
        }));
        if value.get_ref().is_table() {
            if let Value::Table(table) = value.into_inner() {
                flatten(sources, table, &path, axes)?;
            }
        } else {
            axes.push(axis(sources, path, span, value)?);
        }
    }
    Ok(())
}

/// Makes one axis, after a look at its values.
pub(super) fn axis<'a>(
    sources: &Sources,
    path: Vec<Segment<'a>>,
    span: Span,
    values: Spanned<Value<'a>>,
) -> Result<Axis<'a>, ExperimentFileError> {
    let key = tree::dotted(&path);
    if RESERVED.contains(&path[0].name.as_ref()) {
        let help = "sweep keys of the experiment itself";
        return Err(refuse(sources, &key, "it is not a setting", &span, help));
    }
    let help = format!("write the values to try as a list: {key} = [first, second]");
    let values_span = values.span();
    let Value::Array(values) = values.into_inner() else {
        return Err(refuse(
            sources,
            &key,
            "its value is not a list",
            &values_span,
            &help,
        ));
    };
    if values.is_empty() {
        return Err(refuse(
            sources,
            &key,
            "its list is empty",
            &values_span,
            &help,
        ));
    }
    if values.len() > MAX_VARIANTS {
        return Err(too_many(sources, &key, &span));
    }
    let mut seen = Vec::with_capacity(values.len());
    for value in &values {
        let plain = plain(sources, value, &key)?;
        if seen.contains(&plain) {
            let help = "list each value once; `seeds` repeats a run";
            return Err(refuse(
                sources,
                &key,
                "a value is listed twice",
                &value.span(),
                help,
            ));
        }
        seen.push(plain);
    }
    Ok(Axis {
        path,
        key,
        span,
        values,
    })
}

/// Adds an axis; one for the same key takes the place of the older.
pub(super) fn add<'a>(axes: &mut Vec<Axis<'a>>, axis: Axis<'a>) {
    match axes.iter_mut().find(|older| older.key == axis.key) {
        Some(older) => *older = axis,
        None => axes.push(axis),
    }
}

/// Drops the axes that a later layer pins, and refuses those that would undo each other.
pub(super) fn settle<'a>(
    sources: &Sources,
    root: &Table<'a>,
    mut axes: Vec<Axis<'a>>,
    overrides: &[Vec<Segment<'a>>],
) -> Result<Vec<Axis<'a>>, ExperimentFileError> {
    for axis in &axes {
        // Overrides that set all of the key pin it, whatever others then change within it.
        let is_set = overrides.iter().any(|path| starts_with(&axis.path, path));
        let within = overrides.iter().find(|path| is_below(path, &axis.path));
        if let Some(path) = within.filter(|_| !is_set) {
            let (key, lost) = (&axis.key, tree::dotted(path));
            let reason = format!("each value replaces all of `{key}`, and with it `{lost}`");
            let help = format!("set `{key}` as a whole, or sweep `{lost}`");
            return Err(refuse(
                sources,
                key,
                &reason,
                &path[path.len() - 1].span,
                &help,
            ));
        }
        if let Some(inner) = axes.iter().find(|inner| is_below(&inner.path, &axis.path)) {
            let (key, lost) = (&axis.key, &inner.key);
            let reason = format!("each value replaces all of `{key}`, and with it `{lost}`");
            let help = format!("sweep one of the two, with tables as values of `{key}` if need be");
            return Err(refuse(sources, key, &reason, &inner.span, &help));
        }
    }
    axes.retain(|axis| {
        let written = tree::get(root, &axis.path).map(Spanned::span);
        written.is_none_or(|span| sources.layer(&span) <= sources.layer(&axis.span))
    });
    Ok(axes)
}

/// Refuses a key that is swept and that a variant sets as well.
pub(super) fn refuse_both(
    sources: &Sources,
    axes: &[Axis<'_>],
    variant: &Table<'_>,
) -> Result<(), ExperimentFileError> {
    for axis in axes {
        if let Some(value) = tree::get(variant, &axis.path) {
            let reason = "a variant sets it too";
            let help = "leave it out of one of the two";
            return Err(refuse(sources, &axis.key, reason, &value.span(), help));
        }
    }
    Ok(())
}

fn is_below(path: &[Segment<'_>], above: &[Segment<'_>]) -> bool {
    path.len() > above.len() && starts_with(path, above)
}

fn starts_with(path: &[Segment<'_>], start: &[Segment<'_>]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(a, b)| a.name == b.name)
}

/// Every combination; the first axis varies slowest.
pub(super) fn points<'a>(
    sources: &Sources,
    layered: &Layered<'a>,
) -> Result<Vec<Point<'a>>, ExperimentFileError> {
    let variant = layered.variant.iter().map(|name| Assignment {
        key: variants::KEY.to_owned(),
        value: toml::Value::String(name.clone()),
    });
    let mut points = vec![Point {
        assignments: variant.collect(),
        root: layered.root.clone(),
    }];
    for axis in &layered.axes {
        if points.len() * axis.values.len() > MAX_VARIANTS {
            return Err(too_many(sources, &axis.key, &axis.span));
        }
        let mut spread = Vec::with_capacity(points.len() * axis.values.len());
        for point in &points {
            for value in &axis.values {
                let mut root = point.root.clone();
                tree::set(root.get_mut(), &axis.path, value.clone())
                    .map_err(|blocked| path_error(sources, root.get_ref(), &axis.path, &blocked))?;
                let mut assignments = point.assignments.clone();
                let value = plain(sources, value, &axis.key)?;
                assignments.push(Assignment {
                    key: axis.key.clone(),
                    value,
                });
                spread.push(Point { assignments, root });
            }
        }
        points = spread;
    }
    Ok(points)
}

fn too_many(sources: &Sources, key: &str, span: &Span) -> ExperimentFileError {
    let reason = format!("that makes more than {MAX_VARIANTS} variants");
    let help = "sweep fewer keys, or fewer values of each";
    refuse(sources, key, &reason, span, help)
}

fn plain(
    sources: &Sources,
    value: &Spanned<Value<'_>>,
    key: &str,
) -> Result<toml::Value, ExperimentFileError> {
    toml::Value::deserialize(value.clone().into_deserializer()).map_err(|error| {
        let help = "write a plain TOML value";
        refuse(
            sources,
            key,
            error.message(),
            &error.span().unwrap_or(value.span()),
            help,
        )
    })
}

fn refuse(
    sources: &Sources,
    key: &str,
    reason: &str,
    span: &Span,
    help: &str,
) -> ExperimentFileError {
    let problem = Problem::Sweep {
        key: key.to_owned(),
        reason: reason.to_owned(),
    };
    sources.error(problem, span, "here", help)
}

/// The exact name of a combination.
pub(super) fn name(assignments: &[Assignment]) -> String {
    let parts = assignments
        .iter()
        .map(|a| format!("{}={}", a.key, exact(&a.value)));
    parts.collect::<Vec<_>>().join(",")
}

/// The short name of a combination.
pub(super) fn label(assignments: &[Assignment]) -> String {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let parts = assignments.iter().map(|assignment| {
        let value = short(&assignment.value);
        if ["data.set", variants::KEY].contains(&assignment.key.as_str()) {
            return value;
        }
        let alike = assignments
            .iter()
            .filter(|other| last(&other.key) == last(&assignment.key));
        let key = if alike.count() > 1 {
            None
        } else {
            last(&assignment.key)
        };
        format!("{}={value}", key.as_ref().unwrap_or(&assignment.key))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn exact(value: &toml::Value) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:/@+ ".contains(c);
    match value {
        toml::Value::String(text) if !text.is_empty() && text.chars().all(is_plain) => text.clone(),
        value => value.to_string(),
    }
}

/// `confidence` for `"confidence"`, `confidence(preset=openai)` for a table of that kind.
fn short(value: &toml::Value) -> String {
    let Some(kind) = value.get("kind").and_then(toml::Value::as_str) else {
        return exact(value);
    };
    let rest = value
        .as_table()
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.as_str() != "kind");
    let rest = rest
        .map(|(key, value)| format!("{key}={}", short(value)))
        .collect::<Vec<_>>();
    if rest.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}({})", rest.join(", "))
    }
}
