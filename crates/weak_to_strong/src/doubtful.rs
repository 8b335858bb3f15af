//! Doubtful labels: left out, or replaced by what a first student says.
//!
//! ```text
//! confidence     doubt of a label = 1 − max_c y_c
//! disagreement   doubt of a label = ½ Σ_c |y_c − p_c|,   p a first student's prediction
//! ```
//!
//! The `share` of most doubtful labels is dropped or relabelled. Disagreement with dropping is the
//! filter of EleutherAI/w2s with a logistic probe; their figure is ten per cent. Labels are ranked
//! without ground truth.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Judgement, LabelError, SampleId, TrainingLabels};

/// What is done about doubtful labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DoubtfulConfig {
    /// What happens to them.
    pub action: Action,
    /// What makes a label doubtful.
    #[serde(default)]
    pub by: Doubt,
    /// The share of labels that is doubtful, above 0 and below 1.
    #[serde(default = "tenth")]
    pub share: f64,
}

fn tenth() -> f64 {
    0.1
}

/// What happens to doubtful labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The student does not learn from them.
    Drop,
    /// The student learns a first student's prediction instead.
    Relabel,
}

/// What makes a label doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The supervisor is unsure.
    Confidence,
    /// A first student, naively taught, disagrees.
    #[default]
    Disagreement,
}

impl DoubtfulConfig {
    /// Whether a first student has to be taught.
    pub fn needs_first_student(&self) -> bool {
        self.action == Action::Relabel || self.by == Doubt::Disagreement
    }

    /// In a few words: `drop 10 % by disagreement`.
    pub fn describe(&self) -> String {
        let action = match self.action {
            Action::Drop => "drop",
            Action::Relabel => "relabel",
        };
        let by = match self.by {
            Doubt::Confidence => "confidence",
            Doubt::Disagreement => "disagreement",
        };
        format!("{action} {:.0} % by {by}", 100.0 * self.share)
    }

    /// The labels after dropping or relabelling. `first` holds a first student's judgements of the
    /// same samples, where one [is needed](Self::needs_first_student).
    ///
    /// # Errors
    ///
    /// [`LabelError`] when a judgement is missing or no label is left.
    pub fn apply(
        &self,
        labels: &TrainingLabels,
        first: &[Judgement],
    ) -> Result<TrainingLabels, LabelError> {
        let prediction = |id: &SampleId| {
            first
                .binary_search_by(|judgement| judgement.id.cmp(id))
                .ok()
                .and_then(|at| first[at].verdict.decided())
                .ok_or_else(|| LabelError::Missing(id.clone()))
        };
        let mut doubts = Vec::with_capacity(labels.len());
        for (id, label) in labels.ids().iter().zip(labels.rows()) {
            let doubt = match self.by {
                Doubt::Confidence => 1.0 - label.iter().copied().fold(0.0, f64::max),
                Doubt::Disagreement => {
                    let predicted = prediction(id)?.probabilities();
                    label
                        .iter()
                        .zip(predicted)
                        .map(|(y, p)| 0.5 * (y - p).abs())
                        .sum()
                }
            };
            doubts.push((doubt, id));
        }
        // Ties are broken by id, so that the choice never depends on the order of rows.
        doubts.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let n = (self.share * labels.len() as f64).floor() as usize;
        let doubtful: HashSet<&SampleId> = doubts[..n].iter().map(|&(_, id)| id).collect();
        match self.action {
            Action::Drop => labels.subset(|id| !doubtful.contains(id)),
            Action::Relabel => {
                let mut replacements = Vec::with_capacity(n);
                for &(_, id) in &doubts[..n] {
                    replacements.push((id, prediction(id)?));
                }
                replacements.sort_unstable_by_key(|&(id, _)| id);
                labels.replace(|id| {
                    let at = replacements.binary_search_by_key(&id, |&(id, _)| id).ok()?;
                    Some(replacements[at].1)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::{AnswerSet, Distribution, Provenance, Question};

    fn judged(id: &str, p: f64) -> Judgement {
        Judgement::decided(SampleId::new(id), Distribution::new(&[1.0 - p, p]).unwrap())
    }

    fn labels() -> TrainingLabels {
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let questions: Vec<Question> = ["a", "b", "c", "d"]
            .iter()
            .map(|id| Question {
                id: SampleId::new(id),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect();
        let judgements = [
            judged("a", 0.9),
            judged("b", 0.5),
            judged("c", 0.25),
            judged("d", 1.0),
        ];
        TrainingLabels::from_judgements(&questions, &judgements, Provenance::Judged).unwrap()
    }

    fn apply(action: Action, by: Doubt) -> Vec<(String, f64)> {
        let first = [
            judged("a", 0.0),
            judged("b", 0.5),
            judged("c", 0.25),
            judged("d", 0.75),
        ];
        let config = DoubtfulConfig {
            action,
            by,
            share: 0.25,
        };
        let labels = config.apply(&labels(), &first).unwrap();
        labels
            .ids()
            .iter()
            .zip(labels.rows())
            .map(|(id, y)| (id.to_string(), y[1]))
            .collect()
    }

    fn rows(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
        expected.iter().map(|&(id, p)| (id.to_owned(), p)).collect()
    }

    #[test]
    fn the_least_sure_or_most_disputed_label_goes() {
        let kept = apply(Action::Drop, Doubt::Confidence);
        assert_eq!(kept, rows(&[("a", 0.9), ("c", 0.25), ("d", 1.0)]));
        let kept = apply(Action::Drop, Doubt::Disagreement);
        assert_eq!(kept, rows(&[("b", 0.5), ("c", 0.25), ("d", 1.0)]));
    }

    #[test]
    fn relabelling_takes_the_first_students_word() {
        let relabelled = apply(Action::Relabel, Doubt::Disagreement);
        assert_eq!(
            relabelled,
            rows(&[("a", 0.0), ("b", 0.5), ("c", 0.25), ("d", 1.0)])
        );
    }
}
