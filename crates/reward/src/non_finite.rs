//! The refusal that all arithmetic here shares: an input that is NaN or infinite, with where it stands.
//!
//! One NaN reward makes every advantage of its batch NaN and, a step later, every weight. It is refused where it enters.

use std::fmt;

/// A number that is NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{quantity} of {place} is {value}")]
pub struct NonFinite {
    /// What the number is.
    pub quantity: &'static str,
    /// Where it stands, counted from 0.
    pub place: Place,
    /// The number.
    pub value: f64,
}

/// Where a number stands in a batch; everything is counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A setting, not part of the batch.
    Setting,
    /// The batch as a whole.
    Batch,
    /// A preference pair.
    Pair(usize),
    /// A sampled reply.
    Sample(usize),
    /// A token of a sampled reply.
    Token {
        /// The reply.
        sample: usize,
        /// The token of the reply.
        token: usize,
    },
    /// A sample of a prompt.
    PromptSample {
        /// The prompt.
        prompt: usize,
        /// The sample of this prompt.
        sample: usize,
    },
    /// A weight of an ensemble's member.
    MemberWeight {
        /// The member.
        member: usize,
        /// The weight.
        weight: usize,
    },
    /// A score that an ensemble's member gave.
    MemberSample {
        /// The member.
        member: usize,
        /// The sample.
        sample: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting => write!(f, "the settings"),
            Self::Batch => write!(f, "the batch"),
            Self::Pair(pair) => write!(f, "pair {pair}"),
            Self::Sample(sample) => write!(f, "sample {sample}"),
            Self::Token { sample, token } => write!(f, "sample {sample}, token {token}"),
            Self::PromptSample { prompt, sample } => write!(f, "prompt {prompt}, sample {sample}"),
            Self::MemberWeight { member, weight } => write!(f, "member {member}, weight {weight}"),
            Self::MemberSample { member, sample } => write!(f, "member {member}, sample {sample}"),
        }
    }
}

impl NonFinite {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self.place {
            Place::Setting => format!("give {} a finite number", self.quantity),
            _ => "look at what produced it: a training step that diverged, an empty reply, or a logarithm of 0".into(),
        }
    }
}

/// Passes a finite number, refuses any other.
pub(crate) fn finite(quantity: &'static str, place: Place, value: f64) -> Result<f64, NonFinite> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(NonFinite {
            quantity,
            place,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_and_where() {
        let token = Place::Token {
            sample: 3,
            token: 7,
        };
        let error = finite("reward", token, f64::NAN).unwrap_err();
        assert_eq!(error.to_string(), "reward of sample 3, token 7 is NaN");
        assert_eq!(finite("reward", token, 1.5), Ok(1.5));
    }
}
