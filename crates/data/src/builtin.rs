//! The data sets that are part of the program.
//!
//! Sentences, a frozen split and frozen sentence features lie in `data/` at the root of the
//! repository (origin and licence in each `SOURCE.md`) and are compiled in, so that one file runs
//! anywhere. `scripts/data/make_builtin.py` makes them.

use half::f16;
use sha2::{Digest, Sha256};

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
    /// What its features are called, as in `features:NAME`.
    pub features_name: &'static str,
    /// Features a row.
    pub dim: usize,
    rows: &'static [u8],
    features: &'static [u8],
}

macro_rules! embedded {
    ($path:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/", $path)
    };
}

/// Every built-in set.
pub const BUILTINS: [Builtin; 2] = [
    Builtin {
        name: "rotten-tomatoes",
        about: "6,000 sentences from film reviews: negative or positive",
        source: include_str!(embedded!("rotten-tomatoes/SOURCE.md")),
        features_name: "all-MiniLM-L6-v2",
        dim: 384,
        rows: include_bytes!(embedded!("rotten-tomatoes/rotten-tomatoes.jsonl.gz")),
        features: include_bytes!(embedded!("rotten-tomatoes/all-MiniLM-L6-v2.f16")),
    },
    Builtin {
        name: "subjectivity",
        about: "5,000 sentences about films: objective (plot) or subjective (review)",
        source: include_str!(embedded!("subjectivity/SOURCE.md")),
        features_name: "all-MiniLM-L6-v2",
        dim: 384,
        rows: include_bytes!(embedded!("subjectivity/subjectivity.jsonl.gz")),
        features: include_bytes!(embedded!("subjectivity/all-MiniLM-L6-v2.f16")),
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

    /// The features of the first `n_rows` rows.
    pub(crate) fn features(&self, n_rows: usize) -> Vec<f16> {
        let bytes = self.features.chunks_exact(2).take(n_rows * self.dim);
        bytes
            .map(|pair| f16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }

    /// SHA-256 of the rows' file followed by the features' file.
    pub(crate) fn sha256(&self) -> String {
        hex(&Sha256::new()
            .chain_update(self.rows)
            .chain_update(self.features)
            .finalize())
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
                [
                    (set.rows, format!("{}/{}.jsonl.gz", set.name, set.name)),
                    (
                        set.features,
                        format!("{}/{}.f16", set.name, set.features_name),
                    ),
                ]
            })
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
            "did you mean `builtin:rotten-tomatoes`? There are: rotten-tomatoes, subjectivity"
        );
    }
}
