//! Cascades: the cheapest judges first; what it is not sure of goes to the next, with a bound on the risk of what is answered.
//!
//! ```text
//! stage i answers where its confidence ≥ λ_i, else the next stage is asked;   who is left at the end gets no answer
//! λ_i = the lowest confidence c such that the n surest have   U(k_n, n, δ/m) ≤ α   at each twentieth of them from n_0 down to c
//! ```
//!
//! with `k_n` the errors among the `n` surest calibration samples that reach stage `i`, `U` the upper end of Clopper and Pearson,
//! `m` the number of stages, and `n_0` the fewest samples that would pass without an error. Twentieths are tested from the surest on
//! and the first that fails ends it (fixed-sequence testing), so that each stage's error rate, of what it answers, is at most `α` with
//! probability `1 − δ/m`, and that of the cascade with probability `1 − δ`.
//!
//! Papers: Geifman and El-Yaniv 2017 (arXiv:1705.08500), selective classification with a guaranteed risk; Jung et al. 2024 (arXiv:2407.18370),
//! *Trust or Escalate*, cascades of judges.
//! Differs from the code of the latter: a stage that passes nowhere answers nothing (there it keeps the strictest threshold, with no
//! guarantee); thresholds are confidences that occur, at twentieths of the
//! samples, not points of a grid; each stage is calibrated on samples of its own, for what
//! reaches a stage depends on the threshold before it.
//!
//! In: stages in the order in which they are asked, and a lesson, a share of which is held out for calibration: its labels must
//! be right for the guarantee to mean accuracy. Out: probabilities, and a refusal where no stage was sure enough.

use std::collections::{HashMap, HashSet};

use crate::fitting::Fitting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{
    AnswerIdx, Fitted, Judgement, Lesson, Provenance, Question, SampleId, Student, Supervisor,
    SupervisorError, Verdict,
};
use trimtab_stats::{Level, upper_bound};

/// What becomes of questions of which no stage is sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// They are not answered, and the guarantee is about the others.
    #[default]
    Abstain,
    /// The last stage answers them, outside the guarantee.
    Answer,
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guarantee {
    /// The share of errors among what is answered, at most.
    pub risk: f64,
    /// The probability that this holds, over what happens to be in the calibration samples.
    pub level: f64,
    /// The share of the labels that stages do not learn from: thresholds are set on them.
    pub calibration: f64,
    /// What becomes of questions of which no stage is sure.
    pub otherwise: Otherwise,
}

impl Default for Guarantee {
    fn default() -> Self {
        Self {
            risk: 0.2,
            level: 0.9,
            calibration: 0.3,
            otherwise: Otherwise::Abstain,
        }
    }
}

impl Guarantee {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("risk", self.risk),
            ("level", self.level),
            ("calibration", self.calibration),
        ] {
            let inside = value > 0.0 && value < 1.0;
            require(key, value, inside, "a fraction above 0 and below 1")?;
        }
        Ok(())
    }
}

/// A calibration sample as a stage saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// How sure the stage was: the probability of its answer.
    pub confidence: f64,
    /// Whether its answer was right.
    pub right: bool,
}

/// How many times a threshold is tried.
const N_TESTS: usize = 20;

/// The lowest confidence from which on a stage may answer so that it errs on at most `risk` of what it answers, with probability
/// `level`; none where no confidence is high enough.
pub fn threshold(samples: &[Calibration], risk: f64, level: Level) -> Option<f64> {
    let mut samples = samples.to_vec();
    samples.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let (mut n, mut errors, mut passed) = (0, 0, None);
    let mut next = 1;
    // Samples of one confidence are answered together.
    for tied in samples.chunk_by(|a, b| a.confidence.total_cmp(&b.confidence).is_eq()) {
        n += tied.len();
        errors += tied.iter().filter(|sample| !sample.right).count();
        // Tested at each rank, the first few errors would end it: between twentieths there is no test, nor where so few could not pass
        // without an error.
        let is_due = N_TESTS * n >= next * samples.len();
        if !is_due || upper_bound(0, n, level).is_none_or(|best| best > risk) {
            continue;
        }
        while N_TESTS * n >= next * samples.len() {
            next += 1;
        }
        if upper_bound(errors, n, level).is_none_or(|bound| bound > risk) {
            break;
        }
        passed = Some(tied[0].confidence);
    }
    passed
}

