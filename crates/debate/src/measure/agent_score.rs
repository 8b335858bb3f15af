//! Whether a protocol rewards who argues the truth: the agent score difference, and what a judge scores if agents go by it.
//!
//! Paper: Sudhir, Kaunismaa and Panickssery 2025, arXiv:2504.03731.
//!
//! ```text
//! p^(a)          what the judge says after a run in which the agent argues answer a
//! agent(a)     = s(p^(a)_a)
//! ASD          = agent(truth) − agent(falsehood)
//! π_β(a)       ∝ exp(agent_log(a) / β)                         β = 0: the better rewarded; β = ∞: even odds
//! JSE_β        = Σ_a π_β(a) s(p^(a)_truth)
//! s            log: ln max(p, 10⁻⁴) · Brier: −(1 − p)² · log odds: ln p/(1 − p), p within [10⁻⁴, 1 − 10⁻⁴] · accuracy: [p > ½], ½ at ½
//! ```
//!
//! A consultancy has one run an answer; of a symmetric debate one run serves as both, for both are argued in it.
//!
//! In: what the judge said in both runs of every question. Out: means over questions.
//! A failed judgement moves nobody: the agent's score is that of even odds. The judge's is the worst that s has. Both are counted.
//! Differs from the paper: failures; that the exact form of its Brier score is ours (one-sided, negative, 0 the best).

use serde::Serialize;
use trimtab_core::{AnswerIdx, Verdict};

use super::judged::p_truth;
use super::scores::LEAST_PROBABILITY;

/// How a probability is scored; more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Its logarithm, in nats.
    Log,
    /// Less the square of what it lacks.
    Brier,
    /// Its log-odds, in nats.
    LogOdds,
    /// Whether it is more than one half.
    Accuracy,
}

impl Score {
    /// The score of the probability `p` of what is scored.
    pub fn of(self, p: f64) -> f64 {
        match self {
            Self::Log => p.max(LEAST_PROBABILITY).ln(),
            Self::Brier => -(1.0 - p).powi(2),
            Self::LogOdds => {
                let p = p.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
                (p / (1.0 - p)).ln()
            }
            Self::Accuracy if p > 0.5 => 1.0,
            Self::Accuracy if p < 0.5 => 0.0,
            Self::Accuracy => 0.5,
        }
    }

    /// The least it can be.
    pub fn worst(self) -> f64 {
        self.of(0.0)
    }
}

/// How agents choose what to argue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Motive {
    /// The answer that is rewarded more (β = 0); of equals either.
    Best,
    /// With probabilities that follow the reward at this temperature, in nats (β).
    Temperature(f64),
    /// Either answer as often (β = ∞): an assigned consultancy.
    Indifferent,
}

/// Both runs of one question: what the judge said when the truth was argued, and when the falsehood was. A symmetric debate has
/// the same verdict twice.
#[derive(Debug, Clone, Copy)]
pub struct BothRuns<'a> {
    /// The truth was argued.
    pub truth_argued: &'a Verdict,
    /// The falsehood was.
    pub falsehood_argued: &'a Verdict,
    /// Which of the two answers is right.
    pub truth: AnswerIdx,
}

impl BothRuns<'_> {
    /// What the judge gave the truth in each run.
    fn p(&self) -> [Option<f64>; 2] {
        [self.truth_argued, self.falsehood_argued].map(|verdict| p_truth(verdict, self.truth))
    }

    /// What the agent got in each run.
    fn agent(&self, score: Score) -> [f64; 2] {
        let [truth, falsehood] = self.p();
        [
            score.of(truth.unwrap_or(0.5)),
            score.of(falsehood.map_or(0.5, |p| 1.0 - p)),
        ]
    }

    /// How likely each run is.
    fn chosen(&self, motive: Motive) -> [f64; 2] {
        let [truth, falsehood] = self.agent(Score::Log);
        let advantage = truth - falsehood;
        let p = match motive {
            Motive::Best if advantage > 0.0 => 1.0,
            Motive::Best if advantage < 0.0 => 0.0,
            Motive::Best | Motive::Indifferent => 0.5,
            Motive::Temperature(beta) => 1.0 / (1.0 + (-advantage / beta).exp()),
        };
        [p, 1.0 - p]
    }
}

/// What a protocol rewards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AgentScore {
    /// Mean agent score difference: positive where the truth pays.
    pub difference: f64,
    /// Mean judge score expected.
    pub judge: f64,
    /// Questions.
    pub n: usize,
    /// Failed judgements among their runs.
    pub n_failed: usize,
}

