//! The laboratory of over-optimisation: how far a proxy reward can be pushed before the truth falls, and what stops it.
//!
//! Papers: Gao et al. 2022, arXiv:2210.10760 (synthetic gold, proxies, best of n); Coste et al. 2024, arXiv:2310.02743
//! (ensembles against it).
//!
//! ```text
//! a world      replies as features, with a gold score that no reward model sees
//! pairs        of typical replies, labelled by gold, some labels flipped
//! rewards      fitted to the pairs: a single one, and what is tried against its faults
//! best of n    of candidates that reach further than typical replies: gold and proxy, by the unbiased estimator
//! a policy     over the same candidates, that climbs each reward step by step: gold and proxy, expectations over all
//! verdict      each mitigation less the single reward, seed by seed, with an interval over seeds
//! ```
//!
//! In: a [`WorldSource`], an [`OveroptimisationConfig`], seeds. Out: [`CurvePoint`]s, one an arm, seed and n or step; and what
//! they come to, an [`OveroptimisationReport`] for each of the two ways of optimising. A seed draws all anew: world, labels, random features, bootstraps; within
//! one, all arms share it, so their differences are paired.
//!
//! A mitigation that does not help is reported as that. Where the exploited direction is not in the features
//! ([`Visibility`]) none should.

mod arm;
mod given;
mod point;
mod policy_course;
mod report;
mod synthetic;
mod world;

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

pub use arm::{Arm, Mitigation};
pub use given::{GivenReplies, GivenWorld, GivenWorldConfig, GivenWorldError};
pub use point::{CurvePoint, Push};
pub use policy_course::PolicyCourseConfig;
pub use report::{
    AgainstSingle, ArmVerdict, Course, Effect, Finding, MeanPoint, OveroptimisationReport,
    judge_arms,
};
pub use synthetic::{SyntheticWorld, SyntheticWorldConfig};
pub use world::{Candidates, LabelledBy, RatedSample, Visibility, World, WorldSource};

use crate::best_of_n::{BestOfNError, BestOfNPoint, ScoredPrompt, best_of_n, kl_bound};
use crate::caution::Caution;
use crate::conformal::Conformal;
use crate::constraint::{FilteredPoint, FilteredPrompt, best_of_n_filtered};
use crate::ensemble::{Combination, EnsembleError, Spread};
use crate::feature_members::{FeatureMembers, Posteriors};
use crate::feature_reward::{
    FeatureRewardConfig, Head, MemberWeights, Pessimism, RewardError, lower,
};
use crate::features::PairError;
use crate::gao::GaoError;
use crate::label_noise::FlipRate;
use crate::linear::{FitError, LinearRewardConfig};
use crate::non_finite::NonFinite;

/// One experiment on over-optimisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OveroptimisationConfig {
    /// Pairs that rewards are fitted to.
    pub pairs: NonZeroUsize,
    /// Share of their labels that say the opposite of gold.
    pub flip_rate: FlipRate,
    /// What rewards are linear in.
    pub head: Head,
    /// How each is fitted.
    pub fit: LinearRewardConfig,
    /// Members of an ensemble.
    pub members: NonZeroUsize,
    /// What is tried against the single reward's faults.
    pub mitigations: Vec<Mitigation>,
    /// How many candidates the best is taken of: rising.
    pub sizes: Vec<NonZeroUsize>,
    /// A policy over the same candidates, in place of picking the best of some.
    pub policy: PolicyCourseConfig,
    /// What a refusal is worth, in gold: typical replies have mean 0 and spread 1.
    pub refusal_gold: f64,
    /// Typical replies whose gold a conformal mitigation is told; the others do without.
    pub rated_replies: usize,
    /// Resamples of the seeds, for intervals.
    pub resamples: NonZeroUsize,
    /// What intervals hold at.
    pub level: f64,
}

impl Default for OveroptimisationConfig {
    fn default() -> Self {
        let ensemble = |combination| Mitigation::Ensemble { combination };
        let spread = Spread {
            lambda: 2.0,
            ..Spread::default()
        };
        let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            pairs: count(800),
            flip_rate: FlipRate::QUARTER,
            head: Head::RandomFeatures {
                n_features: count(256),
            },
            fit: LinearRewardConfig::default(),
            members: count(5),
            mitigations: vec![
                ensemble(Combination::Mean {}),
                ensemble(Combination::WorstCase {}),
                ensemble(Combination::UncertaintyWeighted(spread)),
                Mitigation::Laplace { beta: 1.0 },
                Mitigation::Laplace { beta: 2.0 },
                Mitigation::Laplace { beta: 4.0 },
                Mitigation::Caution { eta: 0.1 },
                Mitigation::Conformal { alpha: 0.1 },
                Mitigation::HardLimit {},
            ],
            sizes: [1, 4, 16, 64, 256, 1024, 2048].map(count).to_vec(),
            policy: PolicyCourseConfig::default(),
            refusal_gold: -1.0,
            rated_replies: 200,
            resamples: count(2000),
            level: 0.95,
        }
    }
}

