//! Disagreeing heads: several generalisations of the same labels (DivDis).
//!
//! Paper: Lee, Yao and Finn 2022, *Diversify and Disambiguate*, arXiv:2202.03418, sections 3.1–3.3.
//!
//! ```text
//! L = (1/H) Σ_h CE(source, head h) + λ₁ Σ_{i<j} MI(p_i, p_j) + λ₂ Σ_h KL(mean p_h ‖ prior)
//! MI(p_i, p_j) = Σ_ab J_ab ln(J_ab / (J_a· J_·b)),   J_ab = mean over the target batch of p_i(a|x) p_j(b|x)
//! ```
//!
//! Heads share a trunk; each is a logit of the answer 1. The source is labelled, the target is not. The prior is the share of
//! the answer 1 in the source. Labels are asked where heads are furthest apart, Σ_{i<j} |p_i − p_j|; the head that gives the
//! labels the greatest likelihood is kept.
//!
//! In: features `[dim, n]`, answers. Out: probabilities of the answer 1, `[heads, n]`.
//! Differs from the paper: MI is of two answers; one label an acquisition, of the most disputed samples first.

use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_probe::{Mlp, MlpOptions, Slopes};
use trimtab_stats::{log_sigmoid, sigmoid};

/// Heads, how far apart they are driven, and the labels that pick one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeadsConfig {
    /// Heads on the trunk.
    pub n: usize,
    /// Units of the trunk's hidden layer.
    pub hidden: usize,
    /// Weight λ₁ of the mutual information between heads.
    pub diversity: f64,
    /// Weight λ₂ of the divergence of a head's mean prediction from the prior.
    pub balance: f64,
    /// Labels asked of the target, to pick a head.
    pub labels: usize,
    /// How networks are trained.
    pub training: MlpOptions,
}

impl Default for HeadsConfig {
    fn default() -> Self {
        Self {
            n: 2,
            hidden: 32,
            diversity: 10.0,
            balance: 10.0,
            labels: 1,
            training: MlpOptions::default(),
        }
    }
}

impl HeadsConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("n", self.n, (2..=16).contains(&self.n), "from 2 to 16")?;
        require("hidden", self.hidden, self.hidden > 0, "at least 1")?;
        for (key, value) in [("diversity", self.diversity), ("balance", self.balance)] {
            let fits = value.is_finite() && value >= 0.0;
            require(key, value, fits, "a number that is not below 0")?;
        }
        require("labels", self.labels, self.labels > 0, "at least 1")?;
        training(&self.training)
    }
}

/// Checks how a network is trained.
fn training(options: &MlpOptions) -> Result<(), ConfigError> {
    let MlpOptions {
        epochs,
        batch_size,
        learning_rate,
        weight_decay,
        ..
    } = *options;
    require("training.epochs", epochs, epochs > 0, "at least 1")?;
    require(
        "training.batch-size",
        batch_size,
        batch_size > 1,
        "at least 2",
    )?;
    let fits = learning_rate.is_finite() && learning_rate > 0.0;
    require(
        "training.learning-rate",
        learning_rate,
        fits,
        "a number above 0",
    )?;
    let fits = weight_decay.is_finite() && weight_decay >= 0.0;
    require(
        "training.weight-decay",
        weight_decay,
        fits,
        "a number that is not below 0",
    )
}

/// A trunk with heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads {
    network: Mlp,
}

impl Heads {
    /// Trains heads that agree on the source, and are made to disagree on the target.
    ///
    /// # Panics
    ///
    /// When there are no samples, or not as many answers as source samples: the caller checks its input.
    pub fn fit(
        source: &DMatrix<f64>,
        answers: &[f64],
        target: &DMatrix<f64>,
        config: &HeadsConfig,
        seed: Seed,
    ) -> Self {
        assert_eq!(source.ncols(), answers.len(), "an answer a sample");
        let prior = answers.iter().sum::<f64>() / answers.len() as f64;
        let widths = [source.nrows(), config.hidden, config.n];
        let mut network = Mlp::initial(&widths, seed);
        // As many source samples as target samples a step: both are passed over in one order, the shorter more than once.
        let n = source.ncols().max(target.ncols());
        let places = DMatrix::zeros(1, n);
        let options = &config.training;
        network.train_by(&places, options, seed, &mut |network, batch, into| {
            let own: Vec<usize> = batch.iter().map(|&at| at % source.ncols()).collect();
            let trace = network.trace(source.select_columns(&own));
            let labels: Vec<f64> = own.iter().map(|&at| answers[at]).collect();
            let (mut loss, slope) = cross_entropy(trace.outputs(), &labels);
            network.backward(&trace, &Slopes::of_outputs(loss, slope), into);

            let own: Vec<usize> = batch.iter().map(|&at| at % target.ncols()).collect();
            let trace = network.trace(target.select_columns(&own));
            let p = trace.outputs().map(sigmoid);
            let (information, mut slope) = mutual_information(&p);
            let (divergence, of_divergence) = prior_divergence(&p, prior);
            slope *= config.diversity;
            slope += of_divergence * config.balance;
            slope.zip_apply(&p, |slope, p| *slope *= p * (1.0 - p));
            let apart = config.diversity * information + config.balance * divergence;
            network.backward(&trace, &Slopes::of_outputs(apart, slope), into);
            loss += apart;
            loss
        });
        Self { network }
    }

