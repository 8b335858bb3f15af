//! How gold reward rises and falls with optimisation: Gao's two forms, fitted, with where they peak and when to stop.
//!
//! Paper: Gao, Schulman and Hilton 2022, arXiv:2210.10760, section 3.1.
//!
//! ```text
//! d = √KL(π‖π_0)
//! best of n        R(d) = d (α − β d)        peak d = α/2β             zero d = α/β
//! reinforcement    R(d) = d (α − β log d)    peak d = exp(α/β − 1)     zero d = exp(α/β)
//! ```
//!
//! Both are linear in (α, β): least squares on [d, −d²] or [d, −d log d]. There is a peak where β > 0 and, for best of n, α > 0.
//!
//! Intervals: units (prompts, or runs of one seed each) are drawn with replacement, whole. A unit enters by the sums of its normal equations, so a
//! resample costs one addition a unit. A resample without a peak has it at infinity (still rising) or at 0 (falling from the start).
//!
//! In: for each unit, pairs of d (√nats) and of gold reward gained since d = 0. Out: α in reward a √nat, β in reward a nat, peaks.
//! Differs from the paper: units are weighed by their points, all alike; the second form is not valid near d = 0, and nobody is kept from fitting it there.
//! Parity: `tests/golden/pref_reference.json`, `overopt`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_stats::{Interval, Level, Resampler};

use crate::non_finite::{NonFinite, Place, finite};

/// Which form gold reward takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GaoForm {
    /// d (α − β d).
    BestOfN,
    /// d (α − β log d).
    Reinforcement,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GaoPoint {
    /// √KL from the start, √nats.
    pub distance: f64,
    /// Gold reward less what it was at the start.
    pub gold_gain: f64,
}

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GaoCurve {
    /// Its form.
    pub form: GaoForm,
    /// Rise at first.
    pub alpha: f64,
    /// How fast it is lost.
    pub beta: f64,
}

/// Where a curve is highest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Peak {
    /// Here.
    At {
        /// √KL, √nats.
        distance: f64,
        /// KL, nats.
        kl: f64,
        /// What is gained there.
        gold_gain: f64,
    },
    /// Nowhere: it rises without end.
    StillRising,
    /// At the start: it only falls.
    FallsFromStart,
}