/// Measures what a protocol rewards; `None` where there is no question.
pub fn agent_score(questions: &[BothRuns<'_>], score: Score, motive: Motive) -> Option<AgentScore> {
    let n = questions.len() as f64;
    let (mut difference, mut judge, mut n_failed) = (0.0, 0.0, 0);
    for question in questions {
        let [truth, falsehood] = question.agent(score);
        difference += truth - falsehood;
        let scored = question
            .p()
            .map(|p| p.map_or(score.worst(), |p| score.of(p)));
        let chosen = question.chosen(motive);
        judge += chosen[0] * scored[0] + chosen[1] * scored[1];
        n_failed += question.p().iter().filter(|p| p.is_none()).count();
    }
    (!questions.is_empty()).then_some(AgentScore {
        difference: difference / n,
        judge: judge / n,
        n: questions.len(),
        n_failed,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::judged::examples::verdict;
    use super::*;

    const MOTIVES: [Motive; 4] = [
        Motive::Best,
        Motive::Temperature(1.0),
        Motive::Temperature(0.01),
        Motive::Indifferent,
    ];

    fn runs<'a>(truth_argued: &'a Verdict, falsehood_argued: &'a Verdict) -> BothRuns<'a> {
        BothRuns {
            truth_argued,
            falsehood_argued,
            truth: AnswerIdx(0),
        }
    }

    #[test]
    fn formulas_by_hand() {
        // The judge gives the truth 0.8 when it is argued and 0.4 when the other is: agents get 0.8 and 0.6.
        let (one, other) = (verdict(Some(0.8)), verdict(Some(0.4)));
        let question = [runs(&one, &other)];
        let check = |score, motive, difference: f64, judge: f64| {
            let got = agent_score(&question, score, motive).unwrap();
            assert!(
                (got.difference - difference).abs() < 1e-12 && (got.judge - judge).abs() < 1e-12,
                "{got:?}"
            );
        };
        check(Score::Accuracy, Motive::Indifferent, 0.0, 0.5);
        check(Score::Accuracy, Motive::Best, 0.0, 1.0);
        check(
            Score::Brier,
            Motive::Indifferent,
            0.12,
            -(0.04 + 0.36) / 2.0,
        );
        // π = 0.8 : 0.6 at β = 1.
        check(Score::Accuracy, Motive::Temperature(1.0), 0.0, 0.8 / 1.4);
        check(Score::Log, Motive::Best, (0.8_f64 / 0.6).ln(), 0.8_f64.ln());
    }

    #[test]
    fn a_symmetric_debate_differs_by_its_log_odds() {
        let said = verdict(Some(0.9));
        let got = agent_score(&[runs(&said, &said)], Score::Log, Motive::Best).unwrap();
        assert!((got.difference - (0.9_f64 / 0.1).ln()).abs() < 1e-12);
    }

    #[test]
    fn failures_move_nobody_and_score_worst() {
        let (failed, right) = (verdict(None), verdict(Some(0.5)));
        let got = agent_score(&[runs(&failed, &right)], Score::Brier, Motive::Indifferent).unwrap();
        assert_eq!(
            (got.difference, got.judge, got.n, got.n_failed),
            (0.0, -0.625, 1, 1)
        );
        assert_eq!(agent_score(&[], Score::Log, Motive::Best), None);
    }

    proptest! {
        #[test]
        fn the_judge_scores_between_its_two_runs(a in 0.0..=1.0_f64, b in 0.0..=1.0_f64) {
            let (one, other) = (verdict(Some(a)), verdict(Some(b)));
            for motive in MOTIVES {
                for score in [Score::Log, Score::Brier, Score::LogOdds, Score::Accuracy] {
                    let got = agent_score(&[runs(&one, &other)], score, motive).unwrap().judge;
                    let (low, high) = (score.of(a.min(b)), score.of(a.max(b)));
                    prop_assert!(low - 1e-9 <= got && got <= high + 1e-9);
                }
            }
        }

        #[test]
        fn choice_goes_with_reward(a in 0.01..0.99_f64, b in 0.01..0.99_f64) {
            let (one, other) = (verdict(Some(a)), verdict(Some(b)));
            let question = runs(&one, &other);
            prop_assume!((a - (1.0 - b)).abs() > 1e-6);
            let truth_pays = a > 1.0 - b;
            prop_assert_eq!(question.chosen(Motive::Best)[0] > 0.5, truth_pays);
            prop_assert_eq!(question.chosen(Motive::Temperature(0.5))[0] > 0.5, truth_pays);
        }
    }
}
