//! X over a chat model: who answers a question at once, and sees nothing but the question.

use std::cell::RefCell;

use trimtab_core::chat::{ChatModel, ModelError, OnProgress, Said, ask_rows};
use trimtab_core::{SampleId, Seed};

use super::config::SampledConfig;
use super::expert::{place, request};
use super::prompts::answer_messages;
use super::read;
use super::reply::Reply;
use super::text::Text;
use crate::learner::{Asked, Learned, Learner};
use crate::tree::By;

/// An assistant that is a chat model.
pub struct LanguageLearner<'a, 'p> {
    /// Who is asked.
    pub model: &'a dyn ChatModel,
    /// How its answers are sampled.
    pub sampled: SampledConfig,
    /// The roots' identities, by tree: seeds are derived from them.
    pub ids: &'a [SampleId],
    /// What sampling starts from.
    pub seed: Seed,
    /// Who is told of every answer.
    pub on_progress: &'a RefCell<OnProgress<'p>>,
}

impl Learner<Text, Reply> for LanguageLearner<'_, '_> {
    type Error = ModelError;

    fn answer(&mut self, asked: &[Asked<'_, Text>]) -> Result<Vec<Learned<Reply>>, ModelError> {
        let outcomes = ask_rows(
            self.model,
            "assistant",
            asked,
            |asked| {
                let seed = self.seed.child(self.ids[asked.tree].as_str());
                let messages = answer_messages(asked.question);
                request(messages, self.sampled, seed.child(&place(asked.path)))
            },
            &mut |progress| (self.on_progress.borrow_mut())(progress),
        )?;
        Ok((outcomes.into_iter())
            .map(|outcome| {
                let said = Said::from(outcome);
                Learned {
                    answer: read::answer(&said),
                    by: By::Learner,
                    calls: 1,
                    usage: said.usage(),
                }
            })
            .collect())
    }
}
