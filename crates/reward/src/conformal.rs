//! Split-conformal intervals of a rating: ends that hold the truth as often as they say, whatever the model.
//!
//! Papers: Romano, Patterson and Candès 2019, arXiv:1905.03222 (conformalised quantile regression); Koenker and Bassett
//! 1978, Econometrica 46(1) (the pinball loss); Hunter and Lange 2000, JCGS 9(1), for how it is minimised.
//!
//! ```text
//! q_τ     minimises  (1/n) Σ_i pinball_τ(y_i − q_τ(x_i)) + ρ/2 ‖w‖²,   pinball_τ(u) = u (τ − [u < 0])
//! E_i     = max(q_lo(x_i) − y_i, y_i − q_hi(x_i))            on the calibration half, lo = α/2, hi = 1 − α/2
//! widen   = the ⌈(n + 1)(1 − α)⌉-th smallest E_i
//! interval of x = [q_lo(x) − widen, q_hi(x) + widen]
//! ```
//!
//! For replies drawn like the calibration half the interval holds the rating with probability 1 − α at least. A policy
//! that was optimised does not draw like that: nothing is promised of its replies, and the laboratory measures it.
//!
//! In: features `[n, d]` of rated replies and their ratings; a rating is a number on some scale (pairs have none, so pairs
//! alone cannot be conformalised this way). Every other reply is kept for calibration. Out: intervals in units of the
//! ratings.
//! Quantile heads are linear in the features, with a bias. The pinball loss has corners, which are rounded at a
//! thousandth of the ratings' spread; the widening makes up for it as for any other misfit.

use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use crate::gram::Gram;
use crate::random_features::InputScale;

/// Penalty on the weights of a quantile head, beside the mean pinball loss of ratings of spread 1.
const RIDGE: f64 = 1e-3;

/// Where the corner of the pinball loss is rounded, for ratings of spread 1.
const CORNER: f64 = 1e-3;

/// Most rounds of reweighting; the loss falls in each.
const MOST_ROUNDS: usize = 100;

/// Intervals of ratings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Conformal {
    alpha: f64,
    input: InputScale,
    low: QuantileHead,
    high: QuantileHead,
    widen: f64,
}

/// An interval of a rating.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RatingInterval {
    /// Lower end.
    pub low: f64,
    /// Upper end; below the lower one where the quantile heads cross by more than they are widened.
    pub high: f64,
}

/// Why there are no intervals.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ConformalError {
    /// α is no miss rate.
    #[error("a miss rate of {alpha} is not between 0 and 1")]
    Alpha {
        /// What it was.
        alpha: f64,
    },
    /// The calibration half cannot show so rare a miss.
    #[error("{n_calibration} replies to calibrate on cannot show misses of {alpha}")]
    TooFew {
        /// Replies in the calibration half.
        n_calibration: usize,
        /// The miss rate.
        alpha: f64,
    },
    /// A rating is NaN or infinite.
    #[error("rating {at} is {value}")]
    NotFinite {
        /// Which, from 0.
        at: usize,
        /// Its value.
        value: f64,
    },
    /// All ratings are the same.
    #[error("all {n} ratings are {value}")]
    Constant {
        /// How many there are.
        n: usize,
        /// The one rating.
        value: f64,
    },
    /// Features so large that their squares are lost.
    #[error("the products of the features of {n} rated replies are not finite")]
    Overflow {
        /// How many there are.
        n: usize,
    },
}

impl ConformalError {
    /// What may help.
    pub fn hint(&self) -> String {
        match self {
            Self::Alpha { .. } => "0.1 gives intervals that hold nine ratings in ten".into(),
            Self::TooFew { alpha, .. } => {
                let least = (alpha.recip() - 1.0).ceil();
                format!(
                    "rate at least {} replies, half of which calibrate, or raise `alpha`",
                    2.0 * least
                )
            }
            Self::NotFinite { .. } => "leave out replies that have no rating".into(),
            Self::Constant { .. } => "rate on a scale that tells replies apart".into(),
            Self::Overflow { .. } => "bring the features to a common scale".into(),
        }
    }
}

/// The place in rising order, from 1, of the score that all but a share α of exchangeable new scores stay within:
/// ⌈(n + 1)(1 − α)⌉. `None` where that is more than there are.
pub fn conformal_rank(n: usize, alpha: f64) -> Option<usize> {
    // (n + 1)(1 − α) a hair above a whole number is that number.
    let rank = ((n as f64 + 1.0) * (1.0 - alpha) - 1e-9).ceil().max(1.0) as usize;
    (rank <= n).then_some(rank)
}

