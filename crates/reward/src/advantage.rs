//! From a reply's score to advantages of its tokens: divergence as a cost, generalised advantage estimation, whitening.
//!
//! Papers: Schulman et al. 2016, arXiv:1506.02438, equation 16 (GAE); Ziegler et al. 2019, arXiv:1909.08593 (the rewards); Huang et al. 2024,
//! arXiv:2403.17031 (the details).
//!
//! ```text
//! r_t = −β k(log π_old − log π_ref)_t + [t last] score
//! δ_t = r_t + γ V_{t+1} − V_t,   V after the last token = 0
//! A_t = δ_t + γ λ A_{t+1}                                   return_t = A_t + V_t
//! whitened = (x − m) / √(var + 1e-8)  [+ m where the mean is kept]
//! ```
//!
//! Sequences are as long as their replies: there is no padding, hence no mask to forget. Returns are taken before advantages are whitened. Rewards are whitened
//! with their mean kept, advantages without.
//!
//! In: nats, scores, values, each by token. Out: in units of reward; whitened, of none.
//! Differs from the papers: the variance's divisor is a setting. TRL divides by n − 1, OpenRLHF and OpenAI's code by n.
//! Parity: `tests/golden/pref_reference.json`, `ppo`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::VarianceDivisor;
use crate::kl::KlEstimator;
use crate::non_finite::{NonFinite, Place, finite};

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyEnd {
    /// By its own end-of-text token.
    Finished,
    /// By the longest length allowed.
    CutOff,
}

/// What becomes of the score of a reply that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum MissingEnd {
    /// It stays.
    Keep {},
    /// Something is taken off (TRL's `missing_eos_penalty`).
    Subtract {
        /// How much.
        penalty: f64,
    },
    /// It is replaced (−1 in OpenAI's code).
    Replace {
        /// By what.
        score: f64,
    },
}

impl Default for MissingEnd {
    fn default() -> Self {
        Self::Keep {}
    }
}

impl MissingEnd {
    /// The score of a reply that ended so.
    pub fn score(self, score: f64, end: ReplyEnd) -> f64 {
        match (end, self) {
            (ReplyEnd::Finished, _) | (ReplyEnd::CutOff, Self::Keep {}) => score,
            (ReplyEnd::CutOff, Self::Subtract { penalty }) => score - penalty,
            (ReplyEnd::CutOff, Self::Replace { score }) => score,
        }
    }
}

/// Generalised advantage estimation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gae {
    /// What a reward one token later is worth (γ).
    pub gamma: f64,
    /// From 0, the value function's word, to 1, the sum of rewards (λ).
    pub lambda: f64,
}

impl Default for Gae {
    fn default() -> Self {
        Self {
            gamma: 1.0,
            lambda: 0.95,
        }
    }
}

/// Advantages and returns of one reply's tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Advantages {
    /// A_t.
    pub advantages: Vec<f64>,
    /// A_t + V_t, what the value function should say.
    pub returns: Vec<f64>,
}

/// What whitening does with the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhitenedMean {
    /// It is taken off: advantages.
    Removed,
    /// It is put back, unscaled: rewards.
    Kept,
}

