//! What the curves come to: of every arm its peak, its end and its fall, and whether it does better than a single reward. Best of n and
//! policies are judged alike, and apart.
//!
//! ```text
//! peak   the n or step of the highest mean gold, and gold there  end    gold at the largest n, at the last step
//! fall   gold at the peak − gold at the end
//! effect an arm's end − the single reward's, seed by seed: helps or hurts where the interval leaves out 0
//! ```
//!
//! In: [`CurvePoint`]s of some seeds. Out: means over seeds with percentile intervals that resample seeds; paired
//! differences resample the same seeds. The peak is chosen on the means of all seeds, which flatters the highest of several
//! alike points a little.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use trimtab_core::Seed;
use trimtab_stats::{Clusters, Interval, Level, Resampler};

use crate::gao::{GaoError, GaoFit, GaoForm, GaoPoint, fit_gao};

use super::{
    Arm, CurvePoint, Mitigation, OveroptimisationConfig, OveroptimisationError, Push, mean,
};

/// What an experiment came to, by one way of optimising.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OveroptimisationReport {
    /// Which, by the form that is fitted to it.
    pub form: GaoForm,
    /// Seeds.
    pub n_seeds: usize,
    /// Every arm, in the order of the points.
    pub arms: Vec<ArmVerdict>,
    /// In few words.
    pub finding: Finding,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArmVerdict {
    /// Which.
    pub arm: Arm,
    /// Its curve, pushed ever harder.
    pub curve: Vec<MeanPoint>,
    /// Where mean gold is highest.
    pub peak_at: Push,
    /// Gold there.
    pub peak: Interval,
    /// Gold where it is pushed hardest.
    pub end: Interval,
    /// Peak less end.
    pub fall: Interval,
    /// Gao's form, fitted to gold gained since the first point, seeds as units; `None` where fewer than two points are away from the
    /// start.
    pub gao: Option<GaoFit>,
    /// Against the single reward; `None` for that itself.
    pub against_single: Option<AgainstSingle>,
}

/// A point of a mean curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeanPoint {
    /// How hard.
    pub push: Push,
    /// Mean divergence, nats.
    pub kl: f64,
    /// Mean proxy.
    pub proxy: f64,
    /// Mean gold.
    pub gold: Interval,
    /// Mean probability of a refusal.
    pub refused: f64,
}

/// Paired differences, an arm less the single reward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AgainstSingle {
    /// Of gold at each one's peak.
    pub peak: Interval,
    /// Of gold where both are pushed hardest.
    pub end: Interval,
    /// Of the fall.
    pub fall: Interval,
    /// By the end.
    pub effect: Effect,
}

/// Whether something does better than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The interval of the difference is above 0.
    Helps,
    /// It holds 0.
    NoDifference,
    /// It is below 0.
    Hurts,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What the single reward does to gold.
    pub single: Course,
    /// What ends higher than the single reward.
    pub helped: Vec<Mitigation>,
    /// What ends lower.
    pub hurt: Vec<Mitigation>,
    /// What was tried without a difference that could be told.
    pub idle: Vec<Mitigation>,
}

/// How gold goes as a proxy is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// It falls from its peak: the interval of the fall is above 0.
    Falls,
    /// No fall can be told.
    HoldsUp,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.single {
            Course::Falls => "gold falls under the single reward",
            Course::HoldsUp => "gold does not fall under the single reward",
        })?;
        let mut list = |what: &str, mitigations: &[Mitigation]| {
            if mitigations.is_empty() {
                return Ok(());
            }
            let names: Vec<String> = mitigations.iter().map(ToString::to_string).collect();
            write!(f, "; {what}: {}", names.join(", "))
        };
        list("ends higher with", &self.helped)?;
        list("ends lower with", &self.hurt)?;
        list("no difference with", &self.idle)?;
        if self.helped.is_empty() && !(self.hurt.is_empty() && self.idle.is_empty()) {
            f.write_str(
                "; nothing that was tried helps: what is exploited may not be in the features",
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helps => "helps",
            Self::NoDifference => "no difference",
            Self::Hurts => "hurts",
        })
    }
}

/// The curve of one arm, by seed.
struct Curves {
    arm: Arm,
    /// `[seed][push]`.
    points: Vec<Vec<CurvePoint>>,
}

