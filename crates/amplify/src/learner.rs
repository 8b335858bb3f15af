//! X: who answers at once. It sees a question, and nothing of the tree that the question is from.

use trimtab_core::chat::Usage;

use crate::tree::{Answered, By};

/// A question to a learner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked<'a, Q> {
    /// Which root it belongs to, in the order of the roots: what the instance is that it is about, and where luck comes from.
    pub tree: usize,
    /// Its place in the tree.
    pub path: &'a [u32],
    /// What is asked.
    pub question: &'a Q,
}

/// What a learner says.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned<A> {
    /// The answer, or why there is none.
    pub answer: Answered<A>,
    /// [`By::Fact`] where nobody had to be asked.
    pub by: By,
    /// Calls it took.
    pub calls: u32,
    /// Tokens of those.
    pub usage: Usage,
}

impl<A> Learned<A> {
    /// An answer at no counted cost.
    pub fn free(answer: Answered<A>, by: By) -> Self {
        Self {
            answer,
            by,
            calls: 0,
            usage: Usage::default(),
        }
    }
}

/// Who answers.
pub trait Learner<Q, A> {
    /// Why nobody can be asked any more.
    type Error;

    /// What is known of the question without asking anybody ([`By::Fact`]): looked up before an expert is asked to decompose it.
    /// `None` where it is no question of fact.
    fn look_up(&mut self, _asked: &Asked<'_, Q>) -> Option<Learned<A>> {
        None
    }

    /// An answer to each question, in their order.
    ///
    /// # Errors
    ///
    /// When nothing more can be asked.
    fn answer(&mut self, asked: &[Asked<'_, Q>]) -> Result<Vec<Learned<A>>, Self::Error>;
}
