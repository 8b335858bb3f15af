//! Local transformers: Hugging Face checkpoints in, trained models out.
//!
//! - [`definition`]: the one transformer that every supported architecture is an instance of;
//! - [`config`]: `config.json` into a definition; one file an architecture in `architecture/`;
//! - [`checkpoint`]: a Hugging Face directory into a [`Model`], and back ([`save`]);
//! - [`transformer`]: the forward pass, on any device that `burn` has;
//! - [`fused`]: the same on the processor, as a few coarse operations with their own way back;
//! - [`hidden_states`]: what every layer says of texts, read or learnt;
//! - [`language_model`]: training on the next token; [`chat_tuning`]: training on the replies of conversations;
//! - [`policy`]: training by slopes of tokens' log-probabilities, whatever loss they are of;
//! - [`tokenizer`], [`batch`]: text into token ids, token ids into padded batches;
//! - [`generate`], [`score`]: a language model that writes ([`sampling`]), and one that says how likely texts are;
//! - [`chat`], [`chat_template`]: messages into prompts, and replies; [`local_chat`]: asked as any other chat model;
//! - [`placement`]: where a network computes, in which numbers ([`precision`]), on how many threads;
//! - [`average`]: the mean of several models' weights;
//! - [`classifier`], [`train`]: a head over the hidden states, and mini-batch training of head, adapters ([`lora`])
//!   or all, which goes on where it was killed.
//!
//! Arithmetic is in 32 bits, or in mixed [`precision`] where a device has it. There is no dropout: training is deterministic given the seed.
//! This crate reads and writes checkpoints; it knows nothing of labels, weak or strong.

mod adamw;
mod architecture;
pub mod average;
pub mod batch;
mod cache;
pub mod chat;
pub mod chat_template;
pub mod chat_tuning;
pub mod checkpoint;
pub mod classifier;
pub mod config;
mod decode;
pub mod definition;
pub mod device;
pub mod fused;
pub mod generate;
pub mod hidden_states;
pub mod language_model;
mod layout;
pub mod local_chat;
pub mod lora;
mod loss_scale;
mod memory;
pub mod placement;
pub mod policy;
pub mod precision;
mod safetensors_file;
pub mod sampling;
pub mod save;
pub mod score;
pub mod tokenizer;
pub mod train;
pub mod transformer;

pub use architecture::Architecture;
pub use average::AverageError;
pub use batch::{BatchError, Padding, TokenBatch};
pub use chat::{Chat, ChatError, ChatModel, ChatScoreRequest, SpecialText};
pub use chat_template::{ChatTemplate, DateTime, Ending, Message, Role, TemplateError};
pub use chat_tuning::{ChatRow, TuneError, Tuned, TuningRow};
pub use checkpoint::{Checkpoint, CheckpointError, Model};
pub use classifier::{Classifier, HeadError, HeadStart, Pooling};
pub use config::{ConfigError, ModelConfig};
pub use definition::Definition;
pub use device::{Device, DeviceError};
pub use fused::{Operations, Threads};
pub use generate::{
    Constraint, Finish, GenerateError, Generated, GenerationOptions, LanguageModel, Progress,
    Request,
};
pub use hidden_states::{AskForHiddenSlopes, HiddenStateTrainer};
pub use language_model::LanguageModelTrainer;
pub use local_chat::LocalChat;
pub use lora::{LinearMap, LoraOptions};
pub use placement::Placement;
pub use policy::{
    AskForSlopes, Optimiser, PolicyError, PolicyOptions, PolicyTrainer, TokenReading, TokenSlopes,
    ValueHead,
};
pub use precision::Precision;
pub use sampling::{Sampling, SamplingError};
pub use save::SaveError;
pub use score::{ScoreRequest, Scored};
pub use tokenizer::{Located, Spelled, Tokenizer, TokenizerError, Truncation};
pub use train::{OptionError, Session, TrainError, TrainOptions, Trained, Training};
pub use transformer::{Hidden, Keep, Transformer};
