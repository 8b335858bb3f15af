//! The order effect: what a judge prefers a reply for because of where it stands.
//!
//! Paper: Lee et al. 2023, arXiv:2309.00267 (position bias, section and appendix on it): every pair is judged in both
//! orders. As an offset in log-odds it is ours.
//!
//! ```text
//! l(A | A first) = s + b        the log-odds that reply A is the better one, in nats
//! l(A | B first) = s − b
//! s = (l(A | A first) + l(A | B first)) / 2        b = (l(A | A first) − l(A | B first)) / 2
//! flips = #{pairs whose winner is one reply in one order, the other in the other} / #{pairs decided in both orders}
//! ```
//!
//! `σ(s)` is what a judge says of a pair once its offset is taken out; averaging the two probabilities instead leaves
//! some of it in. A flip means that the same position wins twice: the first, with `b > |s|`, or the second.
//!
//! In: what was said of each pair in both orders, and which prompt it belongs to. Out: `b` in nats, its interval by the
//! bootstrap over prompts; shares, as fractions, with [`clustered_share`]'s intervals.
//! A pair of which either judgement failed is in no share, and counted beside them; so is one that was a tie in either
//! order, which is no flip. A judge without log-probabilities has flips and no offset.
//! Parity: `ai_labels.two_pass` and `order_effect_logit` of `tests/golden/judges.json`.

use serde::Serialize;

use crate::{Clusters, Interval, Level, Resampler, clustered_share};

/// One of two replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Winner {
    /// Reply A, wherever it stood.
    A,
    /// Reply B.
    B,
    /// Neither.
    Tie,
}

/// What a judge said of a pair in one order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Said {
    /// The log-odds that reply A is the better one, in nats. 0 is a tie.
    LogOdds(f64),
    /// Which is better, and nothing more.
    Winner(Winner),
    /// Nothing that can be read.
    Nothing,
}

impl Said {
    /// The better reply; `None` where the judgement failed. Log-odds that are no number are a failure.
    pub fn winner(self) -> Option<Winner> {
        match self {
            Self::LogOdds(log_odds) if log_odds > 0.0 => Some(Winner::A),
            Self::LogOdds(log_odds) if log_odds < 0.0 => Some(Winner::B),
            Self::LogOdds(log_odds) if log_odds.is_nan() => None,
            Self::LogOdds(_) => Some(Winner::Tie),
            Self::Winner(winner) => Some(winner),
            Self::Nothing => None,
        }
    }

    fn log_odds(self) -> Option<f64> {
        match self {
            Self::LogOdds(log_odds) if log_odds.is_finite() => Some(log_odds),
            _ => None,
        }
    }
}

/// A pair judged in both orders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BothOrders {
    /// What was said with reply A shown first.
    pub a_first: Said,
    /// What was said with reply B shown first; of reply A still.
    pub b_first: Said,
}

impl BothOrders {
    /// The log-odds of reply A without the order's part, and that part: `(s, b)`. `None` without log-odds in both orders.
    pub fn parts(self) -> Option<(f64, f64)> {
        let (a_first, b_first) = (self.a_first.log_odds()?, self.b_first.log_odds()?);
        Some((a_first.midpoint(b_first), (a_first - b_first) / 2.0))
    }

    /// Whether the order decides; `None` where a judgement failed.
    pub fn consistency(self) -> Option<Consistency> {
        Some(match (self.a_first.winner()?, self.b_first.winner()?) {
            (Winner::A, Winner::B) => Consistency::FirstWinsTwice,
            (Winner::B, Winner::A) => Consistency::SecondWinsTwice,
            (Winner::Tie, _) | (_, Winner::Tie) => Consistency::Tied,
            (Winner::A, Winner::A) | (Winner::B, Winner::B) => Consistency::SameReply,
        })
    }
}

/// What two orders say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// The same reply wins in both.
    SameReply,
    /// Whichever is shown first wins.
    FirstWinsTwice,
    /// Whichever is shown second wins.
    SecondWinsTwice,
    /// At least one order is a tie.
    Tied,
}

/// A judge's order effect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OrderEffect {
    /// Pairs in all.
    pub n_pairs: usize,
    /// Pairs of which a judgement failed: in no share.
    pub n_failed: usize,
    /// Pairs that were a tie in an order: in no share.
    pub n_tied: usize,
    /// Pairs whose winner changes with the order.
    pub n_flips: usize,
    /// These, as a share of the pairs decided in both orders; absent where there is none.
    pub flips: Option<Interval>,
    /// Of the flips, the share won by the first position: 0.5 for a judge that is merely unsure. Absent without flips.
    pub first_of_flips: Option<Interval>,
    /// Pairs with log-odds in both orders.
    pub n_log_odds: usize,
    /// The mean offset `b` over these, in nats: positive for a judge that prefers what stands first. Absent where none is.
    pub offset: Option<Interval>,
}

