//! From what serde says to what the reader of the file needs: which line, and what instead.
//!
//! serde's errors are text. Their wording is its public habit (`unknown field`, `missing field`,
//! `invalid type`), and what does not match is passed on as it is.
//!
//! Tagged enums and string-or-table values are read through a buffer that knows no spans; their
//! errors point at a whole item, or at the list of items. The word at fault is then found by dye:
//! each part of the item that the complaint may be about is changed to something unmistakable, the
//! configuration is read again, and the part whose dye turns up in the new complaint is the one.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::DeArray;

use super::Objection;
use super::error::{ExperimentFileError, Problem};
use super::layers::RESERVED;
use super::source::{Sources, Span};
use super::tree::{self, Node, Table, Value};

/// What serde says.
#[derive(Debug, Clone, PartialEq)]
enum Complaint {
    UnknownKey { key: String, known: Vec<String> },
    UnknownValue { value: String, known: Vec<String> },
    MissingKey { key: String },
    WrongType { found: String, expected: String },
    Other { message: String },
}

/// Turns an error about `root` into one about a line of its sources.
pub(super) fn explain<T: DeserializeOwned>(
    error: &toml::de::Error,
    root: &Spanned<Table<'_>>,
    sources: &Sources,
) -> ExperimentFileError {
    let span = error.span().unwrap_or(root.span());
    let nodes = tree::nodes(root.get_ref());
    let complaint = Complaint::parse(error.message());
    let found = Search::<T>::new(root, &nodes, &complaint).find(&span);
    let scene = Scene {
        sources,
        found,
        span,
    };
    match &complaint {
        Complaint::UnknownKey { key, known } => scene.unknown_key::<T>(key, known),
        Complaint::UnknownValue { value, known } => scene.unknown_value(value, known),
        Complaint::MissingKey { key } => scene.missing_key(key),
        Complaint::WrongType { found, expected } => scene.wrong_type(found, expected),
        Complaint::Other { message } => scene.other(message),
    }
}

/// Turns an objection to `root` into an error about a line of its sources.
pub(super) fn object(
    objection: Objection,
    root: &Spanned<Table<'_>>,
    sources: &Sources,
) -> ExperimentFileError {
    let nodes = tree::nodes(root.get_ref());
    let mut key = objection.key.as_str();
    let span = loop {
        if let Some(node) = nodes.iter().find(|node| node.path() == key) {
            break node.key_span();
        }
        match key.rsplit_once('.') {
            Some((outer, _)) => key = outer,
            None => break root.span(),
        }
    };
    let problem = Problem::InvalidValue {
        key: String::new(),
        message: objection.message,
    };
    sources.error(problem, &span, "here", objection.help)
}

/// What reading `root` complains about.
fn complaint_about<T: DeserializeOwned>(root: Spanned<Table<'_>>) -> Option<Complaint> {
    let error = T::deserialize(root.into_deserializer()).err()?;
    Some(Complaint::parse(error.message()))
}

