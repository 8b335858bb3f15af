//! A policy over the candidates of the laboratory, and what becomes of gold as it climbs a reward: the course of reinforcement learning,
//! where `best_of_n.rs` is that of picking.
//!
//! Paper: Gao et al. 2022, arXiv:2210.10760, section 3.
//!
//! The policy is uniform over the candidates of each prompt at first, as the best of 1 is, and every expectation is over all of them
//! ([`ExactPolicies`]): what is seen is what the reward does, not the noise of an optimiser.
//! Under a hard limit a forbidden candidate becomes a refusal, and is worth no more to the policy than the worst that may be said; the
//! policy learns to leave it.
//! Differs from the paper: nothing is shared between prompts, and no reply is possible but the candidates. What is rewarded most is said more the
//! more it is said already, so that for one gain in reward more divergence is spent than by the best of n.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use super::{Arm, Candidates, CurvePoint, OveroptimisationConfig, OveroptimisationError, Push};
use crate::best_of_n::ScoredPrompt;
use crate::exact_ascent::{ExactAscent, ExactPolicies};

/// How the policy climbs, and where it is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyCourseConfig {
    /// After how many steps gold is looked at, rising; its start always is. Empty: there is no policy.
    pub steps: Vec<NonZeroUsize>,
    /// How far a step goes: its divergence from the policy before it, in nats.
    pub step_kl: f64,
    /// What a nat of divergence from the start costs, in units of the reward, which has spread 1 on typical replies. 0: nothing.
    pub kl_penalty: f64,
}

impl Default for PolicyCourseConfig {
    fn default() -> Self {
        let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            steps: [2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 144]
                .map(count)
                .to_vec(),
            step_kl: 0.001,
            kl_penalty: 0.0,
        }
    }
}

impl PolicyCourseConfig {
    pub(super) fn check(&self) -> Result<(), OveroptimisationError> {
        let checks = [
            (
                "policy.steps",
                format!("{:?}", self.steps),
                self.steps.is_sorted_by(|a, b| a < b),
            ),
            (
                "policy.step-kl",
                self.step_kl.to_string(),
                self.step_kl > 0.0 && self.step_kl.is_finite(),
            ),
            (
                "policy.kl-penalty",
                self.kl_penalty.to_string(),
                self.kl_penalty >= 0.0 && self.kl_penalty.is_finite(),
            ),
        ];
        match checks.into_iter().find(|(_, _, fits)| !fits) {
            None => Ok(()),
            Some((name, value, _)) => Err(OveroptimisationError::Setting { name, value }),
        }
    }
}

/// The course of one arm; nothing where no steps are asked for. `limited_to` says what is forbidden, where that is a refusal.
pub(super) fn course(
    arm: Arm,
    prompts: &[ScoredPrompt],
    limited_to: Option<&[Candidates]>,
    config: &OveroptimisationConfig,
    seed: Seed,
) -> Result<Vec<CurvePoint>, OveroptimisationError> {
    let PolicyCourseConfig {
        steps,
        step_kl,
        kl_penalty,
    } = &config.policy;
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let how = ExactAscent {
        step_kl: *step_kl,
        kl_penalty: *kl_penalty,
    };
    let is_said = |prompt: usize, candidate: usize| {
        limited_to.is_none_or(|prompts| !prompts[prompt].forbidden[candidate])
    };
    let outcomes = Outcomes::of(prompts, is_said, config.refusal_gold);
    let mut policies = ExactPolicies::uniform(outcomes.rewards.iter().map(Vec::len));
    let mut points = vec![outcomes.under(&policies, Push::Steps(0), arm, seed)];
    let mut done = 0;
    for step in steps {
        for _ in done..step.get() {
            policies.step(&outcomes.rewards, how)?;
        }
        done = step.get();
        points.push(outcomes.under(&policies, Push::Steps(done), arm, seed));
    }
    Ok(points)
}

/// What every candidate comes to, `[prompt][candidate]`.
struct Outcomes {
    /// What the policy climbs.
    rewards: Vec<Vec<f64>>,
    /// The score of what is said; 0 of a refusal.
    said_scores: Vec<Vec<f64>>,
    /// 1 where it is refused.
    refusals: Vec<Vec<f64>>,
    gold: Vec<Vec<f64>>,
}

