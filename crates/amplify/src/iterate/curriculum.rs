//! Instances grow as the learner does.
//!
//! ```text
//! a ← h a + (1 − h) (agreement of the teacher with its targets in this step),  h = 1 − 1/window
//! a / (1 − hⁿ) > threshold and n > least  ⇒  difficulty + 1, a and n from the start
//! ```
//!
//! The paper's code: a mean over 100 steps above .85, after more than 50. Small instances come first because answers about them can
//! be found by luck; without that the learner stays for long at what it does best, in our runs for good.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When instances grow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CurriculumConfig {
    /// The agreement above which instances grow, from 0 to 1; 0 begins with the largest.
    pub threshold: f64,
    /// Steps over which agreement is averaged.
    pub window: u32,
    /// Steps at a difficulty, at least.
    pub least: u32,
}

impl Default for CurriculumConfig {
    fn default() -> Self {
        Self {
            threshold: 0.85,
            window: 100,
            least: 50,
        }
    }
}

/// How far instances have grown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Curriculum {
    /// The difficulty, from 0.
    pub difficulty: u32,
    sum: f64,
    weight: f64,
    n: u32,
}

impl Curriculum {
    /// At the start, or at the end where there is nothing to wait for.
    pub fn new(config: &CurriculumConfig, hardest: u32) -> Self {
        let difficulty = if config.threshold <= 0.0 { hardest } else { 0 };
        Self {
            difficulty,
            sum: 0.0,
            weight: 0.0,
            n: 0,
        }
    }

    /// Takes in one step's agreement; none where there was nothing to agree with.
    pub fn observe(&mut self, agreement: Option<f64>, config: &CurriculumConfig, hardest: u32) {
        let Some(agreement) = agreement else { return };
        let held = 1.0 - 1.0 / f64::from(config.window.max(1));
        self.sum = held * self.sum + (1.0 - held) * agreement;
        self.weight = held * self.weight + (1.0 - held);
        self.n += 1;
        if self.difficulty < hardest
            && self.n > config.least
            && self.sum / self.weight > config.threshold
        {
            *self = Self {
                difficulty: self.difficulty + 1,
                sum: 0.0,
                weight: 0.0,
                n: 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(agreements: &[f64]) -> Curriculum {
        let config = CurriculumConfig {
            threshold: 0.85,
            window: 10,
            least: 5,
        };
        let mut curriculum = Curriculum::new(&config, 3);
        for &agreement in agreements {
            curriculum.observe(Some(agreement), &config, 3);
        }
        curriculum
    }

    #[test]
    fn it_grows_after_enough_good_steps_and_no_further_than_the_hardest() {
        assert_eq!(
            after(&[1.0; 5]).difficulty,
            0,
            "five are not more than five"
        );
        assert_eq!(after(&[1.0; 6]).difficulty, 1);
        assert_eq!(after(&[1.0; 12]).difficulty, 2);
        assert_eq!(after(&[1.0; 100]).difficulty, 3);
        assert_eq!(after(&[0.8; 100]).difficulty, 0);
    }

    #[test]
    fn the_mean_is_of_this_difficulty_alone_and_unbiased() {
        let mut agreements = vec![1.0; 6];
        agreements.extend([0.5; 100]);
        assert_eq!(after(&agreements).difficulty, 1);
        // Six steps of .86 are enough: the average does not start from zero.
        assert_eq!(after(&[0.86; 6]).difficulty, 1);
    }

    #[test]
    fn without_a_threshold_it_begins_with_the_largest_and_silence_is_no_agreement() {
        let config = CurriculumConfig {
            threshold: 0.0,
            ..CurriculumConfig::default()
        };
        assert_eq!(Curriculum::new(&config, 7).difficulty, 7);
        let config = CurriculumConfig::default();
        let mut curriculum = Curriculum::new(&config, 7);
        let before = curriculum;
        curriculum.observe(None, &config, 7);
        assert_eq!(curriculum, before);
    }
}
