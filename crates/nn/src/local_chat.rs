//! A chat model of this process, asked as every other: [`trimtab_core::chat::ChatModel`] over [`ChatModel`].
//!
//! Conversations are taken from the caller a batch at a time, encoded one by one, so that one that is too long or
//! spells a special token fails alone, and computed together: replies with the same settings in one batch, options by
//! teacher forcing ([`Estimator::Scored`]). Batches are divided among threads.
//!
//! Differs from a server: nothing is cached between calls but by whoever stores them; `top_log_probs` gives each token's
//! own log-probability and no alternatives.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use trimtab_core::chat::{
    self, Answer, Ask, Estimator, Failure, FailureClass, Generation, ModelError, OptionLogProb,
    OptionScores, Outcome, Reply, Token, Usage,
};

use crate::chat::{Chat, ChatError, ChatModel, ChatScoreRequest};
use crate::chat_template::Ending;
use crate::fused::Threads;
use crate::generate::{Constraint, Finish, Generated, GenerationOptions};
use crate::sampling::Sampling;
use crate::tokenizer::Truncation;

/// A checkpoint that is talked to.
#[derive(Debug, Clone)]
pub struct LocalChat {
    model: ChatModel,
    name: String,
    batch_size: NonZeroUsize,
    threads: Threads,
    constraint: Constraint,
}

impl LocalChat {
    /// Why a reply ends after which every token would break the constraint, as [`chat::Finish::Other`].
    pub const NOTHING_ALLOWED: &str = "nothing-allowed";

    /// `model` under a name for tables; `batch_size` conversations are computed together on each of `threads`.
    pub fn new(
        model: ChatModel,
        name: impl Into<String>,
        batch_size: NonZeroUsize,
        threads: Threads,
    ) -> Self {
        let name = name.into();
        Self {
            model,
            name,
            batch_size,
            threads,
            constraint: Constraint::default(),
        }
    }

    /// The same, whose replies keep `constraint`; how likely options are is not touched by it.
    #[must_use]
    pub fn with_constraint(mut self, constraint: Constraint) -> Self {
        self.constraint = constraint;
        self
    }

    /// The model below.
    pub fn model(&self) -> &ChatModel {
        &self.model
    }

    /// Settings in this crate's words; none where nothing may be written.
    fn options(&self, generation: &Generation) -> Option<GenerationOptions> {
        Some(GenerationOptions {
            sampling: Sampling {
                temperature: generation.temperature,
                top_p: generation.top_p,
                ..Sampling::default()
            },
            max_tokens: NonZeroUsize::new(generation.max_tokens as usize)?,
            stop: generation.stop.clone(),
            constraint: self.constraint.clone(),
            truncation: Truncation::Refuse,
            batch_size: self.batch_size,
        })
    }

