//! Simulated annotators who rank K replies to one prompt, and err as often as one says.
//!
//! Papers: rankings in place of pairs, Ouyang et al. 2022, arXiv:2203.02155, section 3.5; Mallows 1957, Biometrika 44; Plackett 1975, Applied
//! Statistics 24(2), and Luce 1959.
//!
//! ```text
//! constant          P(ranking) ∝ φ^(pairs that are the wrong way round)          Mallows
//! by-difference     rank by k·gold + Gumbel noise                               Plackett–Luce
//! ```
//!
//! φ, and k, are such that the mean share of pairs of a ranking that are the right way round is the annotator's accuracy. Of two replies both
//! are the annotator of pairs: Mallows errs on easy and hard pairs alike (pairs far apart in the ranking less than neighbours), under Plackett–Luce any
//! two replies are compared as Bradley and Terry say.
//! Rankings under Mallows are drawn by repeated insertion (Doignon et al. 2004): the i-th best goes v places too high with probability ∝ φ^v, v < i.
//!
//! In: ids and golds of replies. Out: their places, best first. Equals stand in random order. A ranking is drawn from the seed and its id alone.
//! Differs from the papers: k is one for all rankings, φ for each K.

use trimtab_core::{Seed, SplitMix64};

use crate::annotator::{Annotator, AnnotatorError, Errors, UnlabelledPair, sharpness};
use crate::non_finite::{Place, finite};

/// Replies to one prompt that are to be ranked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnrankedReplies<'a> {
    /// The ranking's id.
    pub id: &'a str,
    /// Gold reward of each reply.
    pub golds: &'a [f64],
}

impl Annotator {
    /// Ranks the replies of every prompt: places in `golds`, best first.
    ///
    /// # Errors
    ///
    /// [`AnnotatorError`]: an accuracy out of range, a gold that is not finite, naming ranking and reply.
    pub fn rank(
        &self,
        all: &[UnrankedReplies<'_>],
        seed: Seed,
    ) -> Result<Vec<Vec<usize>>, AnnotatorError> {
        if !(0.5..=1.0).contains(&self.accuracy) {
            return Err(AnnotatorError::Accuracy(self.accuracy));
        }
        for (prompt, replies) in all.iter().enumerate() {
            for (sample, &gold) in replies.golds.iter().enumerate() {
                finite("gold", Place::PromptSample { prompt, sample }, gold)?;
            }
        }
        let sharpness = match self.errors {
            Errors::Constant => 0.0,
            Errors::ByDifference => sharpness(&pairs(all), self.accuracy),
        };
        let rank = |replies: &UnrankedReplies<'_>| {
            let mut random = seed.child(replies.id).stream();
            let golds = replies.golds;
            let mut order: Vec<usize> = (0..golds.len()).collect();
            random.shuffle(&mut order);
            match self.errors {
                Errors::ByDifference if sharpness.is_finite() => {
                    let seen: Vec<f64> = (golds.iter())
                        .map(|gold| sharpness * gold + gumbel(&mut random))
                        .collect();
                    order.sort_by(|&a, &b| seen[b].total_cmp(&seen[a]));
                    order
                }
                Errors::ByDifference | Errors::Constant => {
                    order.sort_by(|&a, &b| golds[b].total_cmp(&golds[a]));
                    mallows(&order, dispersion(golds.len(), self.accuracy), &mut random)
                }
            }
        };
        Ok(all.iter().map(rank).collect())
    }
}

/// Every two replies of a ranking.
fn pairs<'a>(all: &[UnrankedReplies<'a>]) -> Vec<UnlabelledPair<'a>> {
    let mut pairs = Vec::new();
    for replies in all {
        for (i, first) in replies.golds.iter().enumerate() {
            pairs.extend(replies.golds[i + 1..].iter().map(|second| UnlabelledPair {
                id: replies.id,
                gold_difference: first - second,
            }));
        }
    }
    pairs
}

fn gumbel(random: &mut SplitMix64) -> f64 {
    // In (0, 1].
    let uniform = 1.0 - random.next_f64();
    -(-uniform.ln()).max(f64::MIN_POSITIVE).ln()
}

/// 1, φ, φ² and so on.
fn powers(phi: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(1.0), move |power| Some(power * phi))
}

