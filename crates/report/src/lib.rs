//! Tables, plots and pages from a finished or unfinished run.

pub mod amplification;
pub mod constitutional_ai;
pub mod csv;
pub mod debate;
pub mod distillation;
pub mod document;
pub mod evidence;
pub mod glossary;
pub mod html;
pub mod json;
pub mod landscape;
pub mod markdown;
pub mod nyu2023;
pub mod summarise;
pub mod summary;
pub mod svg;
pub mod terminal;

mod calls;
mod comparison;
#[cfg(test)]
mod example;
mod measuring;
mod number;
mod prompt_numbers;
mod ranking;
mod report;
mod rlhf;
#[cfg(test)]
mod run_on_disk;
mod safeguard;
mod text;

pub use document::Document;
pub use report::Report;
pub use summarise::{SummaryError, compare, summarise};
pub use summary::{Comparison, Summary};