/// Judges every arm by all its seeds, by the points that are of one way of optimising; the others are left aside. `config` says how
/// intervals are made.
///
/// # Errors
///
/// [`OveroptimisationError::NoCurves`] without points of the single reward, optimised so; [`OveroptimisationError::Setting`] for a level that
/// is none.
///
/// # Panics
///
/// When arms or seeds differ in their n or steps: points of several experiments.
pub fn judge_arms(
    points: &[CurvePoint],
    form: GaoForm,
    config: &OveroptimisationConfig,
) -> Result<OveroptimisationReport, OveroptimisationError> {
    let level = Level::new(config.level).map_err(|error| OveroptimisationError::Setting {
        name: "level",
        value: error.0.to_string(),
    })?;
    let judge = Judge {
        // Seeds are few, and the same for every arm: so are their resamples.
        resampler: Resampler {
            n_resamples: config.resamples,
            seed: Seed(0).child("over-optimisation"),
        },
        level,
        form,
    };
    let arms = by_arm(points.iter().filter(|point| point.push.form() == form));
    let single = arms.iter().find(|curves| curves.arm == Arm::Single {});
    let single = single.ok_or(OveroptimisationError::NoCurves)?;
    let verdicts: Vec<ArmVerdict> = (arms.iter())
        .map(|curves| judge.verdict(curves, single))
        .collect::<Result<_, _>>()?;
    let falls = verdicts
        .iter()
        .any(|v| v.arm == Arm::Single {} && v.fall.low > 0.0);
    let with = |effect: Effect| -> Vec<Mitigation> {
        let mitigation = |verdict: &ArmVerdict| match (verdict.arm, verdict.against_single) {
            (Arm::Mitigated { by }, Some(against)) if against.effect == effect => Some(by),
            _ => None,
        };
        verdicts.iter().filter_map(mitigation).collect()
    };
    Ok(OveroptimisationReport {
        form,
        n_seeds: single.points.len(),
        finding: Finding {
            single: if falls {
                Course::Falls
            } else {
                Course::HoldsUp
            },
            helped: with(Effect::Helps),
            hurt: with(Effect::Hurts),
            idle: with(Effect::NoDifference),
        },
        arms: verdicts,
    })
}

/// Points by arm, in the order they are met, by seed and push.
fn by_arm<'p>(points: impl Iterator<Item = &'p CurvePoint>) -> Vec<Curves> {
    let mut arms: Vec<(Arm, BTreeMap<u64, Vec<CurvePoint>>)> = Vec::new();
    for point in points {
        let found = arms.iter().position(|(arm, _)| *arm == point.arm);
        let at = found.unwrap_or_else(|| {
            arms.push((point.arm, BTreeMap::new()));
            arms.len() - 1
        });
        arms[at].1.entry(point.seed).or_default().push(*point);
    }
    let curves = |(arm, seeds): (Arm, BTreeMap<u64, Vec<CurvePoint>>)| {
        let mut points: Vec<Vec<CurvePoint>> = seeds.into_values().collect();
        for curve in &mut points {
            curve.sort_unstable_by_key(|point| point.push);
        }
        Curves { arm, points }
    };
    arms.into_iter().map(curves).collect()
}

impl Curves {
    /// Of every seed, `value` at the place `at` of the curve.
    fn at(&self, at: usize, value: impl Fn(&CurvePoint) -> f64) -> Vec<f64> {
        self.points.iter().map(|curve| value(&curve[at])).collect()
    }

    fn last(&self) -> usize {
        self.points[0].len() - 1
    }

    /// Where the mean gold is highest.
    fn peak(&self) -> usize {
        let means = (0..=self.last()).map(|at| mean(&self.at(at, |p| p.gold)));
        let best = means.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(0, |(at, _)| at)
    }
}

struct Judge {
    resampler: Resampler,
    level: Level,
    form: GaoForm,
}

impl Judge {
    fn interval(&self, by_seed: &[f64]) -> Interval {
        let clusters = Clusters::singletons(by_seed.len());
        let replicates = self.resampler.clustered_mean(by_seed, &clusters);
        replicates.expect("at least one seed").interval(self.level)
    }