impl Outcomes {
    fn of(
        prompts: &[ScoredPrompt],
        is_said: impl Fn(usize, usize) -> bool,
        refusal_gold: f64,
    ) -> Self {
        let mut outcomes = Self {
            rewards: Vec::new(),
            said_scores: Vec::new(),
            refusals: Vec::new(),
            gold: Vec::new(),
        };
        for (number, ScoredPrompt { proxy, gold }) in prompts.iter().enumerate() {
            let said: Vec<bool> = (0..proxy.len()).map(|c| is_said(number, c)).collect();
            let each = |of_said: &[f64], of_refusal: f64| -> Vec<f64> {
                let both = of_said.iter().zip(&said);
                both.map(|(&value, &said)| if said { value } else { of_refusal })
                    .collect()
            };
            let scores = proxy.iter().zip(&said).filter(|(_, said)| **said);
            let lowest = scores
                .map(|(score, _)| *score)
                .fold(f64::INFINITY, f64::min);
            // Where nothing may be said there is nothing to choose.
            let lowest = if lowest.is_finite() { lowest } else { 0.0 };
            outcomes.rewards.push(each(proxy, lowest));
            outcomes.said_scores.push(each(proxy, 0.0));
            outcomes.refusals.push(each(&vec![0.0; proxy.len()], 1.0));
            outcomes.gold.push(each(gold, refusal_gold));
        }
        outcomes
    }

    fn under(&self, policies: &ExactPolicies, push: Push, arm: Arm, seed: Seed) -> CurvePoint {
        let mean = |values: &[Vec<f64>]| super::mean(&policies.expectations(values));
        let refused = mean(&self.refusals).clamp(0.0, 1.0);
        CurvePoint {
            arm,
            seed: seed.0,
            push,
            kl: policies.divergence(),
            proxy: if refused < 1.0 {
                mean(&self.said_scores) / (1.0 - refused)
            } else {
                0.0
            },
            gold: mean(&self.gold),
            refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overoptimisation::Mitigation;

    fn prompts() -> Vec<ScoredPrompt> {
        vec![ScoredPrompt {
            proxy: vec![0.0, 1.0, 3.0, 2.0],
            gold: vec![0.0, 1.0, -4.0, 2.0],
        }]
    }

    fn config() -> OveroptimisationConfig {
        let count = |n| NonZeroUsize::new(n).unwrap();
        OveroptimisationConfig {
            policy: PolicyCourseConfig {
                steps: [1, 10, 400].map(count).to_vec(),
                step_kl: 0.01,
                kl_penalty: 0.0,
            },
            ..OveroptimisationConfig::default()
        }
    }

    #[test]
    fn it_starts_as_the_best_of_one_and_ends_at_what_is_rewarded() {
        let points = course(Arm::Single {}, &prompts(), None, &config(), Seed(7)).unwrap();
        let [start, _, _, end] = &points[..] else {
            panic!("{points:?}");
        };
        assert!((start.gold + 0.25).abs() < 1e-12 && (start.proxy - 1.5).abs() < 1e-12);
        assert!(start.kl.abs() < 1e-12 && start.seed == 7);
        assert!((end.gold + 4.0).abs() < 0.05 && (end.proxy - 3.0).abs() < 0.01);
        assert!(points.is_sorted_by(|a, b| a.push < b.push && a.kl < b.kl && a.proxy < b.proxy));
    }

    #[test]
    fn under_a_limit_what_is_forbidden_is_refused_and_then_left() {
        let limits = [Candidates {
            features: Vec::new(),
            gold: Vec::new(),
            forbidden: vec![false, false, true, false],
        }];
        let arm = Arm::Mitigated {
            by: Mitigation::HardLimit {},
        };
        let points = course(arm, &prompts(), Some(&limits), &config(), Seed(0)).unwrap();
        // A refusal's gold is −1, and the score is of what is said.
        assert_eq!(points[0].refused, 0.25);
        assert!((points[0].gold - 0.5).abs() < 1e-12 && (points[0].proxy - 1.0).abs() < 1e-12);
        assert!(points[3].refused < 0.01 && (points[3].gold - 2.0).abs() < 0.05);
    }

    #[test]
    fn where_nothing_may_be_said_all_is_refused() {
        let limits = [Candidates {
            features: Vec::new(),
            gold: Vec::new(),
            forbidden: vec![true; 4],
        }];
        let points = course(
            Arm::Oracle {},
            &prompts(),
            Some(&limits),
            &config(),
            Seed(0),
        )
        .unwrap();
        for point in points {
            assert!((point.gold + 1.0).abs() < 1e-12 && point.kl.abs() < 1e-12);
            assert_eq!(point.proxy, 0.0);
        }
    }

    #[test]
    fn without_steps_there_is_no_course() {
        let mut config = config();
        config.policy.steps.clear();
        let points = course(Arm::Single {}, &prompts(), None, &config, Seed(0)).unwrap();
        assert!(points.is_empty());
    }
}
