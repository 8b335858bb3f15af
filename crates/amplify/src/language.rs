//! Amplification with language models: an expert decomposes questions in words, an assistant answers what it asks.
//!
//! ```text
//! at once    question ─► sub-questions that do not depend on each other ─► their answers ─► answer
//! in turn    question ─► sub-question ─► its answer ─► sub-question, in view of it ─► … ─► answer
//! ```
//!
//! Whoever answers a sub-question sees that question alone: no tree, no sibling, no root. What cannot be read, is declined or
//! fails is [`crate::Unanswered`]; it stands in the tree, and the expert is told of it.
//!
//! - [`text`], [`reply`]: questions and answers; [`number`]: the numbers in them, exactly;
//! - [`config`]: settings; [`prompts`]: what is asked, word by word; [`read`]: what is read of a reply;
//! - [`expert`], [`learner`]: H and X over chat models; [`trees`]: from problems to trees, all of them at once;
//! - [`supervisor`]: amplification as a supervisor; [`distil`]: what the assistant learns from; [`measure`]: how right it is, and
//!   what goes wrong.

pub mod config;
pub mod distil;
pub mod expert;
pub mod learner;
pub mod measure;
pub mod number;
pub mod prompts;
pub mod read;
pub mod reply;
pub mod supervisor;
pub mod text;
pub mod trees;

pub use config::{Amplification, Decomposition, MOST_DEPTH, SampledConfig, TreeConfig};
pub use distil::{Completion, Distilled, LeftOut, Taught, sft_rows};
pub use expert::LanguageExpert;
pub use learner::LanguageLearner;
pub use number::Number;
pub use prompts::Prompts;
pub use reply::Reply;
pub use supervisor::{AmplifiedSupervisor, AmplifiedSupervisorConfig};
pub use text::Text;
pub use trees::{Participants, ProblemTree, amplify_all, amplify_by, answer_alone};
