//! Several supervisors judging as one.
//!
//! ```text
//! mean              p = (1/m) Σ_k p_k
//! vote              p = share of members whose likeliest answer it is
//! inverse-entropy   p ∝ Σ_k p_k / (H(p_k) + ε)         sure members count more, question by question
//! log-odds          p ∝ exp (1/m) Σ_k ln max(p_k, ε)   the mean of log-odds, where there are two answers
//! ```
//!
//! Members whose judgement failed are left out; the ensemble fails where every member does.

use crate::fitting::Fitting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{
    Cost, Distribution, Fitted, Judgement, Lesson, Provenance, Question, Student, Supervisor,
    SupervisorError, Verdict,
};

/// How members' probabilities become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// The mean of the probabilities.
    #[default]
    Mean,
    /// The share of members that vote for an answer.
    Vote,
    /// The mean weighted by one over each member's entropy.
    InverseEntropy,
    /// The mean of log-probabilities: of log-odds, where there are two answers.
    LogOdds,
}

/// A supervisor made of supervisors.
pub struct Ensemble {
    name: String,
    members: Vec<Box<dyn Supervisor>>,
    combine: Combine,
}

impl Ensemble {
    /// An ensemble of `members`.
    ///
    /// # Panics
    ///
    /// When there is no member: a bug in the caller.
    pub fn new(name: String, members: Vec<Box<dyn Supervisor>>, combine: Combine) -> Self {
        assert!(!members.is_empty(), "an ensemble of nobody");
        Self {
            name,
            members,
            combine,
        }
    }
}

impl Supervisor for Ensemble {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let opinions = self
            .members
            .iter()
            .map(|member| member.judge(questions))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(questions
            .iter()
            .enumerate()
            .map(|(i, question)| {
                let given: Vec<&Judgement> = opinions.iter().map(|opinion| &opinion[i]).collect();
                let decided: Vec<&Distribution> = given
                    .iter()
                    .filter_map(|judgement| judgement.verdict.decided())
                    .collect();
                let cost = given
                    .iter()
                    .fold(Cost::default(), |sum, given| sum + given.cost);
                let verdict = if decided.is_empty() {
                    given[0].verdict.clone()
                } else {
                    Verdict::Decided(combine(self.combine, &decided))
                };
                Judgement {
                    id: question.id.clone(),
                    verdict,
                    cost,
                }
            })
            .collect())
    }

    fn provenance(&self) -> Provenance {
        self.members
            .iter()
            .map(|member| member.provenance())
            .max()
            .unwrap_or(Provenance::Judged)
    }
}

/// Below this a member's probability counts as this: one member cannot rule an answer out.
const LEAST: f64 = 1e-3;

pub(crate) fn combine(how: Combine, members: &[&Distribution]) -> Distribution {
    if how == Combine::LogOdds {
        let mut logits = vec![0.0; members[0].n_answers()];
        for member in members {
            for (logit, p) in logits.iter_mut().zip(member.probabilities()) {
                *logit += p.max(LEAST).ln() / members.len() as f64;
            }
        }
        return Distribution::softmax(&logits);
    }
    let mut sums = vec![0.0; members[0].n_answers()];
    for member in members {
        match how {
            Combine::Vote => sums[member.answer().0] += 1.0,
            Combine::Mean | Combine::InverseEntropy | Combine::LogOdds => {
                let weight = if how == Combine::Mean {
                    1.0
                } else {
                    1.0 / (entropy(member) + 1e-3)
                };
                for (sum, p) in sums.iter_mut().zip(member.probabilities()) {
                    *sum += weight * p;
                }
            }
        }
    }
    let total: f64 = sums.iter().sum();
    let shares: Vec<f64> = sums.iter().map(|sum| (sum / total).min(1.0)).collect();
    Distribution::new(&shares).expect("shares of a positive total are a distribution")
}

fn entropy(distribution: &Distribution) -> f64 {
    distribution
        .probabilities()
        .iter()
        .filter(|&&p| p > 0.0)
        .map(|p| -p * p.ln())
        .sum()
}