/// Why there are no advantages.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdvantageError {
    /// A reply without tokens.
    #[error("sample {sample} has no tokens")]
    NoTokens {
        /// The reply, from 0.
        sample: usize,
    },
    /// A variance of one number.
    #[error("one token has no variance over one fewer")]
    OneToken,
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl AdvantageError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoTokens { .. } => {
                "let the end-of-text token count as a token of the reply".into()
            }
            Self::OneToken => "whiten over more tokens: a larger batch".into(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// Rewards of one reply's tokens: the divergence of each as a cost, the score on the last. `sample` is for errors.
///
/// # Errors
///
/// [`AdvantageError`], naming sample and token.
///
/// # Panics
///
/// When there are not as many reference log-probabilities as log-probabilities: a bug in the caller.
pub fn token_rewards(
    sample: usize,
    log_probs: &[f64],
    reference: &[f64],
    score: f64,
    kl_coefficient: f64,
    estimator: KlEstimator,
) -> Result<Vec<f64>, AdvantageError> {
    assert_eq!(
        log_probs.len(),
        reference.len(),
        "tokens of policy and reference"
    );
    finite("reward", Place::Sample(sample), score)?;
    let cost = |(token, (log_prob, reference)): (usize, (&f64, &f64))| {
        let place = Place::Token { sample, token };
        finite("log-probability", place, *log_prob)?;
        finite("reference log-probability", place, *reference)?;
        finite(
            "reward",
            place,
            -kl_coefficient * estimator.value(log_prob - reference),
        )
    };
    let tokens = log_probs.iter().zip(reference).enumerate();
    let mut rewards = tokens.map(cost).collect::<Result<Vec<f64>, _>>()?;
    *rewards
        .last_mut()
        .ok_or(AdvantageError::NoTokens { sample })? += score;
    Ok(rewards)
}

impl Gae {
    /// Advantages and returns of one reply. `sample` is for errors.
    ///
    /// # Errors
    ///
    /// [`AdvantageError`], naming sample and token.
    ///
    /// # Panics
    ///
    /// When there are not as many values as rewards: a bug in the caller.
    pub fn advantages(
        &self,
        sample: usize,
        rewards: &[f64],
        values: &[f64],
    ) -> Result<Advantages, AdvantageError> {
        assert_eq!(rewards.len(), values.len(), "rewards and values");
        if rewards.is_empty() {
            return Err(AdvantageError::NoTokens { sample });
        }
        let mut advantages = vec![0.0; rewards.len()];
        let (mut next_advantage, mut next_value) = (0.0, 0.0);
        for token in (0..rewards.len()).rev() {
            let place = Place::Token { sample, token };
            finite("reward", place, rewards[token])?;
            finite("value", place, values[token])?;
            let surprise = rewards[token] + self.gamma * next_value - values[token];
            next_advantage = surprise + self.gamma * self.lambda * next_advantage;
            next_value = values[token];
            advantages[token] = next_advantage;
        }
        let returns = advantages.iter().zip(values).map(|(a, v)| a + v);
        Ok(Advantages {
            returns: returns.collect(),
            advantages,
        })
    }
}

/// Scales numbers of all tokens of a batch, `[sample][token]`, to variance 1.
///
/// # Errors
///
/// [`AdvantageError`]: one token where the divisor is one fewer; a number that is not finite, naming sample and token.
pub fn whiten(
    batch: &mut [Vec<f64>],
    mean: WhitenedMean,
    divisor: VarianceDivisor,
) -> Result<(), AdvantageError> {
    const EPSILON: f64 = 1e-8;
    for (sample, numbers) in batch.iter().enumerate() {
        for (token, &number) in numbers.iter().enumerate() {
            finite("number to whiten", Place::Token { sample, token }, number)?;
        }
    }
    let n = batch.iter().map(Vec::len).sum::<usize>();
    if n == 0 {
        return Ok(());
    }
    let count = match divisor {
        VarianceDivisor::Count => n,
        VarianceDivisor::CountLessOne if n == 1 => return Err(AdvantageError::OneToken),
        VarianceDivisor::CountLessOne => n - 1,
    };
    let centre = batch.iter().flatten().sum::<f64>() / n as f64;
    let squares: f64 = batch.iter().flatten().map(|x| (x - centre).powi(2)).sum();
    let scale = (squares / count as f64 + EPSILON).sqrt();
    let back = match mean {
        WhitenedMean::Removed => 0.0,
        WhitenedMean::Kept => centre,
    };
    for number in batch.iter_mut().flatten() {
        *number = (*number - centre) / scale + back;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refusals_name_the_sample() {
        let k1 = KlEstimator::K1;
        let check = |result: Result<Vec<f64>, AdvantageError>, message: &str| {
            assert_eq!(result.unwrap_err().to_string(), message);
        };
        let rewards = |log_probs: &[f64], score| {
            token_rewards(4, log_probs, &[-1.0; 2][..log_probs.len()], score, 0.1, k1)
        };
        check(
            rewards(&[-1.0, -2.0], f64::NAN),
            "reward of sample 4 is NaN",
        );
        check(
            rewards(&[-1.0, f64::NEG_INFINITY], 1.0),
            "log-probability of sample 4, token 1 is -inf",
        );
        check(rewards(&[], 1.0), "sample 4 has no tokens");
        let error = whiten(
            &mut [vec![1.0]],
            WhitenedMean::Removed,
            VarianceDivisor::CountLessOne,
        );
        assert_eq!(error, Err(AdvantageError::OneToken));
    }

    #[test]
    fn a_reply_that_was_cut_off_pays() {
        let (subtract, replace) = (
            MissingEnd::Subtract { penalty: 1.0 },
            MissingEnd::Replace { score: -1.0 },
        );
        let of = |end| [MissingEnd::Keep {}, subtract, replace].map(|rule| rule.score(0.5, end));
        assert_eq!(of(ReplyEnd::CutOff), [0.5, -0.5, -1.0]);
        assert_eq!(of(ReplyEnd::Finished), [0.5; 3]);
    }

    proptest! {
        #[test]
        fn at_lambda_one_returns_are_sums_of_rewards(
            tokens in prop::collection::vec((-3.0..3.0_f64, -3.0..3.0_f64), 1..12),
        ) {
            let (rewards, values): (Vec<f64>, Vec<f64>) = tokens.into_iter().unzip();
            let gae = Gae { gamma: 1.0, lambda: 1.0 };
            let got = gae.advantages(0, &rewards, &values).unwrap();
            for token in 0..rewards.len() {
                let sum: f64 = rewards[token..].iter().sum();
                prop_assert!((got.returns[token] - sum).abs() < 1e-9);
            }
        }

        #[test]
        fn whitened_numbers_have_variance_one(
            mut batch in prop::collection::vec(prop::collection::vec(-9.0..9.0_f64, 3..6), 1..4),
        ) {
            let before = batch.iter().flatten().sum::<f64>();
            whiten(&mut batch, WhitenedMean::Kept, VarianceDivisor::CountLessOne).unwrap();
            let numbers: Vec<f64> = batch.into_iter().flatten().collect();
            let n = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / n;
            prop_assert!((mean - before / n).abs() < 1e-9);
            let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            prop_assert!((variance - 1.0).abs() < 1e-5);
        }
    }
}
