//! What a judge says of a transcript: one record, whether the judge is a model or a person.

use serde::{Deserialize, Serialize};
use trimtab_core::chat::Usage;
use trimtab_core::{SampleId, Verdict};

use crate::side::Order;

/// One judge's judgement of one transcript, shown one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeRecord {
    /// The transcript's id.
    pub transcript: String,
    /// The question's id.
    pub question: SampleId,
    /// Who judged: a role's name, or a person's pseudonym.
    pub judge: String,
    /// Which answer was shown as A.
    pub shown: Order,
    /// What it believed on the way, the prior first. It may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beliefs: Vec<Belief>,
    /// What it said in the end: probabilities over the question's answers, in the order of the data set whatever was shown.
    pub verdict: Verdict,
    /// Its reasons, if it gave any; bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<String>,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// Seconds that a person took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secs: Option<f64>,
}

/// What a judge believed after some rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Belief {
    /// After how many rounds; 0 is the prior.
    pub rounds: u32,
    /// Probabilities over the question's answers, in the order of the data set.
    pub verdict: Verdict,
}