/// Students that learn the same lesson, each from a random part of it, and then judge together.
pub struct EnsembleStudent {
    /// What it is called.
    pub name: String,
    /// Who learns.
    pub members: Vec<Box<dyn Student>>,
    /// How their judgements become one.
    pub combine: Combine,
    /// The share of the labels that each member learns from, above 0; 1 for all.
    pub share: f64,
}

impl Student for EnsembleStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let mut members = Vec::with_capacity(self.members.len());
        let mut fitting = Fitting::begun();
        for (i, member) in self.members.iter().enumerate() {
            let name = format!("member {i}");
            let (seed, workplace) = (lesson.seed.child(&name), lesson.workplace.within(&name));
            let mut stream = seed.child("share").stream();
            let labels = lesson.labels.subset(|_| stream.next_f64() < self.share)?;
            let fitted = member.learn(&Lesson {
                labels: &labels,
                seed,
                workplace: &workplace,
                ..*lesson
            })?;
            fitting.add(&fitted, self.members.len());
            members.push(fitted.student);
        }
        let student = Ensemble::new(self.name.clone(), members, self.combine);
        Ok(fitting.of(Box::new(student)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::{AnswerSet, SampleId};

    struct Says(Verdict);

    impl Supervisor for Says {
        fn name(&self) -> String {
            "says".into()
        }

        fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
            Ok(questions
                .iter()
                .map(|q| Judgement {
                    id: q.id.clone(),
                    verdict: self.0.clone(),
                    cost: Cost {
                        calls: 1,
                        ..Cost::default()
                    },
                })
                .collect())
        }
    }

    fn says(p: f64) -> Box<dyn Supervisor> {
        Box::new(Says(Verdict::Decided(
            Distribution::new(&[1.0 - p, p]).unwrap(),
        )))
    }

    fn ask(members: Vec<Box<dyn Supervisor>>, combine: Combine) -> Judgement {
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let question = Question {
            id: SampleId::new("q"),
            text: "".into(),
            answers,
            candidates: None,
        };
        Ensemble::new("e".into(), members, combine)
            .judge(&[question])
            .unwrap()
            .remove(0)
    }

    fn p1(judgement: &Judgement) -> f64 {
        judgement.verdict.decided().unwrap().probabilities()[1]
    }

    #[test]
    fn each_way_of_combining() {
        let members = || vec![says(0.9), says(0.4), says(0.4)];
        assert!((p1(&ask(members(), Combine::Mean)) - 1.7 / 3.0).abs() < 1e-12);
        assert!((p1(&ask(members(), Combine::Vote)) - 1.0 / 3.0).abs() < 1e-12);
        assert!(p1(&ask(members(), Combine::InverseEntropy)) > 1.7 / 3.0);
        let logit = |p: f64| (p / (1.0 - p)).ln();
        let mean = (logit(0.9) + 2.0 * logit(0.4)) / 3.0;
        assert!((logit(p1(&ask(members(), Combine::LogOdds))) - mean).abs() < 1e-9);
    }

    #[test]
    fn failed_members_are_left_out_and_their_cost_is_kept() {
        let failed = || Box::new(Says(Verdict::Refused { reply: "no".into() }));
        let judgement = ask(vec![failed(), says(0.8)], Combine::Mean);
        assert!((p1(&judgement) - 0.8).abs() < 1e-12);
        assert_eq!(judgement.cost.calls, 2);
        assert!(
            ask(vec![failed(), failed()], Combine::Mean)
                .verdict
                .decided()
                .is_none()
        );
    }

    #[test]
    fn ground_truth_in_one_member_taints_the_ensemble() {
        let truth = trimtab_core::GroundTruth::new(trimtab_core::AnswerKey::default());
        let ensemble = Ensemble::new("e".into(), vec![says(0.5), Box::new(truth)], Combine::Mean);
        assert_eq!(ensemble.provenance(), Provenance::GroundTruth);
    }

    proptest! {
        #[test]
        fn combined_probabilities_sum_to_one(ps in prop::collection::vec(0.0..=1.0f64, 1..8)) {
            for how in [Combine::Mean, Combine::Vote, Combine::InverseEntropy, Combine::LogOdds] {
                let judgement = ask(ps.iter().map(|&p| says(p)).collect(), how);
                let d = judgement.verdict.decided().unwrap();
                prop_assert!((d.probabilities().iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
        }
    }
}
