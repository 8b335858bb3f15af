//! The real program, from the command line to the run folder and back: what it prints, what it stores,
//! what it refuses, and what survives when it is killed, crowded out or fed rubbish.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod activations;
mod amplify;
mod bad_data;
mod bad_experiment;
mod bad_folder;
mod bad_usage;
mod checkpoint;
mod christiano;
mod compare;
mod constitution;
mod data_files;
mod debate;
mod debate_training;
mod distillation;
mod evidence;
mod full_disk;
mod hostile;
mod kills;
mod landscape;
mod ledger;
mod material;
mod page;
mod report;
mod reproduce;
mod resume;
mod rlhf;
mod run;
mod safeguards;
mod sandbox;
mod serve;
mod together;
mod tutorials;
mod workplace;
