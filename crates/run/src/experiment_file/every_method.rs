//! `[every-method]`: what the methods of one file have in common. Each `[[method]]` is laid over it, key by key.

use toml::Spanned;

use super::error::{ExperimentFileError, Problem};
use super::source::{Sources, Span};
use super::tree::{self, Table, Value};

/// The key that it stands under.
pub(super) const KEY: &str = "every-method";

/// Takes the table out of a file, and lays each of the file's methods over it.
pub(super) fn apply(sources: &Sources, file: &mut Table<'_>) -> Result<(), ExperimentFileError> {
    let Some(common) = file.remove(KEY) else {
        return Ok(());
    };
    let span = common.span();
    let Value::Table(common) = common.into_inner() else {
        return Err(refuse(sources, "is not a table", &span));
    };
    let methods = match file.get_mut("method").map(Spanned::get_mut) {
        Some(Value::Array(methods)) if !methods.is_empty() => methods,
        _ => return Err(refuse(sources, "has no [[method]] beside it", &span)),
    };
    for method in methods.iter_mut() {
        // What is no table is refused where methods are read.
        if let Value::Table(own) = method.get_mut() {
            let own = std::mem::replace(own, common.clone());
            if let Value::Table(whole) = method.get_mut() {
                tree::merge(whole, own);
            }
        }
    }
    Ok(())
}

fn refuse(sources: &Sources, reason: &str, span: &Span) -> ExperimentFileError {
    let problem = Problem::EveryMethod {
        reason: reason.to_owned(),
    };
    let help = "write [every-method] with the keys that all methods of the file share";
    sources.error(problem, span, "here", help)
}
