//! Which files an experiment is made of: the named one and, through `extends`, others.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::error::{ExperimentFileError, Problem};
use super::layers::parse_file;
use super::source::{Sources, Span, TextId};
use super::tree::Value;

/// Largest experiment file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1_000_000;
/// Most files one experiment may be spread over.
pub const MAX_FILES: usize = 64;
/// Longest chain of a file extending a file extending a file.
pub const MAX_EXTENDS_DEPTH: usize = 16;

/// Reads a file and everything it extends into `sources`, as layers from the bottom up.
pub(super) fn read_all(path: &Path, sources: &mut Sources) -> Result<(), ExperimentFileError> {
    let mut reader = Reader {
        sources,
        chain: Vec::new(),
        done: Vec::new(),
    };
    reader.read(path, None)
}

struct Reader<'s> {
    sources: &'s mut Sources,
    /// The files being read, each extended by the one before it.
    chain: Vec<Link>,
    /// The files already laid down: one that two others extend counts once, at its lowest place, so
    /// that it cannot undo what the first of them changed.
    done: Vec<PathBuf>,
}

struct Link {
    canonical: PathBuf,
    shown: String,
}

impl Reader<'_> {
    fn read(&mut self, path: &Path, asked_by: Option<&Span>) -> Result<(), ExperimentFileError> {
        let shown = path.display().to_string();
        let canonical = path
            .canonicalize()
            .map_err(|source| self.refuse(unreadable(&shown, source), asked_by))?;
        if let Some(first) = self
            .chain
            .iter()
            .position(|link| link.canonical == canonical)
        {
            let chain = self.chain_to(first, shown);
            return Err(self.refuse(Problem::ExtendsCycle { chain }, asked_by));
        }
        if self.done.contains(&canonical) {
            return Ok(());
        }
        if self.chain.len() > MAX_EXTENDS_DEPTH {
            let problem = Problem::ExtendsTooDeep {
                chain: self.chain_to(0, shown),
                max: MAX_EXTENDS_DEPTH,
            };
            return Err(self.refuse(problem, asked_by));
        }
        if self.done.len() + self.chain.len() >= MAX_FILES {
            return Err(self.refuse(Problem::TooManyFiles { max: MAX_FILES }, asked_by));
        }
        let text = read_text(path, &shown).map_err(|problem| self.refuse(problem, asked_by))?;
        let id = self.sources.add_file(shown.clone(), text);
        let parents = self.parents(id, &shown, asked_by)?;

        self.chain.push(Link {
            canonical: canonical.clone(),
            shown,
        });
        let folder = path.parent().unwrap_or(Path::new(""));
        for (parent, span) in parents {
            self.read(&folder.join(parent), Some(&span))?;
        }
        self.chain.pop();
        self.done.push(canonical);
        self.sources.lay(id);
        Ok(())
    }

    /// The paths in `extends`, and where each is written.
    fn parents(
        &self,
        id: TextId,
        shown: &str,
        asked_by: Option<&Span>,
    ) -> Result<Vec<(String, Span)>, ExperimentFileError> {
        let table = parse_file(self.sources, id)?;
        if table.is_empty() {
            return Err(self.refuse(
                Problem::Empty {
                    path: shown.to_owned(),
                },
                asked_by,
            ));
        }
        let Some(extends) = table.get("extends") else {
            return Ok(Vec::new());
        };
        let items = match extends.get_ref() {
            Value::Array(items) => items.as_ref(),
            _ => std::slice::from_ref(extends),
        };
        items.iter().map(|item| self.parent(item)).collect()
    }

    fn parent(&self, item: &Spanned<Value<'_>>) -> Result<(String, Span), ExperimentFileError> {
        match item.get_ref() {
            Value::String(path) if !path.is_empty() => Ok((path.clone().into_owned(), item.span())),
            _ => Err(self.sources.error(
                Problem::ExtendsShape,
                &item.span(),
                "not a path",
                "write `extends = \"base.toml\"`, relative to the folder of this file",
            )),
        }
    }

    fn chain_to(&self, first: usize, last: String) -> Vec<String> {
        let chain = self.chain[first..].iter().map(|link| link.shown.clone());
        chain.chain([last]).collect()
    }

    /// An error about a file: shown at the `extends` that asked for it, if one did.
    fn refuse(&self, problem: Problem, asked_by: Option<&Span>) -> ExperimentFileError {
        let help = match &problem {
            Problem::Unreadable { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound if asked_by.is_some() => {
                    "check the path: it is relative to the folder of the file that extends"
                }
                std::io::ErrorKind::NotFound => {
                    "check the path: it is relative to the folder the command runs in"
                }
                std::io::ErrorKind::PermissionDenied => "give yourself the right to read it",
                _ => "check that it is a file you can open",
            },
            Problem::NotAFile { .. } => "name the .toml file itself",
            Problem::TooLarge { .. } => {
                "an experiment file holds settings; keep data in files of its own and name them"
            }
            Problem::NotUtf8 { .. } => "save the file as UTF-8",
            Problem::Empty { .. } => {
                "start from examples/quickstart.toml; `trimtab schema` lists every key"
            }
            Problem::ExtendsCycle { .. } => "remove one of these `extends`",
            _ => "put the shared settings into fewer files",
        };
        match asked_by {
            Some(span) => self.sources.error(problem, span, "extended here", help),
            None => ExperimentFileError::new(problem, help),
        }
    }
}

fn unreadable(path: &str, source: std::io::Error) -> Problem {
    Problem::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn read_text(path: &Path, shown: &str) -> Result<String, Problem> {
    let failed = |source| unreadable(shown, source);
    // Asked before opening: to open a pipe is to wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Problem::NotAFile {
            path: shown.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Problem::TooLarge {
            path: shown.to_owned(),
            max_bytes: MAX_FILE_BYTES,
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|&byte| byte == b'\n').count();
        Problem::NotUtf8 {
            path: shown.to_owned(),
            line,
        }
    })
}
