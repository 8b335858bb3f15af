//! The experiment of the paper: a learner is trained on what it finds with an expert's help, again and again.
//!
//! ```text
//! 1  draw questions, run Amplify^H(X̄), keep H's steps           dear: H is the real expert
//! 2  train H′ to take H's steps
//! 3  draw questions, run Amplify^H′(X̄): targets                 cheap
//! 4  train X on the targets;  X̄ follows X
//! ```
//!
//! Christiano et al. 2018, sections 2.3 and 3. The paper runs the four at once on several machines; here they take turns within each
//! step of [`Training`]. Who makes the targets is the [`Arm`]: the paper's procedure, the same with the real expert in step 3, and
//! the two that it is compared with.
//!
//! - [`arm`]: what is compared; [`settings`]: every size and rate, [`scale`]: those that go together;
//! - [`training`]: one step of everything, told from top to bottom;
//! - [`curriculum`], [`label_rate`], [`replay`]: how large instances are, how often the expert is asked, what it did;
//! - `teacher`, `predictor`: X̄ and H′ as a learner and an expert;
//! - [`evaluation`]: how often each is right, by depth, on instances that nobody was trained on;
//! - [`snapshot`]: all of it as numbers, to go on from to the same bits.

pub mod arm;
pub mod curriculum;
pub mod evaluation;
mod expert;
pub mod label_rate;
mod predictor;
pub mod replay;
pub mod scale;
pub mod settings;
pub mod snapshot;
mod teacher;
pub mod training;

pub use arm::Arm;
pub use evaluation::{Counted, Evaluation};
pub use scale::{Scale, TaskKind};
pub use settings::{NetworkConfig, TrainingConfig};
pub use snapshot::{Snapshot, SnapshotError};
pub use training::{Part, Stepped, Training};