impl Complaint {
    fn parse(message: &str) -> Self {
        let quoted = |text: &str| -> Vec<String> {
            text.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        // The key may itself hold anything; the list after it holds identifiers.
        let unknown = |rest: &str| {
            let (name, list) = rest
                .rsplit_once("`, expected ")
                .or_else(|| rest.rsplit_once("`, there are no "))
                .unwrap_or((rest, ""));
            (name.to_owned(), quoted(list))
        };
        if let Some(rest) = message.strip_prefix("unknown field `") {
            let (key, known) = unknown(rest);
            return Self::UnknownKey { key, known };
        }
        if let Some(rest) = message.strip_prefix("unknown variant `") {
            let (value, known) = unknown(rest);
            return Self::UnknownValue { value, known };
        }
        if let Some(rest) = message.strip_prefix("missing field `") {
            return Self::MissingKey {
                key: rest.trim_end_matches('`').to_owned(),
            };
        }
        // The same two, in the words of the TOML reader for the variants of plain enums.
        if let Some(rest) = message.strip_prefix("unexpected keys in table: ")
            && let Some((keys, known)) = rest.split_once(", available keys: ")
        {
            let known = known.split(", ").map(str::to_owned).collect();
            let key = keys.split(", ").next().unwrap_or(keys).to_owned();
            return Self::UnknownKey { key, known };
        }
        let wrong = ["invalid type: ", "invalid value: ", "invalid length "];
        if let Some(rest) = wrong.iter().find_map(|prefix| message.strip_prefix(prefix))
            && let Some((found, expected)) = rest.rsplit_once(", expected ")
        {
            return Self::WrongType {
                found: found.to_owned(),
                expected: expected.to_owned(),
            };
        }
        Self::Other {
            message: message.to_owned(),
        }
    }
}

/// What an error is about.
#[derive(Debug, Clone, Copy)]
enum Found<'t, 'a> {
    /// The key or value at fault; for a missing key, the table that lacks it.
    Exactly(&'t Node<'t, 'a>),
    /// Something in here.
    Within(&'t Node<'t, 'a>),
    /// The top level.
    Top,
}

/// A word that no configuration knows.
const DYE: &str = "\0";

/// Most parts to try; each is one more reading of the file.
const MAX_TRIES: usize = 200;

/// Looks for the part of a tree that a complaint is about.
struct Search<'t, 'a, T> {
    root: &'t Spanned<Table<'a>>,
    nodes: &'t [Node<'t, 'a>],
    complaint: &'t Complaint,
    config: PhantomData<T>,
}

impl<'t, 'a, T: DeserializeOwned> Search<'t, 'a, T> {
    fn new(
        root: &'t Spanned<Table<'a>>,
        nodes: &'t [Node<'t, 'a>],
        complaint: &'t Complaint,
    ) -> Self {
        Self {
            root,
            nodes,
            complaint,
            config: PhantomData,
        }
    }

    /// Finds it, given where serde points.
    fn find(&self, span: &Span) -> Found<'t, 'a> {
        // A key says it all. For the rest serde points at the item or at what holds it. A list of
        // tables is where its first entry is, and comes before it in `nodes`: the list is taken.
        let at_key = |node: &&Node<'_, '_>| node.key.is_some_and(|key| key.span() == *span);
        if let Some(node) = self.nodes.iter().find(at_key)
            && self.may_be_about(node)
            && !matches!(self.complaint, Complaint::MissingKey { .. })
        {
            return Found::Exactly(node);
        }
        let item = self.nodes.iter().find(|node| node.value.span() == *span);
        let inside = self.nodes.iter().filter(|node| {
            item.is_none_or(|item| node.steps.starts_with(&item.steps)) && self.may_be_about(node)
        });
        let candidates = inside.take(MAX_TRIES).collect::<Vec<_>>();
        let needs_dye = match self.complaint {
            Complaint::MissingKey { .. } if item.is_none() => {
                if self.is_dyed(&[]) {
                    return Found::Top;
                }
                true
            }
            Complaint::Other { .. } => true,
            _ => candidates.len() > 1,
        };
        let mut exactly = candidates.into_iter();
        match (
            exactly.find(|node| !needs_dye || self.is_dyed(&node.steps)),
            item,
        ) {
            (Some(node), _) => Found::Exactly(node),
            (None, Some(item)) => Found::Within(item),
            (None, None) => Found::Top,
        }
    }

    /// Whether a part looks like what the complaint names.
    fn may_be_about(&self, node: &Node<'_, '_>) -> bool {
        let value = node.value.get_ref();
        match self.complaint {
            Complaint::UnknownKey { key, .. } => node.name() == Some(key),
            Complaint::UnknownValue { value: word, .. } => {
                value.as_str() == Some(word) || node.name() == Some(word)
            }
            Complaint::MissingKey { .. } => value.is_table(),
            Complaint::WrongType { found, .. } => described(value) == *found,
            // No word to look for; but an item of a list can be told by leaving it out.
            Complaint::Other { .. } => node.key.is_none(),
        }
    }

    /// Whether the complaint changes as it should when this part is dyed.
    fn is_dyed(&self, steps: &[String]) -> bool {
        let mut root = self.root.clone();
        if self.dye(root.get_mut(), steps).is_none() {
            return false;
        }
        let after = complaint_about::<T>(root);
        match (self.complaint, after) {
            (
                Complaint::UnknownKey { known: before, .. },
                Some(Complaint::UnknownKey {
                    key: word,
                    known: after,
                }),
            )
            | (
                Complaint::UnknownValue { known: before, .. },
                Some(Complaint::UnknownValue {
                    value: word,
                    known: after,
                }),
            ) => word == DYE && *before == after,
            (
                Complaint::WrongType {
                    expected: before,
                    found: was,
                },
                Some(Complaint::WrongType {
                    expected: after,
                    found: is,
                }),
            ) => *before == after && *was != is,
            (
                Complaint::MissingKey { key: before },
                Some(Complaint::MissingKey { key } | Complaint::UnknownKey { key, .. }),
            ) => *before != key,
            (Complaint::MissingKey { .. } | Complaint::Other { .. }, after) => {
                after.as_ref() != Some(self.complaint)
            }
            _ => false,
        }
    }

    /// Changes one part; `None` if it cannot be changed.
    fn dye(&self, root: &mut Table<'a>, steps: &[String]) -> Option<()> {
        let place = 0..0;
        let truth = Spanned::new(place.clone(), Value::Boolean(true));
        match self.complaint {
            Complaint::MissingKey { key } => {
                let key = Spanned::new(place, Cow::Owned(key.clone()));
                tree::table_mut(root, steps)?.insert(key, truth);
            }
            Complaint::UnknownValue { value, .. }
                if tree::get_mut(root, steps)?.get_ref().as_str() == Some(value) =>
            {
                *tree::get_mut(root, steps)?.get_mut() = Value::String(Cow::Borrowed(DYE));
            }
            Complaint::UnknownKey { .. } | Complaint::UnknownValue { .. } => {
                let (name, within) = steps.split_last()?;
                let table = tree::table_mut(root, within)?;
                let value = table.remove(name.as_str())?;
                table.insert(Spanned::new(place, Cow::Borrowed(DYE)), value);
            }
            Complaint::WrongType { .. } => {
                let value = tree::get_mut(root, steps)?.get_mut();
                *value = match value {
                    Value::Boolean(_) => Value::String(Cow::Borrowed(DYE)),
                    _ => Value::Boolean(true),
                };
            }
            Complaint::Other { .. } => {
                let (index, within) = steps.split_last()?;
                let Value::Array(array) = tree::get_mut(root, within)?.get_mut() else {
                    return None;
                };
                let index = index.parse::<usize>().ok()?;
                let kept = std::mem::replace(array, DeArray::new())
                    .into_iter()
                    .enumerate();
                *array = kept
                    .filter(|(i, _)| *i != index)
                    .map(|(_, item)| item)
                    .collect();
            }
        }
        Some(())
    }
}

/// A value in serde's words.
fn described(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => format!("string {text:?}"),
        Value::Integer(number) => format!("integer `{number}`"),
        Value::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) => format!("floating point `{number:?}`"),
            Err(_) => String::new(),
        },
        Value::Boolean(truth) => format!("boolean `{truth}`"),
        Value::Array(_) => "sequence".to_owned(),
        Value::Table(_) | Value::Datetime(_) => "map".to_owned(),
    }
}