/// Why there is no curve.
#[derive(Debug, thiserror::Error)]
pub enum OveroptimisationError {
    /// A setting is out of range.
    #[error("{name} is {value}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: String,
    },
    /// A reward.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// Given replies that make no world.
    #[error(transparent)]
    Given(#[from] GivenWorldError),
    /// Fewer candidates than the best is taken of, or a score that is not finite.
    #[error(transparent)]
    BestOfN(#[from] BestOfNError),
    /// A reward that is no number.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
    /// A form cannot be fitted to the curves.
    #[error(transparent)]
    Gao(#[from] GaoError),
    /// Nothing to judge by.
    #[error("no curve of the single reward to compare with, optimised so")]
    NoCurves,
}

impl OveroptimisationError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setting { name, .. } => Some(match *name {
                "sizes" => "give rising numbers, the first of them 1 as a rule".into(),
                "policy.steps" => "give rising numbers of steps, or none for no policy".into(),
                "level" => "give a fraction between 0 and 1, such as 0.95".into(),
                _ => format!("give `{name}` a number in its range"),
            }),
            Self::Reward(error) => error.hint(),
            Self::Given(error) => Some(error.hint().into()),
            Self::BestOfN(error) => Some(error.hint()),
            Self::NonFinite(error) => Some(error.hint()),
            Self::Gao(error) => Some(error.hint()),
            Self::NoCurves => Some("run at least one seed".into()),
        }
    }
}

impl From<EnsembleError> for OveroptimisationError {
    fn from(error: EnsembleError) -> Self {
        Self::Reward(error.into())
    }
}

impl From<PairError> for OveroptimisationError {
    fn from(error: PairError) -> Self {
        let source = FitError::from(error);
        Self::Reward(RewardError::Fit { member: 0, source })
    }
}

/// The curves of every arm under one seed.
///
/// # Errors
///
/// [`OveroptimisationError`]: settings out of range, a world that cannot be drawn, a reward that cannot be fitted.
pub fn overoptimise(
    worlds: &dyn WorldSource,
    config: &OveroptimisationConfig,
    seed: Seed,
) -> Result<Vec<CurvePoint>, OveroptimisationError> {
    config.check()?;
    let labelled_by = LabelledBy {
        pairs: config.pairs,
        flip_rate: config.flip_rate,
    };
    let mut world = worlds.draw(labelled_by, seed.child("world"))?;
    let rewards = Rewards::fit(&mut world, config, seed.child("rewards"))?;
    let evidence: Vec<Evidence> = (world.candidates.iter())
        .map(|candidates| rewards.look_at(candidates))
        .collect::<Result<_, _>>()?;
    let mitigated = config
        .mitigations
        .iter()
        .map(|by| Arm::Mitigated { by: *by });
    let arms = std::iter::once(Arm::Single {})
        .chain(mitigated)
        .chain([Arm::Oracle {}]);
    let mut points = Vec::new();
    for arm in arms {
        points.extend(curves(arm, &world.candidates, &evidence, config, seed)?);
    }
    Ok(points)
}

/// The curves of one arm: of the best of n, and of a policy.
fn curves(
    arm: Arm,
    candidates: &[Candidates],
    evidence: &[Evidence],
    config: &OveroptimisationConfig,
    seed: Seed,
) -> Result<Vec<CurvePoint>, OveroptimisationError> {
    let prompts = evidence
        .iter()
        .zip(candidates)
        .map(|(evidence, candidates)| {
            Ok(ScoredPrompt {
                proxy: evidence.proxy(arm, candidates)?,
                gold: candidates.gold.clone(),
            })
        });
    let prompts: Vec<ScoredPrompt> = prompts.collect::<Result<_, OveroptimisationError>>()?;
    let is_limited = arm
        == Arm::Mitigated {
            by: Mitigation::HardLimit {},
        };
    let limited_to = is_limited.then_some(candidates);
    let by_policy = policy_course::course(arm, &prompts, limited_to, config, seed)?;
    let mut points = if is_limited {
        limited_curve(arm, prompts, candidates, config, seed)?
    } else {
        let point = |point: BestOfNPoint| CurvePoint {
            arm,
            seed: seed.0,
            push: Push::BestOf(point.n),
            kl: point.kl_bound,
            proxy: point.proxy,
            gold: point.gold,
            refused: 0.0,
        };
        let points = best_of_n(&prompts, &config.sizes)?;
        points.into_iter().map(point).collect()
    };
    points.extend(by_policy);
    Ok(points)
}

