//! Constitutional AI: a model criticises and revises its own replies under written principles, and judges pairs of replies
//! under them, so that another learns from both.
//!
//! Paper: Bai et al. 2022, arXiv:2212.08073; the judging of pairs also after Lee et al. 2023, arXiv:2309.00267.
//!
//! | step | in | out |
//! |---|---|---|
//! | [`file`](mod@file), [`import`], [`lint`] | a file | a [`Constitution`] |
//! | [`supervised`] | prompts, a chat model | [`Dialogue`]s: reply, critique, revision, … |
//! | [`training_rows`](mod@training_rows) | dialogues | prompts with the reply to learn |
//! | [`preference`] | prompts, a tuned model, a judge | sampled pairs, [`LabelledPair`]s, preference pairs |
//! | [`judge`](mod@judge), [`label`](mod@label), [`judgement`], [`labelled`] | pairs | labels, with all that went into them |
//! | [`why`](mod@why), [`measure`] | labelled pairs | what people read |
//!
//! There is no input or output here: texts and models are arguments. Calls that fail, replies that are refused, cut or
//! unreadable are data, and are counted.

pub mod file;
pub mod hygiene;
pub mod import;
pub mod judge;
pub mod judgement;
pub mod label;
pub mod labelled;
pub mod lint;
pub mod measure;
pub mod messages;
pub mod preference;
pub mod principle;
pub mod statements;
pub mod supervised;
mod supervisor;
pub mod training_rows;
pub mod why;

pub use file::{Constitution, ConstitutionError, ConstitutionFile};
pub use judge::{JudgeConfig, ReplyPair};
pub use labelled::{LabelledPair, PairOutcome};
pub use preference::{PreferenceConfig, Preferences, SampledPair, preference_pair};
pub use principle::Principle;
pub use supervised::{Dialogue, StageError, SupervisedConfig};
pub use supervisor::{ConstitutionalJudge, NoPair};
pub use training_rows::{TrainingRows, training_rows};
pub use why::{why, why_revised};

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    (Sha256::digest(bytes).iter()).fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
