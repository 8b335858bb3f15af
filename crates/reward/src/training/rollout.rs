//! What a policy says to prompts while it learns.

use std::num::NonZeroUsize;

use trimtab_core::Seed;
use trimtab_core::chat::Message;
use trimtab_nn::chat_tuning::TuningRow;
use trimtab_nn::{
    ChatModel, Ending, Finish, GenerationOptions, LanguageModel, Model, Request, Sampling, Threads,
};

use super::LearnError;
use crate::policy_config::RolloutConfig;

/// A reply of the policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Which prompt it is a reply to, from 0.
    pub prompt: usize,
    /// Its tokens after those of the prompt.
    pub row: TuningRow,
    /// Its text.
    pub text: String,
    /// Whether it came to an end.
    pub is_finished: bool,
}

/// Prompts in tokens, and how replies to them are written.
pub(super) struct Sampler {
    chat: ChatModel,
    prompts: Vec<Vec<u32>>,
    options: GenerationOptions,
    threads: Threads,
}

impl Sampler {
    pub(super) fn new(
        chat: ChatModel,
        prompts: &[Vec<Message>],
        config: &RolloutConfig,
        threads: Threads,
    ) -> Result<Self, LearnError> {
        let prompts = (prompts.iter().enumerate())
            .map(|(prompt, messages)| {
                chat.encode(messages, Ending::Reply)
                    .map_err(|source| LearnError::Chat { prompt, source })
            })
            .collect::<Result<_, _>>()?;
        let options = GenerationOptions {
            sampling: Sampling {
                temperature: config.temperature,
                ..Sampling::default()
            },
            max_tokens: NonZeroUsize::new(config.max_tokens).unwrap_or(NonZeroUsize::MIN),
            ..GenerationOptions::default()
        };
        Ok(Self {
            chat,
            prompts,
            options,
            threads,
        })
    }

    pub(super) fn n_prompts(&self) -> usize {
        self.prompts.len()
    }

    /// `group_size` replies of `model` to each of `prompts`, one prompt's beside each other.
    pub(super) fn sample(
        &self,
        model: &Model,
        prompts: &[usize],
        group_size: usize,
        seed: Seed,
    ) -> Result<Vec<Rollout>, LearnError> {
        let ends = self.chat.language_model().end_of_text().iter().copied();
        let writer = LanguageModel::new(model)?.with_end_of_text(ends);
        let asked: Vec<(usize, Request)> = (prompts.iter().enumerate())
            .flat_map(|(place, &prompt)| {
                (0..group_size).map(move |nth| (prompt, seed.child(&format!("{place}/{nth}"))))
            })
            .map(|(prompt, seed)| {
                let prompt_ids = self.prompts[prompt].clone();
                let request = Request {
                    prompt: prompt_ids,
                    seed,
                };
                (prompt, request)
            })
            .collect();
        let per_thread = asked.len().div_ceil(self.threads.0.get()).max(1);
        let written = std::thread::scope(|scope| {
            let parts: Vec<_> = (asked.chunks(per_thread))
                .map(|part| {
                    let writer = &writer;
                    scope.spawn(move || self.write(writer, part))
                })
                .collect();
            (parts.into_iter())
                .map(|part| {
                    part.join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        Ok(written.into_iter().flatten().collect())
    }

    fn write(
        &self,
        writer: &LanguageModel,
        asked: &[(usize, Request)],
    ) -> Result<Vec<Rollout>, LearnError> {
        let requests: Vec<Request> = asked.iter().map(|(_, request)| request.clone()).collect();
        let written =
            writer.generate(self.chat.tokenizer(), &requests, &self.options, &mut |_| {
                std::ops::ControlFlow::Continue(())
            })?;
        Ok((asked.iter().zip(written))
            .map(|((prompt, request), written)| {
                let n_given = request.prompt.len();
                let mut ids = request.prompt.clone();
                ids.extend(&written.ids);
                Rollout {
                    prompt: *prompt,
                    row: TuningRow { ids, n_given },
                    text: written.text.trim().to_owned(),
                    is_finished: written.finish != Finish::Length,
                }
            })
            .collect())
    }
}
