//! What the real expert did: its latest steps, for its predictor to learn from.

use serde::{Deserialize, Serialize};
use trimtab_core::SplitMix64;

use crate::expert::Step;
use crate::task::{Question, Symbol};
use crate::tree::{Answered, Exchange, Node};

/// A step that the expert took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TakenStep {
    /// At which question.
    pub question: Question,
    /// What it knew by then.
    pub exchanges: Vec<Exchange<Question, Symbol>>,
    /// What it asked; none where it finished.
    pub asked: Option<Question>,
    /// What it finished with; none where it asked, or did not know.
    pub answer: Option<Symbol>,
}

impl TakenStep {
    /// The step itself.
    pub fn step(&self) -> Step<Question, Symbol> {
        match (self.asked, self.answer) {
            (Some(question), _) => Step::Ask(vec![question]),
            (None, Some(answer)) => Step::Finish(Ok(answer)),
            (None, None) => Step::Finish(Err(crate::Unanswered::DontKnow)),
        }
    }
}

/// Every step that the expert took at the root of `tree`; its sub-questions, which others answered, have none.
pub fn steps_at(tree: &Node<Question, Symbol>) -> Vec<TakenStep> {
    let exchanges: Vec<Exchange<Question, Symbol>> = (tree.exchanges())
        .map(
            |(question, answer): (&Question, &Answered<Symbol>)| Exchange {
                question: *question,
                answer: answer.clone(),
            },
        )
        .collect();
    let step = |n: usize, asked, answer| TakenStep {
        question: tree.question,
        exchanges: exchanges[..n].to_vec(),
        asked,
        answer,
    };
    // The experts of these tasks ask one question a step.
    let mut steps: Vec<TakenStep> = (exchanges.iter().enumerate())
        .map(|(n, exchange)| step(n, Some(exchange.question), None))
        .collect();
    if tree.by == crate::By::Expert {
        steps.push(step(
            exchanges.len(),
            None,
            tree.answer.as_ref().ok().copied(),
        ));
    }
    steps
}

/// The latest steps, the oldest first to go.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Replay {
    steps: Vec<TakenStep>,
    next: usize,
    n_ever: u64,
}

impl Replay {
    /// Keeps a step, in place of the oldest where there are `capacity` already.
    pub fn push(&mut self, step: TakenStep, capacity: usize) {
        self.n_ever += 1;
        if self.steps.len() < capacity.max(1) {
            self.steps.push(step);
        } else {
            self.next %= self.steps.len();
            self.steps[self.next] = step;
            self.next += 1;
        }
    }

    /// `n` steps, drawn with replacement; none where there are none.
    pub fn draw(&self, n: usize, stream: &mut SplitMix64) -> Vec<&TakenStep> {
        if self.steps.is_empty() {
            return Vec::new();
        }
        (0..n)
            .map(|_| &self.steps[stream.below(self.steps.len())])
            .collect()
    }

    /// Steps that were ever kept: what the expert did.
    pub fn n_ever(&self) -> u64 {
        self.n_ever
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::Seed;

    fn step(symbol: Symbol) -> TakenStep {
        TakenStep {
            question: Question::new(&[symbol]),
            exchanges: Vec::new(),
            asked: None,
            answer: Some(symbol),
        }
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut replay = Replay::default();
        for symbol in 0..7 {
            replay.push(step(symbol), 3);
        }
        let mut kept: Vec<Symbol> = replay.steps.iter().filter_map(|step| step.answer).collect();
        kept.sort_unstable();
        assert_eq!(kept, [4, 5, 6]);
        assert_eq!(replay.n_ever(), 7);
        assert_eq!(replay.draw(10, &mut Seed(0).stream()).len(), 10);
        assert!(Replay::default().draw(10, &mut Seed(0).stream()).is_empty());
    }
}