/// The curve of an arm that picks among candidates that no rule forbids.
fn limited_curve(
    arm: Arm,
    prompts: Vec<ScoredPrompt>,
    candidates: &[Candidates],
    config: &OveroptimisationConfig,
    seed: Seed,
) -> Result<Vec<CurvePoint>, OveroptimisationError> {
    let limited = prompts.into_iter().zip(candidates);
    let mut prompts: Vec<FilteredPrompt> = limited
        .map(
            |(ScoredPrompt { proxy, gold }, candidates)| FilteredPrompt {
                proxy,
                gold,
                feasible: candidates
                    .forbidden
                    .iter()
                    .map(|forbidden| !forbidden)
                    .collect(),
            },
        )
        .collect();
    let golds = best_of_n_filtered(&prompts, &config.sizes, config.refusal_gold)?;
    for prompt in &mut prompts {
        prompt.gold.clone_from(&prompt.proxy);
    }
    let proxies = best_of_n_filtered(&prompts, &config.sizes, 0.0)?;
    let point = |(gold, proxy): (FilteredPoint, FilteredPoint)| CurvePoint {
        arm,
        seed: seed.0,
        push: Push::BestOf(gold.n),
        kl: kl_bound(gold.n),
        proxy: proxy.gold_where_answered.unwrap_or(0.0),
        gold: mean(&gold.gold_by_prompt),
        refused: mean(&gold.refusal_by_prompt),
    };
    Ok(golds.into_iter().zip(proxies).map(point).collect())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl OveroptimisationConfig {
    fn check(&self) -> Result<(), OveroptimisationError> {
        let fault = |name, value: String| Err(OveroptimisationError::Setting { name, value });
        if self.sizes.is_empty() || !self.sizes.is_sorted_by(|a, b| a < b) {
            return fault("sizes", format!("{:?}", self.sizes));
        }
        self.policy.check()?;
        if !self.refusal_gold.is_finite() {
            return fault("refusal-gold", self.refusal_gold.to_string());
        }
        for mitigation in &self.mitigations {
            match *mitigation {
                Mitigation::Ensemble { combination } => combination.check()?,
                Mitigation::Laplace { beta: price } | Mitigation::Caution { eta: price } => {
                    if !(price >= 0.0 && price.is_finite()) {
                        return fault("mitigations", mitigation.to_string());
                    }
                }
                Mitigation::Conformal { .. } | Mitigation::HardLimit {} => {}
            }
        }
        Ok(())
    }

    fn needs(&self, is_so: impl Fn(&Mitigation) -> bool) -> bool {
        self.mitigations.iter().any(is_so)
    }
}

/// Everything that is fitted under one seed.
struct Rewards {
    single: FeatureMembers,
    ensemble: Option<FeatureMembers>,
    novelty: Option<Caution>,
    /// In the order of the conformal mitigations.
    intervals: Vec<Conformal>,
}

impl Rewards {
    fn fit(
        world: &mut World,
        config: &OveroptimisationConfig,
        seed: Seed,
    ) -> Result<Self, OveroptimisationError> {
        let dim = world.dim;
        let RatedSample { features, gold } = &world.typical;
        let reward = |members| FeatureRewardConfig {
            head: config.head,
            members,
            combination: Combination::Mean {},
            weights: MemberWeights::Apart,
            pessimism: Pessimism::None {},
            fit: config.fit,
        };
        let single = FeatureMembers::fit(
            &mut world.pairs,
            features,
            &reward(NonZeroUsize::MIN),
            Posteriors::Keep,
            seed,
        )?
        .0;
        let ensemble = if config.needs(|m| matches!(m, Mitigation::Ensemble { .. })) {
            let config = reward(config.members);
            Some(
                FeatureMembers::fit(&mut world.pairs, features, &config, Posteriors::Drop, seed)?.0,
            )
        } else {
            None
        };
        let novelty = if config.needs(|m| matches!(m, Mitigation::Caution { .. })) {
            let novelty = Caution::fit(features, dim, seed.child("caution"));
            Some(novelty.map_err(RewardError::from)?)
        } else {
            None
        };
        let n_rated = config.rated_replies.min(gold.len());
        let (rated, ratings) = (&features[..n_rated * dim], &gold[..n_rated]);
        let alphas = config
            .mitigations
            .iter()
            .filter_map(|mitigation| match mitigation {
                Mitigation::Conformal { alpha } => Some(*alpha),
                _ => None,
            });
        let intervals = alphas.map(|alpha| Conformal::fit(rated, dim, ratings, alpha));
        Ok(Self {
            single,
            ensemble,
            novelty,
            intervals: intervals
                .collect::<Result<_, _>>()
                .map_err(RewardError::from)?,
        })
    }

    fn look_at(&self, candidates: &Candidates) -> Result<Evidence, OveroptimisationError> {
        let rows = &candidates.features;
        let lows = |intervals: &Conformal| Lows {
            alpha: intervals.alpha(),
            lows: intervals.intervals(rows).iter().map(|i| i.low).collect(),
        };
        Ok(Evidence {
            single: self.single.scores(rows)?.swap_remove(0),
            deviations: self.single.standard_deviations(rows),
            ensemble: (self.ensemble.as_ref())
                .map(|members| members.scores(rows))
                .transpose()?
                .unwrap_or_default(),
            errors: (self.novelty.as_ref())
                .map(|novelty| novelty.errors(rows))
                .unwrap_or_default(),
            lows: self.intervals.iter().map(lows).collect(),
        })
    }
}

/// What the rewards say of one prompt's candidates.
struct Evidence {
    single: Vec<f64>,
    deviations: Vec<f64>,
    /// `[member][candidate]`.
    ensemble: Vec<Vec<f64>>,
    errors: Vec<f64>,
    lows: Vec<Lows>,
}

struct Lows {
    alpha: f64,
    lows: Vec<f64>,
}

impl Evidence {
    /// What an arm scores candidates with.
    fn proxy(&self, arm: Arm, candidates: &Candidates) -> Result<Vec<f64>, EnsembleError> {
        Ok(match arm {
            Arm::Oracle {} => candidates.gold.clone(),
            Arm::Single {} => self.single.clone(),
            Arm::Mitigated { by } => match by {
                Mitigation::HardLimit {} => self.single.clone(),
                Mitigation::Ensemble { combination } => combination.combine_all(&self.ensemble)?,
                Mitigation::Laplace { beta } => lower(&self.single, beta, &self.deviations),
                Mitigation::Caution { eta } => lower(&self.single, eta, &self.errors),
                Mitigation::Conformal { alpha } => {
                    let of_alpha = self.lows.iter().find(|lows| lows.alpha == alpha);
                    of_alpha.expect("fitted for every alpha").lows.clone()
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(config: &OveroptimisationConfig) -> String {
        let world = SyntheticWorld::new(SyntheticWorldConfig::default()).unwrap();
        overoptimise(&world, config, Seed(0))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let count = |n| NonZeroUsize::new(n).unwrap();
        let config = OveroptimisationConfig {
            sizes: vec![count(4), count(1)],
            ..OveroptimisationConfig::default()
        };
        assert_eq!(fault(&config), "sizes is [4, 1]");
        let config = OveroptimisationConfig {
            policy: PolicyCourseConfig {
                steps: vec![count(2), count(2)],
                ..PolicyCourseConfig::default()
            },
            ..OveroptimisationConfig::default()
        };
        assert_eq!(fault(&config), "policy.steps is [2, 2]");
        let config = OveroptimisationConfig {
            mitigations: vec![Mitigation::Laplace { beta: -1.0 }],
            ..OveroptimisationConfig::default()
        };
        assert_eq!(fault(&config), "mitigations is Laplace β=-1");
        let config = OveroptimisationConfig {
            pairs: count(50),
            mitigations: Vec::new(),
            sizes: vec![count(5000)],
            ..OveroptimisationConfig::default()
        };
        assert_eq!(
            fault(&config),
            "best of 5000 asked of 4096 samples of prompt 0"
        );
    }

    #[test]
    fn settings_are_read_back_and_misspellings_are_not() {
        let config = OveroptimisationConfig::default();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<OveroptimisationConfig>(&text).unwrap(),
            config
        );
        let error = serde_json::from_str::<OveroptimisationConfig>(r#"{"pair": 3}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `pair`"),
            "{error}"
        );
    }
}
