//! A limit on expected cost, kept by a multiplier that learns.
//!
//! Paper: Dai et al. 2024 (Safe RLHF), arXiv:2310.12773, section 3.3, and its code.
//!
//! ```text
//! A        = (A_R − λ A_C) / (1 + λ)
//! log λ   ← log λ + η λ (mean of the last costs − d)          λ at most a cap
//! ```
//!
//! At rest either E[C] = d, or λ has gone to 0: λ (E[C] − d) = 0. Where the limit is slack λ falls as 1/(η t slack), and never reaches 0. The guarantee is of an
//! expectation: single replies cost more, always.
//!
//! Divergence belongs into the reward alone, where the optimum is then π_0 exp((R − λC)/β), which `finite.rs` has in closed form. The paper's code also adds it
//! to the cost; that is an optimum of another problem, with β (1 + λ) for β.
//!
//! In: costs of sampled replies, advantages. Out: λ, and advantages of reward and cost together.
//! Differs from the paper: nowhere; its defaults are λ = 1, η = 0.1, a window of 128 replies, a cap of 5, d = 0.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::non_finite::{NonFinite, Place, finite};

/// A limit on expected cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LagrangianConfig {
    /// What the expected cost is to stay below (d).
    pub limit: f64,
    /// The multiplier to start from.
    pub initial: f64,
    /// How fast its logarithm moves (η).
    pub learning_rate: f64,
    /// The greatest multiplier.
    pub cap: f64,
    /// Over how many of the last replies costs are averaged.
    pub window: NonZeroUsize,
}

impl Default for LagrangianConfig {
    fn default() -> Self {
        Self {
            limit: 0.0,
            initial: 1.0,
            learning_rate: 0.1,
            cap: 5.0,
            window: WINDOW,
        }
    }
}

const WINDOW: NonZeroUsize = NonZeroUsize::new(128).expect("not 0");

/// Why a multiplier cannot learn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LagrangianError {
    /// A setting out of range.
    #[error("{name} of {value} is out of range")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl LagrangianError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Setting { name: "cap", .. } => "give `cap` a number of `initial` or more".into(),
            Self::Setting { name, .. } => format!("give `{name}` a number above 0"),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// The multiplier as it stands; kept with a training's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lagrangian {
    config: LagrangianConfig,
    log_multiplier: f64,
    last_costs: VecDeque<f64>,
}

impl Lagrangian {
    /// Starts.
    ///
    /// # Errors
    ///
    /// [`LagrangianError`]: a setting out of range.
    pub fn new(config: LagrangianConfig) -> Result<Self, LagrangianError> {
        finite("limit", Place::Setting, config.limit)?;
        for (name, value, fits) in [
            ("initial", config.initial, config.initial > 0.0),
            (
                "learning-rate",
                config.learning_rate,
                config.learning_rate > 0.0,
            ),
            ("cap", config.cap, config.cap >= config.initial),
        ] {
            finite(name, Place::Setting, value)?;
            if !fits {
                return Err(LagrangianError::Setting { name, value });
            }
        }
        Ok(Self {
            config,
            log_multiplier: config.initial.ln(),
            last_costs: VecDeque::new(),
        })
    }

    /// λ.
    pub fn multiplier(&self) -> f64 {
        self.log_multiplier.exp()
    }

    /// Mean of the last costs; none before there are any.
    pub fn mean_cost(&self) -> Option<f64> {
        let n = self.last_costs.len();
        (n > 0).then(|| self.last_costs.iter().sum::<f64>() / n as f64)
    }

    /// Takes in the costs of replies just sampled; λ from now on.
    ///
    /// # Errors
    ///
    /// [`NonFinite`], naming the reply; nothing has changed then.
    pub fn observe(&mut self, costs: &[f64]) -> Result<f64, NonFinite> {
        for (sample, &cost) in costs.iter().enumerate() {
            finite("cost", Place::Sample(sample), cost)?;
        }
        self.last_costs.extend(costs);
        let too_many = self
            .last_costs
            .len()
            .saturating_sub(self.config.window.get());
        self.last_costs.drain(..too_many);
        if let Some(mean_cost) = self.mean_cost() {
            let step =
                self.config.learning_rate * self.multiplier() * (mean_cost - self.config.limit);
            self.log_multiplier = (self.log_multiplier + step).min(self.config.cap.ln());
        }
        Ok(self.multiplier())
    }

    /// One advantage out of those of reward and cost.
    pub fn combine(&self, reward_advantage: f64, cost_advantage: f64) -> f64 {
        let multiplier = self.multiplier();
        (reward_advantage - multiplier * cost_advantage) / (1.0 + multiplier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lagrangian(window: usize) -> Lagrangian {
        let window = NonZeroUsize::new(window).unwrap();
        Lagrangian::new(LagrangianConfig {
            window,
            ..LagrangianConfig::default()
        })
        .unwrap()
    }

    #[test]
    fn it_rises_above_the_limit_up_to_the_cap_and_falls_below() {
        let mut multiplier = lagrangian(2);
        let first = multiplier.observe(&[1.0]).unwrap();
        assert!((first - 0.1_f64.exp()).abs() < 1e-12);
        for _ in 0..100 {
            multiplier.observe(&[1.0]).unwrap();
        }
        assert!((multiplier.multiplier() - 5.0).abs() < 1e-12);
        assert!((multiplier.combine(3.0, 1.0) - (3.0 - 5.0) / 6.0).abs() < 1e-12);
        for _ in 0..2000 {
            multiplier.observe(&[-1.0]).unwrap();
        }
        assert!(multiplier.multiplier() < 0.01);
    }

    #[test]
    fn only_the_last_costs_count() {
        let mut multiplier = lagrangian(3);
        multiplier.observe(&[100.0, 1.0, 2.0]).unwrap();
        multiplier.observe(&[3.0]).unwrap();
        assert_eq!(multiplier.mean_cost(), Some(2.0));
        let before = multiplier.clone();
        let error = multiplier.observe(&[1.0, f64::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "cost of sample 1 is NaN");
        assert_eq!(multiplier, before);
    }

    #[test]
    fn a_multiplier_cannot_start_at_nothing() {
        let config = LagrangianConfig {
            initial: 0.0,
            ..LagrangianConfig::default()
        };
        let error = Lagrangian::new(config).unwrap_err();
        assert_eq!(error.to_string(), "initial of 0 is out of range");
    }
}