/// A fit with its intervals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GaoFit {
    /// The curve.
    pub curve: GaoCurve,
    /// α.
    pub alpha: Interval,
    /// β.
    pub beta: Interval,
    /// Where the curve is highest.
    pub peak: Peak,
    /// Lower end of the peak's distance, √nats; none where even that is still rising.
    pub peak_low: Option<f64>,
    /// Upper end of the peak's distance, √nats; none where it is still rising.
    pub peak_high: Option<f64>,
    /// Greatest distance that was measured, √nats.
    pub measured_to: f64,
    /// Share of resamples without a peak.
    pub share_without_peak: f64,
    /// Root mean square of what the curve misses, in units of reward.
    pub residual: f64,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StopAdvice {
    /// Optimisation overshoots: the peak lies within what was measured, its interval included.
    StopAt {
        /// KL of the peak, nats.
        kl: f64,
        /// What is gained there.
        gold_gain: f64,
    },
    /// The peak lies beyond what was measured, its interval included.
    GoOn {
        /// KL that was measured up to, nats.
        measured_to: f64,
    },
    /// Gold only falls: do not optimise this proxy.
    DoNotOptimise,
    /// The interval of the peak reaches over the end of what was measured.
    Unclear {
        /// Lower end of the peak's KL, nats.
        kl_low: f64,
        /// Upper end; none where gold may still be rising.
        kl_high: Option<f64>,
        /// KL that was measured up to, nats.
        measured_to: f64,
    },
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GaoError {
    /// A distance below 0.
    #[error("distance of {place} is {distance}, which is below 0")]
    Distance {
        /// Where.
        place: Place,
        /// What it is.
        distance: f64,
    },
    /// Too few distances to tell α from β.
    #[error("{n_distances} distances above 0, where two parameters are to be fitted")]
    TooFew {
        /// Different distances above 0.
        n_distances: usize,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl GaoError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Distance { .. } => {
                "a distance is the root of a divergence; estimates of KL below 0 come from too few samples".into()
            }
            Self::TooFew { .. } => "measure at two or more distances from the start".into(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

impl GaoForm {
    /// What stands beside −β.
    fn second(self, d: f64) -> f64 {
        match self {
            Self::BestOfN => d * d,
            // d log d → 0.
            Self::Reinforcement if d == 0.0 => 0.0,
            Self::Reinforcement => d * d.ln(),
        }
    }
}

impl GaoCurve {
    /// Gold reward gained at a distance, √nats.
    pub fn at(&self, distance: f64) -> f64 {
        self.alpha * distance - self.beta * self.form.second(distance)
    }

    /// Where it is highest.
    pub fn peak(&self) -> Peak {
        let distance = match self.form {
            _ if self.beta <= 0.0 && self.alpha > 0.0 => return Peak::StillRising,
            // It falls, and turns upwards at most: that it will is not believed.
            _ if self.beta <= 0.0 => return Peak::FallsFromStart,
            GaoForm::BestOfN if self.alpha <= 0.0 => return Peak::FallsFromStart,
            GaoForm::BestOfN => self.alpha / (2.0 * self.beta),
            GaoForm::Reinforcement => (self.alpha / self.beta - 1.0).exp(),
        };
        if distance.is_finite() {
            Peak::At {
                distance,
                kl: distance * distance,
                gold_gain: self.at(distance),
            }
        } else {
            Peak::StillRising
        }
    }

    /// Where all that was gained is lost again, √nats; none where that never happens.
    pub fn zero(&self) -> Option<f64> {
        let distance = match self.form {
            _ if self.beta <= 0.0 => return None,
            GaoForm::BestOfN if self.alpha <= 0.0 => return None,
            GaoForm::BestOfN => self.alpha / self.beta,
            GaoForm::Reinforcement => (self.alpha / self.beta).exp(),
        };
        distance.is_finite().then_some(distance)
    }
}

/// Sums of the normal equations.
#[derive(Clone, Copy, Default)]
struct Sums {
    xx: f64,
    xz: f64,
    zz: f64,
    xy: f64,
    zy: f64,
}

impl Sums {
    fn of(form: GaoForm, points: &[GaoPoint]) -> Self {
        let mut sums = Self::default();
        for point in points {
            let (x, z, y) = (
                point.distance,
                -form.second(point.distance),
                point.gold_gain,
            );
            sums.add(Self {
                xx: x * x,
                xz: x * z,
                zz: z * z,
                xy: x * y,
                zy: z * y,
            });
        }
        sums
    }

    fn add(&mut self, other: Self) {
        self.xx += other.xx;
        self.xz += other.xz;
        self.zz += other.zz;
        self.xy += other.xy;
        self.zy += other.zy;
    }

    /// None where the columns are collinear.
    fn solve(&self, form: GaoForm) -> Option<GaoCurve> {
        let determinant = self.xx * self.zz - self.xz * self.xz;
        (determinant > 1e-12 * self.xx * self.zz).then(|| GaoCurve {
            form,
            alpha: (self.zz * self.xy - self.xz * self.zy) / determinant,
            beta: (self.xx * self.zy - self.xz * self.xy) / determinant,
        })
    }
}

/// Fits a form to all points of all units, and resamples units.
///
/// # Errors
///
/// [`GaoError`], naming unit (as prompt) and point (as sample).
pub fn fit_gao(
    form: GaoForm,
    units: &[Vec<GaoPoint>],
    resampler: &Resampler,
    level: Level,
) -> Result<GaoFit, GaoError> {
    let distances = check_points(units)?;
    let too_few = GaoError::TooFew {
        n_distances: distances.len(),
    };
    let by_unit: Vec<Sums> = units.iter().map(|points| Sums::of(form, points)).collect();
    let total = |drawn: &mut dyn Iterator<Item = Sums>| {
        let mut sums = Sums::default();
        drawn.for_each(|unit| sums.add(unit));
        sums.solve(form)
    };
    let curve = total(&mut by_unit.iter().copied()).filter(|_| distances.len() >= 2);
    let curve = curve.ok_or(too_few)?;

    let mut random = resampler.seed.stream();
    // A resample of units that all lack distances has no fit; it says what the whole says.
    let mut resample = |_| {
        let mut drawn = (0..by_unit.len()).map(|_| by_unit[random.below(by_unit.len())]);
        total(&mut drawn).unwrap_or(curve)
    };
    let resamples: Vec<GaoCurve> = (0..resampler.n_resamples.get())
        .map(&mut resample)
        .collect();
    let interval = |estimate, of: &dyn Fn(&GaoCurve) -> f64| {
        let (low, high) = ends(resamples.iter().map(of).collect(), level);
        Interval {
            estimate,
            low,
            high,
        }
    };
    let peak_distance = |curve: &GaoCurve| match curve.peak() {
        Peak::At { distance, .. } => distance,
        Peak::StillRising => f64::INFINITY,
        Peak::FallsFromStart => 0.0,
    };
    let (peak_low, peak_high) = ends(resamples.iter().map(peak_distance).collect(), level);
    let without = resamples
        .iter()
        .filter(|curve| !matches!(curve.peak(), Peak::At { .. }));
    let misses = units
        .iter()
        .flatten()
        .map(|point| (curve.at(point.distance) - point.gold_gain).powi(2));
    let n_points = units.iter().map(Vec::len).sum::<usize>() as f64;
    Ok(GaoFit {
        curve,
        alpha: interval(curve.alpha, &|curve| curve.alpha),
        beta: interval(curve.beta, &|curve| curve.beta),
        peak: curve.peak(),
        peak_low: peak_low.is_finite().then_some(peak_low),
        peak_high: peak_high.is_finite().then_some(peak_high),
        measured_to: distances.last().copied().unwrap_or(0.0),
        share_without_peak: without.count() as f64 / resamples.len() as f64,
        residual: (misses.sum::<f64>() / n_points).sqrt(),
    })
}

impl GaoFit {
    /// When to stop, as far as the interval of the peak says.
    pub fn advice(&self) -> StopAdvice {
        let measured_to = self.measured_to;
        match (self.peak, self.peak_low, self.peak_high) {
            (Peak::FallsFromStart, _, Some(0.0)) => StopAdvice::DoNotOptimise,
            (Peak::At { kl, gold_gain, .. }, _, Some(high)) if high <= measured_to => {
                StopAdvice::StopAt { kl, gold_gain }
            }
            (_, None, _) => StopAdvice::GoOn {
                measured_to: measured_to * measured_to,
            },
            (_, Some(low), _) if low > measured_to => StopAdvice::GoOn {
                measured_to: measured_to * measured_to,
            },
            (_, Some(low), high) => StopAdvice::Unclear {
                kl_low: low * low,
                kl_high: high.map(|high| high * high),
                measured_to: measured_to * measured_to,
            },
        }
    }
}

/// Different distances above 0, ascending.
fn check_points(units: &[Vec<GaoPoint>]) -> Result<Vec<f64>, GaoError> {
    let mut distances = Vec::new();
    for (prompt, points) in units.iter().enumerate() {
        for (sample, point) in points.iter().enumerate() {
            let place = Place::PromptSample { prompt, sample };
            let distance = finite("distance", place, point.distance)?;
            finite("gold gain", place, point.gold_gain)?;
            if distance < 0.0 {
                return Err(GaoError::Distance { place, distance });
            }
            if distance > 0.0 {
                distances.push(distance);
            }
        }
    }
    distances.sort_by(f64::total_cmp);
    distances.dedup();
    Ok(distances)
}

/// The ends of the middle of some numbers, which are numbers of them, rounded outwards.
fn ends(mut values: Vec<f64>, level: Level) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let outside = ((values.len() - 1) as f64 * (1.0 - level.get()) / 2.0) as usize;
    (values[outside], values[values.len() - 1 - outside])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroUsize;
    use trimtab_core::Seed;

    const FORMS: [GaoForm; 2] = [GaoForm::BestOfN, GaoForm::Reinforcement];

    fn resampler() -> Resampler {
        Resampler {
            n_resamples: NonZeroUsize::new(400).unwrap(),
            seed: Seed(5),
        }
    }

    fn units(curve: GaoCurve, distances: &[f64], noise: f64) -> Vec<Vec<GaoPoint>> {
        let mut random = Seed(9).stream();
        let mut unit = |_| {
            let offset = noise * random.next_normal();
            let point = |&distance: &f64| GaoPoint {
                distance,
                gold_gain: curve.at(distance) + offset * distance,
            };
            distances.iter().map(point).collect()
        };
        (0..60).map(&mut unit).collect()
    }

    fn fit(curve: GaoCurve, distances: &[f64], noise: f64) -> GaoFit {
        fit_gao(
            curve.form,
            &units(curve, distances, noise),
            &resampler(),
            Level::default(),
        )
        .unwrap()
    }

    #[test]
    fn advice_follows_the_interval_of_the_peak() {
        let curve = |alpha, beta| GaoCurve {
            form: GaoForm::BestOfN,
            alpha,
            beta,
        };
        let far = [0.5, 1.0, 2.0, 3.0, 4.0];
        // Peak at 2, with noise of a twentieth in α.
        let within = fit(curve(1.0, 0.25), &far, 0.05);
        let StopAdvice::StopAt { kl, gold_gain } = within.advice() else {
            panic!("{:?}", within.advice());
        };
        assert!((kl - 4.0).abs() < 0.2 && (gold_gain - 1.0).abs() < 0.05);
        assert!(within.alpha.low < 1.0 && 1.0 < within.alpha.high);
        let near = fit(curve(1.0, 0.25), &[0.25, 0.5, 1.0], 0.05);
        assert_eq!(near.advice(), StopAdvice::GoOn { measured_to: 1.0 });
        let rising = fit(curve(1.0, -0.1), &far, 0.05);
        assert_eq!(rising.peak, Peak::StillRising);
        assert_eq!(rising.advice(), StopAdvice::GoOn { measured_to: 16.0 });
        let falling = fit(curve(-1.0, 0.1), &far, 0.05);
        assert_eq!(falling.advice(), StopAdvice::DoNotOptimise);
        let vague = fit(curve(1.0, 0.126), &far, 0.5);
        assert!(
            matches!(vague.advice(), StopAdvice::Unclear { .. }),
            "{vague:?}"
        );
    }

    #[test]
    fn one_distance_is_too_few() {
        let point = |distance| GaoPoint {
            distance,
            gold_gain: 1.0,
        };
        let fit = |points: Vec<GaoPoint>| {
            fit_gao(GaoForm::BestOfN, &[points], &resampler(), Level::default())
        };
        let error = fit(vec![point(0.0), point(1.0), point(1.0)]).unwrap_err();
        assert_eq!(error, GaoError::TooFew { n_distances: 1 });
        let error = fit(vec![point(1.0), point(-1.0)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "distance of prompt 0, sample 1 is -1, which is below 0"
        );
    }

    proptest! {
        #[test]
        fn exact_points_give_the_curve_back(alpha in -2.0..2.0_f64, beta in -1.0..1.0_f64) {
            for form in FORMS {
                let curve = GaoCurve { form, alpha, beta };
                let got = fit(curve, &[0.0, 0.5, 1.0, 2.0, 3.0], 0.0);
                prop_assert!((got.curve.alpha - alpha).abs() < 1e-8);
                prop_assert!((got.curve.beta - beta).abs() < 1e-8);
                prop_assert!(got.residual < 1e-8);
            }
        }

        #[test]
        fn nothing_beside_the_peak_is_higher(
            alpha in -2.0..2.0_f64, beta in 0.2..1.0_f64, beside in -0.5..0.5_f64,
        ) {
            for form in FORMS {
                let curve = GaoCurve { form, alpha, beta };
                if let Peak::At { distance, kl, gold_gain } = curve.peak() {
                    prop_assert!(curve.at(distance * (1.0 + beside)) <= gold_gain + 1e-9);
                    prop_assert!((kl - distance * distance).abs() < 1e-9 * kl.max(1.0));
                    prop_assert!(curve.at(curve.zero().unwrap()).abs() < 1e-6 * (1.0 + gold_gain.abs()));
                }
            }
        }
    }
}