/// `order`, best first, with errors.
fn mallows(order: &[usize], phi: f64, random: &mut SplitMix64) -> Vec<usize> {
    let mut ranking = Vec::with_capacity(order.len());
    for &reply in order {
        let total: f64 = powers(phi).take(ranking.len() + 1).sum();
        let mut left = random.next_f64() * total;
        let too_high = (powers(phi).take(ranking.len()))
            .take_while(|weight| {
                left -= weight;
                left >= 0.0
            })
            .count();
        ranking.insert(ranking.len() - too_high, reply);
    }
    ranking
}

/// The φ at which the mean share of right pairs of K replies is the accuracy, by bisection.
fn dispersion(n_replies: usize, accuracy: f64) -> f64 {
    let n_pairs = (n_replies * n_replies.saturating_sub(1) / 2).max(1) as f64;
    let wrong = |phi: f64| -> f64 {
        let of_insertion = |i: usize| {
            let weights = (powers(phi).take(i).enumerate()).map(|(v, weight)| (v as f64, weight));
            let (sum, total) = weights.fold((0.0, 0.0), |(sum, total), (v, weight)| {
                (sum + v * weight, total + weight)
            });
            sum / total
        };
        (1..=n_replies).map(of_insertion).sum::<f64>() / n_pairs
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if wrong(middle) < 1.0 - accuracy {
            low = middle;
        } else {
            high = middle;
        }
    }
    if accuracy >= 1.0 { 0.0 } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [Errors; 2] = [Errors::Constant, Errors::ByDifference];

    fn golds(n: usize, k: usize) -> Vec<Vec<f64>> {
        let mut random = Seed(6).stream();
        (0..n)
            .map(|_| (0..k).map(|_| random.next_normal()).collect())
            .collect()
    }

    fn rank(annotator: Annotator, golds: &[Vec<f64>]) -> Vec<Vec<usize>> {
        let ids: Vec<String> = (0..golds.len()).map(|i| i.to_string()).collect();
        let replies = (ids.iter().zip(golds)).map(|(id, golds)| UnrankedReplies { id, golds });
        annotator
            .rank(&replies.collect::<Vec<_>>(), Seed(2))
            .unwrap()
    }

    /// Share of pairs that are the right way round.
    fn share_right(golds: &[Vec<f64>], rankings: &[Vec<usize>]) -> f64 {
        let (mut right, mut n) = (0.0, 0.0);
        for (golds, ranking) in golds.iter().zip(rankings) {
            for (i, &better) in ranking.iter().enumerate() {
                for &worse in &ranking[i + 1..] {
                    right += f64::from(u8::from(golds[better] > golds[worse]));
                    n += 1.0;
                }
            }
        }
        right / n
    }

    #[test]
    fn pairs_of_a_ranking_are_right_as_often_as_was_asked_for() {
        for k in [2, 4, 7] {
            let golds = golds(8000, k);
            for errors in BOTH {
                for accuracy in [0.5, 0.75, 1.0] {
                    let rankings = rank(Annotator { accuracy, errors }, &golds);
                    let share = share_right(&golds, &rankings);
                    assert!(
                        (share - accuracy).abs() < 0.015,
                        "{errors:?} {k} {accuracy}: {share}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_ranking_does_not_depend_on_others() {
        let golds = golds(20, 4);
        let annotator = Annotator {
            accuracy: 0.7,
            errors: Errors::Constant,
        };
        assert_eq!(rank(annotator, &golds)[..5], rank(annotator, &golds[..5]));
    }

    #[test]
    fn what_is_no_number_is_named() {
        let replies = [UnrankedReplies {
            id: "a",
            golds: &[0.0, f64::NAN],
        }];
        let error = Annotator::default().rank(&replies, Seed(0)).unwrap_err();
        assert_eq!(error.to_string(), "gold of prompt 0, sample 1 is NaN");
    }

    proptest! {
        #[test]
        fn every_reply_stands_once(golds in prop::collection::vec(-2.0..2.0_f64, 0..8), accuracy in 0.5..=1.0_f64) {
            for errors in BOTH {
                let mut ranking = rank(Annotator { accuracy, errors }, std::slice::from_ref(&golds)).remove(0);
                ranking.sort_unstable();
                prop_assert_eq!(ranking, (0..golds.len()).collect::<Vec<_>>());
            }
        }
    }
}
