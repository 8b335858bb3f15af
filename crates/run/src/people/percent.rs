//! A belief as people give it: 5 to 95 per cent, in steps of 5 (Khan et al. 2024, arXiv:2402.06782, appendix on human judges).
//! Nobody is certain, so that a log score is never without bound.

use serde::{Deserialize, Serialize};
use trimtab_core::Distribution;
use trimtab_debate::Order;

/// How probable it is that what is shown as A is right, in per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

/// Why a number is no belief.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a belief: expected 5 to 95 in steps of 5")]
pub struct PercentError(pub u8);

impl TryFrom<u8> for Percent {
    type Error = PercentError;

    fn try_from(percent: u8) -> Result<Self, PercentError> {
        if (5..=95).contains(&percent) && percent.is_multiple_of(5) {
            Ok(Self(percent))
        } else {
            Err(PercentError(percent))
        }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl Percent {
    /// Every one, rising.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (1..=19).map(|step| Self(step * 5))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }

    /// That of B.
    #[must_use]
    pub fn of_b(self) -> Self {
        Self(100 - self.0)
    }

    /// Whether it leans to neither.
    pub fn is_half(self) -> bool {
        self.0 == 50
    }

    /// Probabilities by answer, in the order of the data set, where A and B were shown in the order `shown`.
    pub fn by_answer(self, shown: Order) -> Option<Distribution> {
        let by_side = [self, self.of_b()].map(|percent| f64::from(percent.0) / 100.0);
        Distribution::new(&shown.arrange(by_side)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::AnswerIdx;

    #[test]
    fn nobody_is_certain() {
        for number in 0..=u8::MAX {
            let is_belief = (5..=95).contains(&number) && number % 5 == 0;
            assert_eq!(Percent::try_from(number).is_ok(), is_belief, "{number}");
        }
        assert_eq!(Percent::all().count(), 19);
    }

    #[test]
    fn answers_are_in_the_order_of_the_data_set() {
        let leaning_to_a = Percent::try_from(70).unwrap();
        let answer = |shown| leaning_to_a.by_answer(shown).unwrap().answer();
        assert_eq!(answer(Order::AsListed), AnswerIdx(0));
        assert_eq!(answer(Order::Swapped), AnswerIdx(1));
    }
}
