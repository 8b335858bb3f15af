//! What can be wrong with training files: with a row, which can be counted and passed by, or with the whole.

use std::io;
use std::path::PathBuf;

use super::PreferenceFormat;
use crate::error::{DataError, Place};

/// Why a row cannot be read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowFault {
    /// A column is not there.
    #[error("no column {column:?}; there are: {}", found.join(", "))]
    MissingColumn {
        /// Which.
        column: &'static str,
        /// Those there are.
        found: Vec<String>,
    },
    /// A column holds something else.
    #[error("column {column:?} is not {expected}")]
    WrongType {
        /// Which.
        column: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A message by nobody known.
    #[error("column {column:?} has a message by {role:?}")]
    UnknownRole {
        /// Which.
        column: String,
        /// Who speaks.
        role: String,
    },
    /// A conversation does not end as it should.
    #[error("column {column:?} does not end with a message by {expected}")]
    WrongEnd {
        /// Which.
        column: String,
        /// Who should speak last.
        expected: &'static str,
    },
    /// Chosen and rejected have different prompts, where both hold it.
    #[error("the prompts in \"chosen\" and \"rejected\" differ")]
    PromptsDiffer,
    /// A soft label is none.
    #[error("p_chosen is {0}, which is not from 0.5 to 1")]
    PChosen(f64),
    /// A margin is none.
    #[error("the margin is {0}, which is not 0 or more")]
    Margin(f64),
    /// A row without its other half.
    #[error(
        "a row of an unpaired file has no partner with the same id and the other label beside it"
    )]
    NoPartner,
    /// Nobody says which is preferred.
    #[error("{n_votes} annotators, and none of them decides")]
    Undecided {
        /// How many there are.
        n_votes: usize,
    },
    /// In the standard form it could not be told where a message ends.
    #[error(
        "its text holds the marks of a dialogue, or it ends with a reply: as a string it could not be read back"
    )]
    NotStandard,
}

/// Why a training file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PreferenceError {
    /// The file itself.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The columns are those of no format.
    #[error("{}, {place}: these are the columns of no known format: {}", file.display(), found.join(", "))]
    UnknownColumns {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// The columns there are.
        found: Vec<String>,
    },
    /// A row cannot be read.
    #[error("{}, {place}: {fault}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// Why not.
        fault: RowFault,
    },
    /// A row cannot be written.
    #[error("row {id:?}: {fault}")]
    Unwritable {
        /// Its id.
        id: String,
        /// Why not.
        fault: RowFault,
    },
    /// The format has no place for what is to be written.
    #[error("the format {} cannot hold {what}", format.name())]
    CannotHold {
        /// The format.
        format: PreferenceFormat,
        /// What it cannot hold.
        what: &'static str,
    },
    /// The file holds no pairs.
    #[error("{}: rows of {}, which are no pairs", file.display(), format.name())]
    NoPairs {
        /// The file.
        file: PathBuf,
        /// What its columns are those of.
        format: PreferenceFormat,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {reason}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

impl PreferenceError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Data(error) => return error.hint(),
            Self::UnknownColumns { .. } => "pairs have `prompt`, `chosen` and `rejected`, or the last two with the \
                prompt in them; demonstrations `prompt` and `completion`, `messages` or `text`"
                .into(),
            Self::Unwritable {
                fault: RowFault::NotStandard,
                ..
            } => "write `form = \"conversational\"`".into(),
            Self::CannotHold { format, .. } => match format {
                PreferenceFormat::Icai => "write `container = \"jsonl\"`, and pairs only".into(),
                _ => "demonstrations go to trl-prompt-completion, trl-language-modelling or trl-prompt-only".into(),
            },
            Self::Row { fault, .. } => match fault {
                RowFault::NoPartner => "write the chosen and the rejected reply of a pair one after the other".into(),
                RowFault::PromptsDiffer => "give both replies the same conversation before them".into(),
                _ => return None,
            },
            Self::Write { .. } => "check that the folder is there and may be written to".into(),
            _ => return None,
        })
    }
}
