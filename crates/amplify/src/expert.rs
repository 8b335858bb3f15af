//! H: who decomposes questions and puts answers together. It sees a question and what its own sub-questions came to, no more.

use trimtab_core::chat::Usage;

use crate::tree::{Answered, Exchange};

/// A question that an expert is working at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Working<'a, Q, A> {
    /// Which root it belongs to, in the order of the roots.
    pub tree: usize,
    /// Its place in the tree: which child of which child; empty for the root.
    pub path: &'a [u32],
    /// What is to be answered.
    pub question: &'a Q,
    /// What was asked so far, and what that came to.
    pub exchanges: &'a [Exchange<Q, A>],
    /// Steps that were taken already.
    pub n_steps: u32,
}

/// What an expert does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<Q, A> {
    /// Asks: these do not depend on each other.
    Ask(Vec<Q>),
    /// Answers, or gives up.
    Finish(Answered<A>),
}

/// A step and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped<Q, A> {
    /// The step.
    pub step: Step<Q, A>,
    /// Calls it took.
    pub calls: u32,
    /// Tokens of those.
    pub usage: Usage,
}

impl<Q, A> Stepped<Q, A> {
    /// A step at no counted cost.
    pub fn free(step: Step<Q, A>) -> Self {
        Self {
            step,
            calls: 0,
            usage: Usage::default(),
        }
    }
}

/// Who decomposes.
pub trait Expert<Q, A> {
    /// Why nobody can be asked any more.
    type Error;

    /// The next step of each question, in their order.
    ///
    /// # Errors
    ///
    /// When nothing more can be asked. A question that cannot be taken further is [`Step::Finish`] with the reason.
    fn next(&mut self, open: &[Working<'_, Q, A>]) -> Result<Vec<Stepped<Q, A>>, Self::Error>;

    /// How many questions of one step are asked. Those beyond stand in the tree as
    /// [`Unanswered::Questions`](crate::Unanswered::Questions).
    fn most_questions(&self) -> usize {
        usize::MAX
    }
}
