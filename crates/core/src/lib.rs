//! The vocabulary of Trimtab: questions, judgements, supervisors and students, and who may see what.
//!
//! Every approach to scalable oversight is a [`Supervisor`]: it turns [`Question`]s into
//! [`Judgement`]s, seeing only what it may see. A [`Student`] learns from [`TrainingLabels`] and
//! becomes a supervisor itself, so supervisors compose.
//!
//! Models that are talked to are [`chat::ChatModel`]s.
//!
//! There is no I/O here, no async, no tensor library. The information barriers are types:
//!
//! - a [`Question`] has no answer in it; the [`AnswerKey`] is a separate value that is handed to
//!   evaluation, and to training only by way of [`TrainingLabels::from_key`], which marks the labels;
//! - a student's trainer takes [`TrainingLabels`], never a key.

mod accuracy;
mod activations;
pub mod chat;
mod distribution;
mod features;
mod judgement;
mod key;
mod labels;
mod objective;
mod preference;
mod problem;
mod question;
mod rating;
mod schedule;
mod seed;
pub mod setting;
mod sft;
mod supervisor;
mod workplace;

pub use accuracy::{Accuracy, AccuracyError};
pub use activations::{HeldRows, RowSource, RowSourceError, Span};
pub use distribution::{Distribution, DistributionError};
pub use features::{FeatureError, FeatureTable, NamedFeatures, Rows};
pub use judgement::{Cost, Judgement, Verdict};
pub use key::{AnswerKey, KeyError};
pub use labels::{LabelError, Provenance, TrainingLabels};
pub use objective::BatchObjective;
pub use preference::PreferencePair;
pub use problem::{Problem, ProblemKey};
pub use question::{AnswerIdx, AnswerSet, AnswerSetError, Candidates, Question, SampleId};
pub use rating::{RaterKind, Rating, Scale};
pub use schedule::Schedule;
pub use seed::{Seed, SplitMix64};
pub use sft::SftRow;
pub use supervisor::{Fitted, GroundTruth, Lesson, Student, Supervisor, SupervisorError};
pub use workplace::{Folders, OnStep, TrainingStep, Workplace};