/// What [`explain`] knows when it writes an error.
struct Scene<'t, 'a> {
    sources: &'t Sources,
    found: Found<'t, 'a>,
    /// Where serde pointed.
    span: Span,
}

const SCHEMA_HELP: &str = "`trimtab schema` lists every key and what it takes";

impl Scene<'_, '_> {
    fn unknown_key<T: DeserializeOwned>(&self, key: &str, known: &[String]) -> ExperimentFileError {
        let (span, label, within) = match self.found {
            Found::Exactly(node) => (node.key_span(), "no such key", node.within()),
            Found::Within(item) => (item.value.span(), "somewhere in here", item.path()),
            Found::Top => (self.span.clone(), "somewhere in this file", String::new()),
        };
        let mut known = known.to_vec();
        if within.is_empty() {
            known.extend(RESERVED.map(str::to_owned));
        }
        let nearest = nearest(key, &known);
        let help = if nearest.is_none()
            && !within.is_empty()
            && top_keys::<T>().iter().any(|top| top == key)
        {
            if self.sources.in_override(&span) {
                format!("`{key}` stands at the top: set it as {key}=…")
            } else {
                format!(
                    "`{key}` belongs at the top of the file: move it above the first `[table]` line"
                )
            }
        } else if known.is_empty() {
            "nothing can be set here".to_owned()
        } else {
            format!("known keys: {}", listed(&known))
        };
        self.sources.error(
            Problem::UnknownKey {
                key: key.to_owned(),
                within,
                nearest,
            },
            &span,
            label,
            help,
        )
    }

    fn unknown_value(&self, value: &str, known: &[String]) -> ExperimentFileError {
        let nearest = nearest(value, known);
        let (span, label, key) = match self.found {
            Found::Exactly(node) if node.name() == Some(value) => {
                (node.key_span(), "none of the known values", node.within())
            }
            Found::Exactly(node) => (node.value.span(), "none of the known values", node.path()),
            Found::Within(item) => (item.value.span(), "somewhere in here", item.path()),
            Found::Top => (self.span.clone(), "somewhere in this file", String::new()),
        };
        let help = format!("known values: {}", listed(known));
        self.sources.error(
            Problem::UnknownValue {
                value: value.to_owned(),
                key,
                nearest,
            },
            &span,
            label,
            help,
        )
    }

    fn missing_key(&self, key: &str) -> ExperimentFileError {
        let (Found::Exactly(item) | Found::Within(item)) = self.found else {
            let label = format!("this file has no `{key}`");
            let help =
                format!("add `{key} = …` above the first `[table]` line, or add a table `[{key}]`");
            let problem = Problem::MissingKey {
                key: key.to_owned(),
                within: String::new(),
            };
            return self.sources.error(problem, &self.span, label, help);
        };
        let span = item.value.span();
        let written = self.sources.written(&span);
        let label = format!("`{key}` is missing here");
        let help = if self.sources.in_override(&span) {
            format!("set {}.{key}=… as well", item.path())
        } else if written.starts_with('[') && written.ends_with(']') {
            format!("add a line `{key} = …` below `{written}`")
        } else {
            format!("add `{key} = …` to `{}`", item.path())
        };
        let problem = Problem::MissingKey {
            key: key.to_owned(),
            within: item.path(),
        };
        self.sources.error(problem, &span, label, help)
    }

