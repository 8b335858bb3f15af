//! Verbosity bias: how much a judge prefers a reply for being the longer one.
//!
//! Paper: Zheng et al. 2023, arXiv:2306.05685, section 3.3 (verbosity bias); the regression is the usual way to control
//! for length, as in Dubois et al. 2024, arXiv:2404.04475.
//!
//! ```text
//! P(first preferred) = σ(a + β ln(length_first / length_second))
//! longer wins = #{the longer reply preferred} / #{pairs of different lengths, decided}
//! ```
//!
//! `β` is in logits for each factor e in length: with `β = 0.5`, a reply twice as long has its odds multiplied by
//! `2^0.5 = 1.41`. The logarithm makes 20 words against 10 what 200 against 100 is. The intercept `a` takes up what the
//! position does. It is how lengths and preferences go together, not why: better replies may be longer, so set it
//! beside the same figure of the human labels.
//!
//! In: lengths in any one unit (characters, words, tokens), 0 taken as 1; which was preferred; prompts. Out: `β` and `a`
//! with normal intervals from a variance clustered by prompt (`logistic.rs`); a share, as a fraction, with
//! [`clustered_share`]'s interval. Ties and failures are in neither, and counted beside them.
//! Parity: `tests/golden/judges.json` (statsmodels).

use serde::Serialize;

use crate::interval::normal_reach;
use crate::logistic::fit;
use crate::{Clusters, Interval, Level, clustered_share};

/// Which of two replies was preferred, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preferred {
    /// The one shown first.
    First,
    /// The one shown second.
    Second,
    /// Neither.
    Tie,
}

/// A judged pair, as far as length goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Of the reply shown first.
    pub first: usize,
    /// Of the other.
    pub second: usize,
    /// Which was preferred; `None` where the judgement failed.
    pub preferred: Option<Preferred>,
}

/// The slope of preference on length, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Slope {
    /// As fitted.
    Fitted {
        /// `β`, in logits for each factor e in length.
        slope: Interval,
        /// `a`, in logits: positive for a judge that prefers what stands first.
        intercept: Interval,
    },
    /// A length ratio parts the pairs whose first reply is preferred from the others: no finite slope fits best.
    Separated,
    /// Too few pairs or prompts, lengths that are all alike, or preferences that are.
    TooLittle,
}

/// How preference goes with length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Verbosity {
    /// Pairs in all.
    pub n_pairs: usize,
    /// Failed judgements among them.
    pub n_failed: usize,
    /// Ties among them.
    pub n_tied: usize,
    /// Decided pairs of equal lengths: they say nothing of whether the longer one wins.
    pub n_equal: usize,
    /// The share of decided pairs of different lengths in which the longer reply wins; absent where there is none.
    pub longer_wins: Option<Interval>,
    /// The regression.
    pub slope: Slope,
}

impl Verbosity {
    /// Measures a judge, or the human labels.
    ///
    /// # Panics
    ///
    /// When there are not as many pairs as `prompts` has: a bug in the caller.
    pub fn new(pairs: &[Lengths], prompts: &Clusters, level: Level) -> Self {
        assert_eq!(pairs.len(), prompts.n_items(), "pairs and their prompts");
        let n_of = |wanted: Option<Preferred>| {
            (pairs.iter())
                .filter(|pair| pair.preferred == wanted)
                .count()
        };
        let decided: Vec<(usize, &Lengths, bool)> = (pairs.iter().zip(prompts.of_items()))
            .filter_map(|(pair, prompt)| match pair.preferred? {
                Preferred::First => Some((*prompt, pair, true)),
                Preferred::Second => Some((*prompt, pair, false)),
                Preferred::Tie => None,
            })
            .collect();
        let unequal: Vec<_> = (decided.iter())
            .filter(|(_, pair, _)| pair.first != pair.second)
            .collect();
        let longer: Vec<bool> = (unequal.iter())
            .map(|(_, pair, first)| (pair.first > pair.second) == *first)
            .collect();
        let of_unequal = Clusters::new(unequal.iter().map(|(prompt, ..)| *prompt));
        Self {
            n_pairs: pairs.len(),
            n_failed: n_of(None),
            n_tied: n_of(Some(Preferred::Tie)),
            n_equal: decided.len() - unequal.len(),
            longer_wins: clustered_share(&longer, &of_unequal, level),
            slope: slope(&decided, level),
        }
    }
}

fn log_ratio(pair: &Lengths) -> f64 {
    (pair.first.max(1) as f64 / pair.second.max(1) as f64).ln()
}

