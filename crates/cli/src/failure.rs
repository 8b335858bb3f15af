//! How the command line says that something went wrong: what, where, and what to do.

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use miette::{Diagnostic, MietteHandlerOpts, ReportHandler as _};
use trimtab_report::SummaryError;
use trimtab_run::RunError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// While running.
    Run(Box<RunError>),
    /// While summing up.
    Summary(Box<SummaryError>),
    /// Anything else that the user can mend.
    Other {
        /// What happened.
        error: Box<dyn Error>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Writing to stdout.
    Output(io::Error),
}

impl Failure {
    /// What happened, and what to do about it.
    pub(crate) fn other(error: impl Into<Box<dyn Error>>, hint: Option<String>) -> Self {
        let error = error.into();
        Self::Other { error, hint }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::Run(Box::new(error))
    }
}

impl From<SummaryError> for Failure {
    fn from(error: SummaryError) -> Self {
        Self::Summary(Box::new(error))
    }
}

impl Failure {
    /// Prints it to stderr, and says how to exit.
    pub(crate) fn report(&self) -> ExitCode {
        let handler = MietteHandlerOpts::new().width(width()).build();
        let text = match self {
            // A reader that has seen enough is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Output(error) => Plain::new(error, None).render(&handler),
            Self::Run(error) => match &**error {
                RunError::File(error) => render(&handler, error),
                other => Plain::new(other, other.hint().as_deref()).render(&handler),
            },
            Self::Other { error, hint } => Plain::new(&**error, hint.as_deref()).render(&handler),
            Self::Summary(error) => Plain::new(&**error, Some(&error.hint())).render(&handler),
        };
        let mut stderr = anstream::stderr().lock();
        // Nobody is left to tell when stderr is gone.
        drop(stderr.write_all(text.as_bytes()));
        let is_bug = matches!(self, Self::Run(error) if error.is_bug());
        ExitCode::from(if is_bug { 2 } else { 1 })
    }
}

/// Writes data to stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failure::Output)
}

/// Writes a line for people to stderr.
pub(crate) fn note(text: &str) -> Result<(), Failure> {
    writeln!(anstream::stderr(), "{text}").map_err(Failure::Output)
}

/// Writes out what would move a cursor or reorder what is read: names come from data and files.
pub(crate) fn printable(text: &str) -> String {
    escape(text, |c| c.is_control() || reorders(c))
}

/// The same of text that has lines and columns.
pub(crate) fn printable_lines(text: &str) -> String {
    escape(text, |c| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || reorders(c)
    })
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(text: &str, is_unsafe: impl Fn(char) -> bool) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if is_unsafe(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(terminal_size::Width(width), _)| width.into())
}

/// An error with its causes and a hint, without a place in a file to point at.
struct Plain {
    message: String,
    hint: Option<String>,
}

impl Plain {
    fn new(error: &dyn Error, hint: Option<&str>) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Transparent errors repeat what they wrap.
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self {
            message: printable(&message),
            hint: hint.map(printable),
        }
    }

    fn render(&self, handler: &miette::MietteHandler) -> String {
        render(handler, self)
    }
}

fn render(handler: &miette::MietteHandler, error: &dyn Diagnostic) -> String {
    struct Shown<'a>(&'a miette::MietteHandler, &'a dyn Diagnostic);
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.debug(self.1, f)
        }
    }
    // Lines of the experiment file are shown as they stand, but in the order that they are read in.
    escape(&Shown(handler, error).to_string(), reorders)
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Plain {}

impl Diagnostic for Plain {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint
            .as_ref()
            .map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }
}