    fn wrong_type(&self, found: &str, expected: &str) -> ExperimentFileError {
        if found.ends_with("128") {
            return self.other("number overflowed");
        }
        let (span, key) = self.item();
        let written = self.sources.written(&span);
        let expected = expectation(expected);
        let wants_text = expected == "a string";
        let is_number = |text: &str| text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok();
        let help = match found.split_once(' ') {
            Some(("string", _)) if is_number(written.trim_matches(['"', '\''])) => {
                "write it without quotes".to_owned()
            }
            Some(("integer" | "floating" | "boolean", _)) if wants_text => {
                if self.sources.in_override(&span) {
                    format!("quote it for TOML and for the shell: {key}='\"{written}\"'")
                } else {
                    format!("put it in quotes: \"{written}\"")
                }
            }
            None if found == "map" && expected == "a list" => {
                format!("write the header of each entry in double brackets: `[[{key}]]`")
            }
            Some(_) if expected == "a list" => format!("put it in brackets: [{written}]"),
            _ => format!("give it {expected}; {SCHEMA_HELP}"),
        };
        let label = format!("expected {expected}");
        let found = finding(found);
        self.sources.error(
            Problem::WrongType {
                key,
                expected,
                found,
            },
            &span,
            label,
            help,
        )
    }

    fn other(&self, message: &str) -> ExperimentFileError {
        let (span, key) = self.item();
        let message = match message {
            "wanted string or table" => "expected a string or a table".to_owned(),
            m if m.starts_with("data did not match any variant of untagged enum") => {
                "this is none of the forms it may have".to_owned()
            }
            m if m.ends_with("number overflowed") => "the number is too large".to_owned(),
            message => message.to_owned(),
        };
        let problem = Problem::InvalidValue { key, message };
        self.sources.error(problem, &span, "here", SCHEMA_HELP)
    }

    /// Where, and the dotted path.
    fn item(&self) -> (Span, String) {
        match self.found {
            Found::Exactly(node) | Found::Within(node) => (node.value.span(), node.path()),
            Found::Top => (self.span.clone(), String::new()),
        }
    }
}

/// The keys of the top level, had from the type by asking it for an impossible one.
fn top_keys<T: DeserializeOwned>() -> Vec<String> {
    let nothing = Spanned::new(0..0, Value::Boolean(false));
    let mut probe = Table::new();
    probe.insert(Spanned::new(0..0, Cow::Borrowed(DYE)), nothing);
    match complaint_about::<T>(Spanned::new(0..0, probe)) {
        Some(Complaint::UnknownKey { known, .. }) => known,
        _ => Vec::new(),
    }
}

/// The known word that was probably meant.
fn nearest(word: &str, known: &[String]) -> Option<String> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &plain(known));
    let best = known.iter().min_by_key(|known| distance(known))?;
    let allowed = (word.chars().count().max(best.chars().count()) / 3).max(1);
    if distance(best) <= allowed {
        return Some(best.clone());
    }
    let alike = |known: &str| strsim::jaro_winkler(&word, &plain(known));
    let best = known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(best) > 0.88).then(|| best.clone())
}

fn listed(words: &[String]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// serde's `expected …` in plain words.
fn expectation(expected: &str) -> String {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        e if e.starts_with("a nonzero u") => "a whole number, 1 or more",
        "f32" | "f64" => "a number",
        "string" | "str" | "a borrowed string" | "variant identifier" => "a string",
        "a boolean" => "`true` or `false`",
        "a sequence" | "sequence" => "a list",
        "a map" | "map" => "a table",
        e if e.starts_with("struct ") || e.starts_with("internally tagged enum ") => "a table",
        e if e.starts_with("enum ") => "a string or a table",
        expected => expected,
    };
    plain.to_owned()
}

/// serde's `found …` in plain words.
fn finding(found: &str) -> String {
    match found.split_once(' ') {
        Some(("string", text)) => format!("the string {text}"),
        Some(("integer", number)) => {
            let number = number.split('`').nth(1).unwrap_or(number);
            format!("the integer {number}")
        }
        Some(("floating", number)) => {
            format!(
                "the number {}",
                number.trim_start_matches("point ").trim_matches('`')
            )
        }
        Some(("boolean", truth)) => truth.to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ if found == "map" => "a table".to_owned(),
        _ if found.parse::<usize>().is_ok() => format!("a list of {found}"),
        _ => found.to_owned(),
    }
}
