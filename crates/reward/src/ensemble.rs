//! One score out of an ensemble's: mean, worst case, median, uncertainty-weighted, and the soft minimum that contains them.
//!
//! Papers: Coste et al. 2024, arXiv:2310.02743 (worst case, uncertainty-weighted); Hahami et al. 2026, arXiv:2606.09073 (the family);
//! Eisenstein et al. 2024, arXiv:2312.09244 (what ensembles do not mend).
//!
//! ```text
//! mean                    m = (1/K) Σ_k s_k
//! worst-case              min_k s_k
//! median                  of the s_k; the mean of the middle two where K is even
//! uncertainty-weighted    m − λ var(s)              variance, not its root
//! lower-confidence        m − λ sd(s)
//! soft-min                −β log (1/K) Σ_k exp(−s_k/β)
//! ```
//!
//! The soft minimum is the mean as β → ∞ and the worst case as β → 0; to second order in 1/β it is uncertainty-weighted with λ = 1/(2β) and the
//! variance over K.
//!
//! Members have scales of their own, and a minimum picks whoever has the lowest offset: [`Normaliser`] gives each mean 0 and variance 1 (over N) on one
//! reference sample first.
//!
//! In: `[member][sample]` scores. Out: one score a sample, in the units of the scores.
//! Differs from the papers: Coste's code takes the variance over K for best of n and over K − 1 for PPO, under one λ. Here the divisor is a
//! setting, and the default is K. Its normalisation is commented out.
//! Parity: `tests/golden/pref_reference.json`, `ensemble`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::non_finite::{NonFinite, Place, finite};

/// How the scores of members become one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Combination {
    /// The mean.
    Mean {},
    /// The lowest score (WCO).
    WorstCase {},
    /// The median.
    Median {},
    /// The mean less a multiple of the variance (UWO).
    UncertaintyWeighted(Spread),
    /// The mean less a multiple of the standard deviation.
    LowerConfidence(Spread),
    /// The soft minimum.
    SoftMin {
        /// Temperature, in the units of the scores: near 0 is the worst case, large is the mean.
        beta: f64,
    },
}

/// How much the members' disagreement costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spread {
    /// Multiple of the spread that is taken off the mean. 0.5 is the paper's for best of n, 0.1 for PPO.
    pub lambda: f64,
    /// What the squared deviations are divided by.
    pub divisor: VarianceDivisor,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            lambda: 0.5,
            divisor: VarianceDivisor::Count,
        }
    }
}

/// What squared deviations are divided by to give a variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VarianceDivisor {
    /// How many there are (`ddof = 0`).
    #[default]
    Count,
    /// One fewer (`ddof = 1`, Bessel's correction).
    CountLessOne,
}

/// The scale of each member on the reference sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Normaliser {
    scales: Vec<Scale>,
}

/// One member's scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scale {
    /// Mean score.
    pub mean: f64,
    /// Standard deviation of scores, over their count.
    pub standard_deviation: f64,
}

/// Why members' scores could not be combined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EnsembleError {
    /// Nothing to combine.
    #[error("an ensemble without members")]
    NoMembers,
    /// A variance over one fewer than one.
    #[error("one member has no variance over one fewer")]
    OneMember,
    /// λ below 0 or β not above 0.
    #[error("{name} of {value} is out of range")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// Members that scored different numbers of samples, or a normaliser of another ensemble.
    #[error("{expected} {what} expected, {got} found")]
    Shape {
        /// Of what there are too many or too few.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A member that gives every reference sample the same score.
    #[error("member {member} gives all {n_samples} reference samples the score {score}")]
    Constant {
        /// The member, from 0.
        member: usize,
        /// The one score.
        score: f64,
        /// Samples.
        n_samples: usize,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl EnsembleError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoMembers => "train at least one member".into(),
            Self::OneMember => "train a second member, or set `divisor = \"count\"`".into(),
            Self::Setting { name, .. } if *name == "beta" => "give `beta` a number above 0".into(),
            Self::Setting { name, .. } => format!("give `{name}` a number of 0 or more"),
            Self::Shape { .. } => "score the same samples with every member".into(),
            Self::Constant { .. } => {
                "a member without spread has no scale: it did not train, or the reference samples are all alike".into()
            }
            Self::NonFinite(error) => error.hint(),
        }
    }
}

