//! Reading an experiment file: TOML, what it extends, its variants, what the command line sets, what it
//! sweeps.
//!
//! ```text
//! file + the files it extends  ->  a table for each variant  ->  + overrides  ->  x sweep  ->  variants
//! ```
//!
//! Four rules decide which value counts:
//!
//! * **Later wins.** A file is laid over the files it `extends` (in list order, each file once), the
//!   overrides are laid over the file. Tables merge key by key; arrays and scalars replace.
//! * **A sweep is one more layer, written where it stands.** It beats plain values of its own file
//!   and of the files below; a value set in a later file or an override pins the key instead.
//! * **A named variant is one more layer as well**, right above the file that it is written in. It sets
//!   several keys together, where a sweep varies each on its own.
//! * **Every value remembers the line it came from.** All texts share one space of byte offsets
//!   (`source.rs`), so an error raised deep inside serde after all the merging still finds its line,
//!   in the right file or in the `--set` that brought it.
//!
//! The configuration type is the caller's; it should reject unknown keys (`deny_unknown_fields`), and
//! not hold `toml::Spanned`, whose offsets would be those of the shared space. Nothing here reads the
//! environment or prints. `extends`, `sweep` and `variant` never reach the type.

use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};

mod error;
mod every_method;
mod explain;
mod files;
mod layers;
mod overrides;
mod schema;
mod source;
mod sweep;
#[cfg(test)]
mod tests;
mod tree;
mod variants;

pub use error::{ExperimentFileError, Problem};
pub use files::{MAX_EXTENDS_DEPTH, MAX_FILE_BYTES, MAX_FILES};
pub use schema::schema;
pub use sweep::{Assignment, MAX_VARIANTS};

use source::Sources;

/// One experiment of the file: the whole of it, or one point of its sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant<T> {
    /// Exact and unique in the file: `data.set=builtin:subjectivity,method.0.loss=naive`; empty
    /// without a sweep.
    pub name: String,
    /// Short, for tables and plots: `builtin:subjectivity, loss=naive`; empty without a sweep.
    pub label: String,
    /// What the sweep set, in file order.
    pub assignments: Vec<Assignment>,
    /// The configuration.
    pub config: T,
}

/// A variant with the text it was read from, after all merging.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved<T> {
    /// The variant.
    pub variant: Variant<T>,
    /// One TOML file that says the same without `extends`, `sweep` and overrides; keys sorted, so
    /// equal experiments have equal text.
    pub toml: String,
}

/// What a configuration that reads well finds wrong with itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Dotted path of the key at fault, such as `report.level`. Where it was left out, what would
    /// have held it is shown.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Reads an experiment file into its variants, in sweep order (the first key varies slowest).
///
/// `overrides` are `key.path=value` texts. The value is TOML; a bare word is a string. A number in
/// the path indexes an array (`method.0.loss=naive`), and a path that goes on below a string turns
/// `"confidence"` into `{ kind = "confidence" }` first.
///
/// # Errors
///
/// [`ExperimentFileError`], with the line at fault and what to do about it.
pub fn load<T: DeserializeOwned>(
    path: &Path,
    overrides: &[String],
) -> Result<Vec<Variant<T>>, ExperimentFileError> {
    let resolved = resolve(path, overrides)?;
    Ok(resolved
        .into_iter()
        .map(|resolved| resolved.variant)
        .collect())
}

/// Like [`load`], with the merged text of each variant for the run folder.
///
/// # Errors
///
/// As [`load`].
pub fn resolve<T: DeserializeOwned>(
    path: &Path,
    overrides: &[String],
) -> Result<Vec<Resolved<T>>, ExperimentFileError> {
    resolve_settled(path, overrides, &|_| Ok(()))
}

/// Like [`resolve`], where `settle` writes out what a configuration leaves to be derived, and says what types cannot.
///
/// # Errors
///
/// As [`load`], and what `settle` objects to.
pub fn resolve_settled<T: DeserializeOwned>(
    path: &Path,
    overrides: &[String],
    settle: &dyn Fn(&mut T) -> Result<(), Objection>,
) -> Result<Vec<Resolved<T>>, ExperimentFileError> {
    let mut sources = Sources::default();
    files::read_all(path, &mut sources)?;
    resolve_sources(sources, overrides, settle)
}

/// Like [`resolve_settled`], of a text that is part of the program; `name` stands for its path in errors. It cannot extend files.
///
/// # Errors
///
/// As [`load`], and what `settle` objects to.
pub fn resolve_text<T: DeserializeOwned>(
    name: &str,
    text: &str,
    overrides: &[String],
    settle: &dyn Fn(&mut T) -> Result<(), Objection>,
) -> Result<Vec<Resolved<T>>, ExperimentFileError> {
    let mut sources = Sources::default();
    let id = sources.add_file(name.to_owned(), text.to_owned());
    sources.lay(id);
    resolve_sources(sources, overrides, settle)
}

fn resolve_sources<T: DeserializeOwned>(
    mut sources: Sources,
    overrides: &[String],
    settle: &dyn Fn(&mut T) -> Result<(), Objection>,
) -> Result<Vec<Resolved<T>>, ExperimentFileError> {
    for text in overrides {
        sources.add_override(text);
    }
    let mut points = Vec::new();
    for layered in layers::merge(&sources)? {
        points.extend(sweep::points(&sources, &layered)?);
    }
    points
        .into_iter()
        .map(|point| {
            let read = || point.root.clone().into_deserializer();
            let explain = |error| explain::explain::<T>(&error, &point.root, &sources);
            let mut config = T::deserialize(read()).map_err(explain)?;
            settle(&mut config).map_err(|o| explain::object(o, &point.root, &sources))?;
            let plain = toml::Table::deserialize(read()).map_err(explain)?;
            Ok(Resolved {
                variant: Variant {
                    name: sweep::name(&point.assignments),
                    label: sweep::label(&point.assignments),
                    assignments: point.assignments,
                    config,
                },
                toml: plain.to_string(),
            })
        })
        .collect()
}