impl Conformal {
    /// Fits the quantile heads on every other reply, and widens them on the rest.
    ///
    /// # Errors
    ///
    /// [`ConformalError`]: too few replies for α, ratings that are none or all alike.
    ///
    /// # Panics
    ///
    /// When there are not as many rows of `dim` features as ratings: a bug in the caller.
    pub fn fit(
        features: &[f32],
        dim: usize,
        ratings: &[f64],
        alpha: f64,
    ) -> Result<Self, ConformalError> {
        assert_eq!(features.len(), ratings.len() * dim, "features and ratings");
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(ConformalError::Alpha { alpha });
        }
        if let Some(at) = ratings.iter().position(|rating| !rating.is_finite()) {
            let value = ratings[at];
            return Err(ConformalError::NotFinite { at, value });
        }
        let n_calibration = ratings.len() / 2;
        let rank = conformal_rank(n_calibration, alpha);
        let rank = rank.ok_or(ConformalError::TooFew {
            n_calibration,
            alpha,
        })?;
        if ratings.iter().all(|rating| *rating == ratings[0]) {
            return Err(ConformalError::Constant {
                n: ratings.len(),
                value: ratings[0],
            });
        }
        let input = InputScale::of(features, dim);
        let centred = input.apply(features);
        let rows = || centred.chunks_exact(dim).zip(ratings);
        let fitted: Vec<Rated<'_>> = rows().step_by(2).map(Rated::from).collect();
        let head = |level| {
            QuantileHead::fit(&fitted, dim, level)
                .ok_or(ConformalError::Overflow { n: ratings.len() })
        };
        let (low, high) = (head(alpha / 2.0)?, head(1.0 - alpha / 2.0)?);
        let miss =
            |(row, rating): (&[f32], &f64)| (low.of(row) - rating).max(rating - high.of(row));
        let mut misses: Vec<f64> = rows().skip(1).step_by(2).map(miss).collect();
        misses.sort_unstable_by(f64::total_cmp);
        Ok(Self {
            alpha,
            input,
            widen: misses[rank - 1],
            low,
            high,
        })
    }

    /// The miss rate.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Features a reply.
    pub fn dim(&self) -> usize {
        self.input.dim()
    }

    /// Whether all shapes fit: a file may hold anything.
    pub(crate) fn is_consistent(&self) -> bool {
        let width = self.dim() + 1;
        self.dim() > 0 && self.low.weights.len() == width && self.high.weights.len() == width
    }

    /// The interval of every row of `rows`, `[n, dim]`.
    ///
    /// # Panics
    ///
    /// When the values do not make rows: a bug in the caller.
    pub fn intervals(&self, rows: &[f32]) -> Vec<RatingInterval> {
        let centred = self.input.apply(rows);
        let interval = |row: &[f32]| RatingInterval {
            low: self.low.of(row) - self.widen,
            high: self.high.of(row) + self.widen,
        };
        centred
            .chunks_exact(self.input.dim())
            .map(interval)
            .collect()
    }
}

impl RatingInterval {
    /// Whether `rating` is within.
    pub fn holds(&self, rating: f64) -> bool {
        (self.low..=self.high).contains(&rating)
    }

    /// From end to end; 0 where the ends cross.
    pub fn width(&self) -> f64 {
        (self.high - self.low).max(0.0)
    }
}

/// A rated reply, its features centred.
struct Rated<'a> {
    row: &'a [f32],
    rating: f64,
}

impl<'a> From<(&'a [f32], &'a f64)> for Rated<'a> {
    fn from((row, rating): (&'a [f32], &'a f64)) -> Self {
        Self {
            row,
            rating: *rating,
        }
    }
}

/// A linear quantile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct QuantileHead {
    /// `[dim]`, and the bias.
    weights: Vec<f64>,
}

impl QuantileHead {
    fn of(&self, row: &[f32]) -> f64 {
        let products = self.weights.iter().zip(row);
        products.map(|(w, &x)| w * f64::from(x)).sum::<f64>() + self.weights[row.len()]
    }

