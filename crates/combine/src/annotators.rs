//! Annotators: people who compare answers, and say which they prefer, as RLHF asks them.
//!
//! ```text
//! each of m annotators prefers answer k with probability p_k, what the judge believes;   label = share of preferences
//! ```
//!
//! A preference is one choice, not a probability: what a reward model under the Bradley–Terry loss learns from (Christiano et al.
//! 2017, section 2.2.3). Where a question has two answers, that loss on the pair is the cross-entropy of the shares.
//!
//! In: a judge, and how many annotators look at each question. Out: shares of preferences; a failed judgement stays failed. Each
//! annotator costs what the judge costs.
//! Differs from simulated annotators of a given accuracy (the `reward` crate): these are as right as the judge is, item by item,
//! and need no gold.

use trimtab_core::{
    AnswerIdx, Cost, Distribution, Fitted, Judgement, Lesson, Provenance, Question, Seed, Student,
    Supervisor, SupervisorError, Verdict,
};

/// A judge whose beliefs are only seen in choices.
pub struct Annotators {
    name: String,
    of: Box<dyn Supervisor>,
    votes: u32,
    seed: Seed,
}

impl Annotators {
    /// `votes` annotators who believe what `of` believes, each choosing by itself.
    ///
    /// # Panics
    ///
    /// When there is no annotator: a bug in the caller.
    pub fn new(name: String, of: Box<dyn Supervisor>, votes: u32, seed: Seed) -> Self {
        assert!(votes > 0, "no annotator");
        Self {
            name,
            of,
            votes,
            seed,
        }
    }

    fn prefer(&self, question: &Question, believed: &Distribution) -> Distribution {
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
        let annotators = Annotators::new("a".into(), judge, 1, Seed(3));
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
        let three = Annotators::new("a".into(), Box::new(Says::sure(0.7)), 3, Seed(3));
        let judged = three.judge(&questions[..1]).unwrap();
        assert_eq!((judged[0].cost.calls, judged[0].cost.judge_calls), (3, 3));
    }

    #[test]
    fn a_question_is_preferred_alike_whatever_else_is_asked() {
        let questions = questions(50);
        let annotators = Annotators::new("a".into(), Box::new(Says::sure(0.5)), 3, Seed(0));
        let all = annotators.judge(&questions).unwrap();
        let one = annotators.judge(&questions[40..41]).unwrap();
        assert_eq!(all[40], one[0]);
    }

    #[test]
    fn what_failed_stays_failed() {
        let annotators = Annotators::new("a".into(), Box::new(Says::refuses()), 1, Seed(0));
        let judged = annotators.judge(&questions(1)).unwrap();
        assert!(matches!(judged[0].verdict, Verdict::Refused { .. }));
    }
}
