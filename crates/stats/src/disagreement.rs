//! Disagreement as an alarm: is a panel wrong where its members differ, and how often where they do not?
//!
//! ```text
//! disagreement_i = 1 − (votes for the most frequent answer) / (members asked)
//! AUROC of disagreement for panel error;   residual = errors / items, where everyone gave one answer, with a bound after Clopper and Pearson
//! ```
//!
//! In: [`Ballots`], of which items with two members or more are used. A failed judgement is in the denominator and agrees with
//! nobody. The panel errs where the truth is not its most frequent answer alone: a tie is no answer. Out: fractions.
//!
//! Unanimous errors are what no disagreement shows: with correlated members they are the larger part.

use crate::auroc::auroc;
use crate::ballots::{Ballot, Ballots};
use crate::clopper_pearson::upper_bound;
use crate::interval::Level;

/// What disagreement tells of a panel's errors.
#[derive(Debug, Clone, PartialEq)]
pub struct DisagreementAlarm {
    /// Items with two members or more, each with its disagreement and whether the panel errs.
    pub items: Vec<(f64, PanelOutcome)>,
    /// Items on which everyone gave one answer.
    pub n_unanimous: usize,
    /// Those on which it was wrong.
    pub unanimous_errors: usize,
}

/// Whether a panel's most frequent answer is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelOutcome {
    /// It is, alone.
    Right,
    /// Another one is, or it is one of several.
    Wrong,
}

impl DisagreementAlarm {
    /// Counts; `None` where no item has two members.
    pub fn new(ballots: &Ballots) -> Option<Self> {
        let mut alarm = Self {
            items: Vec::new(),
            n_unanimous: 0,
            unanimous_errors: 0,
        };
        for item in 0..ballots.n_items() {
            let mut votes = vec![0_usize; ballots.n_answers()];
            let mut n_asked = 0;
            for supervisor in 0..ballots.n_supervisors() {
                match ballots.row(supervisor)[item] {
                    Ballot::Answer(answer) => {
                        votes[answer.0] += 1;
                        n_asked += 1;
                    }
                    Ballot::Failed => n_asked += 1,
                    Ballot::Unasked => {}
                }
            }
            if n_asked < 2 {
                continue;
            }
            let most = votes.iter().copied().max().unwrap_or(0);
            let n_first = votes.iter().filter(|n| **n == most).count();
            let is_right = votes[ballots.truth()[item].0] == most && n_first == 1;
            let outcome = if is_right {
                PanelOutcome::Right
            } else {
                PanelOutcome::Wrong
            };
            if most == n_asked {
                alarm.n_unanimous += 1;
                alarm.unanimous_errors += usize::from(outcome == PanelOutcome::Wrong);
            }
            let disagreement = 1.0 - most as f64 / n_asked as f64;
            alarm.items.push((disagreement, outcome));
        }
        (!alarm.items.is_empty()).then_some(alarm)
    }

    /// The chance that an item the panel errs on has more disagreement than one it does not; `None` where it always errs, or never.
    pub fn auroc(&self) -> Option<f64> {
        let (scores, errs): (Vec<f64>, Vec<bool>) = (self.items.iter())
            .map(|(disagreement, outcome)| (*disagreement, *outcome == PanelOutcome::Wrong))
            .unzip();
        auroc(&scores, &errs)
    }

    /// The panel's errors.
    pub fn errors(&self) -> usize {
        let outcomes = self.items.iter().map(|(_, outcome)| outcome);
        outcomes.filter(|o| **o == PanelOutcome::Wrong).count()
    }

    /// The error rate where all agree; `None` where they never do.
    pub fn residual(&self) -> Option<f64> {
        (self.n_unanimous > 0).then(|| self.unanimous_errors as f64 / self.n_unanimous as f64)
    }

    /// What that rate stays below at the level, one-sided.
    pub fn residual_bound(&self, level: Level) -> Option<f64> {
        upper_bound(self.unanimous_errors, self.n_unanimous, level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ballots::tests::ballots;

    #[test]
    fn by_hand() {
        let alarm = DisagreementAlarm::new(&ballots(&["..xx-", "..xf-", ".x.x."])).unwrap();
        let disagreements: Vec<f64> = alarm.items.iter().map(|item| item.0).collect();
        let third = 1.0 - 2.0 / 3.0;
        assert_eq!(disagreements, [0.0, third, third, third]);
        assert_eq!((alarm.n_unanimous, alarm.unanimous_errors), (1, 0));
        assert_eq!(alarm.errors(), 2);
        // Two errors at ⅓; right ones at 0 and ⅓: (1 + ½)/2.
        assert_eq!(alarm.auroc(), Some(0.75));
        let bound = alarm.residual_bound(Level::default()).unwrap();
        assert!((bound - 0.95).abs() < 1e-12);
    }

    #[test]
    fn copies_never_disagree_and_err_all_the_same() {
        let alarm = DisagreementAlarm::new(&ballots(&["x....", "x...."])).unwrap();
        assert_eq!((alarm.auroc(), alarm.residual()), (Some(0.5), Some(0.2)));
        assert_eq!(DisagreementAlarm::new(&ballots(&["x", "-"])), None);
    }

    #[test]
    fn a_failure_is_no_agreement_and_a_tie_no_answer() {
        let alarm = DisagreementAlarm::new(&ballots(&[".f.", "fff", "..x"])).unwrap();
        assert_eq!(alarm.n_unanimous, 0, "two of three agree, the third failed");
        assert_eq!(alarm.residual(), None);
        // The mistake: those who answered as the denominator, which makes a lone voice unanimous.
        let of_answered = ballots(&["-..", "---", ".x."]);
        let alarm = DisagreementAlarm::new(&of_answered).unwrap();
        assert_eq!((alarm.items.len(), alarm.errors()), (2, 1));
    }
}