/// A stage after calibration.
pub struct Stage {
    /// Who judges.
    pub supervisor: Box<dyn Supervisor>,
    /// It answers where it is as sure as this; nowhere, where there is none.
    pub threshold: Option<f64>,
}

/// Stages, asked in turn.
pub struct Cascade {
    name: String,
    stages: Vec<Stage>,
    otherwise: Otherwise,
}

impl Cascade {
    /// A cascade of `stages`.
    ///
    /// # Panics
    ///
    /// When there is no stage: a bug in the caller.
    pub fn new(name: String, stages: Vec<Stage>, otherwise: Otherwise) -> Self {
        assert!(!stages.is_empty(), "a cascade of nobody");
        Self {
            name,
            stages,
            otherwise,
        }
    }

    /// Its stages, with their thresholds.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }
}

/// What a stage said of a question, if it is as sure as its threshold asks.
fn is_sure(judgement: &Judgement, threshold: Option<f64>) -> bool {
    match (judgement.verdict.decided(), threshold) {
        (Some(distribution), Some(threshold)) => distribution.confidence() >= threshold,
        _ => false,
    }
}

impl Supervisor for Cascade {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let mut judged: Vec<Option<Judgement>> = vec![None; questions.len()];
        let mut open: Vec<usize> = (0..questions.len()).collect();
        for stage in &self.stages {
            if open.is_empty() {
                break;
            }
            let asked: Vec<Question> = open.iter().map(|&at| questions[at].clone()).collect();
            let said = stage.supervisor.judge(&asked)?;
            let mut unsure = Vec::new();
            for (at, mut judgement) in open.into_iter().zip(said) {
                if !is_sure(&judgement, stage.threshold) {
                    unsure.push(at);
                }
                if let Some(before) = &judged[at] {
                    judgement.cost = judgement.cost + before.cost;
                }
                judged[at] = Some(judgement);
            }
            open = unsure;
        }
        if self.otherwise == Otherwise::Abstain {
            for at in open {
                if let Some(judgement) = &mut judged[at] {
                    judgement.verdict = Verdict::Refused {
                        reply: "(no stage was sure enough)".into(),
                    };
                }
            }
        }
        Ok(judged.into_iter().flatten().collect())
    }

    fn provenance(&self) -> Provenance {
        let stages = self.stages.iter();
        stages
            .map(|stage| stage.supervisor.provenance())
            .max()
            .unwrap_or(Provenance::Judged)
    }
}

/// Stages before they have learnt.
pub struct CascadeStudent {
    /// What it is called.
    pub name: String,
    /// Who is asked, in this order; one at least.
    pub stages: Vec<Box<dyn Student>>,
    /// What is promised.
    pub guarantee: Guarantee,
}

impl CascadeStudent {
    /// The share of errors that each stage may make with its part of the doubt.
    fn level(&self) -> Result<Level, SupervisorError> {
        let doubt = (1.0 - self.guarantee.level) / self.stages.len() as f64;
        Level::new(1.0 - doubt).map_err(|source| SupervisorError::Fit {
            name: self.name.clone(),
            source: Box::new(source),
        })
    }

    /// Teaches the stages, and sets their thresholds on samples that none has learnt from.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] when a stage cannot learn or judge.
    pub fn learn_cascade(
        &self,
        lesson: &Lesson<'_>,
    ) -> Result<(Cascade, Fitting), SupervisorError> {
        let parts = self.parts(lesson);
        let level = self.level()?;
        let right: HashMap<&SampleId, AnswerIdx> = (lesson.labels.ids().iter())
            .zip(lesson.labels.rows())
            .map(|(id, row)| (id, likeliest(row)))
            .collect();
        let held_out: HashSet<&SampleId> = parts.iter().flatten().copied().collect();
        let taught = lesson.labels.subset(|id| !held_out.contains(id))?;
        let mut fitting = Fitting::begun();
        let mut stages: Vec<Stage> = Vec::with_capacity(self.stages.len());
        for (number, student) in self.stages.iter().enumerate() {
            let name = format!("stage {number}");
            let workplace = lesson.workplace.within(&name);
            let fitted = student.learn(&Lesson {
                labels: &taught,
                validation: None,
                seed: lesson.seed.child(&name),
                workplace: &workplace,
                ..*lesson
            })?;
            fitting.add(&fitted, self.stages.len());

            let own: HashSet<&SampleId> = parts[number].iter().copied().collect();
            let mut reaching: Vec<Question> = (lesson.questions.iter())
                .filter(|question| own.contains(&question.id))
                .cloned()
                .collect();
            for before in &stages {
                let said = before.supervisor.judge(&reaching)?;
                fitting.cost = said.iter().fold(fitting.cost, |sum, j| sum + j.cost);
                let mut said = said.iter();
                reaching.retain(|_| !said.next().is_some_and(|j| is_sure(j, before.threshold)));
            }
            let said = fitted.student.judge(&reaching)?;
            fitting.cost = said.iter().fold(fitting.cost, |sum, j| sum + j.cost);
            let samples: Vec<Calibration> = (reaching.iter().zip(&said))
                .filter_map(|(question, judgement)| {
                    let distribution = judgement.verdict.decided()?;
                    Some(Calibration {
                        confidence: distribution.confidence(),
                        right: right.get(&question.id) == Some(&distribution.answer()),
                    })
                })
                .collect();
            stages.push(Stage {
                supervisor: fitted.student,
                threshold: threshold(&samples, self.guarantee.risk, level),
            });
        }
        let cascade = Cascade::new(self.name.clone(), stages, self.guarantee.otherwise);
        Ok((cascade, fitting))
    }

