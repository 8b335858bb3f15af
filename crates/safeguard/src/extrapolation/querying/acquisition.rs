//! Which samples to ask about next.
//!
//! Papers: Houlsby et al. 2011, arXiv:1112.5745, for BALD; for the D-optimal criterion on preferences, arXiv:2502.04354; Sener and Savarese
//! 2018, arXiv:1708.00489, for core sets.
//!
//! ```text
//! entropy    H(σ(m / √(1 + πv/8)))                                   of the predictive probability
//! margin     |σ(m) − ½|, the smallest first                           of the fitted one
//! BALD       H(E σ(z)) − E H(σ(z)),   z normal of mean m, variance v  both means by quadrature
//! D-optimal  ln(1 + p(1 − p) xᵀΣx), Σ updated after each pick
//! core set   the farthest from all that is labelled or picked (greedy k-centre)
//! ```
//!
//! with m and v the mean and variance of a sample's logit. Entropy and margin ask about what the answer to is unsure; BALD and D-optimal about what the
//! model is unsure of, which answers that are noise are not. Only the last two look at what else is in the batch.
//!
//! Differs from the paper: BALD's closed form is of a probit model; with a logistic one it is up to .08 bits too great, where nothing is left to learn
//! at all, so that sure samples are asked about.
//!
//! In: a posterior, features `[dim, n]`. Out: places of samples, in the order of picking; ties go to the first.

use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_stats::{moderated_probability, sigmoid};

use crate::extrapolation::posterior::Posterior;

/// How samples are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acquisition {
    /// By lot.
    Random,
    /// Where the predictive probability is least decided.
    Entropy,
    /// Where the fitted probability is nearest ½.
    Margin,
    /// Where the answer tells most of the model.
    Bald,
    /// Where the posterior's volume shrinks most.
    #[default]
    DOptimal,
    /// Where the nearest labelled sample is farthest.
    CoreSet,
}

impl Acquisition {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Random,
        Self::Entropy,
        Self::Margin,
        Self::Bald,
        Self::DOptimal,
        Self::CoreSet,
    ];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Entropy => "entropy",
            Self::Margin => "margin",
            Self::Bald => "BALD",
            Self::DOptimal => "D-optimal",
            Self::CoreSet => "core set",
        }
    }
}

/// What is known when samples are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Pool<'a> {
    /// Of all samples: `[dim, n]`.
    pub features: &'a DMatrix<f64>,
    /// Those that have labels.
    pub labelled: &'a [usize],
    /// Those that may be asked about.
    pub open: &'a [usize],
}

/// Picks up to `n` of the open samples.
pub fn choose(
    acquisition: Acquisition,
    posterior: &Posterior,
    pool: &Pool<'_>,
    n: usize,
    seed: Seed,
) -> Vec<usize> {
    let n = n.min(pool.open.len());
    match acquisition {
        Acquisition::Random => {
            let mut open = pool.open.to_vec();
            seed.stream().shuffle(&mut open);
            open.truncate(n);
            open
        }
        Acquisition::DOptimal => d_optimal(posterior, pool, n),
        Acquisition::CoreSet => core_set(pool, n),
        Acquisition::Entropy => greatest(posterior, pool, n, |m, v| {
            entropy(moderated_probability(m, v))
        }),
        Acquisition::Margin => greatest(posterior, pool, n, |m, _| -(sigmoid(m) - 0.5).abs()),
        Acquisition::Bald => greatest(posterior, pool, n, information),
    }
}

/// Open samples of greatest score, from the mean and variance of their logits.
fn greatest(
    posterior: &Posterior,
    pool: &Pool<'_>,
    n: usize,
    score: impl Fn(f64, f64) -> f64,
) -> Vec<usize> {
    let features = pool.features.select_columns(pool.open);
    let moments = posterior
        .logits(&features)
        .into_iter()
        .zip(posterior.variances(&features));
    let scores: Vec<f64> = moments.map(|(m, v)| score(m, v)).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.into_iter().take(n).map(|at| pool.open[at]).collect()
}

/// Of one probability, in bits.
fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// Half the places at which integrals over a normal variable are summed, a quarter of a standard deviation apart.
const HALF_NODES: i32 = 20;

