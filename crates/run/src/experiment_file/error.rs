//! What can be wrong with an experiment file, told as what, where, and what to do.

use std::error::Error;
use std::fmt;
use std::io;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::source::Span;

/// Why an experiment file cannot be used.
///
/// Printed through `miette` it shows the line; `Display` alone still says what and where.
#[derive(Debug)]
pub struct ExperimentFileError(Box<Report>);

#[derive(Debug)]
struct Report {
    problem: Problem,
    place: Option<Place>,
    help: String,
}

/// The kinds of fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A key that the configuration does not have.
    #[error("unknown key `{key}`{}{}", inside(within), did_you_mean(nearest.as_deref()))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// Dotted path of the table it stands in; empty at the top.
        within: String,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// A word that is none of the allowed ones.
    #[error("unknown value `{value}` for `{key}`{}", did_you_mean(nearest.as_deref()))]
    UnknownValue {
        /// The word as written.
        value: String,
        /// Dotted path of its key.
        key: String,
        /// The allowed word most like it.
        nearest: Option<String>,
    },
    /// A key that has no default.
    #[error("missing key `{key}`{}", inside(within))]
    MissingKey {
        /// The key.
        key: String,
        /// Dotted path of the table it should stand in; empty at the top.
        within: String,
    },
    /// A value of another type than the key takes.
    #[error("`{key}`: expected {expected}, found {found}")]
    WrongType {
        /// Dotted path of the key.
        key: String,
        /// What it takes.
        expected: String,
        /// What it got.
        found: String,
    },
    /// A value of the right type that the configuration refuses.
    #[error("{}{message}", prefix(key))]
    InvalidValue {
        /// Dotted path of the key; empty for the whole file.
        key: String,
        /// The reason.
        message: String,
    },
    /// The text is not TOML.
    #[error("not valid TOML: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// The file cannot be opened or read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A folder or a device.
    #[error("{path} is not a file")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// More than [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES).
    #[error("{path} is too large for an experiment file: more than {max_bytes} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit.
        max_bytes: u64,
    },
    /// Bytes that are not text.
    #[error("{path} is not UTF-8 text: line {line} has a byte that cannot be read")]
    NotUtf8 {
        /// The file.
        path: String,
        /// First line with such a byte, from 1.
        line: usize,
    },
    /// No keys at all.
    #[error("{path} is empty")]
    Empty {
        /// The file.
        path: String,
    },
    /// Tables in tables in tables.
    #[error("nested more than {max} levels deep")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// `extends` is something else than one or more paths.
    #[error("`extends` takes the path of a file, or a list of paths")]
    ExtendsShape,
    /// A file that extends itself, perhaps through others.
    #[error("`extends` goes in a circle: {}", chain.join(" -> "))]
    ExtendsCycle {
        /// The files, from the one that closes the circle back to itself.
        chain: Vec<String>,
    },
    /// A file extending a file extending a file.
    #[error("`extends` goes more than {max} files deep: {}", chain.join(" -> "))]
    ExtendsTooDeep {
        /// The files on the way.
        chain: Vec<String>,
        /// The limit.
        max: usize,
    },
    /// More than [`MAX_FILES`](super::MAX_FILES).
    #[error("the experiment is spread over more than {max} files")]
    TooManyFiles {
        /// The limit.
        max: usize,
    },
    /// An override that is not `key.path=value`.
    #[error("cannot understand this override: {reason}")]
    OverrideSyntax {
        /// The reason.
        reason: String,
    },
    /// A dotted path that runs into a value without such a part.
    #[error("cannot set `{path}`: {reason}")]
    PathBlocked {
        /// The whole path.
        path: String,
        /// The reason.
        reason: String,
    },
    /// A `[variant.NAME]` that is none.
    #[error("`{key}` {reason}")]
    Variant {
        /// `variant`, or `variant.NAME`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An `[every-method]` that is none.
    #[error("`every-method` {reason}")]
    EveryMethod {
        /// What is wrong with it.
        reason: String,
    },
    /// A `[sweep]` entry that cannot be swept.
    #[error("cannot sweep{}: {reason}", after_space(key))]
    Sweep {
        /// The swept key; empty for the whole table.
        key: String,
        /// The reason.
        reason: String,
    },
}

fn inside(within: &str) -> String {
    if within.is_empty() {
        String::new()
    } else {
        format!(" in `{within}`")
    }
}

fn prefix(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!("`{key}`: ")
    }
}

fn after_space(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!(" `{key}`")
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!("; did you mean `{nearest}`?")
    })
}

/// The line that an error points at.
#[derive(Debug)]
pub(super) struct Place {
    source: NamedSource<String>,
    span: Span,
    label: String,
    line: usize,
    is_override: bool,
}

impl Place {
    /// A place in a text; `span` counts bytes of that text.
    pub(super) fn new(name: &str, text: &str, span: &Span, label: &str, is_override: bool) -> Self {
        let mut start = span.start.min(text.len());
        let mut end = span.end.clamp(start, text.len());
        // A value over many lines is shown by its first.
        end = text[start..end]
            .find(['\r', '\n'])
            .map_or(end, |n| start + n);
        // Nothing can be drawn after the last character.
        if let Some(last) = text.chars().next_back().filter(|_| start == text.len()) {
            start -= last.len_utf8();
        }
        Self {
            source: NamedSource::new(printable(name), printable(text)),
            span: start..end,
            label: printable(label),
            line: text[..start].matches('\n').count() + 1,
            is_override,
        }
    }
}

/// Blanks control characters, each by as many bytes: a file must not drive the terminal, and spans
/// must stay true.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' => c,
            c if c.is_control() && c.len_utf8() == 1 => '?',
            c if c.is_control() => '\u{bf}',
            c => c,
        })
        .collect()
}

impl ExperimentFileError {
    pub(super) fn new(problem: Problem, help: impl Into<String>) -> Self {
        Self(Box::new(Report {
            problem,
            place: None,
            help: printable(&help.into()),
        }))
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The file it is wrong in, or `--set`, and the line, from 1; `None` when the file as a whole
    /// is at fault.
    pub fn place(&self) -> Option<(&str, usize)> {
        self.0
            .place
            .as_ref()
            .map(|place| (place.source.name(), place.line))
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        &self.0.help
    }
}

impl fmt::Display for ExperimentFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.0.place.as_ref().filter(|place| place.is_override) {
            write!(f, "in `--set {}`: ", place.source.inner())?;
        }
        f.write_str(&printable(&self.0.problem.to_string()))
    }
}

impl Error for ExperimentFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.problem.source()
    }
}

impl Diagnostic for ExperimentFileError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.0.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0
            .place
            .as_ref()
            .map(|place| &place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.0.place.as_ref()?;
        let span = (place.span.start, place.span.len());
        let label = LabeledSpan::new_primary_with_span(Some(place.label.clone()), span);
        Some(Box::new(std::iter::once(label)))
    }
}