impl OrderEffect {
    /// Measures a judge.
    ///
    /// # Panics
    ///
    /// When there are not as many pairs as `prompts` has: a bug in the caller.
    pub fn new(
        pairs: &[BothOrders],
        prompts: &Clusters,
        resampler: &Resampler,
        level: Level,
    ) -> Self {
        assert_eq!(pairs.len(), prompts.n_items(), "pairs and their prompts");
        let judged: Vec<(usize, Consistency)> = (pairs.iter().zip(prompts.of_items()))
            .filter_map(|(pair, prompt)| Some((*prompt, pair.consistency()?)))
            .collect();
        let decided: Vec<_> = (judged.iter())
            .filter(|(_, consistency)| *consistency != Consistency::Tied)
            .collect();
        let flips: Vec<_> = (decided.iter())
            .filter(|(_, consistency)| *consistency != Consistency::SameReply)
            .collect();
        let share = |of: Vec<(usize, bool)>| {
            let clusters = Clusters::new(of.iter().map(|(prompt, _)| *prompt));
            let items: Vec<bool> = of.into_iter().map(|(_, so)| so).collect();
            clustered_share(&items, &clusters, level)
        };
        let offsets: Vec<(usize, f64)> = (pairs.iter().zip(prompts.of_items()))
            .filter_map(|(pair, prompt)| Some((*prompt, pair.parts()?.1)))
            .collect();
        let of_offsets = Clusters::new(offsets.iter().map(|(prompt, _)| *prompt));
        let values: Vec<f64> = offsets.iter().map(|(_, offset)| *offset).collect();
        Self {
            n_pairs: pairs.len(),
            n_failed: pairs.len() - judged.len(),
            n_tied: judged.len() - decided.len(),
            n_flips: flips.len(),
            flips: share(
                (decided.iter())
                    .map(|(prompt, c)| (*prompt, *c != Consistency::SameReply))
                    .collect(),
            ),
            first_of_flips: share(
                (flips.iter())
                    .map(|(prompt, c)| (*prompt, *c == Consistency::FirstWinsTwice))
                    .collect(),
            ),
            n_log_odds: values.len(),
            offset: (resampler.clustered_mean(&values, &of_offsets))
                .map(|replicates| replicates.interval(level)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;

    fn effect(pairs: &[BothOrders]) -> OrderEffect {
        let resampler = Resampler {
            n_resamples: NonZeroUsize::new(400).unwrap(),
            seed: Seed(1),
        };
        let prompts = Clusters::singletons(pairs.len());
        OrderEffect::new(pairs, &prompts, &resampler, Level::default())
    }

    fn said(a_first: Said, b_first: Said) -> BothOrders {
        BothOrders { a_first, b_first }
    }

    #[test]
    fn failures_and_ties_are_counted_beside_the_shares() {
        let [a, b, tie] = [Winner::A, Winner::B, Winner::Tie].map(Said::Winner);
        let pairs = [
            said(a, a),
            said(a, b),
            said(b, a),
            said(a, b),
            said(tie, b),
            said(Said::Nothing, a),
            said(a, Said::LogOdds(f64::NAN)),
        ];
        let effect = effect(&pairs);
        assert_eq!((effect.n_pairs, effect.n_failed, effect.n_tied), (7, 2, 1));
        assert_eq!(effect.n_flips, 3);
        assert_eq!(effect.flips.unwrap().estimate, 0.75);
        assert_eq!(effect.first_of_flips.unwrap().estimate, 2.0 / 3.0);
        assert_eq!((effect.n_log_odds, effect.offset), (0, None));
    }

    #[test]
    fn nothing_judged_has_no_effect() {
        let effect = effect(&[said(Said::Nothing, Said::Nothing)]);
        assert_eq!((effect.flips, effect.first_of_flips), (None, None));
    }

    #[test]
    fn the_offset_of_a_simulated_judge_is_found() {
        let mut random = Seed(7).stream();
        let pairs: Vec<_> = (0..500)
            .map(|_| {
                let (s, b) = (2.0 * random.next_normal(), 0.8 + 0.5 * random.next_normal());
                said(Said::LogOdds(s + b), Said::LogOdds(s - b))
            })
            .collect();
        let effect = effect(&pairs);
        let offset = effect.offset.unwrap();
        // Four standard errors of the mean of 500; an interval of 2 · 1.96 of them.
        let standard_error = 0.5 / 500.0_f64.sqrt();
        assert!(
            (offset.estimate - 0.8).abs() < 4.0 * standard_error,
            "{offset:?}"
        );
        let width = (offset.high - offset.low) / (2.0 * 1.96 * standard_error);
        assert!((width - 1.0).abs() < 0.15, "{offset:?}");
        assert!(effect.first_of_flips.unwrap().low > 0.8);
    }

    proptest! {
        #[test]
        fn naming_the_replies_the_other_way_changes_nothing(
            log_odds in prop::collection::vec((-4..=4_i32, -4..=4_i32), 1..60),
        ) {
            let pairs = |sign: f64| -> Vec<_> {
                (log_odds.iter())
                    .map(|&(one, other)| {
                        let (one, other) = (f64::from(one) * sign, f64::from(other) * sign);
                        let (one, other) = if sign > 0.0 { (one, other) } else { (other, one) };
                        said(Said::LogOdds(one), Said::LogOdds(other))
                    })
                    .collect()
            };
            prop_assert_eq!(effect(&pairs(1.0)), effect(&pairs(-1.0)));
        }

        #[test]
        fn the_parts_make_the_whole(one in -9.0..9.0_f64, other in -9.0..9.0_f64) {
            let (s, b) = said(Said::LogOdds(one), Said::LogOdds(other)).parts().unwrap();
            prop_assert!((s + b - one).abs() < 1e-12 && (s - b - other).abs() < 1e-12);
            // A flip is an offset larger than the preference.
            if let Some(Consistency::FirstWinsTwice) = said(Said::LogOdds(one), Said::LogOdds(other)).consistency() {
                prop_assert!(b > s.abs());
            }
        }
    }
}
