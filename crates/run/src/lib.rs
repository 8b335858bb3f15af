//! Experiments, run folders, the ledger, and running it all.
//!
//! [`experiment_file`] reads TOML into [`Experiment`]s; [`execute()`] runs them into a [`RunFolder`];
//! [`store`] is what a report reads. Nothing here prints or reads the environment.

#[cfg_attr(not(feature = "networks"), path = "checkpoints_absent.rs")]
mod checkpoints;
pub mod curves;
pub mod event;
pub mod execute;
pub mod experiment;
pub mod experiment_file;
pub mod folder;
pub mod store;

pub use checkpoints::LoadError;
pub use curves::{LossCurve, loss_curves};
pub use event::Event;
pub use execute::{RunError, RunOptions, execute};
pub use experiment::{Experiment, MethodConfig, ReportConfig};
pub use folder::{DataManifest, FolderError, Manifest, RunFolder, VariantManifest};
pub use store::{Cell, CellKind, SplitName, Store, StoreError};