impl Combination {
    /// The name in an experiment file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mean {} => "mean",
            Self::WorstCase {} => "worst-case",
            Self::Median {} => "median",
            Self::UncertaintyWeighted(_) => "uncertainty-weighted",
            Self::LowerConfidence(_) => "lower-confidence",
            Self::SoftMin { .. } => "soft-min",
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`EnsembleError::Setting`], or [`EnsembleError::NonFinite`].
    pub fn check(&self) -> Result<(), EnsembleError> {
        let (name, value, fits) = match *self {
            Self::Mean {} | Self::WorstCase {} | Self::Median {} => return Ok(()),
            Self::UncertaintyWeighted(Spread { lambda, .. })
            | Self::LowerConfidence(Spread { lambda, .. }) => ("lambda", lambda, lambda >= 0.0),
            Self::SoftMin { beta } => ("beta", beta, beta > 0.0),
        };
        finite(name, Place::Setting, value)?;
        if fits {
            Ok(())
        } else {
            Err(EnsembleError::Setting { name, value })
        }
    }

    /// One sample's score out of its members'.
    ///
    /// # Errors
    ///
    /// [`EnsembleError`]: settings out of range, no members, a score that is not finite.
    pub fn combine(&self, scores: &[f64]) -> Result<f64, EnsembleError> {
        self.check()?;
        for (member, &score) in scores.iter().enumerate() {
            finite("score", Place::MemberSample { member, sample: 0 }, score)?;
        }
        self.of(scores)
    }

    /// Every sample's score out of its members', `[member][sample]`.
    ///
    /// # Errors
    ///
    /// As [`combine`](Self::combine), and members that scored different numbers of samples.
    pub fn combine_all(&self, scores: &[Vec<f64>]) -> Result<Vec<f64>, EnsembleError> {
        self.check()?;
        let n_samples = check_scores(scores)?;
        let mut members = vec![0.0; scores.len()];
        let of_sample = |sample: usize| {
            for (score, member) in members.iter_mut().zip(scores) {
                *score = member[sample];
            }
            self.of(&members)
        };
        (0..n_samples).map(of_sample).collect()
    }

    /// The formula, on checked input.
    fn of(&self, scores: &[f64]) -> Result<f64, EnsembleError> {
        if scores.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(match *self {
            Self::Mean {} => mean(scores),
            Self::WorstCase {} => lowest,
            Self::Median {} => median(scores),
            Self::UncertaintyWeighted(Spread { lambda, divisor }) => {
                mean(scores) - lambda * variance(scores, divisor)?
            }
            Self::LowerConfidence(Spread { lambda, divisor }) => {
                mean(scores) - lambda * variance(scores, divisor)?.sqrt()
            }
            Self::SoftMin { beta } => {
                // 1 − exp(−x) and log(1 − x) keep the digits that are left where β is large.
                let gaps = scores.iter().map(|s| (-(s - lowest) / beta).exp_m1());
                lowest - beta * (gaps.sum::<f64>() / scores.len() as f64).ln_1p()
            }
        })
    }
}

impl Normaliser {
    /// Measures each member on the reference sample, `[member][sample]`.
    ///
    /// # Errors
    ///
    /// [`EnsembleError`]: no members, unequal samples, a member without spread.
    pub fn fit(reference: &[Vec<f64>]) -> Result<Self, EnsembleError> {
        let n_samples = check_scores(reference)?;
        if n_samples == 0 {
            return Err(EnsembleError::Shape {
                what: "reference samples",
                expected: 2,
                got: 0,
            });
        }
        let scale = |(member, scores): (usize, &Vec<f64>)| {
            let variance = variance(scores, VarianceDivisor::Count)?;
            // Rounding leaves a constant some variance.
            if scores.iter().all(|&score| score == scores[0]) || variance == 0.0 {
                return Err(EnsembleError::Constant {
                    member,
                    score: scores[0],
                    n_samples,
                });
            }
            Ok(Scale {
                mean: mean(scores),
                standard_deviation: variance.sqrt(),
            })
        };
        let scales = reference.iter().enumerate().map(scale);
        Ok(Self {
            scales: scales.collect::<Result<_, _>>()?,
        })
    }

