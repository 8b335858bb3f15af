//! The report of a run, whichever family its methods are of, in every rendering.

use trimtab_run::{Family, RunFolder};

use crate::document::Document;
use crate::summarise::{SummaryError, summarise};
use crate::summary::Summary;
use crate::{
    amplification, comparison, constitutional_ai, csv, debate, html, json, markdown, rlhf,
    safeguard, terminal,
};

/// What a run is reported as.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Weak supervisors, students and ceilings.
    Comparison(Box<Summary>),
    /// Sections of tables.
    Document(Document),
}

impl Report {
    /// Measures the run in `folder`.
    ///
    /// # Errors
    ///
    /// [`SummaryError`] when its files cannot be read.
    pub fn of(folder: &RunFolder) -> Result<Self, SummaryError> {
        match folder.family() {
            Family::WeakToStrong if folder.is_comparison() => {
                Ok(Self::Document(comparison::describe(folder)?))
            }
            Family::WeakToStrong => Ok(Self::Comparison(Box::new(summarise(folder)?))),
            Family::ConstitutionalAi => Ok(Self::Document(constitutional_ai::describe(folder)?)),
            Family::Reward => Ok(Self::Document(rlhf::describe(folder)?)),
            Family::Debate => Ok(Self::Document(debate::describe(folder)?)),
            Family::Amplification => Ok(Self::Document(amplification::describe(folder)?)),
            Family::Safeguard => Ok(Self::Document(safeguard::describe(folder)?)),
        }
    }

    /// For a terminal of `width` columns.
    pub fn terminal(&self, width: usize, colour: bool) -> String {
        match self {
            Self::Comparison(summary) => terminal::render(summary, width, colour),
            Self::Document(document) => document.terminal(width, colour),
        }
    }

    /// One self-contained page.
    pub fn html(&self) -> String {
        match self {
            Self::Comparison(summary) => html::render(summary),
            Self::Document(document) => document.html(),
        }
    }

    /// GitHub-flavoured Markdown.
    pub fn markdown(&self) -> String {
        match self {
            Self::Comparison(summary) => markdown::render(summary),
            Self::Document(document) => document.markdown(),
        }
    }

    /// Everything that the report draws.
    pub fn json(&self) -> String {
        match self {
            Self::Comparison(summary) => json::render(summary),
            Self::Document(document) => json::render(document),
        }
    }

    /// One row a number.
    pub fn csv(&self) -> String {
        match self {
            Self::Comparison(summary) => csv::render(summary),
            Self::Document(document) => document.csv(),
        }
    }
}
