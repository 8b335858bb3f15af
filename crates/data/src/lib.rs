//! Data sets: built in, from files, from the hub; and how their rows are split.
//!
//! ```
//! use trimtab_core::Seed;
//! use trimtab_data::{DataConfig, Locations, Splits, load};
//!
//! let config = DataConfig::new("builtin:rotten-tomatoes");
//! let set = load(&config, &Locations::new("."))?;
//! assert_eq!(set.questions.len(), 6000);
//!
//! let splits = Splits::new(&set, &config, Seed(0))?;
//! assert_eq!(splits.weak_train.len(), 2000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`load`] reads JSON Lines, CSV and Parquet with declared columns ([`DataConfig`]) into a
//!   [`Dataset`], in which the answer key is apart from the questions. What is wrong with a file is
//!   a [`DataError`] that names file, line and column.
//! - Features of large files are kept in a binary cache, so that a run that is resumed does not parse
//!   gigabytes again ([`CacheUse`]); a run that is finished need not load them at all
//!   ([`fingerprint`]).
//! - [`load_prompts`] reads conversations that wait for a reply.
//! - [`load_two_answers`] reads questions that can be debated, and the passages that they are about.
//! - [`load_problems`] reads open questions and, apart from them, their answers; [`expressions`] draws some.
//! - [`load_records`] reads rows of the user's own.
//! - [`Activations`] are a model's hidden states on many tokens, read in blocks; [`ActivationsWriter`] writes them.
//! - [`load_ratings`] reads who said what of which item.
//! - [`preferences`] reads and writes pairs of replies as other programs' training files.
//! - [`Splits`] says who learns from which rows. [`NumpyRng`] and [`PythonRng`] draw what upstream's
//!   scripts draw.
//!
//! Nothing here reads the environment, prints, or touches the network unless a
//! [`HubConfig`] says so.

mod activations;
mod blocks;
mod builtin;
mod cache;
mod chess;
mod config;
mod csv_file;
mod dataset;
mod error;
pub mod expressions;
mod hub;
mod hub_model;
pub mod idx;
mod json_row;
mod jsonl;
pub mod mnist;
mod numpy_rng;
pub mod nyu_debates;
mod parquet_file;
pub mod preferences;
mod problems;
mod prompts;
mod python_rng;
mod ratings;
mod records;
mod rows;
mod source;
mod split;
mod stream;
mod two_answers;

pub use activations::{
    ActivationLayer, Activations, ActivationsError, ActivationsWriter, WriteActivationsError,
};
pub use builtin::{BUILTINS, Builtin};
pub use cache::CacheUse;
pub use config::{Columns, DataConfig, SplitConfig, TestSize};
pub use dataset::{Dataset, Progress, Stage, load, load_with_progress};
pub use error::{DataError, Place};
pub use hub::{HubConfig, Network};
pub use hub_model::model_folder;
pub use numpy_rng::NumpyRng;
pub use problems::{EXPRESSIONS, GSM8K, ProblemSet, load_problems};
pub use prompts::{PromptSet, load_prompts};
pub use python_rng::PythonRng;
pub use ratings::{
    RATING_SETS, RatedItem, Rater, RatingRow, RatingSet, RatingsConfig, load_ratings,
};
pub use records::{Records, load_records};
pub use rows::Part;
pub use source::{Fingerprint, Locations, fingerprint};
pub use split::{SplitError, Splits};
pub use two_answers::{PassageText, READING, TwoAnswerQuestion, TwoAnswerSet, load_two_answers};
