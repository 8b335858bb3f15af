//! `--set key.path=value`.

use std::borrow::Cow;

use toml::Spanned;

use super::error::{ExperimentFileError, Problem};
use super::layers::{RESERVED, fault_error};
use super::source::{Sources, Span, TextId};
use super::tree::{self, Segment, Value};
use super::variants;

/// Most steps in a path.
const MAX_STEPS: usize = 32;

/// One parsed override.
#[derive(Debug)]
pub(super) struct Override<'a> {
    pub(super) path: Vec<Segment<'a>>,
    /// The path as written.
    pub(super) span: Span,
    pub(super) value: Spanned<Value<'a>>,
}

/// Parses the override `id`.
pub(super) fn parse(sources: &Sources, id: TextId) -> Result<Override<'_>, ExperimentFileError> {
    let (text, start) = (sources.text(id), sources.start(id));
    let refuse = |reason: &str, span: Span, help: &str| {
        let problem = Problem::OverrideSyntax {
            reason: reason.to_owned(),
        };
        sources.error(
            problem,
            &(span.start + start..span.end + start),
            "here",
            help,
        )
    };
    let Some((left, right)) = text.split_once('=') else {
        let reason = "it has no `=`";
        return Err(refuse(
            reason,
            0..text.len(),
            "write it as key.path=value, such as seeds=5",
        ));
    };
    let key = trimmed(left, 0);
    let path = key_path(text, key.clone(), start)
        .map_err(|span| refuse("a key is missing or malformed", span, KEY_HELP))?;
    if path.len() > MAX_STEPS {
        return Err(refuse("its path has too many steps", key, KEY_HELP));
    }
    let first = path[0].name.as_ref();
    let is_whole = RESERVED.contains(&first) && path.len() == 1;
    if first == "extends" || is_whole || (first == variants::KEY && path.len() == 2) {
        let whole = tree::dotted(&path);
        let reason = format!("`{whole}` as a whole belongs to the file");
        let help = "set single keys, or sweep one with sweep.key.path=[…]";
        return Err(refuse(&reason, key, help));
    }
    let value = trimmed(right, left.len() + 1);
    if value.is_empty() {
        let help = "put a value after the `=`; for an empty text, key='\"\"'";
        return Err(refuse("it has no value", value, help));
    }
    let value = parse_value(sources, &text[value.clone()], start + value.start)?;
    Ok(Override {
        path,
        span: start + key.start..start + key.end,
        value,
    })
}

const KEY_HELP: &str = "keys are letters, digits, `-` and `_`, joined by dots, such as data.set or \
                        method.0.loss";

/// The span of `part`, which begins at `start`, without blanks around it.
fn trimmed(part: &str, start: usize) -> Span {
    let from = start + (part.len() - part.trim_start().len());
    from..from + part.trim().len()
}

/// Splits a dotted path, or says which part of it is no key.
fn key_path(text: &str, span: Span, start: usize) -> Result<Vec<Segment<'_>>, Span> {
    let mut from = span.start;
    let mut path = Vec::new();
    for name in text[span].split('.') {
        let span = from..from + name.len();
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_bare) {
            return Err(span);
        }
        path.push(Segment {
            name: Cow::Borrowed(name),
            span: start + span.start..start + span.end,
        });
        from += name.len() + 1;
    }
    Ok(path)
}

/// Reads a value as TOML; what TOML cannot read is a bare word, unless it begins like a quoted
/// text, a list or a table.
fn parse_value<'a>(
    sources: &'a Sources,
    text: &'a str,
    start: usize,
) -> Result<Spanned<Value<'a>>, ExperimentFileError> {
    match tree::parse_value(text, start) {
        Ok(value) => Ok(value),
        Err(fault) if fault.syntax.is_none() || text.starts_with(['"', '\'', '[', '{']) => {
            Err(fault_error(sources, &fault))
        }
        Err(_) => {
            let word = Value::String(Cow::Borrowed(text));
            Ok(Spanned::new(start..start + text.len(), word))
        }
    }
}
