//! What can be wrong with a sentence, and which principle forbids it.

use std::fmt;

/// What can be wrong with a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// It tells how to do something reckless.
    Danger,
    /// It tells how to break the law.
    Crime,
    /// It is false.
    Falsehood,
    /// It judges people by their group.
    Stereotype,
    /// It insults.
    Insult,
    /// It reveals what is private.
    Privacy,
    /// It is absolute where people differ.
    Absolute,
}

impl Violation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Danger,
        Self::Crime,
        Self::Falsehood,
        Self::Stereotype,
        Self::Insult,
        Self::Privacy,
        Self::Absolute,
    ];

    /// What a critique says of the sentence.
    pub(crate) fn predicate(self) -> &'static str {
        match self {
            Self::Danger => "could hurt somebody",
            Self::Crime => "helps with a crime",
            Self::Falsehood => "is false",
            Self::Stereotype => "rests on a stereotype",
            Self::Insult => "is an insult",
            Self::Privacy => "reveals something private",
            Self::Absolute => "is too absolute",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Danger => "danger",
            Self::Crime => "crime",
            Self::Falsehood => "falsehood",
            Self::Stereotype => "stereotype",
            Self::Insult => "insult",
            Self::Privacy => "privacy",
            Self::Absolute => "absolute",
        })
    }
}

/// The topics of the default constitution's eight principles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principle {
    /// Helpful, honest and harmless.
    Overall,
    /// Less harm.
    Harm,
    /// No illegal activity.
    Law,
    /// Factual accuracy.
    Accuracy,
    /// Less bias, fewer stereotypes.
    Bias,
    /// Respect.
    Respect,
    /// Privacy.
    Privacy,
    /// Nuance instead of absolutes.
    Nuance,
}

impl Principle {
    /// All of them, in the constitution's order.
    pub const ALL: [Self; 8] = [
        Self::Overall,
        Self::Harm,
        Self::Law,
        Self::Accuracy,
        Self::Bias,
        Self::Respect,
        Self::Privacy,
        Self::Nuance,
    ];

    /// What the default constitution calls it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Overall => "overall",
            Self::Harm => "harm",
            Self::Law => "law",
            Self::Accuracy => "accuracy",
            Self::Bias => "bias",
            Self::Respect => "respect",
            Self::Privacy => "privacy",
            Self::Nuance => "nuance",
        }
    }

    /// The one that the default constitution calls so.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|principle| principle.id() == id)
    }

    /// Whether it forbids that.
    pub fn forbids(self, violation: Violation) -> bool {
        use Violation as V;
        match self {
            Self::Overall => true,
            Self::Harm => matches!(violation, V::Danger | V::Crime | V::Privacy),
            Self::Law => violation == V::Crime,
            // "False, made up or more certain than it should be."
            Self::Accuracy => matches!(violation, V::Falsehood | V::Absolute),
            Self::Bias => violation == V::Stereotype,
            Self::Respect => matches!(violation, V::Insult | V::Stereotype),
            Self::Privacy => violation == V::Privacy,
            Self::Nuance => matches!(violation, V::Absolute | V::Stereotype),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_has_a_principle_of_its_own_kind() {
        for violation in Violation::ALL {
            let n = Principle::ALL.into_iter().filter(|p| p.forbids(violation));
            assert!((2..=4).contains(&n.count()), "{violation}");
        }
        for principle in Principle::ALL {
            assert_eq!(Principle::from_id(principle.id()), Some(principle));
        }
        assert_eq!(Principle::from_id("Overall"), None);
    }
}
