//! The data sets that are part of the program.
//!
//! Rows with a frozen split, and frozen features where a set has any, lie in `data/` at the root of the
//! repository (origin and licence in each `SOURCE.md`) and are compiled in, so that one file runs
//! anywhere. `scripts/data/make_builtin.py` makes them.

use std::sync::Arc;

use half::f16;
use sha2::{Digest, Sha256};
use trimtab_core::{FeatureTable, NamedFeatures, SampleId};

use crate::chess;
use crate::error::DataError;
use crate::stream::{Stream, hex};

/// A data set that is part of the program.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Its name, as in `builtin:NAME`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Where it is from and how it was made (Markdown).
    pub source: &'static str,
    rows: &'static [u8],
    /// The column whose rows stay together when they are split, where it does not follow from what they are.
    pub(crate) group: Option<&'static str>,
    /// The features that are stored with it.
    pub(crate) features: &'static [StoredFeatures],
    /// What all of them are called side by side, where that is a kind of its own.
    pub(crate) joined: Option<&'static str>,
}

/// Features in a file of their own: little-endian half floats, `[questions, dim]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredFeatures {
    /// What they are called, as in `features:NAME`.
    pub(crate) name: &'static str,
    /// Features a question.
    pub(crate) dim: usize,
    bytes: &'static [u8],
}

impl StoredFeatures {
    /// The features of the questions called `ids`, which are the first of the set.
    pub(crate) fn of_first(&self, ids: &[SampleId]) -> NamedFeatures {
        let table = FeatureTable::from_f16(ids, self.dim, self.values(ids.len()));
        NamedFeatures {
            name: self.name.to_owned(),
            table: Arc::new(table.unwrap_or_else(|error| unreachable!("built-in: {error}"))),
        }
    }

    /// The features of the first `n` questions, `[n, dim]`.
    pub(crate) fn values(&self, n: usize) -> Vec<f16> {
        let bytes = self.bytes.chunks_exact(2).take(n * self.dim);
        bytes
            .map(|pair| f16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }
}

impl Builtin {
    /// The stored features of the questions called `ids`, which are the first of the set: each kind, then all side by side.
    pub(crate) fn features_of(&self, ids: &[SampleId]) -> Vec<NamedFeatures> {
        let mut kinds: Vec<NamedFeatures> = self
            .features
            .iter()
            .map(|kind| kind.of_first(ids))
            .collect();
        if let Some(name) = self.joined {
            let tables = self
                .features
                .iter()
                .map(|kind| (kind.dim, kind.values(ids.len())));
            let tables: Vec<(usize, Vec<f16>)> = tables.collect();
            let rows = 0..ids.len();
            let values = rows.flat_map(|row| {
                let cells = tables
                    .iter()
                    .map(move |(dim, values)| &values[row * dim..][..*dim]);
                cells.flatten().copied()
            });
            let dim = tables.iter().map(|(dim, _)| dim).sum();
            let table = FeatureTable::from_f16(ids, dim, values.collect());
            kinds.push(NamedFeatures {
                name: name.to_owned(),
                table: Arc::new(table.unwrap_or_else(|error| unreachable!("built-in: {error}"))),
            });
        }
        kinds
    }
}

macro_rules! embedded {
    ($path:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/", $path)
    };
}

/// Every built-in set.
pub const BUILTINS: [Builtin; 7] = [
    Builtin {
        name: "rotten-tomatoes",
        about: "6,000 sentences from film reviews: negative or positive",
        source: include_str!(embedded!("rotten-tomatoes/SOURCE.md")),
        rows: include_bytes!(embedded!("rotten-tomatoes/rotten-tomatoes.jsonl.gz")),
        group: None,
        features: &[StoredFeatures {
            name: "all-MiniLM-L6-v2",
            dim: 384,
            bytes: include_bytes!(embedded!("rotten-tomatoes/all-MiniLM-L6-v2.f16")),
        }],
        joined: None,
    },
    Builtin {
        name: "subjectivity",
        about: "5,000 sentences about films: objective (plot) or subjective (review)",
        source: include_str!(embedded!("subjectivity/SOURCE.md")),
        rows: include_bytes!(embedded!("subjectivity/subjectivity.jsonl.gz")),
        group: None,
        features: &[StoredFeatures {
            name: "all-MiniLM-L6-v2",
            dim: 384,
            bytes: include_bytes!(embedded!("subjectivity/all-MiniLM-L6-v2.f16")),
        }],
        joined: None,
    },
    Builtin {
        name: "chess-puzzles",
        about: "5,980 questions on 2,990 Lichess puzzles: is this move the solution?",
        source: include_str!(embedded!("chess-puzzles/SOURCE.md")),
        rows: include_bytes!(embedded!("chess-puzzles/chess-puzzles.jsonl.gz")),
        group: None,
        features: &[StoredFeatures {
            name: chess::SEARCH,
            dim: chess::SEARCH_DIM,
            bytes: include_bytes!(embedded!("chess-puzzles/chess-search.f16")),
        }],
        joined: None,
    },
    Builtin {
        name: "hh-harmless",
        about: "9,000 pairs of replies to one prompt: which did people find less harmful?",
        source: include_str!(embedded!("hh-harmless/SOURCE.md")),
        rows: include_bytes!(embedded!("hh-harmless/hh-harmless.jsonl.gz")),
        group: None,
        features: &[],
        joined: None,
    },
    Builtin {
        name: "llmbar",
        about: "419 pairs of replies to one instruction: which follows it, whatever it looks like?",
        source: include_str!(embedded!("llmbar/SOURCE.md")),
        rows: include_bytes!(embedded!("llmbar/llmbar.jsonl.gz")),
        group: None,
        features: &[],
        joined: None,
    },
    Builtin {
        name: "pandalm",
        about: "842 pairs of replies to one instruction: which do most of three people prefer?",
        source: include_str!(embedded!("pandalm/SOURCE.md")),
        rows: include_bytes!(embedded!("pandalm/pandalm.jsonl.gz")),
        group: None,
        features: &[],
        joined: None,
    },
    Builtin {
        name: "code-correctness",
        about: "1,588 edited solutions of 164 programming problems: do they pass the tests?",
        source: include_str!(embedded!("code-correctness/SOURCE.md")),
        rows: include_bytes!(embedded!("code-correctness/code-correctness.jsonl.gz")),
        group: Some("problem"),
        features: &[
            StoredFeatures {
                name: "code-static",
                dim: 26,
                bytes: include_bytes!(embedded!("code-correctness/code-static.f16")),
            },
            StoredFeatures {
                name: "code-run",
                dim: 9,
                bytes: include_bytes!(embedded!("code-correctness/code-run.f16")),
            },
        ],
        joined: Some("code-deep"),
    },
];

impl Builtin {
    /// The set called `name`.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownBuiltin`] lists the names there are.
    pub fn find(name: &str) -> Result<&'static Self, DataError> {
        const SETS: &[Builtin] = &BUILTINS;
        SETS.iter()
            .find(|set| set.name == name)
            .ok_or_else(|| DataError::UnknownBuiltin {
                name: name.to_owned(),
                known: SETS.iter().map(|set| set.name.to_owned()).collect(),
            })
    }

