//! What an approach is tried on, where that is not its own world: files of the user's, ratings, features of the data.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::ConfigError;
use trimtab_safeguard::independence::Registered;

use super::Safeguard;
use super::annotation::{Annotation, Annotator};

/// What an approach is tried on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Source {
    /// Hidden activations of a model, with labelled spans: FOLDER/activations.safetensors, a tensor a layer, and
    /// FOLDER/spans.jsonl.
    Activations {
        /// The folder, relative to the experiment file.
        path: String,
    },
    /// Features of the experiment's `[data]`, whose labels are what people would answer; its test split is what is measured on.
    Features {
        /// Which frozen features. Default: the first that the data have, or else hashed words (of pairs, the difference).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
        /// Who answers what is asked. Default: the data's labels.
        #[serde(default, skip_serializing_if = "Annotator::is_labels")]
        annotator: Annotator,
        /// How many people each question is put to, where people answer; its label is what most of them say. Default: 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raters: Option<NonZeroU32>,
        /// What people are asked, above each question. Default: which answer is right, or which text is better.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instruction: Option<String>,
    },
    /// Ratings of items whose truth is known.
    Ratings {
        /// `builtin:NAME`, or a file of `item`, `rater`, `rating` and `gold`.
        set: String,
        /// Only items of this domain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        domain: Option<String>,
        /// What raters were made from, of those of whom it is known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        registry: Vec<Registered>,
    },
    /// A finished run of weak-to-strong methods: what each of its models said of the test questions.
    Judgements {
        /// The run's folder, relative to the experiment file.
        run: String,
        /// Which of its variants, by its label in the report. Default: the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
        /// Under which seed. Default: the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
        /// What models were made from, of those of which it is known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        registry: Vec<Registered>,
    },
    /// A JSON Lines file, a record a line.
    Records {
        /// The file, relative to the experiment file.
        path: String,
    },
    /// Two JSON Lines files of traces, one a line.
    Traces {
        /// Honest traces, relative to the experiment file.
        baseline: String,
        /// Traces to watch.
        watched: String,
    },
}

impl Source {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Activations { .. } => "activations",
            Self::Features { .. } => "features",
            Self::Ratings { .. } => "ratings",
            Self::Judgements { .. } => "judgements",
            Self::Records { .. } => "records",
            Self::Traces { .. } => "traces",
        }
    }

    /// How people are asked, where they are.
    pub(super) fn annotation(&self) -> Option<Annotation> {
        match self {
            Self::Features {
                annotator: Annotator::People,
                raters,
                instruction,
                ..
            } => Some(Annotation {
                raters: raters.unwrap_or(NonZeroU32::MIN),
                instruction: instruction.clone(),
            }),
            _ => None,
        }
    }

    /// Checks what types cannot say.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Self::Features {
            annotator: Annotator::Labels,
            raters,
            instruction,
            ..
        } = self
        {
            let of_people = [
                ("raters", raters.map(|n| n.to_string())),
                ("instruction", instruction.clone()),
            ];
            for (key, got) in of_people {
                if let Some(got) = got {
                    return Err(ConfigError {
                        key: key.into(),
                        got,
                        expected: "nothing, or annotator = \"people\" beside it",
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether an approach can be tried on it.
    pub(super) fn fits(&self, approach: &Safeguard) -> bool {
        matches!(
            (self, approach),
            (Self::Activations { .. }, Safeguard::Probes(_))
                | (Self::Features { .. }, Safeguard::Querying(_))
                | (
                    Self::Ratings { .. } | Self::Judgements { .. },
                    Safeguard::Independence(_)
                )
                | (
                    Self::Records { .. },
                    Safeguard::Monitoring(_)
                        | Safeguard::Principles(_)
                        | Safeguard::Selective(_)
                        | Safeguard::Cascade(_)
                )
                | (Self::Traces { .. }, Safeguard::Traces(_))
        )
    }
}

/// A record of selective prediction: one judgement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SureRow {
    /// How sure the judge was: the probability of its answer.
    pub confidence: f64,
    /// Whether its answer was right.
    pub right: bool,
}

/// A record of a cascade: one judgement of one judge; every judge judges every item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeRow {
    /// Who judged. Judges are asked in the order in which they first occur.
    pub judge: String,
    /// What was judged.
    pub item: String,
    /// How sure the judge was.
    pub confidence: f64,
    /// Whether its answer was right.
    pub right: bool,
    /// What this judgement costs, in any unit; the mean of a judge's counts.
    #[serde(default = "one")]
    pub price: f64,
}

fn one() -> f64 {
    1.0
}

/// A record of principles: one pair of replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrincipleRow {
    /// Features of the first reply less those of the second.
    pub difference: Vec<f64>,
    /// Whether the first is better in truth.
    pub truth: bool,
    /// Which domain it is of.
    pub domain: String,
    /// Whether the first is better, said without a principle.
    #[serde(default)]
    pub unguided: Option<bool>,
    /// The same under one general principle.
    #[serde(default)]
    pub general: Option<bool>,
    /// The same under each specific principle, by its name.
    #[serde(default)]
    pub specific: BTreeMap<String, Option<bool>>,
}