    fn gao(&self, curves: &Curves) -> Result<Option<GaoFit>, GaoError> {
        let unit = |curve: &Vec<CurvePoint>| -> Vec<GaoPoint> {
            let gain = |point: &CurvePoint| GaoPoint {
                // Rounding may leave the divergence of the start below 0.
                distance: point.kl.max(0.0).sqrt(),
                gold_gain: point.gold - curve[0].gold,
            };
            curve.iter().map(gain).collect()
        };
        let units: Vec<Vec<GaoPoint>> = curves.points.iter().map(unit).collect();
        match fit_gao(self.form, &units, &self.resampler, self.level) {
            Ok(fit) => Ok(Some(fit)),
            Err(GaoError::TooFew { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn verdict(&self, curves: &Curves, single: &Curves) -> Result<ArmVerdict, GaoError> {
        let pushes = |curve: &[CurvePoint]| -> Vec<Push> { curve.iter().map(|p| p.push).collect() };
        for curve in &curves.points {
            let expected = pushes(&single.points[0]);
            assert_eq!(pushes(curve), expected, "how hard every arm is pushed");
        }
        assert_eq!(
            curves.points.len(),
            single.points.len(),
            "the seeds of every arm"
        );
        let mean_point = |at: usize| MeanPoint {
            push: curves.points[0][at].push,
            kl: mean(&curves.at(at, |p| p.kl)),
            proxy: mean(&curves.at(at, |p| p.proxy)),
            gold: self.interval(&curves.at(at, |p| p.gold)),
            refused: mean(&curves.at(at, |p| p.refused)),
        };
        let ends = |curves: &Curves| {
            let peak = curves.at(curves.peak(), |p| p.gold);
            let end = curves.at(curves.last(), |p| p.gold);
            let fall = minus(&peak, &end);
            [peak, end, fall]
        };
        let (own, other) = (ends(curves), ends(single));
        let [peak, end, fall] = [0, 1, 2].map(|which: usize| self.interval(&own[which]));
        let against_single = (curves.arm != Arm::Single {}).then(|| {
            let [peak, end, fall] =
                [0, 1, 2].map(|which: usize| self.interval(&minus(&own[which], &other[which])));
            let effect = if end.low > 0.0 {
                Effect::Helps
            } else if end.high < 0.0 {
                Effect::Hurts
            } else {
                Effect::NoDifference
            };
            AgainstSingle {
                peak,
                end,
                fall,
                effect,
            }
        });
        Ok(ArmVerdict {
            arm: curves.arm,
            curve: (0..=curves.last()).map(mean_point).collect(),
            peak_at: curves.points[0][curves.peak()].push,
            peak,
            end,
            fall,
            gao: self.gao(curves)?,
            against_single,
        })
    }
}

fn minus(first: &[f64], second: &[f64]) -> Vec<f64> {
    first.iter().zip(second).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::Combination;
    use std::num::NonZeroUsize;

    const ENSEMBLE: Mitigation = Mitigation::Ensemble {
        combination: Combination::Mean {},
    };
    const LAPLACE: Mitigation = Mitigation::Laplace { beta: 4.0 };

    /// Curves over n = 1, 4, 16 of ten seeds that differ by an offset that all arms share.
    fn points(arms: &[(Arm, [f64; 3])]) -> Vec<CurvePoint> {
        let mut points = Vec::new();
        for (arm, golds) in arms {
            for seed in 0..10 {
                for (n, gold) in [1_usize, 4, 16].into_iter().zip(golds) {
                    let n = NonZeroUsize::new(n).unwrap();
                    points.push(CurvePoint {
                        arm: *arm,
                        seed,
                        push: Push::BestOf(n),
                        kl: crate::best_of_n::kl_bound(n),
                        proxy: n.get() as f64,
                        gold: gold + seed as f64,
                        refused: 0.0,
                    });
                }
            }
        }
        points
    }

    fn mitigated(by: Mitigation) -> Arm {
        Arm::Mitigated { by }
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let points = points(&[
            (Arm::Single {}, [0.0, 1.0, -1.0]),
            (mitigated(ENSEMBLE), [0.0, 1.0, -1.5]),
            (mitigated(LAPLACE), [0.0, 1.0, 2.0]),
        ]);
        let report = judge_arms(
            &points,
            GaoForm::BestOfN,
            &OveroptimisationConfig::default(),
        )
        .unwrap();
        let [single, ensemble, laplace] = &report.arms[..] else {
            panic!("three arms");
        };
        assert_eq!((single.peak_at.amount(), laplace.peak_at.amount()), (4, 16));
        assert_eq!((single.fall.estimate, laplace.fall.estimate), (2.0, 0.0));
        // Offsets are wide in the gold of one arm, and cancel in a difference.
        assert!(single.end.high - single.end.low > 2.0);
        let against = laplace.against_single.unwrap();
        assert!((against.end.estimate - 3.0).abs() < 1e-12);
        assert!(against.end.high - against.end.low < 1e-12);
        assert_eq!(against.effect, Effect::Helps);
        assert_eq!(ensemble.against_single.unwrap().effect, Effect::Hurts);
        assert_eq!(
            report.finding.to_string(),
            "gold falls under the single reward; ends higher with: Laplace β=4; ends lower with: ensemble mean"
        );
    }

    #[test]
    fn what_makes_no_difference_is_said() {
        let same = [0.0, 1.0, -1.0];
        let points = points(&[(Arm::Single {}, same), (mitigated(LAPLACE), same)]);
        let report = judge_arms(
            &points,
            GaoForm::BestOfN,
            &OveroptimisationConfig::default(),
        )
        .unwrap();
        assert_eq!(report.finding.idle, [LAPLACE]);
        assert_eq!(
            report.finding.to_string(),
            "gold falls under the single reward; no difference with: Laplace β=4; nothing that was tried helps: \
             what is exploited may not be in the features"
        );
    }

    #[test]
    fn golds_form_is_fitted_to_what_is_gained() {
        // d (1 − ½ d) at the three distances.
        let golds = [1_usize, 4, 16].map(|n| {
            let d = crate::best_of_n::kl_bound(NonZeroUsize::new(n).unwrap()).sqrt();
            d * (1.0 - 0.5 * d)
        });
        let points = points(&[(Arm::Single {}, golds)]);
        let report = judge_arms(
            &points,
            GaoForm::BestOfN,
            &OveroptimisationConfig::default(),
        )
        .unwrap();
        let curve = report.arms[0].gao.as_ref().unwrap().curve;
        assert!((curve.alpha - 1.0).abs() < 1e-9 && (curve.beta - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_policy_is_judged_apart_by_its_own_form() {
        let golds = [0.0, 1.0, 0.5];
        let mut points = points(&[(Arm::Single {}, golds)]);
        let by_policy = |point: &CurvePoint| {
            let step = point.push.amount() - 1;
            let distance = 0.1 * step as f64;
            CurvePoint {
                push: Push::Steps(step),
                // Seeds differ in how far they have gone.
                kl: distance * distance * (1.0 + 0.01 * point.seed as f64),
                gold: if step == 0 {
                    0.0
                } else {
                    distance * (1.0 - 0.5 * distance.ln())
                },
                ..*point
            }
        };
        let of_policy: Vec<CurvePoint> = points.iter().map(by_policy).collect();
        points.extend(of_policy);
        let judged = |form| judge_arms(&points, form, &OveroptimisationConfig::default()).unwrap();
        let best_of_n = judged(GaoForm::BestOfN);
        assert_eq!(best_of_n.arms[0].peak_at.to_string(), "best of 4");
        let policy = judged(GaoForm::Reinforcement);
        let arm = &policy.arms[0];
        assert_eq!(arm.peak_at.to_string(), "15 steps");
        assert!((arm.curve[2].kl - 2.25 * 1.045).abs() < 1e-9);
        let fit = arm.gao.as_ref().unwrap();
        assert!((fit.curve.alpha - 1.0).abs() < 0.05 && (fit.curve.beta - 0.5).abs() < 0.05);
    }

    #[test]
    fn without_a_single_reward_there_is_no_verdict() {
        let points = points(&[(Arm::Oracle {}, [0.0; 3])]);
        let outcome = judge_arms(
            &points,
            GaoForm::BestOfN,
            &OveroptimisationConfig::default(),
        );
        assert!(matches!(outcome, Err(OveroptimisationError::NoCurves)));
    }
}
