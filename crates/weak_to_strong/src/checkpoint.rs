//! Transformers as students: fine-tuned whole, or probed, on mini-batches of text.
//!
//! The paper's own set-up (Burns et al. 2023, section 3): a pre-trained language model with a linear head
//! for the answers, which starts at zero, on the last token's hidden state; encoders have it on the mean
//! over tokens. Losses decide their targets at every step, over the whole batch, also where it is
//! computed in parts. Weak and strong may be of different families and tokenizers: each model reads a
//! question's text in its own way.
//!
//! Differs from openai/weak-to-strong by default: batches are reshuffled every epoch, and a last, smaller
//! batch counts. Parity of training: `crates/nn/tests/it/training.rs`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Fitted, Judgement, Lesson, Question, Student, Supervisor, SupervisorError};
use trimtab_nn::train::Trained;
use trimtab_nn::{Classifier, Model, Pooling, Tokenizer, TrainOptions, Truncation};

use crate::loss::{LabelStatistics, Loss, LossConfig};
use crate::model::{Materials, ModelError};
use crate::network::{judgements, labelled};
use crate::objective::MiniBatch;

/// Rows that are judged at a time.
const JUDGE_BATCH: usize = 32;

/// A transformer from a Hugging Face directory, and how it is taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CheckpointConfig {
    /// The directory, relative to the experiment file: `config.json`, `model.safetensors` (or its parts
    /// with an index) and `tokenizer.json`.
    pub path: String,
    /// What the answers' head sees. Default: the last token of a causal model, the mean of an encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// What becomes of a text that is longer than the model sees.
    #[serde(default)]
    pub too_long: Truncation,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainOptions,
}

impl CheckpointConfig {
    /// The directory at `path`, taught in the default way.
    pub(crate) fn at(path: &str) -> Self {
        Self {
            path: path.into(),
            pooling: None,
            too_long: Truncation::default(),
            train: TrainOptions::default(),
        }
    }

    /// In a few words, for tables: `fine-tuned gpt2`.
    pub(crate) fn describe(&self) -> String {
        let name = self.path.rsplit('/').find(|part| !part.is_empty());
        let how = match self.train.trained {
            Trained::Head => "linear probe on",
            Trained::All => "fine-tuned",
        };
        format!("{how} {}", name.unwrap_or(&self.path))
    }

    /// The model before learning, to be taught with `loss`.
    pub(crate) fn student(
        &self,
        name: String,
        loss: &LossConfig,
        materials: &Materials,
    ) -> Result<Box<dyn Student>, ModelError> {
        self.train.check()?;
        let pretrained = materials.checkpoints.get(&self.path);
        let pretrained = pretrained.ok_or_else(|| ModelError::NotLoaded(self.path.clone()))?;
        Ok(Box::new(CheckpointStudent {
            name,
            pretrained: Arc::clone(pretrained),
            pooling: (self.pooling).unwrap_or_else(|| Pooling::of(&pretrained.model)),
            too_long: self.too_long,
            loss: loss.clone(),
            options: self.train,
        }))
    }
}

/// A checkpoint in memory.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The network.
    pub model: Model,
    /// What turns text into its tokens.
    pub tokenizer: Tokenizer,
}

/// A transformer before learning.
struct CheckpointStudent {
    name: String,
    pretrained: Arc<Pretrained>,
    pooling: Pooling,
    too_long: Truncation,
    loss: LossConfig,
    options: TrainOptions,
}

impl CheckpointStudent {
    fn failed(&self, source: impl std::error::Error + Send + Sync + 'static) -> SupervisorError {
        SupervisorError::Fit {
            name: self.name.clone(),
            source: Box::new(source),
        }
    }
}

impl Student for CheckpointStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let labels = lesson.labels;
        let n_answers = labels.n_answers();
        let statistics = LabelStatistics::of(labels.probabilities(), n_answers);
        let loss = Loss::new(&self.loss, &statistics).map_err(|source| self.failed(source))?;
        let mut objective = MiniBatch::new(loss, n_answers, labels.probabilities().to_vec());
        let texts = labelled(lesson.questions, labels);
        let rows = encode(&self.pretrained.tokenizer, texts, self.too_long)
            .map_err(|source| self.failed(source))?;
        let mut classifier =
            Classifier::new(self.pretrained.model.clone(), self.pooling, n_answers);
        let (options, seed) = (&self.options, lesson.seed);
        let training = classifier
            .train(&rows, &mut objective, options, seed, &mut |_| {})
            .map_err(|source| self.failed(source))?;
        Ok(Fitted {
            student: Box::new(CheckpointModel {
                name: self.name.clone(),
                pretrained: Arc::clone(&self.pretrained),
                too_long: self.too_long,
                classifier,
            }),
            n_steps: training.n_steps,
            loss: training.loss,
            converged: true,
        })
    }
}

/// A transformer that has learnt.
struct CheckpointModel {
    name: String,
    pretrained: Arc<Pretrained>,
    too_long: Truncation,
    classifier: Classifier,
}

impl Supervisor for CheckpointModel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SupervisorError::Fit {
            name: self.name.clone(),
            source,
        };
        let rows = encode(&self.pretrained.tokenizer, questions, self.too_long)
            .map_err(|source| failed(source.into()))?;
        let logits = (self.classifier.predict(&rows, JUDGE_BATCH))
            .map_err(|source| failed(source.into()))?;
        Ok(judgements(questions, &logits, self.classifier.n_outputs()))
    }
}

fn encode<'q>(
    tokenizer: &Tokenizer,
    questions: impl IntoIterator<Item = &'q Question>,
    too_long: Truncation,
) -> Result<Vec<Vec<u32>>, trimtab_nn::TokenizerError> {
    questions
        .into_iter()
        .map(|question| tokenizer.encode(&question.text, too_long))
        .collect()
}
