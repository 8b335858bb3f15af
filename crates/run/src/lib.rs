//! Experiments, run folders, the ledger, and running it all.
//!
//! [`experiment_file`] reads TOML into [`Experiment`]s; [`execute()`] runs them into a [`RunFolder`];
//! [`store`] is what a report reads. Nothing here prints or reads the environment.

pub mod amplification;
pub mod cell_folder;
pub mod chat_models;
#[cfg_attr(not(feature = "networks"), path = "checkpoints_absent.rs")]
mod checkpoints;
pub mod comparison;
pub mod constitutional_ai;
pub mod curves;
pub mod debates;
pub mod distillation;
pub mod event;
pub mod evidence;
pub mod execute;
pub mod experiment;
pub mod experiment_file;
pub mod extraction;
pub mod folder;
pub mod landscape;
mod learning;
mod limits;
#[cfg_attr(not(feature = "networks"), path = "local_models_absent.rs")]
mod local_models;
pub mod overoptimisation;
pub mod people;
#[cfg_attr(not(feature = "networks"), path = "policies_absent.rs")]
mod policies;
pub mod reproduction;
pub mod rlhf;
pub mod row_folder;
pub mod safeguard;
pub mod stages;
pub mod store;
pub mod supervisors;
#[cfg_attr(not(feature = "networks"), path = "tuning_absent.rs")]
mod tuning;

pub use chat_models::{Calling, ChatError, Keys};
pub use checkpoints::LoadError;
pub use comparison::QuestionText;
pub use constitutional_ai::{ConstitutionalAiConfig, MethodFolder, Stage};
pub use curves::{LossCurve, loss_curves};
pub use debates::DebateFolder;
pub use event::Event;
pub use execute::{RunError, RunOptions, execute};
pub use experiment::{Experiment, Family, MethodConfig, ReportConfig, WeakToStrongConfig};
pub use folder::{DataManifest, FolderError, Manifest, RunFolder, VariantManifest};
pub use local_models::LocalError;
pub use overoptimisation::{OveroptimisationMethodConfig, lab_curves};
pub use people::{People, PeopleError};
pub use policies::LearnError;
pub use rlhf::RlhfConfig;
pub use row_folder::RowFolder;
pub use safeguard::{SafeguardConfig, SeedTrial};
pub use stages::StageFolder;
pub use store::{Cell, CellKind, SplitName, Store, StoreError};
pub use supervisors::{Approach, SupervisorConfig};
pub use trimtab_combine::{Guarantee, Otherwise};
pub use trimtab_evidence::Shown;
pub use tuning::{TuneConfig, TuneError};