    /// Probabilities of the answer 1: `[heads, n]`.
    pub fn probabilities(&self, features: &DMatrix<f64>) -> DMatrix<f64> {
        self.network.outputs(features).map(sigmoid)
    }

    /// Mean over heads of the cross-entropy of labelled samples, in nats.
    ///
    /// # Panics
    ///
    /// When there are not as many answers as samples: a bug in the caller.
    pub fn loss(&self, features: &DMatrix<f64>, answers: &[f64]) -> f64 {
        assert_eq!(features.ncols(), answers.len(), "an answer a sample");
        cross_entropy(&self.network.outputs(features), answers).0
    }

    /// The head under which labelled samples are likeliest; the first among equals.
    ///
    /// # Panics
    ///
    /// When there are not as many answers as samples: a bug in the caller.
    pub fn pick(&self, features: &DMatrix<f64>, answers: &[f64]) -> usize {
        assert_eq!(features.ncols(), answers.len(), "an answer a sample");
        let logits = self.network.outputs(features);
        let log_likelihood = |head: usize| -> f64 {
            (logits.row(head).iter().zip(answers))
                .map(|(&z, &y)| y * log_sigmoid(z) + (1.0 - y) * log_sigmoid(-z))
                .sum()
        };
        let all: Vec<f64> = (0..logits.nrows()).map(log_likelihood).collect();
        (1..all.len()).fold(
            0,
            |best, head| if all[head] > all[best] { head } else { best },
        )
    }
}

