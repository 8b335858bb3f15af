//! What was asked and answered, node by node, and what it cost.

use serde::{Deserialize, Serialize};
use trimtab_core::chat::Usage;

use crate::unanswered::Unanswered;

/// What came of a question.
pub type Answered<A> = Result<A, Unanswered>;

/// A question and what came of it: what an expert sees of its sub-questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound(
        serialize = "Q: Serialize, A: Serialize",
        deserialize = "Q: Deserialize<'de>, A: Deserialize<'de>"
    )
)]
pub struct Exchange<Q, A> {
    /// What was asked.
    pub question: Q,
    /// What came of it.
    #[serde(with = "outcome")]
    pub answer: Answered<A>,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The expert, in steps, from what its sub-questions came to.
    Expert,
    /// The learner, at once.
    Learner,
    /// Nobody had to be asked: it is a fact of the instance.
    Fact,
    /// Nobody was asked.
    Nobody,
}

/// A question in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound(
        serialize = "Q: Serialize, A: Serialize",
        deserialize = "Q: Deserialize<'de>, A: Deserialize<'de>"
    )
)]
pub struct Node<Q, A> {
    /// What was asked.
    pub question: Q,
    /// What came of it.
    #[serde(with = "outcome")]
    pub answer: Answered<A>,
    /// Who answered.
    pub by: By,
    /// In which of its parent's steps it was asked, from 0; 0 for a root.
    pub step: u32,
    /// Calls that this question took itself, its sub-questions aside.
    pub calls: u32,
    /// Tokens of those.
    pub usage: Usage,
    /// What was asked in order to answer it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node<Q, A>>,
}

impl<Q, A> Node<Q, A> {
    /// Calls `visit` with every node and its depth, a parent before its children.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self, usize)) {
        let mut open = vec![(self, 0)];
        while let Some((node, depth)) = open.pop() {
            visit(node, depth);
            open.extend(node.children.iter().rev().map(|child| (child, depth + 1)));
        }
    }

    /// Questions in this tree, this one too.
    pub fn n_questions(&self) -> usize {
        let mut n = 0;
        self.walk(&mut |_, _| n += 1);
        n
    }

    /// The longest way down, in sub-questions; 0 for a question that was not decomposed.
    pub fn height(&self) -> usize {
        let mut height = 0;
        self.walk(&mut |_, depth| height = height.max(depth));
        height
    }

    /// Calls and tokens of the whole tree.
    pub fn cost(&self) -> (u64, Usage) {
        let (mut calls, mut usage) = (0, Usage::default());
        self.walk(&mut |node, _| {
            calls += u64::from(node.calls);
            usage += node.usage;
        });
        (calls, usage)
    }

    /// What the expert saw of this question's sub-questions when it answered.
    pub fn exchanges(&self) -> impl Iterator<Item = (&Q, &Answered<A>)> {
        (self.children.iter()).map(|child| (&child.question, &child.answer))
    }
}

/// `{"answer": …}` or `{"why": …}`.
mod outcome {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Answered, Unanswered};

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Out<'a, A> {
        Answer { answer: &'a A },
        Unanswered(&'a Unanswered),
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum In<A> {
        Answer { answer: A },
        Unanswered(Unanswered),
    }

    pub(super) fn serialize<A: Serialize, S: Serializer>(
        outcome: &Answered<A>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match outcome {
            Ok(answer) => Out::Answer { answer },
            Err(unanswered) => Out::Unanswered(unanswered),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, A: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Answered<A>, D::Error> {
        Ok(match In::deserialize(deserializer)? {
            In::Answer { answer } => Ok(answer),
            In::Unanswered(unanswered) => Err(unanswered),
        })
    }
}
