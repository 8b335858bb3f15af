//! A chat model in this process: messages in, replies out.
//!
//! [`ChatModel`] is a language model, its tokenizer and its chat template. Messages are rendered, encoded without
//! further special tokens (templates write them themselves), and continued until the model ends its turn.
//!
//! What a message says must not pass for what the template says: a user who writes `<|im_end|>` would end
//! their own turn and speak as somebody else. So text that the tokenizer would read as a special token is
//! - refused, with an error that names message and token ([`SpecialText::Refuse`], the default), or
//! - read as ordinary text, letter by letter ([`SpecialText::AsText`]): the model sees it as
//!   text of other tokens, which it may still take for the real thing, but the token itself is never forged.
//!
//! Tokens that make one only across two messages, or a message and the template, are refused in both cases, as far as
//! messages that are put directly beside each other show. Added tokens that the tokenizer does not call special (`<think>`
//! in some) are read as they come.

use std::num::NonZeroUsize;
use std::path::Path;

use burn_tensor::Device as BurnDevice;
use trimtab_core::Seed;

use crate::chat_template::{ChatTemplate, DateTime, Ending, Message, TemplateError};
use crate::checkpoint::{Checkpoint, CheckpointError, Model};
use crate::generate::{
    GenerateError, Generated, GenerationOptions, LanguageModel, OnToken, Request,
};
use crate::score::{ScoreRequest, Scored};
use crate::tokenizer::{Spelled, Tokenizer, TokenizerError, Truncation};

/// What becomes of a message that spells a special token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpecialText {
    /// It is an error.
    #[default]
    Refuse,
    /// It is read as ordinary text.
    AsText,
}

/// A language model with what it takes to chat.
#[derive(Debug, Clone)]
pub struct ChatModel {
    model: LanguageModel,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    special_text: SpecialText,
    now: Option<DateTime>,
}

/// A conversation to reply to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// What was said.
    pub messages: Vec<Message>,
    /// What the reply's random numbers come from.
    pub seed: Seed,
}

/// A conversation, and what the assistant may say next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatScoreRequest {
    /// What was said.
    pub messages: Vec<Message>,
    /// Beginnings of replies, or replies; the end of the turn is not added.
    pub continuations: Vec<String>,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The chat template fails.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The tokenizer fails.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model fails.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A message spells a special token.
    #[error("message {message} of conversation {chat} spells the special token {token:?}")]
    Forged {
        /// Which conversation, from 0.
        chat: usize,
        /// Which message, from 0; the first, where several make it together.
        message: usize,
        /// The token.
        token: String,
    },
}

impl ChatError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.hint(),
            Self::Template(error) => error.hint(),
            Self::Tokenizer(error) => error.hint(),
            Self::Generate(error) => error.hint(),
            Self::Forged { .. } => {
                "take it out of the message, or ask for special tokens to be read as text"
            }
        }
    }
}

impl ChatModel {
    /// The chat model in `folder`, a Hugging Face directory, on `device`. Its turns end with the tokens that
    /// end texts, and with the `eos_token` of `tokenizer_config.json`.
    ///
    /// # Errors
    ///
    /// [`ChatError`] says which file is missing or wrong.
    pub fn open(folder: &Path, device: &BurnDevice) -> Result<Self, ChatError> {
        Self::of(&Checkpoint::open(folder)?.load(device)?, folder)
    }

    /// The same of a model that is loaded, with tokenizer and chat template in `folder`.
    ///
    /// # Errors
    ///
    /// [`ChatError`] says which file is missing or wrong.
    pub fn of(model: &Model, folder: &Path) -> Result<Self, ChatError> {
        let template = ChatTemplate::open(folder, None)?;
        let model = LanguageModel::new(model)?;
        let d = model.definition();
        let tokenizer = Tokenizer::open(folder, d.vocab_size, d.max_positions)?;
        Ok(Self::new(model, tokenizer, template))
    }

    /// A chat model of its parts.
    pub fn new(model: LanguageModel, tokenizer: Tokenizer, template: ChatTemplate) -> Self {
        let eos = template
            .eos_token()
            .and_then(|eos| tokenizer.special_token(eos));
        let ends: Vec<u32> = model.end_of_text().iter().copied().chain(eos).collect();
        Self {
            model: model.with_end_of_text(ends),
            tokenizer,
            template,
            special_text: SpecialText::default(),
            now: None,
        }
    }

    /// The same model, doing so with messages that spell special tokens.
    #[must_use]
    pub fn with_special_text(mut self, special_text: SpecialText) -> Self {
        self.special_text = special_text;
        self
    }

    /// The same model, whose template is told this time.
    #[must_use]
    pub fn with_now(mut self, now: DateTime) -> Self {
        self.now = Some(now);
        self
    }

