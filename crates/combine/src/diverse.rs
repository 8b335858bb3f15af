//! An ensemble whose members are chosen from many for erring differently.
//!
//! ```text
//! all learn from a part of the labels;  on the rest the errors of each are counted
//! chosen: greedily those of least mean correlation, among those not much less accurate than the median
//! ```
//!
//! The statistics are [`trimtab_stats::ErrorCorrelations`] and [`diverse_panel`]; a failed judgement is an error. Labels of the held-out
//! part must be right for errors to be errors. Without the bar on accuracy a member that guesses would be chosen first: nobody errs
//! less like the others.
//!
//! In: students. Out: an [`Ensemble`] of those that were chosen; what the held-out judgements cost is in the lesson's cost.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{
    AnswerIdx, Fitted, Lesson, Question, SampleId, Student, Supervisor, SupervisorError,
};
use trimtab_stats::{Ballot, Ballots, ErrorCorrelations, diverse_panel};

use crate::cascade::likeliest;
use crate::ensemble::{Combine, Ensemble};
use crate::fitting::Fitting;

/// How members are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Diversity {
    /// How many are chosen.
    pub size: usize,
    /// The share of the labels that errors are counted on, and nobody learns from.
    pub held_out: f64,
    /// How much lower than the median's a member's accuracy may be.
    pub accuracy_slack: f64,
    /// How their judgements become one.
    pub combine: Combine,
}

impl Default for Diversity {
    fn default() -> Self {
        Self {
            size: 3,
            held_out: 0.3,
            accuracy_slack: 0.1,
            combine: Combine::Mean,
        }
    }
}

impl Diversity {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("size", self.size, self.size > 0, "at least 1")?;
        let fits = self.held_out > 0.0 && self.held_out < 1.0;
        require(
            "held-out",
            self.held_out,
            fits,
            "a fraction above 0 and below 1",
        )?;
        let fits = (0.0..=1.0).contains(&self.accuracy_slack);
        require(
            "accuracy-slack",
            self.accuracy_slack,
            fits,
            "a fraction from 0 to 1",
        )
    }
}

/// Students, some of which will be chosen.
pub struct DiverseStudent {
    /// What it is called.
    pub name: String,
    /// Whom to choose from: as many as are chosen, at least.
    pub members: Vec<Box<dyn Student>>,
    /// How.
    pub diversity: Diversity,
}

impl DiverseStudent {
    /// Teaches all, chooses, and says who was chosen, in order of choice.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] when a member cannot learn or judge.
    ///
    /// # Panics
    ///
    /// When there are fewer members than are to be chosen: a bug in the caller.
    pub fn learn_diverse(
        &self,
        lesson: &Lesson<'_>,
    ) -> Result<(Fitted, Vec<usize>), SupervisorError> {
        let size = self.diversity.size;
        assert!(size > 0 && self.members.len() >= size, "{size} of too few");
        let mut ids: Vec<&SampleId> = lesson.labels.ids().iter().collect();
        lesson.seed.child("held out").stream().shuffle(&mut ids);
        let n_held_out = (ids.len() as f64 * self.diversity.held_out).round() as usize;
        let apart: HashSet<&SampleId> = ids[..n_held_out].iter().copied().collect();
        let right: HashMap<&SampleId, AnswerIdx> = (lesson.labels.ids().iter())
            .zip(lesson.labels.rows())
            .map(|(id, row)| (id, likeliest(row)))
            .filter(|(id, _)| apart.contains(id))
            .collect();
        let held_out: Vec<Question> = (lesson.questions.iter())
            .filter(|question| right.contains_key(&question.id))
            .cloned()
            .collect();
        let taught = lesson.labels.subset(|id| !right.contains_key(id))?;
        let mut fitting = Fitting::begun();
        let mut learnt: Vec<Box<dyn Supervisor>> = Vec::with_capacity(self.members.len());
        let mut rows = Vec::with_capacity(self.members.len());
        for (i, member) in self.members.iter().enumerate() {
            let name = format!("member {i}");
            let workplace = lesson.workplace.within(&name);
            let fitted = member.learn(&Lesson {
                labels: &taught,
                seed: lesson.seed.child(&name),
                workplace: &workplace,
                ..*lesson
            })?;
            fitting.add(&fitted, self.members.len());
            let said = fitted.student.judge(&held_out)?;
            fitting.cost = (said.iter()).fold(fitting.cost, |sum, said| sum + said.cost);
            let ballots = said.iter().map(|judgement| {
                let decided = judgement.verdict.decided();
                decided.map_or(Ballot::Failed, |given| Ballot::Answer(given.answer()))
            });
            rows.push(ballots.collect::<Vec<Ballot>>());
            learnt.push(fitted.student);
        }
        let truth = held_out.iter().map(|question| right[&question.id]);
        let n_answers = held_out.iter().map(|question| question.answers.len()).max();
        let chosen = Ballots::new(n_answers.unwrap_or(2), truth.collect(), rows)
            .ok()
            .and_then(|ballots| self.choose(&ballots))
            // Nothing held out, or nobody left: the first will do.
            .unwrap_or_else(|| (0..size).collect());
        let mut learnt: Vec<Option<Box<dyn Supervisor>>> = learnt.into_iter().map(Some).collect();
        let members = chosen.iter().filter_map(|&j| learnt[j].take()).collect();
        let student = Ensemble::new(self.name.clone(), members, self.diversity.combine);
        Ok((fitting.of(Box::new(student)), chosen))
    }

