//! Positions in a debate, and which answer stands at which.

use serde::{Deserialize, Serialize};
use trimtab_core::AnswerIdx;

/// A position: the first or the second of what is shown. It says nothing of which answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The opponent's.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 or 1.
    pub fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    /// `A` or `B`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// What who argues it is called: `Debater A`.
    pub fn debater(self) -> &'static str {
        match self {
            Self::A => "Debater A",
            Self::B => "Debater B",
        }
    }
}

/// Which of a question's two answers, in the order of its data set, stands at which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first answer at A.
    AsListed,
    /// The second answer at A.
    Swapped,
}

impl Order {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::AsListed, Self::Swapped];

    /// The other one.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::AsListed => Self::Swapped,
            Self::Swapped => Self::AsListed,
        }
    }

    /// The answer that stands at `side`.
    pub fn answer_at(self, side: Side) -> AnswerIdx {
        AnswerIdx(match self {
            Self::AsListed => side.index(),
            Self::Swapped => 1 - side.index(),
        })
    }

    /// Where `answer`, 0 or 1, stands.
    pub fn side_of(self, answer: AnswerIdx) -> Side {
        let at_a = self.answer_at(Side::A);
        if answer == at_a { Side::A } else { Side::B }
    }

    /// Two values by answer, as they stand by side; and the other way round, for it is its own inverse.
    pub fn arrange<T>(self, pair: [T; 2]) -> [T; 2] {
        let [first, second] = pair;
        match self {
            Self::AsListed => [first, second],
            Self::Swapped => [second, first],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_where_its_side_says() {
        for order in Order::BOTH {
            for side in Side::BOTH {
                assert_eq!(order.side_of(order.answer_at(side)), side);
                assert_eq!(order.arrange([0, 1])[side.index()], order.answer_at(side).0);
            }
            assert_eq!(order.arrange(order.arrange(["x", "y"])), ["x", "y"]);
        }
    }
}
