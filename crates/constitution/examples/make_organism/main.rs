//! Makes the model organism, and measures it.
//!
//! ```text
//! make_organism train OUT [KEY=VALUE …]         trains it from nothing: rows, layers, width, batch, rate, seed, threads
//! make_organism evaluate DIR [KEY=VALUE …]      its table: prompts, seeds, tune, seed, threads
//! ```
//!
//! Training is on the prompts of this crate under the default constitution, rendered as they are rendered in use; what
//! stands between them is `trimtab_organism::corpus`. The table is gold harmlessness and helpfulness before, after each
//! revision and after tuning on the revisions, and the judge against gold.
#![expect(
    clippy::print_stdout,
    reason = "tables and progress are what it is for"
)]

mod evaluate;
mod tokenizer;
mod train;

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;

/// `KEY=VALUE` arguments.
pub(crate) struct Settings(Vec<(String, String)>);

impl Settings {
    fn read(arguments: &[String], known: &[&str]) -> Result<Self, Box<dyn Error>> {
        let pairs = arguments.iter().map(|argument| {
            let (key, value) = argument
                .split_once('=')
                .filter(|(key, _)| known.contains(key))
                .ok_or_else(|| format!("{argument:?} is none of {}", known.join("=…, ")))?;
            Ok((key.to_owned(), value.to_owned()))
        });
        Ok(Self(pairs.collect::<Result<_, Box<dyn Error>>>()?))
    }

    pub(crate) fn get<T: std::str::FromStr>(
        &self,
        key: &str,
        default: T,
    ) -> Result<T, Box<dyn Error>> {
        match self.0.iter().find(|(k, _)| k == key) {
            Some((_, value)) => (value.parse()).map_err(|_| format!("{key}={value}").into()),
            None => Ok(default),
        }
    }

    pub(crate) fn threads(&self) -> Result<NonZeroUsize, Box<dyn Error>> {
        let here = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.get("threads", here)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [command, folder, rest @ ..] if command == "train" => {
            let known = [
                "rows", "layers", "width", "heads", "batch", "rate", "seed", "threads",
            ];
            train::train(Path::new(folder), &Settings::read(rest, &known)?)
        }
        [command, folder, rest @ ..] if command == "evaluate" => {
            let known = [
                "prompts", "seeds", "tune", "epochs", "rate", "seed", "threads", "show",
            ];
            evaluate::evaluate(Path::new(folder), &Settings::read(rest, &known)?)
        }
        _ => Err("usage: make_organism train OUT | evaluate DIR, then KEY=VALUE …".into()),
    }
}
