//! Annotators: people who compare answers, and say which they prefer, as RLHF asks them.
//!
//! ```text
//! likeliest   the answer that the judge believes in most
//! drawn       answer k with probability p_k, what the judge believes: Bradley and Terry's annotator;   label = share of choices
//! ```
//!
//! A preference is one choice, not a probability: what a reward model under the Bradley–Terry loss learns from (Christiano et al.
//! 2017, arXiv:1706.03741, section 2.2.3). Where a question has two answers, that loss on the pair is the cross-entropy of the shares.
//!
//! In: a judge, how choices follow from what it believes, and how many annotators look at each question. Out: shares of
//! preferences; a failed judgement stays failed. Each annotator costs what the judge costs.
//! Differs from simulated annotators of a given accuracy (the `reward` crate): these are as right as the judge is, item by item,
//! and need no gold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{
    AnswerIdx, Cost, Distribution, Fitted, Judgement, Lesson, Provenance, Question, Seed, Student,
    Supervisor, SupervisorError, Verdict,
};

/// How annotators choose by what they believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Each prefers the likeliest answer.
    #[default]
    Likeliest,
    /// Each prefers an answer as often as it is right by its belief.
    Drawn,
}

/// A judge whose beliefs are only seen in choices.
pub struct Annotators {
    name: String,
    of: Box<dyn Supervisor>,
    choice: Choice,
    votes: u32,
    seed: Seed,
}

impl Annotators {
    /// `votes` annotators who believe what `of` believes, each choosing by itself.
    ///
    /// # Panics
    ///
    /// When there is no annotator: a bug in the caller.
    pub fn new(
        name: String,
        of: Box<dyn Supervisor>,
        choice: Choice,
        votes: u32,
        seed: Seed,
    ) -> Self {
        assert!(votes > 0, "no annotator");
        Self {
            name,
            of,
            choice,
            votes,
            seed,
        }
    }

    fn prefer(&self, question: &Question, believed: &Distribution) -> Distribution {
        if self.choice == Choice::Likeliest {
            return Distribution::certain(believed.answer(), believed.n_answers());
        }
        let mut stream = self.seed.child(question.id.as_str()).stream();
        let mut shares = vec![0.0; believed.n_answers()];
        for _ in 0..self.votes {
            let chosen = draw(believed, stream.next_f64());
            shares[chosen.0] += 1.0 / f64::from(self.votes);
        }
        Distribution::new(&shares).expect("shares of votes are a distribution")
    }
}

/// The answer at `at`, from 0 to 1, of the cumulated probabilities.
fn draw(believed: &Distribution, at: f64) -> AnswerIdx {
    let mut sum = 0.0;
    for (answer, p) in believed.probabilities().iter().enumerate() {
        sum += p;
        if at < sum {
            return AnswerIdx(answer);
        }
    }
    // Rounding left a gap at the end.
    believed.answer()
}

impl Supervisor for Annotators {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let votes = u64::from(self.votes);
        let believed = self.of.judge(questions)?;
        Ok((questions.iter().zip(believed))
            .map(|(question, judgement)| Judgement {
                id: judgement.id,
                verdict: match judgement.verdict {
                    Verdict::Decided(believed) => {
                        Verdict::Decided(self.prefer(question, &believed))
                    }
                    failed => failed,
                },
                cost: Cost {
                    calls: votes * judgement.cost.calls,
                    judge_calls: votes * judgement.cost.judge_calls,
                    tokens: votes * judgement.cost.tokens,
                    cpu_secs: judgement.cost.cpu_secs,
                },
            })
            .collect())
    }

    fn provenance(&self) -> Provenance {
        self.of.provenance()
    }
}

/// Annotators before their judge has learnt.
pub struct AnnotatorsStudent {
    /// What they are called.
    pub name: String,
    /// Who becomes their judge.
    pub of: Box<dyn Student>,
    /// How they choose.
    pub choice: Choice,
    /// How many look at each question, 1 at least.
    pub votes: u32,
}

impl Student for AnnotatorsStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let fitted = self.of.learn(lesson)?;
        let seed = lesson.seed.child("annotators");
        Ok(Fitted {
            student: Box::new(Annotators::new(
                self.name.clone(),
                fitted.student,
                self.choice,
                self.votes,
                seed,
            )),
            ..fitted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::{Says, questions};

    #[test]
    fn shares_approach_beliefs_and_cost_adds_up() {
        let questions = questions(2_000);
        let judge = Box::new(Says::sure(0.7));
        let annotators = Annotators::new("a".into(), judge, Choice::Drawn, 1, Seed(3));
        let judged = annotators.judge(&questions).unwrap();
        let n_yes = (judged.iter())
            .filter(|j| j.verdict.decided().unwrap().probabilities() == [0.0, 1.0])
            .count();
        let n_no = (judged.iter())
            .filter(|j| j.verdict.decided().unwrap().probabilities() == [1.0, 0.0])
            .count();
        assert_eq!(n_yes + n_no, 2_000);
        // Five standard deviations of a binomial.
        assert!((n_yes as f64 - 1_400.0).abs() < 5.0 * (2_000.0 * 0.21_f64).sqrt());
        let judge = Box::new(Says::sure(0.7));
        let three = Annotators::new("a".into(), judge, Choice::Drawn, 3, Seed(3));
        let judged = three.judge(&questions[..1]).unwrap();
        assert_eq!((judged[0].cost.calls, judged[0].cost.judge_calls), (3, 3));
    }

    #[test]
    fn a_question_is_preferred_alike_whatever_else_is_asked() {
        let questions = questions(50);
        let judge = Box::new(Says::sure(0.5));
        let annotators = Annotators::new("a".into(), judge, Choice::Drawn, 3, Seed(0));
        let all = annotators.judge(&questions).unwrap();
        let one = annotators.judge(&questions[40..41]).unwrap();
        assert_eq!(all[40], one[0]);
    }

    #[test]
    fn whoever_is_sure_of_nothing_still_prefers_one() {
        let judge = Box::new(Says::sure(0.51));
        let annotators = Annotators::new("a".into(), judge, Choice::Likeliest, 1, Seed(0));
        let judged = annotators.judge(&questions(1)).unwrap();
        assert_eq!(
            judged[0].verdict.decided().unwrap().probabilities(),
            [0.0, 1.0]
        );
    }

    #[test]
    fn what_failed_stays_failed() {
        let judge = Box::new(Says::refuses());
        let annotators = Annotators::new("a".into(), judge, Choice::Drawn, 1, Seed(0));
        let judged = annotators.judge(&questions(1)).unwrap();
        assert!(matches!(judged[0].verdict, Verdict::Refused { .. }));
    }
}