fn slope(decided: &[(usize, &Lengths, bool)], level: Level) -> Slope {
    let outcomes: Vec<bool> = decided.iter().map(|(_, _, first)| *first).collect();
    let rows: Vec<[f64; 2]> = (decided.iter())
        .map(|(_, pair, _)| [1.0, log_ratio(pair)])
        .collect();
    let range = |wanted: bool| {
        (rows.iter().zip(&outcomes))
            .filter(|(_, outcome)| **outcome == wanted)
            .map(|(row, _)| row[1])
            .fold(None, |range: Option<(f64, f64)>, x| {
                let (low, high) = range.unwrap_or((x, x));
                Some((low.min(x), high.max(x)))
            })
    };
    let (Some(first), Some(second)) = (range(true), range(false)) else {
        return Slope::TooLittle;
    };
    if first == second && first.0 == first.1 {
        return Slope::TooLittle;
    }
    if first.0 >= second.1 || second.0 >= first.1 {
        return Slope::Separated;
    }
    let clusters = Clusters::new(decided.iter().map(|(prompt, ..)| *prompt));
    let Some(fit) = fit(&rows, &outcomes, &clusters) else {
        return Slope::TooLittle;
    };
    let interval = |k: usize| {
        let (estimate, reach) = (
            fit.coefficients[k],
            normal_reach(level) * fit.variances[k].sqrt(),
        );
        Interval {
            estimate,
            low: estimate - reach,
            high: estimate + reach,
        }
    };
    Slope::Fitted {
        slope: interval(1),
        intercept: interval(0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;

    fn verbosity(pairs: &[Lengths]) -> Verbosity {
        Verbosity::new(pairs, &Clusters::singletons(pairs.len()), Level::default())
    }

    fn pair(first: usize, second: usize, preferred: Preferred) -> Lengths {
        let preferred = Some(preferred);
        Lengths {
            first,
            second,
            preferred,
        }
    }

    #[test]
    fn always_the_longer_one_has_no_finite_slope() {
        let pairs: Vec<_> = (1..20)
            .map(|n| match n % 2 {
                0 => pair(n, 30, Preferred::Second),
                _ => pair(30, n, Preferred::First),
            })
            .collect();
        let verbosity = verbosity(&pairs);
        assert_eq!(verbosity.slope, Slope::Separated);
        assert_eq!(verbosity.longer_wins.unwrap().estimate, 1.0);
    }

    #[test]
    fn what_says_nothing_is_counted() {
        let pairs = [
            pair(5, 5, Preferred::First),
            pair(5, 5, Preferred::Second),
            pair(9, 5, Preferred::Tie),
            Lengths {
                first: 0,
                second: 4,
                preferred: None,
            },
        ];
        let expected = Verbosity {
            n_pairs: 4,
            n_failed: 1,
            n_tied: 1,
            n_equal: 2,
            longer_wins: None,
            slope: Slope::TooLittle,
        };
        assert_eq!(verbosity(&pairs), expected);
        assert_eq!(verbosity(&[]).slope, Slope::TooLittle);
    }

    #[test]
    fn the_slope_of_a_simulated_judge_is_found() {
        let mut random = Seed(3).stream();
        let pairs: Vec<_> = (0..3000)
            .map(|_| {
                let (first, second) = (1 + random.below(300), 1 + random.below(300));
                let x = (first as f64 / second as f64).ln();
                let p = 1.0 / (1.0 + (-(0.3 + 0.7 * x)).exp());
                let preferred = if random.next_f64() < p {
                    Preferred::First
                } else {
                    Preferred::Second
                };
                pair(first, second, preferred)
            })
            .collect();
        let Slope::Fitted { slope, intercept } = verbosity(&pairs).slope else {
            panic!("no slope")
        };
        assert!(slope.low < 0.7 && 0.7 < slope.high, "{slope:?}");
        assert!(intercept.low < 0.3 && 0.3 < intercept.high, "{intercept:?}");
    }

    proptest! {
        #[test]
        fn any_pairs_have_an_answer_without_nan(
            pairs in prop::collection::vec((0..40usize, 0..40usize, 0..4u8), 0..60),
        ) {
            let pairs: Vec<_> = pairs.into_iter().map(|(first, second, said)| Lengths {
                first,
                second,
                preferred: match said {
                    0 => Some(Preferred::First),
                    1 => Some(Preferred::Second),
                    2 => Some(Preferred::Tie),
                    _ => None,
                },
            }).collect();
            if let Slope::Fitted { slope, intercept } = verbosity(&pairs).slope {
                prop_assert!([slope.low, slope.high, intercept.low, intercept.high].iter().all(|x| x.is_finite()));
                prop_assert!(slope.low <= slope.high);
            }
        }
    }
}
