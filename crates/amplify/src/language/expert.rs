//! H over a chat model: who decomposes in words, and answers from what sub-questions came to.
//!
//! ```text
//! at once    decompose; compose                              2 calls at a question, 1 where it needs no sub-question
//! in turn    next, next, …; compose where none are left      1 call a step
//! ```
//!
//! Every question that waits is asked about in one wave. A call that fails ends its question, and is counted.

use std::cell::RefCell;

use trimtab_core::chat::{Ask, ChatModel, ModelError, OnProgress, Request, Said, ask_rows};
use trimtab_core::{SampleId, Seed};

use super::config::{Decomposition, SampledConfig, TreeConfig};
use super::prompts::{compose_messages, decompose_messages, next_messages};
use super::read::{self, Move};
use super::reply::Reply;
use super::text::Text;
use crate::expert::{Expert, Step, Stepped, Working};

/// An expert that is a chat model.
pub struct LanguageExpert<'a, 'p> {
    /// Who is asked.
    pub model: &'a dyn ChatModel,
    /// How it decomposes.
    pub config: &'a TreeConfig,
    /// The roots' identities, by tree: seeds are derived from them.
    pub ids: &'a [SampleId],
    /// What sampling starts from.
    pub seed: Seed,
    /// Who is told of every answer.
    pub on_progress: &'a RefCell<OnProgress<'p>>,
}

/// What an expert is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Decompose,
    Next { left: u32 },
    Compose,
}

impl LanguageExpert<'_, '_> {
    fn stage(&self, working: &Working<'_, Text, Reply>) -> Stage {
        match self.config.decomposition {
            Decomposition::AtOnce if working.n_steps == 0 => Stage::Decompose,
            Decomposition::InTurn if working.n_steps < self.config.most_sub_questions => {
                Stage::Next {
                    left: self.config.most_sub_questions - working.n_steps,
                }
            }
            Decomposition::AtOnce | Decomposition::InTurn => Stage::Compose,
        }
    }

    fn request(&self, working: &Working<'_, Text, Reply>) -> Request {
        let Working {
            question,
            exchanges,
            n_steps,
            ..
        } = *working;
        let (messages, sampled) = match self.stage(working) {
            Stage::Decompose => (
                decompose_messages(question, self.config.most_sub_questions),
                self.config.decompose,
            ),
            Stage::Next { left } => (
                next_messages(question, exchanges, left),
                self.config.decompose,
            ),
            Stage::Compose => (compose_messages(question, exchanges), self.config.compose),
        };
        let seed = self.seed.child(self.ids[working.tree].as_str());
        request(
            messages,
            sampled,
            seed.child(&place(working.path))
                .child(&format!("step {n_steps}")),
        )
    }
}

impl Expert<Text, Reply> for LanguageExpert<'_, '_> {
    type Error = ModelError;

    fn next(
        &mut self,
        open: &[Working<'_, Text, Reply>],
    ) -> Result<Vec<Stepped<Text, Reply>>, ModelError> {
        let outcomes = ask_rows(
            self.model,
            "expert",
            open,
            |working| self.request(working),
            &mut |progress| (self.on_progress.borrow_mut())(progress),
        )?;
        Ok((open.iter().zip(outcomes))
            .map(|(working, outcome)| {
                let said = Said::from(outcome);
                let said_next = match self.stage(working) {
                    Stage::Decompose => read::decomposition(&said),
                    Stage::Next { .. } => read::next(&said),
                    Stage::Compose => Move::Answer(read::answer(&said)),
                };
                Stepped {
                    step: match said_next {
                        Move::Ask(questions) => Step::Ask(questions),
                        Move::Answer(answer) => Step::Finish(answer),
                    },
                    calls: 1,
                    usage: said.usage(),
                }
            })
            .collect())
    }

    fn most_questions(&self) -> usize {
        match self.config.decomposition {
            Decomposition::AtOnce => self.config.most_sub_questions as usize,
            Decomposition::InTurn => 1,
        }
    }
}

/// One call for a reply.
pub(crate) fn request(
    messages: Vec<trimtab_core::chat::Message>,
    sampled: SampledConfig,
    seed: Seed,
) -> Request {
    Request {
        messages,
        ask: Ask::Reply(sampled.generation()),
        sample_idx: 0,
        seed,
    }
}

/// A place in a tree in words: `0.2`; `root` for the root.
pub(crate) fn place(path: &[u32]) -> String {
    if path.is_empty() {
        return "root".into();
    }
    let places: Vec<String> = path.iter().map(u32::to_string).collect();
    places.join(".")
}