    /// The members' scales.
    pub fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// Puts scores, `[member][sample]`, on the common scale.
    ///
    /// # Errors
    ///
    /// [`EnsembleError`]: another number of members, unequal samples, a score that is not finite.
    pub fn normalise(&self, scores: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, EnsembleError> {
        if scores.len() != self.scales.len() {
            return Err(EnsembleError::Shape {
                what: "members",
                expected: self.scales.len(),
                got: scores.len(),
            });
        }
        check_scores(scores)?;
        let of_member = |(scale, scores): (&Scale, &Vec<f64>)| -> Vec<f64> {
            let normal = |score| (score - scale.mean) / scale.standard_deviation;
            scores.iter().map(normal).collect()
        };
        Ok(self.scales.iter().zip(scores).map(of_member).collect())
    }
}

/// The mean of the members' weights (WARM, Ramé et al. 2024, arXiv:2401.12187): one model that costs what one member does.
///
/// It means something where members started from the same weights. For linear heads on the same features its scores are the mean of the members'.
///
/// # Errors
///
/// [`EnsembleError`]: no members, another number of weights, a weight that is not finite.
pub fn average_weights(members: &[Vec<f64>]) -> Result<Vec<f64>, EnsembleError> {
    let n_weights = members.first().ok_or(EnsembleError::NoMembers)?.len();
    let mut average = vec![0.0; n_weights];
    for (member, weights) in members.iter().enumerate() {
        if weights.len() != n_weights {
            return Err(EnsembleError::Shape {
                what: "weights of a member",
                expected: n_weights,
                got: weights.len(),
            });
        }
        for (index, (sum, &weight)) in average.iter_mut().zip(weights).enumerate() {
            let place = Place::MemberWeight {
                member,
                weight: index,
            };
            *sum += finite("value", place, weight)? / members.len() as f64;
        }
    }
    Ok(average)
}

/// How many samples every member scored.
fn check_scores(scores: &[Vec<f64>]) -> Result<usize, EnsembleError> {
    let n_samples = scores.first().ok_or(EnsembleError::NoMembers)?.len();
    for (member, of_member) in scores.iter().enumerate() {
        if of_member.len() != n_samples {
            return Err(EnsembleError::Shape {
                what: "scores of a member",
                expected: n_samples,
                got: of_member.len(),
            });
        }
        for (sample, &score) in of_member.iter().enumerate() {
            finite("score", Place::MemberSample { member, sample }, score)?;
        }
    }
    Ok(n_samples)
}

fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len() as f64
}

fn median(scores: &[f64]) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