/// The mutual information of an answer and the weights, in bits, from the mean and variance of its logit.
pub fn information(mean: f64, variance: f64) -> f64 {
    let deviation = variance.sqrt();
    let (mut mass, mut probability, mut entropies) = (0.0, 0.0, 0.0);
    for node in -HALF_NODES..=HALF_NODES {
        let z = 0.25 * f64::from(node);
        let density = (-0.5 * z * z).exp();
        let p = sigmoid(mean + deviation * z);
        mass += density;
        probability += density * p;
        entropies += density * entropy(p);
    }
    // Not below 0, but for rounding: entropy is concave.
    (entropy(probability / mass) - entropies / mass).max(0.0)
}

fn d_optimal(posterior: &Posterior, pool: &Pool<'_>, n: usize) -> Vec<usize> {
    let mut posterior = posterior.clone();
    let features = pool.features.select_columns(pool.open);
    let curvatures: Vec<f64> = (posterior.logits(&features).into_iter())
        .map(|z| sigmoid(z) * sigmoid(-z))
        .collect();
    let mut variances = posterior.variances(&features);
    let mut is_picked = vec![false; pool.open.len()];
    let mut picked = Vec::with_capacity(n);
    for _ in 0..n {
        // ln(1 + gain) grows with the gain.
        let gain = |at: usize| curvatures[at] * variances[at];
        let Some(best) = (0..is_picked.len())
            .filter(|&at| !is_picked[at])
            .reduce(|best, at| if gain(at) > gain(best) { at } else { best })
        else {
            break;
        };
        is_picked[best] = true;
        picked.push(pool.open[best]);
        let sample = DVector::from(features.column(best));
        let (through, scale) = posterior.add(&sample, curvatures[best]);
        for (variance, along) in variances.iter_mut().zip(features.tr_mul(&through).iter()) {
            *variance -= scale * along * along;
        }
    }
    picked
}