    pub(crate) fn stream(&self) -> Stream {
        Stream::new(self.rows, true)
    }

    /// SHA-256 of the rows' file followed by the features' files, if there are any.
    pub(crate) fn sha256(&self) -> String {
        let rows = Sha256::new().chain_update(self.rows);
        let features = self.features.iter();
        let all = features.fold(rows, |hash, features| hash.chain_update(features.bytes));
        hex(&all.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_have_their_check_sums() {
        let sums = include_str!(embedded!("SHA256SUMS"));
        let lines: Vec<String> = (BUILTINS.iter())
            .flat_map(|set| {
                let rows = (set.rows, format!("{}/{}.jsonl.gz", set.name, set.name));
                let features = (set.features.iter())
                    .map(|f| (f.bytes, format!("{}/{}.f16", set.name, f.name)));
                std::iter::once(rows).chain(features)
            })
            // Sets of other shapes.
            .chain([
                (
                    crate::nyu_debates::ROWS,
                    "nyu-debates/nyu-debates.jsonl.gz".to_owned(),
                ),
                (
                    crate::two_answers::READING_ROWS,
                    "reading/reading.jsonl.gz".to_owned(),
                ),
                (
                    crate::problems::GSM8K_ROWS,
                    "gsm8k/gsm8k.jsonl.gz".to_owned(),
                ),
            ])
            .chain(
                crate::ratings::FILES
                    .map(|(name, bytes)| (bytes, format!("{name}/{name}.jsonl.gz"))),
            )
            // What labels were made with: beside the program, not in it.
            .chain([(
                &include_bytes!(embedded!("code-correctness/tests.jsonl.gz"))[..],
                "code-correctness/tests.jsonl.gz".to_owned(),
            )])
            .map(|(bytes, name)| format!("{}  {name}\n", hex(&Sha256::digest(bytes))))
            .collect();
        assert_eq!(lines.concat(), sums);
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        let error = Builtin::find("rotten-tomato").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no built-in set \"rotten-tomato\""
        );
        assert_eq!(
            error.hint().unwrap(),
            "did you mean `builtin:rotten-tomatoes`? There are: rotten-tomatoes, subjectivity, \
             chess-puzzles, hh-harmless, llmbar, pandalm, code-correctness"
        );
    }
}