    /// Minimises the pinball loss by reweighted least squares: at every round the loss is replaced by the parabola that
    /// touches it from above, `u²/(4(c + |u|)) + (τ − ½)u` up to a constant. `None` where the numbers overflow.
    fn fit(rated: &[Rated<'_>], dim: usize, level: f64) -> Option<Self> {
        let n = rated.len() as f64;
        let mean = rated.iter().map(|r| r.rating).sum::<f64>() / n;
        let spread = (rated.iter().map(|r| (r.rating - mean).powi(2)).sum::<f64>() / n).sqrt();
        let spread = if spread > 0.0 { spread } else { 1.0 };
        // In units of the spread around the mean; put back at the end.
        let mut head = Self {
            weights: vec![0.0; dim + 1],
        };
        let mut row = vec![1.0; dim + 1];
        for _ in 0..MOST_ROUNDS {
            let mut gram = Gram::new(dim + 1);
            let mut products = DVector::zeros(dim + 1);
            for sample in rated {
                for (x, &value) in row.iter_mut().zip(sample.row) {
                    *x = f64::from(value);
                }
                let target = (sample.rating - mean) / spread;
                let weight = 0.5 / (CORNER + (target - head.of(sample.row)).abs());
                gram.add(weight, &row);
                let pull = weight * target + level - 0.5;
                for (sum, x) in products.iter_mut().zip(&row) {
                    *sum += pull * x / n;
                }
            }
            let mut matrix = gram.matrix(n.recip(), RIDGE);
            matrix[(dim, dim)] -= RIDGE;
            let solved = nalgebra::Cholesky::new(matrix)?.solve(&products);
            let change = (solved.iter().zip(&head.weights))
                .fold(0.0_f64, |most, (a, b)| most.max((a - b).abs()));
            head.weights = solved.data.into();
            if change < 1e-6 {
                break;
            }
        }
        for w in &mut head.weights {
            *w *= spread;
        }
        head.weights[dim] += mean;
        head.weights.iter().all(|w| w.is_finite()).then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    /// Ratings whose spread grows with the first feature.
    fn rated(n: usize, seed: u64) -> (Vec<f32>, Vec<f64>) {
        let mut random = Seed(seed).stream();
        let (mut features, mut ratings) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let (x, z) = (random.next_f64(), random.next_normal());
            features.extend([x as f32, z as f32]);
            ratings.push(2.0 * z + (0.2 + 2.0 * x) * random.next_normal());
        }
        (features, ratings)
    }

    #[test]
    fn ranks_are_the_papers() {
        assert_eq!(conformal_rank(9, 0.1), Some(9));
        assert_eq!(conformal_rank(8, 0.1), None);
        assert_eq!(conformal_rank(99, 0.1), Some(90));
        assert_eq!(conformal_rank(19, 0.05), Some(19));
    }

    #[test]
    fn a_quantile_of_nothing_but_a_bias_is_the_sample_quantile() {
        let ratings: Vec<f64> = (0..101).map(f64::from).collect();
        let rated: Vec<Rated<'_>> = (ratings.iter())
            .map(|&rating| Rated { row: &[], rating })
            .collect();
        for (level, expected) in [(0.1, 10.0), (0.5, 50.0), (0.9, 90.0)] {
            let head = QuantileHead::fit(&rated, 0, level).unwrap();
            assert!((head.of(&[]) - expected).abs() < 0.6, "{:?}", head.weights);
        }
    }

    #[test]
    fn intervals_hold_as_many_new_ratings_as_they_say() {
        for alpha in [0.1, 0.3] {
            let (mut held, mut n) = (0, 0);
            for seed in 0..20 {
                let (features, ratings) = rated(400, seed);
                let conformal = Conformal::fit(&features, 2, &ratings, alpha).unwrap();
                let (features, ratings) = rated(400, 1000 + seed);
                let intervals = conformal.intervals(&features);
                held += (intervals.iter().zip(&ratings))
                    .filter(|(interval, rating)| interval.holds(**rating))
                    .count();
                n += ratings.len();
            }
            // Twenty calibrations of 200: the mean coverage has a standard error of some half per cent.
            let coverage = held as f64 / f64::from(n as u32);
            assert!(
                (coverage - (1.0 - alpha)).abs() < 0.02,
                "{coverage} for {alpha}"
            );
        }
    }

    #[test]
    fn intervals_are_wider_where_ratings_scatter_more() {
        let (features, ratings) = rated(2000, 1);
        let conformal = Conformal::fit(&features, 2, &ratings, 0.2).unwrap();
        let [narrow, wide] = conformal.intervals(&[0.05, 0.0, 0.95, 0.0])[..] else {
            panic!("two rows");
        };
        assert!(wide.width() > 3.0 * narrow.width(), "{narrow:?} {wide:?}");
    }

    #[test]
    fn what_cannot_be_calibrated_is_refused() {
        let fit = |ratings: &[f64], alpha| {
            Conformal::fit(&vec![0.0; ratings.len()], 1, ratings, alpha).unwrap_err()
        };
        let few = fit(&[1.0; 4], 0.1);
        assert_eq!(
            few.to_string(),
            "2 replies to calibrate on cannot show misses of 0.1"
        );
        assert_eq!(
            few.hint(),
            "rate at least 18 replies, half of which calibrate, or raise `alpha`"
        );
        assert_eq!(
            fit(&[1.0; 40], 0.1),
            ConformalError::Constant { n: 40, value: 1.0 }
        );
        assert_eq!(fit(&[1.0; 40], 1.0), ConformalError::Alpha { alpha: 1.0 });
        let at = fit(&[1.0, f64::INFINITY], 0.9);
        assert_eq!(at.to_string(), "rating 1 is inf");
    }

    proptest! {
        #[test]
        fn at_least_the_promised_share_of_the_calibration_half_is_held(seed: u64, alpha in 0.05..0.9f64) {
            let (features, ratings) = rated(80, seed);
            let conformal = Conformal::fit(&features, 2, &ratings, alpha).unwrap();
            let calibration = (conformal.intervals(&features).into_iter().zip(&ratings)).skip(1).step_by(2);
            let held = calibration.filter(|(interval, rating)| {
                interval.low - 1e-9 <= **rating && **rating <= interval.high + 1e-9
            });
            prop_assert!(held.count() >= conformal_rank(40, alpha).unwrap());
        }
    }
}