/// The samples on which heads are furthest apart, the most disputed first.
pub fn most_disputed(probabilities: &DMatrix<f64>, n: usize) -> Vec<usize> {
    let disputes: Vec<f64> = (probabilities.column_iter())
        .map(|p| {
            let pairs = (0..p.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            pairs.map(|(i, j)| (p[i] - p[j]).abs()).sum()
        })
        .collect();
    let mut order: Vec<usize> = (0..disputes.len()).collect();
    order.sort_by(|&a, &b| disputes[b].total_cmp(&disputes[a]).then(a.cmp(&b)));
    order.truncate(n);
    order
}

/// Mean over heads and samples of the cross-entropy, in nats, and its slope by the logits `[heads, n]`.
fn cross_entropy(logits: &DMatrix<f64>, answers: &[f64]) -> (f64, DMatrix<f64>) {
    let scale = 1.0 / logits.len() as f64;
    let mut loss = 0.0;
    let mut slope = logits.clone();
    for (mut column, &y) in slope.column_iter_mut().zip(answers) {
        for z in column.iter_mut() {
            loss -= scale * (y * log_sigmoid(*z) + (1.0 - y) * log_sigmoid(-*z));
            *z = scale * (sigmoid(*z) - y);
        }
    }
    (loss, slope)
}

/// What keeps logarithms of empty cells finite.
const TINY: f64 = 1e-12;

/// Σ_{i<j} MI(p_i, p_j), in nats, of probabilities `[heads, n]`, and its slope by them.
fn mutual_information(p: &DMatrix<f64>) -> (f64, DMatrix<f64>) {
    let n = p.ncols() as f64;
    let mut total = 0.0;
    let mut slope = DMatrix::zeros(p.nrows(), p.ncols());
    let means: DVector<f64> = p.column_mean();
    for i in 0..p.nrows() {
        for j in 0..i {
            let both = p.row(i).dot(&p.row(j)) / n;
            let (a, b) = (means[i], means[j]);
            let joint = [[1.0 - a - b + both, b - both], [a - both, both]];
            let log_ratio = |of_i: usize, of_j: usize| {
                let marginal = [1.0 - a, a][of_i] * [1.0 - b, b][of_j];
                ((joint[of_i][of_j] + TINY) / (marginal + TINY)).ln()
            };
            let cells = [(0, 0), (0, 1), (1, 0), (1, 1)];
            let ratios = cells.map(|(of_i, of_j)| log_ratio(of_i, of_j));
            let [none, only_j, only_i, both_log] = ratios;
            total += (cells.iter().zip(ratios))
                .map(|(&(of_i, of_j), ratio)| joint[of_i][of_j] * ratio)
                .sum::<f64>();
            // The slope of MI by a cell of the joint is its log ratio, up to a constant that cancels between answers.
            for sample in 0..p.ncols() {
                let (p_i, p_j) = (p[(i, sample)], p[(j, sample)]);
                slope[(i, sample)] +=
                    (p_j * (both_log - only_j) + (1.0 - p_j) * (only_i - none)) / n;
                slope[(j, sample)] +=
                    (p_i * (both_log - only_i) + (1.0 - p_i) * (only_j - none)) / n;
            }
        }
    }
    (total, slope)
}

/// Σ_h KL(mean p_h ‖ prior), in nats, and its slope by the probabilities `[heads, n]`.
fn prior_divergence(p: &DMatrix<f64>, prior: f64) -> (f64, DMatrix<f64>) {
    let prior = prior.clamp(TINY, 1.0 - TINY);
    let mut total = 0.0;
    let mut slope = DMatrix::zeros(p.nrows(), p.ncols());
    for (head, mean) in p.column_mean().iter().enumerate() {
        let mean = mean.clamp(TINY, 1.0 - TINY);
        let [up, down] = [(mean / prior).ln(), ((1.0 - mean) / (1.0 - prior)).ln()];
        total += mean * up + (1.0 - mean) * down;
        slope.row_mut(head).fill((up - down) / p.ncols() as f64);
    }
    (total, slope)
}

/// One head, trained on the source alone.
pub(super) fn empirical_risk(
    source: &DMatrix<f64>,
    answers: &[f64],
    config: &HeadsConfig,
    seed: Seed,
) -> Heads {
    let mut network = Mlp::initial(&[source.nrows(), config.hidden, 1], seed);
    network.train(source, &config.training, seed, &mut |batch, trace| {
        let labels: Vec<f64> = batch.iter().map(|&at| answers[at]).collect();
        let (loss, slope) = cross_entropy(trace.outputs(), &labels);
        Slopes::of_outputs(loss, slope)
    });
    Heads { network }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// MI as it reads, from the joint summed sample by sample.
    fn slow_mutual_information(p: &DMatrix<f64>) -> f64 {
        let mut total = 0.0;
        for i in 0..p.nrows() {
            for j in i + 1..p.nrows() {
                let cell = |a: bool, b: bool| -> f64 {
                    let of = |p: f64, yes: bool| if yes { p } else { 1.0 - p };
                    let products = p.column_iter().map(|p| of(p[i], a) * of(p[j], b));
                    products.sum::<f64>() / p.ncols() as f64
                };
                for a in [false, true] {
                    for b in [false, true] {
                        let joint = cell(a, b);
                        let (row, column) = (
                            cell(a, false) + cell(a, true),
                            cell(false, b) + cell(true, b),
                        );
                        total += joint * (joint / (row * column)).ln();
                    }
                }
            }
        }
        total
    }

    #[track_caller]
    fn check_slope(of: impl Fn(&DMatrix<f64>) -> (f64, DMatrix<f64>), at: &DMatrix<f64>) {
        let (_, slope) = of(at);
        for k in 0..at.len() {
            let moved = |by: f64| {
                let mut moved = at.clone();
                moved[k] += by;
                of(&moved).0
            };
            let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!(
                (slope[k] - difference).abs() < 1e-6,
                "{} {difference}",
                slope[k]
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn slopes_and_information_are_as_they_read(seed: u64, heads in 2..4usize, n in 2..6usize, prior in 0.1..0.9f64) {
            let mut stream = Seed(seed).stream();
            let p = DMatrix::from_fn(heads, n, |_, _| 0.05 + 0.9 * stream.next_f64());
            let (information, _) = mutual_information(&p);
            prop_assert!((information - slow_mutual_information(&p)).abs() < 1e-9);
            prop_assert!(information > -1e-12);
            check_slope(mutual_information, &p);
            check_slope(|p| prior_divergence(p, prior), &p);
            let labels: Vec<f64> = (0..n).map(|_| stream.next_f64()).collect();
            let logits = DMatrix::from_fn(heads, n, |_, _| stream.next_normal());
            check_slope(|logits| cross_entropy(logits, &labels), &logits);
        }

        #[test]
        fn heads_that_say_the_same_of_every_sample_share_nothing_but_their_mean(p in 0.05..0.95f64, n in 1..6usize) {
            // Constant predictions are independent, however equal.
            let constant = DMatrix::from_element(2, n, p);
            prop_assert!(mutual_information(&constant).0.abs() < 1e-9);
        }
    }

    #[test]
    fn certain_heads_that_agree_share_one_bit() {
        let p = DMatrix::from_row_slice(2, 4, &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert!((mutual_information(&p).0 - std::f64::consts::LN_2).abs() < 1e-9);
        let p = DMatrix::from_row_slice(2, 4, &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        assert!(mutual_information(&p).0.abs() < 1e-9);
    }

    #[test]
    fn the_most_disputed_come_first() {
        let p = DMatrix::from_row_slice(2, 3, &[0.5, 0.1, 0.9, 0.5, 0.9, 0.6]);
        assert_eq!(most_disputed(&p, 2), [1, 2]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = HeadsConfig {
            n: 1,
            ..HeadsConfig::default()
        };
        assert_eq!(
            wrong.check().unwrap_err().to_string(),
            "n is 1: from 2 to 16"
        );
    }
}
