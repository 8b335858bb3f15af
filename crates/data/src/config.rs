//! The `[data]` table of an experiment file.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Which data set to use, and how to read and split it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataConfig {
    /// `builtin:NAME`, a path (relative to the experiment file), or `hf:owner/name[@revision][:file]`. `none` where a method
    /// makes its own.
    pub set: String,
    /// The columns' names, where they differ from the usual ones.
    #[serde(default, skip_serializing_if = "Columns::is_default")]
    pub columns: Columns,
    /// The possible answers, in order. Default: those in the data, sorted (as numbers, if all are).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// What to call the features in the file, as in `features:NAME`. Default: their column's name.
    /// Built-in sets name theirs themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features_name: Option<String>,
    /// The test split, drawn by the run's seed: a fraction of the rows or a count of them. A `split`
    /// column in the data is then not read unless `columns.split` names it. Default, where there is
    /// no such column: 0.25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestSize>,
    /// Read only so many rows, from the start of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How training rows are shared out between the weak supervisor and the student.
    #[serde(default)]
    pub split: SplitConfig,
}

impl DataConfig {
    const NONE: &str = "none";

    /// No data: for methods that make their own.
    pub fn none() -> Self {
        Self::new(Self::NONE)
    }

    /// Whether there are no data.
    pub fn is_none(&self) -> bool {
        self.set == Self::NONE
    }

    /// A set with nothing else said about it.
    pub fn new(set: &str) -> Self {
        Self {
            set: set.into(),
            columns: Columns::default(),
            labels: None,
            features_name: None,
            test: None,
            limit: None,
            split: SplitConfig::default(),
        }
    }
}

/// Column names. Where one is not given, a column of the usual name is used if the first row has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Columns {
    /// A unique id for each row. Default: `id`; without it, rows are called `row-0`, `row-1`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is asked. Default: `text`; it may be missing where there are features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The right answer. Default: `label`; not needed for pairs of replies and for chess puzzles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A list of numbers, as many on every row; in CSV, a JSON list in one cell. Default: `features`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
    /// `train` or `test`. Default: `split`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Rows that share a value here stay together when rows are split. Default: the prompt, where the
    /// answers are texts; the puzzle, in chess; else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A list of texts, one for every answer in the order of `labels`, as in multiple choice; in CSV, a
    /// JSON list in one cell. `text` is then the prompt. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<String>,
    /// In a pair of replies to the prompt `text`, the one that was preferred. There is no `label` then:
    /// which reply is answer A, and which is B, is drawn by the row's id. Default: `chosen`, where there
    /// is no label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// The other reply. Default: `rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// In a chess puzzle, the position (FEN) before the opponent's last move, as Lichess has it. A puzzle
    /// becomes two questions, whether a move is the solution: of one that is, and of one that is not.
    /// Default: `fen`, where there is no label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fen: Option<String>,
    /// The opponent's last move, the solution, and what may follow it (UCI, with blanks between them).
    /// Default: `moves`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<String>,
}

impl Columns {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How many rows the test split takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TestSize {
    /// A share of all rows, above 0 and below 1.
    Fraction(f64),
    /// A number of rows, at least 1.
    Count(usize),
}

impl Default for TestSize {
    fn default() -> Self {
        Self::Fraction(0.25)
    }
}

impl TestSize {
    /// The number of rows out of `n`, rounded to the nearest.
    pub fn of(self, n: usize) -> usize {
        match self {
            Self::Fraction(fraction) => (fraction * n as f64).round() as usize,
            Self::Count(count) => count,
        }
    }
}

impl Serialize for TestSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fraction(fraction) => serializer.serialize_f64(fraction),
            Self::Count(count) => serializer.serialize_u64(count as u64),
        }
    }
}

impl<'de> Deserialize<'de> for TestSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TestSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fraction between 0 and 1, or a number of rows")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<TestSize, E> {
                if value > 0.0 && value < 1.0 {
                    Ok(TestSize::Fraction(value))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(value), &self))
                }
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<TestSize, E> {
                match usize::try_from(value) {
                    Ok(count) if count > 0 => Ok(TestSize::Count(count)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<TestSize, E> {
                self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for TestSize {
    fn schema_name() -> Cow<'static, str> {
        "TestSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many rows the test split takes.",
            "oneOf": [
                { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1,
                  "description": "A share of all rows." },
                { "type": "integer", "minimum": 1, "description": "A number of rows." },
            ],
        })
    }
}

/// How training rows are shared out between the weak supervisor and the student.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum SplitConfig {
    /// Shuffled by the run's seed and halved.
    Seeded {},
    /// Row for row as openai/weak-to-strong does it: NumPy's permutations, no groups.
    Openai {
        /// NumPy's seed. Default: the seed of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
    },
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self::Seeded {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<DataConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_is_enough() {
        assert_eq!(parse(r#"{"set": "x.csv"}"#), Ok(DataConfig::new("x.csv")));
    }

    #[test]
    fn everything_survives_a_round_trip() {
        let json = r#"{"set":"x.csv","columns":{"text":"sentence"},"labels":["no","yes"],"features-name":"mean","test":0.2,"limit":9,"split":{"kind":"openai","seed":7}}"#;
        let config = parse(json).unwrap();
        assert_eq!(serde_json::to_string(&config).unwrap(), json);
        assert_eq!(
            parse(r#"{"set": "x", "test": 500}"#).unwrap().test,
            Some(TestSize::Count(500))
        );
    }

    #[test]
    fn misspelt_keys_and_impossible_sizes_are_refused() {
        for (json, message) in [
            (r#"{"set": "x", "colums": {}}"#, "unknown field `colums`"),
            (
                r#"{"set": "x", "columns": {"lable": "y"}}"#,
                "unknown field `lable`",
            ),
            (
                r#"{"set": "x", "split": {"kind": "seeded", "seed": 1}}"#,
                "unknown field `seed`",
            ),
            (
                r#"{"set": "x", "split": {"kind": "sorted"}}"#,
                "unknown variant `sorted`",
            ),
            (
                r#"{"set": "x", "test": 1.5}"#,
                "expected a fraction between 0 and 1",
            ),
            (
                r#"{"set": "x", "test": 0}"#,
                "expected a fraction between 0 and 1",
            ),
        ] {
            let got = parse(json).unwrap_err();
            assert!(got.contains(message), "{got}");
        }
    }
}