    /// Outcomes of some requests, in their order.
    fn outcomes(&self, requests: &[chat::Request]) -> Result<Vec<Outcome>, ChatError> {
        let mut outcomes: Vec<Option<Outcome>> = (requests.iter())
            .map(|request| self.refuse(request).map(Err))
            .collect();
        let open: Vec<usize> = (0..requests.len())
            .filter(|&i| outcomes[i].is_none())
            .collect();
        let mut groups: Vec<(&Ask, Vec<usize>)> = Vec::new();
        for i in open {
            let ask = &requests[i].ask;
            match groups
                .iter_mut()
                .find(|(other, _)| are_one_batch(other, ask))
            {
                Some((_, group)) => group.push(i),
                None => groups.push((ask, vec![i])),
            }
        }
        for (ask, group) in groups {
            let answers = match ask {
                Ask::Reply(generation) => self.reply(requests, &group, generation)?,
                Ask::Options(_) => self.score(requests, &group)?,
            };
            for (i, answer) in group.into_iter().zip(answers) {
                outcomes[i] = Some(Ok(answer));
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// What is wrong with a request by itself, if anything.
    fn refuse(&self, request: &chat::Request) -> Option<Failure> {
        let rejected = |message: String| Failure {
            class: FailureClass::Rejected,
            message,
        };
        let prompt = match self.model.encode(&request.messages, Ending::Reply) {
            Ok(prompt) => prompt,
            Err(error) => return Some(rejected(error.to_string())),
        };
        let room = match &request.ask {
            Ask::Reply(generation) => match (
                self.options(generation),
                generation.stop.iter().any(String::is_empty),
            ) {
                (None, _) => return Some(rejected("max_tokens is 0".into())),
                (_, true) => return Some(rejected("a stop string is empty".into())),
                (Some(options), _) => match options.sampling.check() {
                    Ok(()) => 1,
                    Err(error) => return Some(rejected(error.to_string())),
                },
            },
            Ask::Options(options) => {
                let longest = options.texts.iter().map(|text| {
                    let ids = self
                        .model
                        .tokenizer()
                        .encode_bare(text, crate::tokenizer::Spelled::AsText);
                    ids.map_or(usize::MAX, |ids| ids.len())
                });
                longest.max().unwrap_or(0)
            }
        };
        let context = self.model.language_model().definition().max_positions;
        (prompt.len().saturating_add(room) > context).then(|| Failure {
            class: FailureClass::TooLong,
            message: format!(
                "the conversation has {} tokens, and the context of {} holds {context}",
                prompt.len(),
                self.name
            ),
        })
    }

    fn reply(
        &self,
        requests: &[chat::Request],
        group: &[usize],
        generation: &Generation,
    ) -> Result<Vec<Answer>, ChatError> {
        let Some(options) = self.options(generation) else {
            return Ok(Vec::new());
        };
        let chats: Vec<Chat> = (group.iter())
            .map(|&i| Chat {
                messages: requests[i].messages.clone(),
                seed: requests[i]
                    .seed
                    .child(&format!("sample {}", requests[i].sample_idx)),
            })
            .collect();
        let written = self.divided(&chats, |chats| {
            self.model
                .reply(chats, &options, &mut |_| ControlFlow::Continue(()))
        })?;
        Ok(written
            .into_iter()
            .map(|written| Answer::Reply(self.told(written, generation.top_log_probs > 0)))
            .collect())
    }

    fn told(&self, written: Generated, with_tokens: bool) -> Reply {
        let usage = Usage {
            input_tokens: written.n_prompt as u64,
            cached_tokens: 0,
            output_tokens: written.ids.len() as u64,
        };
        let tokens = if with_tokens {
            let text = |id: u32| self.model.tokenizer().decode(&[id]).unwrap_or_default();
            (written.ids.iter().zip(&written.log_probs))
                .map(|(&id, &log_prob)| Token {
                    text: text(id),
                    log_prob,
                    top: Vec::new(),
                })
                .collect()
        } else {
            Vec::new()
        };
        Reply {
            text: written.text,
            finish: match written.finish {
                Finish::Stop(_) | Finish::EndOfText => chat::Finish::Stop,
                Finish::Length => chat::Finish::Length,
                Finish::Cancelled => chat::Finish::Other("cancelled".into()),
                Finish::NothingAllowed => chat::Finish::Other(Self::NOTHING_ALLOWED.into()),
            },
            usage,
            tokens,
        }
    }

    fn score(&self, requests: &[chat::Request], group: &[usize]) -> Result<Vec<Answer>, ChatError> {
        let chats: Vec<ChatScoreRequest> = (group.iter())
            .filter_map(|&i| match &requests[i].ask {
                Ask::Options(options) => Some(ChatScoreRequest {
                    messages: requests[i].messages.clone(),
                    continuations: options.texts.clone(),
                }),
                Ask::Reply(_) => None,
            })
            .collect();
        let scored = self.divided(&chats, |chats| {
            self.model.score(chats, Truncation::Refuse, self.batch_size)
        })?;
        let input = chats
            .iter()
            .map(|chat| self.model.encode(&chat.messages, Ending::Reply));
        (scored.into_iter().zip(input))
            .map(|(scored, prompt)| {
                let n_scored: usize = scored.iter().map(|scored| scored.log_probs.len()).sum();
                Ok(Answer::Options(OptionScores {
                    log_probs: scored
                        .iter()
                        .map(|scored| OptionLogProb::Is(scored.sum()))
                        .collect(),
                    estimator: Estimator::Scored,
                    usage: Usage {
                        input_tokens: (prompt?.len() + n_scored) as u64,
                        ..Usage::default()
                    },
                }))
            })
            .collect()
    }

    /// `compute` of all `items`, a part on each thread.
    fn divided<T: Sync, U: Send>(
        &self,
        items: &[T],
        compute: impl Fn(&[T]) -> Result<Vec<U>, ChatError> + Sync,
    ) -> Result<Vec<U>, ChatError> {
        let n_threads = self.threads.0.get().min(items.len()).max(1);
        if n_threads == 1 {
            return compute(items);
        }
        let compute = &compute;
        std::thread::scope(|scope| {
            let parts: Vec<_> = items
                .chunks(items.len().div_ceil(n_threads))
                .map(|part| scope.spawn(move || compute(part)))
                .collect();
            let mut all = Vec::with_capacity(items.len());
            for part in parts {
                match part.join() {
                    Ok(part) => all.extend(part?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(all)
        })
    }
}

/// Whether two requests can be computed together.
fn are_one_batch(a: &Ask, b: &Ask) -> bool {
    match (a, b) {
        (Ask::Reply(a), Ask::Reply(b)) => a == b,
        (Ask::Options(_), Ask::Options(_)) => true,
        _ => false,
    }
}

impl chat::ChatModel for LocalChat {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = chat::Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        let at_once = self.batch_size.get() * self.threads.0.get();
        let mut first = 0;
        loop {
            let batch: Vec<chat::Request> = (0..at_once).map_while(|_| requests.next()).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let outcomes = self.outcomes(&batch).map_err(|source| ModelError {
                model: self.name.clone(),
                hint: Some(source.hint().into()),
                source: Box::new(source),
            })?;
            for (i, outcome) in outcomes.into_iter().enumerate() {
                answered(first + i, outcome);
            }
            first += batch.len();
        }
    }
}
