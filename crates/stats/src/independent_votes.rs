//! What a majority would be worth if its members erred independently, and what it is worth.
//!
//! Papers: Condorcet 1785; Poisson's binomial for members of different accuracy; the gap as in arXiv:2605.29800.
//!
//! ```text
//! null_i   = P(S_i > m_i/2) + ½ P(S_i = m_i/2),   S_i = Σ of independent right votes of the m_i members asked about item i
//! actual_i = [right_i > m_i/2] + ½ [right_i = m_i/2]
//! gap      = mean null − mean actual
//! ```
//!
//! with each member right as often as it is over its items. In: [`Ballots`]. Out: fractions.
//! Where members are wrong more often than right, independence makes majorities worse, and the gap is negative.
//! A majority of all, not of those who answered: a failed judgement is a vote lost. With more than two answers a plurality may be right
//! without one, so that null and actual are both below the panel's accuracy; with two they are it. The distribution is exact, by
//! adding one member at a time.

use crate::ballots::Ballots;

/// A majority as independence would have it, and as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndependentVotes {
    /// Share of items with a right majority, were errors independent.
    pub null: f64,
    /// Share of items with a right majority.
    pub actual: f64,
    /// Share of items on which all are wrong, were errors independent.
    pub null_all_wrong: f64,
    /// Share of items on which all are wrong.
    pub all_wrong: f64,
    /// Items about which anyone was asked.
    pub n_items: usize,
}

impl IndependentVotes {
    /// Counts both; `None` where nobody was asked about anything.
    pub fn new(ballots: &Ballots) -> Option<Self> {
        let accuracies: Vec<Option<f64>> = (0..ballots.n_supervisors())
            .map(|supervisor| ballots.accuracy(supervisor))
            .collect();
        let mut sums = Self {
            null: 0.0,
            actual: 0.0,
            null_all_wrong: 0.0,
            all_wrong: 0.0,
            n_items: 0,
        };
        for item in 0..ballots.n_items() {
            let (errors, asked) = ballots.errors_on(item);
            if asked == 0 {
                continue;
            }
            let members: Vec<f64> = (0..ballots.n_supervisors())
                .filter(|&supervisor| ballots.outcome(supervisor, item).error().is_some())
                .filter_map(|supervisor| accuracies[supervisor])
                .collect();
            let right = poisson_binomial(&members);
            sums.null += majority(&right);
            sums.null_all_wrong += right[0];
            sums.actual += match (2 * (asked - errors)).cmp(&asked) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            sums.all_wrong += if errors == asked { 1.0 } else { 0.0 };
            sums.n_items += 1;
        }
        let n = sums.n_items as f64;
        (sums.n_items > 0).then(|| Self {
            null: sums.null / n,
            actual: sums.actual / n,
            null_all_wrong: sums.null_all_wrong / n,
            all_wrong: sums.all_wrong / n,
            n_items: sums.n_items,
        })
    }

    /// How much better the majority would be if errors were independent.
    pub fn gap(&self) -> f64 {
        self.null - self.actual
    }
}

/// P(S = s) for s = 0, …, n: how many of n independent events happen, each with its own probability.
///
/// # Panics
///
/// When one is no probability: a bug in the caller.
pub fn poisson_binomial(probabilities: &[f64]) -> Vec<f64> {
    let mut mass = vec![1.0];
    for &p in probabilities {
        assert!((0.0..=1.0).contains(&p), "probability {p}");
        mass.push(0.0);
        for s in (0..mass.len()).rev() {
            let one_fewer = if s == 0 { 0.0 } else { mass[s - 1] };
            mass[s] = (1.0 - p) * mass[s] + p * one_fewer;
        }
    }
    mass
}

/// The accuracy of a majority of independent members, each right this often; a tie counts half, and so does nobody.
pub fn independent_majority(accuracies: &[f64]) -> f64 {
    majority(&poisson_binomial(accuracies))
}

fn majority(right: &[f64]) -> f64 {
    let m = right.len() - 1;
    let more = right[m / 2 + 1..].iter().sum::<f64>();
    let tied = if m.is_multiple_of(2) {
        right[m / 2]
    } else {
        0.0
    };
    more + 0.5 * tied
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ballots::tests::ballots;

    #[test]
    fn three_that_are_right_four_times_of_five() {
        // .8³ + 3 · .8² · .2 = .896
        assert!((independent_majority(&[0.8; 3]) - 0.896).abs() < 1e-15);
        // Nine: the independent prediction of A4.2, an error of .020.
        assert!((1.0 - independent_majority(&[0.8; 9]) - 0.01958144).abs() < 1e-12);
        assert!(
            (independent_majority(&[0.8; 2]) - 0.8).abs() < 1e-15,
            "a tie is drawn"
        );
        assert_eq!(independent_majority(&[]), 0.5);
    }

    #[test]
    fn copies_are_worth_one_vote() {
        let copies = ballots(&["x....", "x....", "x...."]);
        let votes = IndependentVotes::new(&copies).unwrap();
        assert!((votes.actual - 0.8).abs() < 1e-15);
        assert!((votes.gap() - 0.096).abs() < 1e-12);
        assert!((votes.null_all_wrong - 0.008).abs() < 1e-15);
        assert!((votes.all_wrong - 0.2).abs() < 1e-15);
    }

    #[test]
    fn each_item_has_its_own_panel() {
        // The third item had one member, the last nobody.
        let table = ballots(&["x.--", ".x.-"]);
        let votes = IndependentVotes::new(&table).unwrap();
        assert_eq!(votes.n_items, 3);
        assert!((votes.actual - (0.5 + 0.5 + 1.0) / 3.0).abs() < 1e-15);
        // Accuracies 1/2 and 2/3: (2·(1/3 + ½·1/2) + 2/3)/3.
        let pair: f64 = 0.5 * 2.0 / 3.0 + 0.5 * 0.5;
        assert!((votes.null - (2.0 * pair + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert_eq!(IndependentVotes::new(&ballots(&["-"])), None);
    }

    /// The mistake: every member taken to be as good as the mean. One expert among eight coins is drowned in the vote, not averaged.
    fn of_the_mean(accuracies: &[f64]) -> f64 {
        let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
        independent_majority(&vec![mean; accuracies.len()])
    }

    proptest! {
        #[test]
        fn it_is_the_sum_over_all_outcomes(p in prop::collection::vec(0.0..=1.0f64, 1..7)) {
            let by_enumeration = |accuracies: &[f64]| -> f64 {
                (0..1_u32 << accuracies.len()).map(|outcome| {
                    let chance: f64 = accuracies.iter().enumerate()
                        .map(|(j, p)| if outcome >> j & 1 == 1 { *p } else { 1.0 - p }).product();
                    let (right, n) = (outcome.count_ones() as usize, accuracies.len());
                    chance * f64::midpoint(f64::from(u8::from(2 * right > n)), f64::from(u8::from(2 * right >= n)))
                }).sum()
            };
            prop_assert!((independent_majority(&p) - by_enumeration(&p)).abs() < 1e-12);
            prop_assert!((poisson_binomial(&p).iter().sum::<f64>() - 1.0).abs() < 1e-12);
            // The same check on the mistake, where members differ.
            let differing = [0.99, 0.5, 0.5];
            prop_assert!((of_the_mean(&differing) - by_enumeration(&differing)).abs() > 1e-3);
        }
    }
}