    /// The model below.
    pub fn language_model(&self) -> &LanguageModel {
        &self.model
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The text that stands for `messages`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when the template refuses them.
    pub fn render(&self, messages: &[Message], ending: Ending) -> Result<String, TemplateError> {
        self.template.render(messages, ending, self.now)
    }

    /// The tokens that stand for `messages`.
    ///
    /// # Errors
    ///
    /// [`ChatError::Forged`] when one of them spells a special token, and [`SpecialText`] does not allow it.
    pub fn encode(&self, messages: &[Message], ending: Ending) -> Result<Vec<u32>, ChatError> {
        self.encode_nth(0, messages, ending)
    }

    fn encode_nth(
        &self,
        chat: usize,
        messages: &[Message],
        ending: Ending,
    ) -> Result<Vec<u32>, ChatError> {
        let stand_ins = match self.special_text {
            SpecialText::Refuse => StandIns::default(),
            SpecialText::AsText => StandIns::new(&self.tokenizer, messages),
        };
        let messages: Vec<Message> = (messages.iter())
            .map(|message| Message::new(message.role, stand_ins.put(&message.content)))
            .collect();
        for (i, message) in messages.iter().enumerate() {
            self.check(chat, i, &message.content)?;
        }
        let beside: String = messages
            .iter()
            .map(|message| message.content.trim())
            .collect();
        self.check(chat, 0, &beside)?;
        let text = self.render(&messages, ending)?;
        let mut ids = Vec::new();
        for (piece, spelled) in stand_ins.take(&text) {
            ids.extend(self.tokenizer.encode_bare(piece, spelled)?);
        }
        Ok(ids)
    }

    /// Refuses text that has special tokens in it.
    fn check(&self, chat: usize, message: usize, text: &str) -> Result<(), ChatError> {
        match self.tokenizer.spelled_token(text)? {
            Some(token) => {
                let token = token.to_owned();
                Err(ChatError::Forged {
                    chat,
                    message,
                    token,
                })
            }
            None => Ok(()),
        }
    }

    /// The assistant's reply to each conversation; `on_token` hears each token.
    ///
    /// # Errors
    ///
    /// [`ChatError`] names the conversation; nothing was written then.
    pub fn reply(
        &self,
        chats: &[Chat],
        options: &GenerationOptions,
        on_token: &mut OnToken<'_>,
    ) -> Result<Vec<Generated>, ChatError> {
        let requests = (chats.iter().enumerate())
            .map(|(i, chat)| {
                Ok(Request {
                    prompt: self.encode_nth(i, &chat.messages, Ending::Reply)?,
                    seed: chat.seed,
                })
            })
            .collect::<Result<Vec<_>, ChatError>>()?;
        Ok((self.model).generate(&self.tokenizer, &requests, options, on_token)?)
    }

    /// How likely the assistant is to go on so: each continuation is encoded by itself, after the text where the
    /// assistant begins to speak.
    ///
    /// # Errors
    ///
    /// [`ChatError`] names the conversation; nothing was scored then.
    pub fn score(
        &self,
        chats: &[ChatScoreRequest],
        truncation: Truncation,
        batch_size: NonZeroUsize,
    ) -> Result<Vec<Vec<Scored>>, ChatError> {
        let requests = (chats.iter().enumerate())
            .map(|(i, chat)| {
                let encode = |text: &String| {
                    if self.special_text == SpecialText::Refuse {
                        self.check(i, chat.messages.len(), text)?;
                    }
                    Ok(self.tokenizer.encode_bare(text, Spelled::AsText)?)
                };
                Ok(ScoreRequest {
                    prompt: self.encode_nth(i, &chat.messages, Ending::Reply)?,
                    continuations: chat
                        .continuations
                        .iter()
                        .map(encode)
                        .collect::<Result<_, ChatError>>()?,
                })
            })
            .collect::<Result<Vec<_>, ChatError>>()?;
        Ok(self.model.score(&requests, truncation, batch_size)?)
    }
}

/// Characters that stand for special tokens' texts while a template is rendered, so that these can be found again.
#[derive(Debug, Default)]
struct StandIns {
    /// Longest text first.
    pairs: Vec<(char, String)>,
}

impl StandIns {
    /// Private characters that no message has.
    fn new(tokenizer: &Tokenizer, messages: &[Message]) -> Self {
        let is_free = |c: &char| !messages.iter().any(|message| message.content.contains(*c));
        let free = ('\u{f0000}'..='\u{ffffd}').filter(is_free);
        let mut texts: Vec<&String> = tokenizer.special_tokens().iter().map(|(t, _)| t).collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let is_there = |text: &&&String| messages.iter().any(|m| m.content.contains(text.as_str()));
        let there = texts.iter().filter(is_there).map(|text| (*text).clone());
        Self {
            pairs: free.zip(there).collect(),
        }
    }

    fn put(&self, content: &str) -> String {
        (self.pairs.iter()).fold(content.to_owned(), |content, (stand_in, text)| {
            content.replace(text.as_str(), stand_in.encode_utf8(&mut [0; 4]))
        })
    }

    /// The rendered text in pieces.
    fn take<'a>(&'a self, text: &'a str) -> Vec<(&'a str, Spelled)> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let find = |c: char| self.pairs.iter().position(|(stand_in, _)| *stand_in == c);
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| find(*c).is_some()) {
            pieces.push((&rest[..at], Spelled::AsToken));
            if let Some(i) = find(c) {
                pieces.push((&self.pairs[i].1, Spelled::AsText));
            }
            rest = &rest[at + c.len_utf8()..];
        }
        pieces.push((rest, Spelled::AsToken));
        pieces.retain(|(piece, _)| !piece.is_empty());
        pieces
    }
}