    /// The calibration samples of each stage.
    fn parts<'l>(&self, lesson: &'l Lesson<'_>) -> Vec<Vec<&'l SampleId>> {
        let mut ids: Vec<&SampleId> = lesson.labels.ids().iter().collect();
        lesson.seed.child("calibration").stream().shuffle(&mut ids);
        let n = (ids.len() as f64 * self.guarantee.calibration).round() as usize;
        let mut parts = vec![Vec::new(); self.stages.len()];
        for (at, id) in ids.into_iter().take(n).enumerate() {
            parts[at % self.stages.len()].push(id);
        }
        parts
    }
}

pub(crate) fn likeliest(row: &[f64]) -> AnswerIdx {
    let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
    AnswerIdx(best.unwrap_or(0))
}

impl Student for CascadeStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let (cascade, fitting) = self.learn_cascade(lesson)?;
        Ok(fitting.of(Box::new(cascade)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::{Distribution, Seed, SplitMix64, TrainingLabels, Workplace};

    use super::*;
    use crate::parts::{Is, Says, key, lesson_of, questions};

    fn level(level: f64) -> Level {
        Level::new(level).unwrap()
    }

    fn samples(confidences: &[f64], right: &[bool]) -> Vec<Calibration> {
        (confidences.iter().zip(right))
            .map(|(&confidence, &right)| Calibration { confidence, right })
            .collect()
    }

    #[test]
    fn too_few_samples_promise_nothing() {
        // Without an error, n samples bound the risk by 1 − δ^(1/n): 11 are needed for .2 at .9.
        let confidences: Vec<f64> = (0..10).map(|i| 0.9 - 0.01 * f64::from(i)).collect();
        assert_eq!(
            threshold(&samples(&confidences, &[true; 10]), 0.2, level(0.9)),
            None
        );
        let confidences: Vec<f64> = (0..11).map(|i| 0.9 - 0.01 * f64::from(i)).collect();
        let lowest = threshold(&samples(&confidences, &[true; 11]), 0.2, level(0.9));
        assert_eq!(lowest, confidences.last().copied());
        assert_eq!(
            threshold(&samples(&[0.9; 50], &[false; 50]), 0.2, level(0.9)),
            None
        );
        assert_eq!(threshold(&[], 0.2, level(0.9)), None);
    }

    #[test]
    fn the_first_test_that_fails_ends_it() {
        // Twelve right, then six wrong, then a hundred right: those are never tested.
        let mut right = vec![true; 12];
        right.extend([false; 6]);
        right.extend([true; 100]);
        let confidences: Vec<f64> = (0..right.len()).map(|i| 1.0 - 0.001 * i as f64).collect();
        let found = threshold(&samples(&confidences, &right), 0.2, level(0.9)).unwrap();
        assert!((found - confidences[11]).abs() < 1e-12);
    }

    #[test]
    fn samples_of_one_confidence_are_answered_together() {
        let mut right = vec![true; 30];
        right.extend([false; 30]);
        assert_eq!(
            threshold(&samples(&[0.8; 60], &right), 0.3, level(0.9)),
            None
        );
    }

    /// Right as often as it is sure; confidences uniform on [.5, 1].
    fn drawn(n: usize, stream: &mut SplitMix64) -> Vec<Calibration> {
        (0..n)
            .map(|_| {
                let confidence = 0.5 + 0.5 * stream.next_f64();
                Calibration {
                    confidence,
                    right: stream.next_f64() < confidence,
                }
            })
            .collect()
    }

    #[test]
    fn the_guarantee_holds_at_its_nominal_rate() {
        // The error rate above λ: the mean of 1 − c over c in [λ, 1].
        let risk_above = |lambda: f64| 1.0 - f64::midpoint(lambda, 1.0);
        let (n_trials, risk, confidence) = (2_000, 0.15, 0.9);
        let mut stream = Seed(8).stream();
        let (mut n_missed, mut n_answering) = (0, 0);
        for _ in 0..n_trials {
            if let Some(lambda) = threshold(&drawn(300, &mut stream), risk, level(confidence)) {
                n_answering += 1;
                n_missed += usize::from(risk_above(lambda) > risk);
            }
        }
        // Four standard deviations above the nominal rate; and thresholds are found most of the time.
        let nominal = (1.0 - confidence) * f64::from(n_trials);
        assert!(
            (n_missed as f64) < nominal + 4.0 * (nominal * confidence).sqrt(),
            "{n_missed}"
        );
        assert!(n_answering > n_trials / 2, "{n_answering}");
    }

    fn by_number(sure_below: usize) -> Says {
        Says::by(move |question| {
            let number: usize = question.id.as_str()[1..].parse().unwrap();
            // Sure and right below; unsure and wrong above.
            let p = if number < sure_below { 0.95 } else { 0.45 };
            Verdict::Decided(Distribution::new(&[1.0 - p, p]).unwrap())
        })
    }

    fn taught(otherwise: Otherwise) -> (Cascade, Vec<Question>) {
        let questions = questions(400);
        let labels = TrainingLabels::from_key(&questions, &key(&questions)).unwrap();
        let student = CascadeStudent {
            name: "cascade".into(),
            stages: vec![
                Box::new(Is(|| by_number(200))),
                Box::new(Is(|| by_number(350))),
            ],
            guarantee: Guarantee {
                otherwise,
                ..Guarantee::default()
            },
        };
        let lesson = lesson_of(&questions, &labels, Seed(1), Workplace::none());
        let (cascade, _) = student.learn_cascade(&lesson).unwrap();
        (cascade, questions)
    }

    #[test]
    fn the_next_stage_gets_what_the_first_is_not_sure_of() {
        let (cascade, questions) = taught(Otherwise::Abstain);
        let thresholds: Vec<_> = cascade.stages().iter().map(|s| s.threshold).collect();
        assert_eq!(thresholds, [Some(0.95), Some(0.95)]);
        let judged = cascade.judge(&questions).unwrap();
        let calls: Vec<u64> = judged.iter().map(|j| j.cost.judge_calls).collect();
        assert_eq!((calls[0], calls[199], calls[200], calls[399]), (1, 1, 2, 2));
        let answered = judged
            .iter()
            .filter(|j| j.verdict.decided().is_some())
            .count();
        assert_eq!(answered, 350);
        assert!(matches!(judged[350].verdict, Verdict::Refused { .. }));
        assert!(judged.iter().zip(&questions).all(|(j, q)| j.id == q.id));
    }

    #[test]
    fn the_last_stage_may_answer_the_rest() {
        let (cascade, questions) = taught(Otherwise::Answer);
        let judged = cascade.judge(&questions).unwrap();
        assert!(judged.iter().all(|j| j.verdict.decided().is_some()));
    }

    proptest! {
        #[test]
        fn what_is_answered_would_pass_the_test(
            drawn in prop::collection::vec((0.5..1.0f64, any::<bool>()), 0..120),
            risk in 0.05..0.6f64,
        ) {
            let all: Vec<_> = drawn.iter().map(|&(confidence, right)| Calibration { confidence, right }).collect();
            if let Some(lambda) = threshold(&all, risk, level(0.9)) {
                let above: Vec<_> = all.iter().filter(|s| s.confidence >= lambda).collect();
                let errors = above.iter().filter(|s| !s.right).count();
                prop_assert!(upper_bound(errors, above.len(), level(0.9)).unwrap() <= risk);
            }
        }
    }
}
