//! Transformers as students: fine-tuned whole or by adapters of low rank, or probed, on mini-batches of text.
//!
//! The paper's own set-up (Burns et al. 2023, section 3): a pre-trained language model with a linear head
//! for the answers, which starts at zero, on the last token's hidden state; encoders have it on the mean
//! over tokens. Losses decide their targets at every step, over the whole batch, also where it is
//! computed in parts. Weak and strong may be of different families and tokenizers: each model reads a
//! question's text in its own way.
//!
//! Where a question offers texts, such as two replies of which one is preferred, the model is a reward model: one output, read
//! after prompt and reply, a blank line between; the rewards of a question's replies are its logits (for two of them
//! Bradley and Terry's model, as in the paper's reward modelling).
//!
//! Differs from openai/weak-to-strong by default: batches are reshuffled every epoch, and a last, smaller
//! batch counts. Parity of training: `crates/nn/tests/it/training.rs`.

mod checkpoint;
mod hashed_words;
mod scratch;

use std::sync::Arc;

use trimtab_core::{
    Cost, Fitted, Judgement, Lesson, Question, Student, Supervisor, SupervisorError, TrainingLabels,
};
use trimtab_nn::train::{EarlyStopping, Session};
use trimtab_nn::{Classifier, Model, Pooling, Tokenizer, TokenizerError, TrainOptions, Truncation};

pub use checkpoint::CheckpointConfig;
pub use hashed_words::HashedWords;
pub use scratch::{Family, ScratchConfig};

use crate::loss::{LabelStatistics, Loss, LossConfig};
use crate::network::{N_LOOKS, agreement, judgements};
use crate::objective::MiniBatch;

/// Rows that are judged at a time.
const JUDGE_BATCH: usize = 32;

/// A network that is there before the lesson, and how it reads.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The network.
    pub model: Model,
    /// What turns text into its tokens.
    pub reader: Reader,
}

/// What turns text into token ids.
#[derive(Debug, Clone)]
pub enum Reader {
    /// A checkpoint's own tokenizer.
    Tokenizer(Box<Tokenizer>),
    /// Words, hashed: for networks that start from nothing.
    Words(HashedWords),
}

impl Reader {
    /// A row for every question, or for every candidate of every question.
    fn read<'q>(
        &self,
        questions: impl IntoIterator<Item = &'q Question>,
        too_long: Truncation,
    ) -> Result<Vec<Vec<u32>>, TokenizerError> {
        let encode = |text: &str| match self {
            Self::Tokenizer(tokenizer) => tokenizer.encode(text, too_long),
            Self::Words(words) => words.encode(text, too_long),
        };
        let mut rows = Vec::new();
        for question in questions {
            match &question.candidates {
                None => rows.push(encode(&question.text)?),
                Some(candidates) => {
                    for candidate in candidates.iter() {
                        rows.push(encode(&format!("{}\n\n{candidate}", question.text))?);
                    }
                }
            }
        }
        Ok(rows)
    }
}

/// Where a student's network comes from.
enum Origin {
    Pretrained(Arc<Pretrained>),
    /// Made anew for every lesson, from its seed.
    Scratch(ScratchConfig),
}

/// A transformer before learning.
struct TransformerStudent {
    name: String,
    origin: Origin,
    /// Default: what is usual for the model.
    pooling: Option<Pooling>,
    too_long: Truncation,
    loss: LossConfig,
    options: TrainOptions,
    save: bool,
    /// Texts that a question offers; `None` where answers are names.
    n_candidates: Option<usize>,
}

impl Student for TransformerStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let name = &self.name;
        let labels = lesson.labels;
        let n_answers = labels.n_answers();
        let statistics = LabelStatistics::of(labels.probabilities(), n_answers);
        let loss = Loss::new(&self.loss, &statistics).map_err(failed(name))?;
        let mut objective = MiniBatch::new(loss, n_answers, labels.probabilities().to_vec());
        let pretrained = match &self.origin {
            Origin::Pretrained(pretrained) => Arc::clone(pretrained),
            Origin::Scratch(config) => Arc::new(config.start(lesson.seed).map_err(failed(name))?),
        };
        let read = |questions: Vec<&Question>| {
            let rows = pretrained.reader.read(questions, self.too_long);
            rows.map_err(failed(name))
        };
        let rows = read(labels.labelled(lesson.questions))?;
        let held_out = match lesson.validation {
            None => None,
            Some((questions, labels)) => Some((read(labels.labelled(questions))?, labels)),
        };
        let mut score = |classifier: &Classifier| match &held_out {
            None => Ok(0.0),
            Some((rows, labels)) => {
                let logits = classifier.predict(rows, JUDGE_BATCH)?;
                Ok(agreement(&logits, labels))
            }
        };
        let stopping = lesson.validation.map(|_| EarlyStopping {
            n_looks: N_LOOKS,
            score: &mut score,
        });
        let pooling = (self.pooling).unwrap_or_else(|| Pooling::of(&pretrained.model));
        let n_outputs = self.n_candidates.map_or(n_answers, |_| 1);
        let mut classifier = Classifier::new(pretrained.model.clone(), pooling, n_outputs);
        let session = Session {
            workplace: lesson.workplace,
            stopping,
            rows_per_sample: self.n_candidates.unwrap_or(1),
            identity: &identity(
                &self.loss,
                labels,
                lesson.validation.map(|(_, labels)| labels),
            ),
        };
        let training = classifier
            .train(&rows, &mut objective, &self.options, lesson.seed, session)
            .map_err(failed(name))?;
        if self.save
            && let Some(folder) = lesson.workplace.models()
        {
            classifier.save(folder).map_err(failed(name))?;
        }
        Ok(Fitted {
            student: Box::new(TransformerModel {
                name: name.clone(),
                pretrained,
                too_long: self.too_long,
                n_answers,
                classifier,
            }),
            n_steps: training.kept_step,
            loss: training.loss,
            converged: true,
            cost: Cost::default(),
        })
    }
}

/// What makes a training another one beside its options, seed and texts.
fn identity(
    loss: &LossConfig,
    labels: &TrainingLabels,
    validation: Option<&TrainingLabels>,
) -> Vec<u8> {
    let mut identity = format!("{loss:?}").into_bytes();
    for labels in [Some(labels), validation].into_iter().flatten() {
        identity.extend((labels.len() as u64).to_le_bytes());
        identity.extend((labels.probabilities().iter()).flat_map(|p| p.to_le_bytes()));
    }
    identity
}

/// A transformer that has learnt.
struct TransformerModel {
    name: String,
    pretrained: Arc<Pretrained>,
    too_long: Truncation,
    n_answers: usize,
    classifier: Classifier,
}

impl Supervisor for TransformerModel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let rows = (self.pretrained.reader)
            .read(questions, self.too_long)
            .map_err(failed(&self.name))?;
        let logits = (self.classifier.predict(&rows, JUDGE_BATCH)).map_err(failed(&self.name))?;
        Ok(judgements(questions, &logits, self.n_answers))
    }
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    name: &str,
) -> impl Fn(E) -> SupervisorError {
    move |source| SupervisorError::Fit {
        name: name.to_owned(),
        source: Box::new(source),
    }
}