    fn choose(&self, ballots: &Ballots) -> Option<Vec<usize>> {
        let accuracy = |j: usize| ballots.accuracy(j).unwrap_or(0.0);
        let mut sorted: Vec<f64> = (0..ballots.n_supervisors()).map(accuracy).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        // The best half is never left out, nor as many as are needed.
        let at = (sorted.len() / 2).max(self.diversity.size - 1);
        let least = sorted[at] - self.diversity.accuracy_slack;
        let correlations = ErrorCorrelations::new(ballots);
        diverse_panel(&correlations, self.diversity.size, |_, j| {
            accuracy(j) >= least
        })
    }
}

impl Student for DiverseStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        Ok(self.learn_diverse(lesson)?.0)
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::{Distribution, Seed, TrainingLabels, Verdict, Workplace};

    use super::*;
    use crate::parts::{Is, Says, key, lesson_of, questions};

    fn wrong_on(is_wrong: fn(usize) -> bool) -> Says {
        Says::by(move |question| {
            let number: usize = question.id.as_str()[1..].parse().unwrap();
            let p = if is_wrong(number) { 0.1 } else { 0.9 };
            Verdict::Decided(Distribution::new(&[1.0 - p, p]).unwrap())
        })
    }

    fn chosen(members: Vec<Box<dyn Student>>, slack: f64) -> (Fitted, Vec<usize>) {
        let questions = questions(2_000);
        let labels = TrainingLabels::from_key(&questions, &key(&questions)).unwrap();
        let student = DiverseStudent {
            name: "diverse".into(),
            members,
            diversity: Diversity {
                accuracy_slack: slack,
                ..Diversity::default()
            },
        };
        let lesson = lesson_of(&questions, &labels, Seed(1), Workplace::none());
        student.learn_diverse(&lesson).unwrap()
    }

    fn members() -> Vec<Box<dyn Student>> {
        vec![
            Box::new(Is(|| wrong_on(|i| i % 5 == 0))),
            Box::new(Is(|| wrong_on(|i| i % 5 == 0))),
            Box::new(Is(|| wrong_on(|i| i % 5 == 1))),
            Box::new(Is(|| wrong_on(|i| i % 5 == 2))),
            // As often wrong as right, and only where others are right.
            Box::new(Is(|| wrong_on(|i| i % 5 > 2))),
        ]
    }

    #[test]
    fn copies_are_left_out_and_so_is_who_guesses() {
        let (fitted, mut panel) = chosen(members(), 0.1);
        panel.sort_unstable();
        assert!(panel == [0, 2, 3] || panel == [1, 2, 3], "{panel:?}");
        // Each errs elsewhere: together they never do. 600 were held out, and all five judged them.
        let questions = questions(2_000);
        let judged = fitted.student.judge(&questions).unwrap();
        let is_right = |p: Option<&Distribution>| p.unwrap().answer() == AnswerIdx(1);
        assert!(judged.iter().all(|j| is_right(j.verdict.decided())));
        assert_eq!(fitted.cost.judge_calls, 5 * 600);
        // The mistake: no bar on accuracy lets the guesser in.
        let (_, without_a_bar) = chosen(members(), 1.0);
        assert!(without_a_bar.contains(&4), "{without_a_bar:?}");
    }

    #[test]
    fn wrong_settings_are_named() {
        let bad = Diversity {
            held_out: 1.0,
            ..Diversity::default()
        };
        let error = bad.check().unwrap_err().to_string();
        assert_eq!(error, "held-out is 1: a fraction above 0 and below 1");
    }
}