fn variance(scores: &[f64], divisor: VarianceDivisor) -> Result<f64, EnsembleError> {
    let count = match divisor {
        VarianceDivisor::Count => scores.len(),
        VarianceDivisor::CountLessOne if scores.len() < 2 => return Err(EnsembleError::OneMember),
        VarianceDivisor::CountLessOne => scores.len() - 1,
    };
    let mean = mean(scores);
    Ok(scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SCORES: [f64; 4] = [0.3, -1.2, 2.0, 0.9];

    fn combined(combination: Combination) -> f64 {
        combination.combine(&SCORES).unwrap()
    }

    #[test]
    fn the_soft_minimum_has_three_limits() {
        let soft = |beta| combined(Combination::SoftMin { beta });
        let weighted = |lambda| {
            combined(Combination::UncertaintyWeighted(Spread {
                lambda,
                divisor: VarianceDivisor::Count,
            }))
        };
        assert!((soft(1e9) - combined(Combination::Mean {})).abs() < 1e-8);
        assert!((soft(1e-4) - combined(Combination::WorstCase {})).abs() < 1e-3);
        // What is left after second order shrinks as 1/β²: a tenth of β, a hundred times the rest.
        let rest = |beta: f64| (soft(beta) - weighted(0.5 / beta)).abs();
        assert!(rest(100.0) < 1e-4);
        assert!((rest(100.0) / rest(1000.0) - 100.0).abs() < 5.0);
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let check = |result: Result<f64, EnsembleError>, message: &str| {
            assert_eq!(result.unwrap_err().to_string(), message);
        };
        check(
            Combination::Mean {}.combine(&[]),
            "an ensemble without members",
        );
        check(
            Combination::SoftMin { beta: 0.0 }.combine(&SCORES),
            "beta of 0 is out of range",
        );
        let spread = Spread {
            divisor: VarianceDivisor::CountLessOne,
            ..Spread::default()
        };
        check(
            Combination::UncertaintyWeighted(spread).combine(&[1.0]),
            "one member has no variance over one fewer",
        );
        let error = Normaliser::fit(&[vec![0.1, 0.2], vec![0.1; 2]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "member 1 gives all 2 reference samples the score 0.1"
        );
        let error = Combination::Mean {}
            .combine_all(&[vec![0.1, 0.2], vec![0.1, f64::INFINITY]])
            .unwrap_err();
        assert_eq!(error.to_string(), "score of member 1, sample 1 is inf");
    }

    #[test]
    fn settings_are_read_and_misspellings_are_not() {
        let read = |text: &str| serde_json::from_str::<Combination>(text);
        assert_eq!(
            read(r#"{"kind": "uncertainty-weighted", "lambda": 0.1, "divisor": "count-less-one"}"#)
                .unwrap(),
            Combination::UncertaintyWeighted(Spread {
                lambda: 0.1,
                divisor: VarianceDivisor::CountLessOne
            })
        );
        assert_eq!(
            read(r#"{"kind": "worst-case"}"#).unwrap(),
            Combination::WorstCase {}
        );
        let error = read(r#"{"kind": "soft-min", "beta": 1, "bta": 2}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `bta`"), "{error}");
        let error = read(r#"{"kind": "mean", "beta": 1}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `beta`"),
            "{error}"
        );
    }

    #[test]
    fn a_minimum_without_a_common_scale_follows_the_lowest_offset() {
        let members = [vec![0.0, 1.0, 2.0], vec![-100.0, -98.0, -99.0]];
        let worst = Combination::WorstCase {};
        assert_eq!(worst.combine_all(&members).unwrap(), members[1]);
        let normal = Normaliser::fit(&members)
            .unwrap()
            .normalise(&members)
            .unwrap();
        let combined = worst.combine_all(&normal).unwrap();
        assert!(combined[1] < combined[2] + 1e-12 && combined[0] < combined[1]);
    }

    #[test]
    fn every_kind_is_what_a_file_calls_it() {
        let spread = Spread::default();
        for combination in [
            Combination::Mean {},
            Combination::WorstCase {},
            Combination::Median {},
            Combination::UncertaintyWeighted(spread),
            Combination::LowerConfidence(spread),
            Combination::SoftMin { beta: 1.0 },
        ] {
            let written = serde_json::to_value(combination).unwrap();
            assert_eq!(written["kind"], combination.kind());
        }
    }

    proptest! {
        #[test]
        fn averaged_linear_heads_score_the_mean(
            members in prop::collection::vec(prop::collection::vec(-5.0..5.0_f64, 4), 1..6),
            features in prop::collection::vec(-5.0..5.0_f64, 4),
        ) {
            let score = |weights: &Vec<f64>| -> f64 { weights.iter().zip(&features).map(|(w, x)| w * x).sum() };
            let scores: Vec<f64> = members.iter().map(score).collect();
            let averaged = score(&average_weights(&members).unwrap());
            prop_assert!((averaged - mean(&scores)).abs() < 1e-9);
        }

        #[test]
        fn every_cautious_score_is_between_worst_and_mean(
            scores in prop::collection::vec(-50.0..50.0_f64, 1..12), beta in 0.01..100.0_f64,
        ) {
            let of = |combination: Combination| combination.combine(&scores).unwrap();
            let (worst, mean) = (of(Combination::WorstCase {}), of(Combination::Mean {}));
            let soft = of(Combination::SoftMin { beta });
            prop_assert!(worst - 1e-9 <= soft && soft <= mean + 1e-9);
            let softer = of(Combination::SoftMin { beta: 2.0 * beta });
            prop_assert!(soft <= softer + 1e-9);
            prop_assert!(of(Combination::LowerConfidence(Spread::default())) <= mean + 1e-9);
        }

        #[test]
        fn normalised_members_have_mean_nothing_and_variance_one(
            scores in prop::collection::vec(prop::collection::vec(-50.0..50.0_f64, 5), 1..6),
        ) {
            let normal = Normaliser::fit(&scores).unwrap().normalise(&scores).unwrap();
            for member in normal {
                prop_assert!(mean(&member).abs() < 1e-9);
                prop_assert!((variance(&member, VarianceDivisor::Count).unwrap() - 1.0).abs() < 1e-9);
            }
        }
    }
}
