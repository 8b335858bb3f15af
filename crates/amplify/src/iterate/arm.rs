//! What is compared: who makes the targets that the learner is trained on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who makes the targets.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// The solver: right answers to every question. The ceiling; where it can be had, nobody needs amplification.
    Supervised,
    /// The real expert with the learner's help, at every question.
    AmplifiedExpert,
    /// A network that was trained to take the expert's steps, with the learner's help: the paper's procedure.
    AmplifiedPredictor,
    /// The expert without anybody's help: it can answer what is a fact, and says so of nothing else. The floor.
    Unamplified,
}

impl Arm {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 4] = [
        Self::Supervised,
        Self::AmplifiedExpert,
        Self::AmplifiedPredictor,
        Self::Unamplified,
    ];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervised => "supervised",
            Self::AmplifiedExpert => "amplified-expert",
            Self::AmplifiedPredictor => "amplified-predictor",
            Self::Unamplified => "unamplified",
        }
    }

    /// Its name beside a line of a plot.
    pub fn short_title(self) -> &'static str {
        match self {
            Self::Supervised => "supervised",
            Self::AmplifiedExpert => "real expert",
            Self::AmplifiedPredictor => "amplified",
            Self::Unamplified => "not amplified",
        }
    }

    /// Its name in reports.
    pub fn title(self) -> &'static str {
        match self {
            Self::Supervised => "supervised",
            Self::AmplifiedExpert => "amplified, real expert",
            Self::AmplifiedPredictor => "amplified, predicted expert",
            Self::Unamplified => "not amplified",
        }
    }
}
