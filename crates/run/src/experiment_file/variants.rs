//! `[variant.NAME]`: settings that change together, such as a data set and the models for it.
//!
//! A variant is one more layer, right above the file that it is written in: it beats that file and the
//! files below, and later files and overrides beat it. Every name is an experiment of its own; a sweep
//! multiplies each.

use toml::Spanned;

use super::error::{ExperimentFileError, Problem};
use super::layers::{RESERVED, parse_file};
use super::source::{Sources, Span};
use super::sweep::MAX_VARIANTS;
use super::tree::{Table, Value};

/// The key that variants stand under.
pub(super) const KEY: &str = "variant";

const HELP: &str = "write a table for each, such as [variant.chess], with the keys that it sets";

/// The variants of one file, in order of writing, taken out of it.
pub(super) fn take<'a>(
    sources: &Sources,
    file: &mut Table<'a>,
) -> Result<Vec<(String, Span, Table<'a>)>, ExperimentFileError> {
    let Some(variants) = file.remove(KEY) else {
        return Ok(Vec::new());
    };
    let span = variants.span();
    let Value::Table(named) = variants.into_inner() else {
        return Err(refuse(sources, KEY, "is not a table", &span));
    };
    if named.is_empty() {
        return Err(refuse(sources, KEY, "has no name in it", &span));
    }
    let mut taken = Vec::with_capacity(named.len());
    for (name, settings) in named {
        let span = name.span();
        let name = name.into_inner().into_owned();
        let key = format!("{KEY}.{name}");
        let value_span = settings.span();
        let Value::Table(settings) = settings.into_inner() else {
            return Err(refuse(sources, &key, "is not a table", &value_span));
        };
        let reserved = |(key, _): &(&Spanned<_>, _)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            RESERVED.contains(&key.as_ref())
        };
        if let Some((inner, _)) = settings.iter().find(reserved) {
            let reason = format!("sets `{}`, which is no setting", inner.get_ref());
            return Err(refuse(sources, &key, &reason, &inner.span()));
        }
        taken.push((name, span, settings));
    }
    taken.sort_by_key(|(_, span, _)| span.start);
    Ok(taken)
}

/// The names of all variants, in order of first writing.
pub(super) fn names(sources: &Sources) -> Result<Vec<String>, ExperimentFileError> {
    let mut names: Vec<String> = Vec::new();
    for id in sources.layers().filter(|&id| !sources.is_override(id)) {
        for (name, span, _) in take(sources, &mut parse_file(sources, id)?)? {
            if !names.contains(&name) {
                if names.len() == MAX_VARIANTS {
                    let reason = format!("is one more than the {MAX_VARIANTS} there may be");
                    return Err(refuse(sources, &format!("{KEY}.{name}"), &reason, &span));
                }
                names.push(name);
            }
        }
    }
    Ok(names)
}

fn refuse(sources: &Sources, key: &str, reason: &str, span: &Span) -> ExperimentFileError {
    let problem = Problem::Variant {
        key: key.to_owned(),
        reason: reason.to_owned(),
    };
    sources.error(problem, span, "here", HELP)
}

/// An override below a name that no file writes.
pub(super) fn unknown(
    sources: &Sources,
    name: &str,
    names: &[String],
    span: &Span,
) -> ExperimentFileError {
    let problem = Problem::Variant {
        key: format!("{KEY}.{name}"),
        reason: "is in no file".to_owned(),
    };
    let help = match names {
        [] => HELP.to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    sources.error(problem, span, "here", help)
}
