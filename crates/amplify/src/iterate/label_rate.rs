//! How often the real expert is asked.
//!
//! ```text
//! before the first step      `first` questions
//! then, by the loss of H′    above .1: 1 question a step;  below .1: .1;  below .01: .01
//! ```
//!
//! The paper's code. A question is one tree: the expert takes it from the question to the answer, in several steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often the real expert is asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LabelRateConfig {
    /// Questions before the first step.
    pub first: u32,
    /// Questions a step while the predictor is bad; a tenth of it below a loss of .1 nats, a hundredth below .01.
    pub rate: f64,
}

impl Default for LabelRateConfig {
    fn default() -> Self {
        Self {
            first: 500,
            rate: 1.0,
        }
    }
}

/// How many questions the expert was asked, and how many it owes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LabelRate {
    asked: u64,
    due: f64,
}

impl LabelRate {
    /// Questions that the expert is to be asked now, by the predictor's loss in nats, if it has one.
    pub fn due(&mut self, loss: Option<f64>, config: &LabelRateConfig) -> usize {
        if self.asked == 0 {
            self.due = f64::from(config.first);
        } else {
            self.due += config.rate
                * match loss {
                    Some(loss) if loss < 0.01 => 0.01,
                    Some(loss) if loss < 0.1 => 0.1,
                    _ => 1.0,
                };
        }
        let now = self.due.floor();
        self.due -= now;
        self.asked += now as u64;
        now as usize
    }

    /// Questions that it was asked.
    pub fn asked(&self) -> u64 {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_the_predictor_the_less_the_expert_is_asked() {
        let config = LabelRateConfig {
            first: 500,
            rate: 1.0,
        };
        let mut rate = LabelRate::default();
        assert_eq!(rate.due(None, &config), 500);
        assert_eq!(
            (0..100)
                .map(|_| rate.due(Some(0.5), &config))
                .sum::<usize>(),
            100
        );
        let tenth: usize = (0..1000).map(|_| rate.due(Some(0.05), &config)).sum();
        assert!((99..=101).contains(&tenth), "{tenth}");
        let hundredth: usize = (0..10_000).map(|_| rate.due(Some(0.001), &config)).sum();
        assert!((99..=101).contains(&hundredth), "{hundredth}");
        assert_eq!(rate.asked(), (600 + tenth + hundredth) as u64);
    }
}
