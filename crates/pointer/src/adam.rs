//! Adam (Kingma and Ba 2015) over all parameters at once, with a linear warm-up and a bound on the gradient's norm.
//!
//! ```text
//! g ← g min(1, clip / ‖g‖)
//! m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
//! θ ← θ − η min(1, k / warm-up) m̂ / (√v̂ + ε)
//! ```
//!
//! As in the paper (β₂ = .98, norm 1), but for the rate: 1e-5 there, for networks of another size. No decay of weights.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_kernel::pointwise::{AdamWStep, adamw};

/// How a network moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdamConfig {
    /// The rate after the warm-up.
    pub learning_rate: f64,
    /// Steps in which the rate rises from zero.
    pub warm_up: u32,
    /// How much of the mean of gradients is kept a step.
    pub beta1: f64,
    /// How much of the mean of their squares is kept a step.
    pub beta2: f64,
    /// The longest gradient; a longer one is shortened to it.
    pub clip: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            warm_up: 200,
            beta1: 0.9,
            beta2: 0.98,
            clip: 1.0,
        }
    }
}

impl AdamConfig {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which says of the first of them what it may be.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [("learning-rate", self.learning_rate), ("clip", self.clip)] {
            require(key, value, value.is_finite() && value > 0.0, "above 0")?;
        }
        for (key, value) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            require(key, value, (0.0..1.0).contains(&value), "from 0 to below 1")?;
        }
        Ok(())
    }
}

/// What Adam remembers: as long as the parameters, twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    config: AdamConfig,
    steps: u64,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    /// Of `n` parameters that have not moved.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a setting makes no sense.
    pub fn new(config: AdamConfig, n: usize) -> Result<Self, ConfigError> {
        Self::with_moments(config, 0, [vec![0.0; n], vec![0.0; n]])
    }

    /// What was saved.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a setting makes no sense, or the two moments are of different lengths.
    pub fn with_moments(
        config: AdamConfig,
        steps: u64,
        [first, second]: [Vec<f32>; 2],
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let fits = first.len() == second.len();
        require("moments", second.len(), fits, "as long as each other")?;
        Ok(Self {
            config,
            steps,
            first,
            second,
        })
    }

    /// Steps that were taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Means of gradients and of their squares, for saving.
    pub fn moments(&self) -> [&[f32]; 2] {
        [&self.first, &self.second]
    }

    /// Moves the parameters and returns the gradient's norm, before it was bounded. The gradient is used up.
    pub(crate) fn step(&mut self, parameters: &mut [f32], gradient: &mut [f32]) -> f64 {
        assert_eq!(
            self.first.len(),
            parameters.len(),
            "moments of other parameters"
        );
        let norm = norm(gradient);
        if norm > self.config.clip {
            let by = (self.config.clip / norm) as f32;
            for g in gradient.iter_mut() {
                *g *= by;
            }
        }
        self.steps += 1;
        let k = self.steps as f64;
        let warmed = (k / f64::from(self.config.warm_up.max(1))).min(1.0);
        let [b1, b2] = [self.config.beta1, self.config.beta2];
        let step = AdamWStep {
            betas: [b1 as f32, b2 as f32],
            rate: (self.config.learning_rate * warmed / (1.0 - b1.powf(k))) as f32,
            second_scale: (1.0 / (1.0 - b2.powf(k))) as f32,
            epsilon: 1e-8,
            kept: 1.0,
        };
        adamw(
            step,
            parameters,
            [&mut self.first, &mut self.second],
            gradient,
        );
        norm
    }
}

fn norm(gradient: &[f32]) -> f64 {
    let squares = gradient.chunks(1024).map(|chunk| {
        let (whole, rest) = chunk.as_chunks::<16>();
        let mut sums = [0.0_f32; 16];
        for chunk in whole {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum += x * x;
            }
        }
        let all = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
        f64::from(all)
    });
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_as_the_equations_say() {
        let config = AdamConfig {
            warm_up: 4,
            clip: 2.5,
            ..AdamConfig::default()
        };
        let mut adam = Adam::new(config.clone(), 2).unwrap();
        let mut parameters = [1.0_f32, -1.0];
        let (mut theta, mut m, mut v) = ([1.0_f64, -1.0], [0.0; 2], [0.0; 2]);
        for k in 1..=6 {
            // The norm is 5, then 2.5: clipped at first, then not.
            let scale = if k < 4 { 1.0 } else { 0.5 };
            let mut gradient = [3.0 * scale as f32, 4.0 * scale as f32];
            let norm = adam.step(&mut parameters, &mut gradient);
            assert_eq!(norm, 5.0 * scale);
            for (i, g) in [1.5, 2.0].into_iter().enumerate() {
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.98 * v[i] + 0.02 * g * g;
                let unbiased = m[i] / (1.0 - 0.9_f64.powi(k));
                let root = (v[i] / (1.0 - 0.98_f64.powi(k))).sqrt();
                theta[i] -= 1e-3 * (f64::from(k) / 4.0).min(1.0) * unbiased / root;
                assert!((f64::from(parameters[i]) - theta[i]).abs() < 1e-6);
            }
        }
        assert_eq!(adam.steps(), 6);
        let [first, second] = adam.moments().map(<[f32]>::to_vec);
        assert_eq!(
            Adam::with_moments(config, 6, [first, second]).unwrap(),
            adam
        );
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let wrong = AdamConfig {
            beta2: 1.0,
            ..AdamConfig::default()
        };
        let error = Adam::new(wrong, 1).unwrap_err();
        assert_eq!(error.to_string(), "beta2 is 1: from 0 to below 1");
        let error = Adam::with_moments(AdamConfig::default(), 0, [vec![0.0], vec![]]).unwrap_err();
        assert_eq!(error.to_string(), "moments is 0: as long as each other");
    }
}
