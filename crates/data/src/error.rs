//! What can be wrong with data, said with file, place and a way out.
//!
//! Every message stands alone: causes are part of it, not chained behind it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where in a file a sample stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of a text file, from 1. For CSV, the line on which the record starts.
    Line(u64),
    /// A row of a table without lines (Parquet), from 0.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Why a data set cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is no such built-in set.
    #[error("there is no built-in set {name:?}")]
    UnknownBuiltin {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The file name does not say how to read it.
    #[error("{}: not a kind of file that can be read", file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("cannot read {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// There are no rows.
    #[error("{}: no rows", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The text is not UTF-8.
    #[error("{}, line {line}: not UTF-8 (byte {offset} of the text)", file.display())]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Offset in the (uncompressed) text: of the first bad byte, for CSV of its record.
        offset: u64,
    },
    /// The gzip stream ends early or is damaged.
    #[error("{}: damaged or truncated gzip ({reason})", file.display())]
    Gzip {
        /// The file.
        file: PathBuf,
        /// What the decoder says.
        reason: io::Error,
    },
    /// A line is no JSON object of the right shape.
    #[error("{}, line {line}, column {column}: {reason}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column in bytes, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// A CSV record has more or fewer fields than the header.
    #[error("{}, line {line}: {got} fields, but the header has {expected}", file.display())]
    RaggedRow {
        /// The file.
        file: PathBuf,
        /// The line on which the record starts, from 1.
        line: u64,
        /// Fields of the header.
        expected: u64,
        /// Fields of the record.
        got: u64,
    },
    /// The Parquet file is damaged, truncated or of an unsupported make.
    #[error("{}: damaged, truncated or unsupported Parquet ({reason})", file.display())]
    Parquet {
        /// The file.
        file: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// A column is not there.
    #[error("{}, {place}: no column {column:?} for the {role}", file.display())]
    MissingColumn {
        /// The file.
        file: PathBuf,
        /// Where it was looked for.
        place: Place,
        /// The column's name.
        column: String,
        /// What it is wanted for: `id`, `text`, `label` and so on.
        role: &'static str,
        /// The columns that are there.
        available: Vec<String>,
    },
    /// A column that later rows have is missing from the first.
    #[error("{}, {place}: column {column:?} is here, but not on the first row", file.display())]
    LateColumn {
        /// The file.
        file: PathBuf,
        /// Where it turned up.
        place: Place,
        /// The column's name.
        column: String,
    },
    /// Two parts of a sample are declared to be one column.
    #[error("column {column:?} is declared both as {first} and as {second}")]
    SameColumn {
        /// The column's name.
        column: String,
        /// One role.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Two declared columns belong to rows of different forms.
    #[error("`columns.{first}` and `columns.{second}` do not go together")]
    TwoForms {
        /// One column.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A row has more or fewer texts to choose from than there are answers.
    #[error("{}, {place}: {got} candidates, but there are {expected} answers", file.display())]
    CandidateCount {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// How many answers there are.
        expected: usize,
        /// How many candidates the row has.
        got: usize,
    },
    /// `labels` names more or fewer answers than the rows have.
    #[error("`labels` has {got} names, but {what} has two answers")]
    NotTwoLabels {
        /// What has two: a pair of replies, or a chess question.
        what: &'static str,
        /// How many names there are.
        got: usize,
    },
    /// A chess puzzle that is none.
    #[error("{}, {place}: {reason}", file.display())]
    Puzzle {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// A cell is empty or null.
    #[error("{}, {place}: column {column:?} is empty", file.display())]
    MissingValue {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// The column's name.
        column: String,
    },
    /// A column holds another type.
    #[error("{}, {place}: column {column:?} holds {got}, expected {expected}", file.display())]
    WrongType {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// The column's name.
        column: String,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        got: String,
    },
    /// Two samples have one id.
    #[error("{}: id {id:?} stands on {first} and again on {second}", file.display())]
    DuplicateId {
        /// The file.
        file: PathBuf,
        /// The id.
        id: String,
        /// Where it stands first.
        first: Place,
        /// Where it stands again.
        second: Place,
    },
    /// One rater, one item, two ratings.
    #[error("{}: {rater:?} rated {item:?} on {first} and again on {second}", file.display())]
    RatedTwice {
        /// The file.
        file: PathBuf,
        /// The item.
        item: String,
        /// The rater.
        rater: String,
        /// Where it was rated first.
        first: Place,
        /// Where again.
        second: Place,
    },
    /// What should be one thing of an item, or of a rater, is two.
    #[error("{}: {column} of {what} {name:?} on {second} is not what it is on {first}", file.display())]
    Contradiction {
        /// The file.
        file: PathBuf,
        /// An item or a rater.
        what: &'static str,
        /// Which.
        name: Box<str>,
        /// The column that differs.
        column: &'static str,
        /// Where it stands first.
        first: Place,
        /// Where it differs.
        second: Place,
    },
    /// A rating or a gold label that the declared scale does not have.
    #[error("{}, {place}: {rating:?} is outside the scale", file.display())]
    OutsideScale {
        /// The file.
        file: PathBuf,
        /// Where it stands first.
        place: Place,
        /// What it says.
        rating: String,
        /// The declared categories.
        categories: Vec<String>,
    },
    /// All ratings say the same, and no scale is declared.
    #[error("{}: every rating says {rating:?}", file.display())]
    OneCategory {
        /// The file.
        file: PathBuf,
        /// The only category; empty where no rating came to anything.
        rating: String,
    },
    /// A label is not among the declared ones.
    #[error("{}, {place}: label {label:?} is not one of the declared labels", file.display())]
    UnknownLabel {
        /// The file.
        file: PathBuf,
        /// Where it stands first.
        place: Place,
        /// The label.
        label: String,
        /// The declared labels.
        labels: Vec<String>,
    },
    /// The declared labels are no set of answers.
    #[error("`labels`: {0}")]
    Labels(trimtab_core::AnswerSetError),
    /// All rows have the same label.
    #[error("{}: all {n_rows} rows have the label {label:?}", file.display())]
    OneClass {
        /// The file.
        file: PathBuf,
        /// The only label.
        label: String,
        /// How many rows.
        n_rows: usize,
    },
    /// So many labels that the column can hardly be a label.
    #[error("{}: column {column:?} has more than {most} different labels", file.display())]
    TooManyLabels {
        /// The file.
        file: PathBuf,
        /// The column's name.
        column: String,
        /// How many are allowed.
        most: usize,
    },
    /// A feature is NaN or infinite.
    #[error("{}, {place}: feature {feature} is {value}", file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// Which feature, from 0.
        feature: usize,
        /// Its value, as it stands.
        value: String,
    },
    /// A sample has more or fewer features than the first.
    #[error("{}, {place}: {got} features, expected {expected} as on the first row", file.display())]
    FeatureLength {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// Features of the first row.
        expected: usize,
        /// Features of this one.
        got: usize,
    },
    /// The split column holds something other than `train` and `test`.
    #[error("{}, {place}: {value:?} is neither \"train\" nor \"test\"", file.display())]
    UnknownPart {
        /// The file.
        file: PathBuf,
        /// Where.
        place: Place,
        /// The value.
        value: String,
    },
    /// A hub name that is none.
    #[error("{name:?} is no hub data set: {reason}")]
    HubName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A hub data set is not in the local cache, and the network may not be used.
    #[error("{name:?} is not in the hub cache {}", cache_dir.display())]
    HubMissing {
        /// The name.
        name: String,
        /// The cache.
        cache_dir: PathBuf,
    },
    /// A hub data set has several files, or none, that could be meant.
    #[error("{name:?} does not say which file to read")]
    HubChoice {
        /// The name.
        name: String,
        /// The data files there are.
        files: Vec<String>,
    },
    /// The hub cannot be asked.
    #[error("{name:?} cannot be fetched from the hub: {reason}")]
    Hub {
        /// The name.
        name: String,
        /// What went wrong.
        reason: String,
    },
}

impl DataError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownBuiltin { name, known } => match nearest(name, known) {
                Some(near) => format!("did you mean `builtin:{near}`? There are: {}", list(known)),
                None => format!("there are: {}", list(known)),
            },
            Self::UnknownFormat { .. } => {
                "files end in .jsonl, .jsonl.gz, .csv, .csv.gz or .parquet".into()
            }
            Self::Unreadable { reason, .. } if reason.kind() == io::ErrorKind::NotFound => {
                "relative paths start at the folder of the experiment file".into()
            }
            Self::Unreadable { .. } => "check that it is a file, and may be read".into(),
            Self::Empty { .. } => "check the path, and what was to write the file".into(),
            Self::Json { .. } => "write each row as one JSON object on a line of its own".into(),
            Self::RaggedRow { .. } => "put fields with commas in them in double quotes".into(),
            Self::DuplicateId { .. } => "give every row its own id, or set `columns.id` to a \
                column that has one"
                .into(),
            Self::MissingValue { .. } => "fill it in, or leave the row out".into(),
            Self::NotFinite { .. } => {
                "compute the features of this row again, or leave it out".into()
            }
            Self::FeatureLength { .. } => "compute the features of all rows in one way".into(),
            Self::NotUtf8 { .. } => "convert it, for example with `iconv -t utf-8`".into(),
            Self::Gzip { .. } | Self::Parquet { .. } => "make or copy the file again".into(),
            Self::MissingColumn {
                column,
                role,
                available,
                ..
            } => {
                let near = nearest(column, available)
                    .map_or_else(String::new, |near| format!("did you mean {near:?}? "));
                // Files of ratings have columns of fixed names.
                if ["item", "rater", "rating"].contains(role) {
                    format!("call one of these columns {role}: {}", list(available))
                } else {
                    format!("{near}set `columns.{role}` to one of: {}", list(available))
                }
            }
            Self::TwoForms { .. } => "a row has a label, or a chosen and a rejected reply, or a \
                position (fen) and moves; features are of a question, not of candidates"
                .into(),
            Self::CandidateCount { .. } => "give every row as many candidates as there are \
                answers, and set `labels` where some answers are never right"
                .into(),
            Self::NotTwoLabels { .. } => "leave out `labels`, or name two".into(),
            Self::Puzzle { .. } => "a puzzle is a position (FEN) before the opponent's move, and \
                moves in UCI: the opponent's, then the solution"
                .into(),
            Self::LateColumn { .. } => "give every row the same columns".into(),
            Self::UnknownLabel { label, labels, .. } => {
                let near = nearest(label, labels)
                    .map_or_else(String::new, |near| format!("did you mean {near:?}? "));
                format!("{near}declared: {}", list(labels))
            }
            Self::RatedTwice { .. } => "keep one, or name the second pass as another rater".into(),
            Self::Contradiction { what, column, .. } => {
                format!("give every row of one {what} the same {column}")
            }
            Self::OutsideScale {
                rating, categories, ..
            } => {
                let near = nearest(rating, categories)
                    .map_or_else(String::new, |near| format!("did you mean {near:?}? "));
                format!("{near}the categories are: {}", list(categories))
            }
            Self::OneCategory { .. } => {
                "declare `categories`: all that could have been said, said or not".into()
            }
            Self::OneClass { .. } => "there is nothing to learn without a second label".into(),
            Self::TooManyLabels { .. } => "set `columns.label` to a column of classes".into(),
            Self::UnknownPart { .. } => "set `test` to a fraction to split the rows here, \
                or `columns.split` to another column"
                .into(),
            Self::HubName { .. } => "write hf:owner/name, hf:owner/name@revision or \
                hf:owner/name:path/to/file"
                .into(),
            Self::HubMissing { .. } => {
                "fetch it while online, or point the cache at the folder that has it".into()
            }
            Self::HubChoice { name, files } if files.is_empty() => {
                format!("`{name}` has no .jsonl, .csv or .parquet file")
            }
            Self::HubChoice { files, .. } => {
                format!("add :file to the name; there are: {}", list(files))
            }
            _ => return None,
        })
    }
}

/// The name that `wanted` was most likely meant to be.
pub(crate) fn nearest<'n>(wanted: &str, names: &'n [String]) -> Option<&'n str> {
    names
        .iter()
        .map(|name| {
            (
                strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase()),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.as_str())
}

/// Names for a sentence: the first dozen, quoted as they are.
fn list(names: &[String]) -> String {
    const MOST: usize = 12;
    let shown = names
        .iter()
        .take(MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_what_was_meant() {
        let error = DataError::MissingColumn {
            file: "x.csv".into(),
            place: Place::Line(1),
            column: "label".into(),
            role: "label",
            available: vec!["text".into(), "lable".into()],
        };
        assert_eq!(
            error.to_string(),
            "x.csv, line 1: no column \"label\" for the label"
        );
        assert_eq!(
            error.hint().unwrap(),
            "did you mean \"lable\"? set `columns.label` to one of: text, lable"
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        assert!(list(&names).ends_with("10, 11 and 8 more"));
    }
}