fn core_set(pool: &Pool<'_>, n: usize) -> Vec<usize> {
    let distance =
        |a: usize, b: usize| (pool.features.column(a) - pool.features.column(b)).norm_squared();
    let mut nearest: Vec<f64> = (pool.open.iter())
        .map(|&at| {
            pool.labelled
                .iter()
                .map(|&to| distance(at, to))
                .fold(f64::INFINITY, f64::min)
        })
        .collect();
    let mut picked: Vec<usize> = Vec::with_capacity(n);
    for _ in 0..n {
        let farthest = (1..nearest.len()).fold(0, |best, at| {
            if nearest[at] > nearest[best] {
                at
            } else {
                best
            }
        });
        let chosen = pool.open[farthest];
        picked.push(chosen);
        for (nearest, &at) in nearest.iter_mut().zip(pool.open) {
            *nearest = nearest.min(distance(at, chosen));
        }
        // Never twice, even where another lies in the same place.
        nearest[farthest] = f64::NEG_INFINITY;
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(seed: u64, n: usize) -> (DMatrix<f64>, Posterior) {
        let mut stream = Seed(seed).stream();
        let features = DMatrix::from_fn(3, n, |_, _| stream.next_normal());
        let answers: Vec<bool> = (0..4).map(|_| stream.next_f64() < 0.5).collect();
        let posterior = Posterior::fit(&features.columns(0, 4).into_owned(), &answers, 0.5);
        (features, posterior)
    }

    /// The determinant of the precision as it reads, tried with every open sample in turn.
    fn slow_d_optimal(posterior: &Posterior, pool: &Pool<'_>, n: usize) -> Vec<usize> {
        let mut precision = posterior.covariance.clone().try_inverse().unwrap();
        let mut picked: Vec<usize> = Vec::new();
        for _ in 0..n {
            let with = |at: usize| {
                let x = DVector::from(pool.features.column(at));
                let p = sigmoid(x.dot(&posterior.weights));
                &precision + &x * x.transpose() * (p * (1.0 - p))
            };
            let open = pool.open.iter().copied().filter(|at| !picked.contains(at));
            let best = open.max_by(|&a, &b| {
                with(a)
                    .determinant()
                    .total_cmp(&with(b).determinant())
                    .then(b.cmp(&a))
            });
            let best = best.unwrap();
            precision = with(best);
            picked.push(best);
        }
        picked
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn rank_one_updates_pick_what_determinants_do(seed: u64) {
            let (features, posterior) = problem(seed, 14);
            let open: Vec<usize> = (4..14).collect();
            let pool = Pool { features: &features, labelled: &[0, 1, 2, 3], open: &open };
            prop_assert_eq!(d_optimal(&posterior, &pool, 4), slow_d_optimal(&posterior, &pool, 4));
        }

        #[test]
        fn picks_are_open_and_distinct(seed: u64, n in 0..12usize) {
            let (features, posterior) = problem(seed, 12);
            let open: Vec<usize> = (4..12).collect();
            let pool = Pool { features: &features, labelled: &[0, 1, 2, 3], open: &open };
            for acquisition in Acquisition::ALL {
                let mut picked = choose(acquisition, &posterior, &pool, n, Seed(seed));
                prop_assert_eq!(picked.len(), n.min(8));
                picked.sort_unstable();
                picked.dedup();
                prop_assert_eq!(picked.len(), n.min(8));
                prop_assert!(picked.iter().all(|at| open.contains(at)));
            }
        }

        #[test]
        fn information_is_the_integral(mean in -4.0..4.0f64, variance in 0.0..6.0f64) {
            let n = 2000;
            let (mut p_sum, mut h_sum, mut mass) = (0.0, 0.0, 0.0);
            for i in 0..n {
                let z = -6.0 + 12.0 * (f64::from(i) + 0.5) / f64::from(n);
                let density = (-0.5 * z * z).exp();
                let p = sigmoid(mean + variance.sqrt() * z);
                p_sum += density * p;
                h_sum += density * entropy(p);
                mass += density;
            }
            let integral = entropy(p_sum / mass) - h_sum / mass;
            prop_assert!((information(mean, variance) - integral).abs() < 1e-5);
        }
    }

    /// The classical mistake: the closed form of a probit model, with a logistic model's logits.
    fn closed_form(mean: f64, variance: f64) -> f64 {
        let scale = std::f64::consts::PI / 8.0;
        let (mean_of_probit, variance_of_probit) = (mean * scale.sqrt(), variance * scale);
        let c2 = std::f64::consts::PI * std::f64::consts::LN_2 / 2.0;
        let spread = variance_of_probit + c2;
        let expected =
            (c2 / spread).sqrt() * (-mean_of_probit * mean_of_probit / (2.0 * spread)).exp();
        entropy(moderated_probability(mean, variance)) - expected
    }

    #[test]
    fn nothing_is_learnt_of_what_is_certain_and_the_closed_form_says_otherwise() {
        for mean in [0.0, 1.0, 3.0] {
            assert!(information(mean, 0.0) < 1e-9);
        }
        assert!(closed_form(3.0, 0.0) > 0.05);
        // It would rather ask about a sure sample than about one that is not.
        assert!(information(3.0, 0.0) < information(0.0, 0.2));
        assert!(closed_form(3.0, 0.0) > closed_form(0.0, 0.2));
    }

    #[test]
    fn the_core_set_goes_to_what_is_far() {
        let features = DMatrix::from_row_slice(1, 5, &[0.0, 1.0, 9.0, 10.0, 5.0]);
        let pool = Pool {
            features: &features,
            labelled: &[0],
            open: &[1, 2, 3, 4],
        };
        assert_eq!(core_set(&pool, 3), [3, 4, 1]);
    }

    #[test]
    fn a_batch_of_d_optimal_does_not_ask_the_same_twice() {
        // Two copies of one uncertain sample, and another direction: without the update both copies would be picked.
        let features = DMatrix::from_row_slice(2, 3, &[3.0, 3.0, 0.0, 0.0, 0.0, 2.0]);
        let posterior = Posterior::fit(&DMatrix::zeros(2, 0), &[], 0.1);
        let pool = Pool {
            features: &features,
            labelled: &[],
            open: &[0, 1, 2],
        };
        assert_eq!(d_optimal(&posterior, &pool, 2), [0, 2]);
        assert_eq!(greatest(&posterior, &pool, 2, |_, v| v), [0, 1]);
    }
}
