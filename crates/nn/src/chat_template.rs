//! Chat templates: messages into the text that a model was trained to continue.
//!
//! A checkpoint brings a Jinja template, in `chat_template.jinja` or in `tokenizer_config.json` (one string, or a
//! list of named ones). It is rendered as `transformers` does it: blocks trimmed, methods of Python's
//! strings, `break` and `continue`, `raise_exception`, `tojson` without HTML escapes, `strftime_now` where the caller
//! says what time it is (without that it is undefined, and templates take the date they have).
//!
//! | variable | is |
//! |---|---|
//! | `messages` | a list of maps with `role` and `content` |
//! | `add_generation_prompt` | whether the text ends where the assistant begins to speak |
//! | `bos_token`, `eos_token` | of `tokenizer_config.json`; undefined where it has none |
//! | `tools`, `documents` | none |
//!
//! A template is somebody else's program. It reads nothing but these variables; its source, its text, its
//! recursion, its ranges and the steps that it takes are bounded.
//!
//! Differs from `transformers`: `{% generation %}` is not known; `~` and lists write true, none and quotes in
//! minijinja's way. Parity: `tests/it/chat.rs`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, str};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize as _;
use serde_json::Value as Json;
use serde_json::ser::{Formatter, PrettyFormatter};

pub use time::DateTime;
pub use trimtab_core::chat::{Message, Role};

mod time;

/// The longest template that is read, in bytes.
const MOST_SOURCE: usize = 256 << 10;
/// The most steps that a template may take: a long chat takes some thousands.
const MOST_STEPS: u64 = 10_000_000;
/// The longest text that is rendered, in bytes.
const MOST_TEXT: usize = 16 << 20;
/// How many numbers all calls of `range` may give, in one rendering.
const MOST_RANGE: usize = 100_000;
/// What the template is called inside minijinja.
const NAME: &str = "chat_template";

/// How the text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After the last message.
    LastMessage,
    /// Where the assistant begins to speak.
    Reply,
}

/// A compiled chat template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    bos: Option<String>,
    eos: Option<String>,
    n_ranged: Arc<AtomicUsize>,
}

/// What is wrong with a chat template, or with the messages for it.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The checkpoint brings none.
    #[error("{} has no chat template", folder.display())]
    None {
        /// The checkpoint.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `tokenizer_config.json` is not as it should be.
    #[error("{}: {what}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// No template has that name.
    #[error("{} has no chat template {name:?}; there are {}", path.display(), names.join(", "))]
    Name {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<String>,
    },
    /// It is no template by size.
    #[error("{}: a chat template of {n_bytes} bytes; the most is {MOST_SOURCE}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        n_bytes: usize,
    },
    /// It is no Jinja.
    #[error("{}, line {line} of the chat template: {what}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line within the template, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// It cannot be rendered with these messages.
    #[error("{}, line {line} of the chat template: {what}", path.display())]
    Render {
        /// The file.
        path: PathBuf,
        /// The line within the template, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// It refuses these messages.
    #[error("the chat template refuses the messages: {message} ({}, line {line})", path.display())]
    Raised {
        /// The file.
        path: PathBuf,
        /// The line within the template, from 1.
        line: usize,
        /// What it says.
        message: String,
    },
    /// It writes, or goes on, without end.
    #[error("{}: the chat template writes more than {MOST_TEXT} bytes, or takes more than {MOST_STEPS} steps", path.display())]
    Endless {
        /// The file.
        path: PathBuf,
    },
}

impl TemplateError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::None { .. } => "choose a chat model; base models continue plain prompts",
            Self::Read { .. } => "is it the directory of a Hugging Face model?",
            Self::Config { .. } => "fetch tokenizer_config.json again",
            Self::Name { .. } => "ask for one of those",
            Self::Size { .. } | Self::Syntax { .. } | Self::Endless { .. } => {
                "is the template intact, and meant for transformers?"
            }
            Self::Render { .. } => "does the template want tools or other variables?",
            Self::Raised { .. } => "many templates want user and assistant in turn, system first",
        }
    }
}

/// What `raise_exception` was called with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

impl ChatTemplate {
    /// The template in `folder`: `chat_template.jinja`, or else the one in `tokenizer_config.json`; of
    /// several the one called `name`, or `default`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] names file and line.
    pub fn open(folder: &Path, name: Option<&str>) -> Result<Self, TemplateError> {
        let path = folder.join("tokenizer_config.json");
        let config: Json = match read(&path)? {
            Some(text) => serde_json::from_str(&text).map_err(|error| TemplateError::Config {
                path: path.clone(),
                what: error.to_string(),
            })?,
            None => Json::Null,
        };
        let file = folder.join("chat_template.jinja");
        let (path, source) = match read(&file)? {
            Some(source) => (file, source),
            None => match config.get("chat_template") {
                Some(Json::String(source)) => (path, source.clone()),
                Some(Json::Array(named)) => {
                    let source = choose(&path, named, name.unwrap_or("default"))?;
                    (path, source)
                }
                Some(Json::Null) | None => {
                    let folder = folder.to_owned();
                    return Err(TemplateError::None { folder });
                }
                Some(_) => {
                    let what = "`chat_template` is no string and no list".to_owned();
                    return Err(TemplateError::Config { path, what });
                }
            },
        };
        let (bos, eos) = (token(&config, "bos_token"), token(&config, "eos_token"));
        Self::parse(&path, source, bos, eos)
    }

    /// A template from its source; `path` is where errors say that it is.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Syntax`] names the line.
    pub fn parse(
        path: &Path,
        source: String,
        bos: Option<String>,
        eos: Option<String>,
    ) -> Result<Self, TemplateError> {
        let path = path.to_owned();
        if source.len() > MOST_SOURCE {
            let n_bytes = source.len();
            return Err(TemplateError::Size { path, n_bytes });
        }
        let n_ranged = Arc::new(AtomicUsize::new(0));
        let mut environment = environment(&n_ranged);
        match environment.add_template_owned(NAME, source) {
            Ok(()) => Ok(Self {
                environment,
                path,
                bos,
                eos,
                n_ranged,
            }),
            Err(error) => Err(TemplateError::Syntax {
                path,
                line: error.line().unwrap_or(1),
                what: what(&error),
            }),
        }
    }

    /// The token that ends messages, as `tokenizer_config.json` spells it.
    pub fn eos_token(&self) -> Option<&str> {
        self.eos.as_deref()
    }

    /// The text of `messages`.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] names the line; [`TemplateError::Raised`] where the template refuses the messages.
    pub fn render(
        &self,
        messages: &[Message],
        ending: Ending,
        now: Option<DateTime>,
    ) -> Result<String, TemplateError> {
        let mut variables = vec![
            ("messages", Value::from(Serde(messages))),
            (
                "add_generation_prompt",
                Value::from(ending == Ending::Reply),
            ),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ];
        for (name, token) in [("bos_token", &self.bos), ("eos_token", &self.eos)] {
            variables.extend(
                token
                    .as_ref()
                    .map(|token| (name, Value::from(token.as_str()))),
            );
        }
        if let Some(now) = now {
            let strftime = move |format: String| {
                now.format(&format).map_err(|directive| {
                    let what = format!("strftime_now does not know {directive}");
                    Error::new(ErrorKind::InvalidOperation, what)
                })
            };
            variables.push(("strftime_now", Value::from_function(strftime)));
        }
        let variables = Value::from(BTreeMap::from_iter(variables));
        let mut text = Bounded(Vec::new());
        // Renderings at the same time share the count; it only ever bounds too early by that.
        self.n_ranged.store(0, Ordering::Relaxed);
        let template =
            (self.environment.get_template(NAME)).map_err(|error| self.failed(&error))?;
        match template.render_captured_to(variables, &mut text) {
            Ok(_) => Ok(String::from_utf8_lossy(&text.0).into_owned()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &Error) -> TemplateError {
        let (path, line) = (self.path.clone(), error.line().unwrap_or(1));
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(Raised(message)) = error.downcast_ref() {
                let message = message.clone();
                return TemplateError::Raised {
                    path,
                    line,
                    message,
                };
            }
            cause = error.source();
        }
        match error.kind() {
            ErrorKind::WriteFailure | ErrorKind::OutOfFuel => TemplateError::Endless { path },
            _ => TemplateError::Render {
                path,
                line,
                what: what(error),
            },
        }
    }
}

/// What went wrong, without file and line.
fn what(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// The environment that `transformers` makes, as far as minijinja has it.
fn environment(n_ranged: &Arc<AtomicUsize>) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment.set_recursion_limit(100);
    environment.set_fuel(Some(MOST_STEPS));
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(write_value);
    environment.add_filter("tojson", to_json);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Value, Error> {
            let error = Error::new(ErrorKind::InvalidOperation, message.clone());
            Err(error.with_source(Raised(message)))
        },
    );
    let n_ranged = Arc::clone(n_ranged);
    environment.add_function("range", move |a: i64, b: Option<i64>, step: Option<i64>| {
        let (start, end) = b.map_or((0, a), |b| (a, b));
        range(start, end, step.unwrap_or(1), &n_ranged)
    });
    environment
}

/// As Python prints true, false and none.
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        ValueKind::None => "None",
        _ => return minijinja::escape_formatter(out, state, value),
    };
    out.write_str(text).map_err(Error::from)
}

fn range(start: i64, end: i64, step: i64, n_ranged: &AtomicUsize) -> Result<Value, Error> {
    let refuse = |what: &'static str| Err(Error::new(ErrorKind::InvalidOperation, what));
    let n = match step {
        0 => return refuse("range() with steps of 0"),
        1.. => (i128::from(end) - i128::from(start)).max(0) as u128,
        _ => (i128::from(start) - i128::from(end)).max(0) as u128,
    };
    let n = n.div_ceil(u128::from(step.unsigned_abs()));
    let Some(n) = usize::try_from(n).ok().filter(|&n| n <= MOST_RANGE) else {
        return refuse("range() of too many numbers");
    };
    if n_ranged.fetch_add(n, Ordering::Relaxed) + n > MOST_RANGE {
        return refuse("range() was called for too many numbers");
    }
    Ok(
        std::iter::successors(Some(start), |at| at.checked_add(step))
            .take(n)
            .map(Value::from)
            .collect(),
    )
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over by value"
)]
fn to_json(value: &Value, indent: Option<usize>, more: Kwargs) -> Result<Value, Error> {
    let named: Option<usize> = more.get("indent")?;
    let escapes: Option<bool> = more.get("ensure_ascii")?;
    more.assert_all_used()?;
    if escapes == Some(true) {
        let what = "tojson with ensure_ascii is not built";
        return Err(Error::new(ErrorKind::InvalidOperation, what));
    }
    let mut bytes = Vec::new();
    let done = match indent.or(named) {
        None => value.serialize(&mut serde_json::Serializer::with_formatter(
            &mut bytes, Spaced,
        )),
        Some(n) => {
            let spaces = " ".repeat(n.min(16));
            let formatter = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(
                &mut bytes, formatter,
            ))
        }
    };
    match (done, str::from_utf8(&bytes)) {
        (Ok(()), Ok(text)) => Ok(Value::from(text)),
        (Err(error), _) => Err(Error::new(ErrorKind::BadSerialization, error.to_string())),
        (_, Err(error)) => Err(Error::new(ErrorKind::BadSerialization, error.to_string())),
    }
}

/// Python's separators: `[1, 2]`, `{"a": 1}`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, w: &mut W) -> io::Result<()> {
        w.write_all(b": ")
    }
}

/// Text that may not become too long.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file's text; `None` where there is no file.
fn read(path: &Path) -> Result<Option<String>, TemplateError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => {
            let path = path.to_owned();
            Err(TemplateError::Read { path, source })
        }
    }
}

/// One of several named templates.
fn choose(path: &Path, named: &[Json], name: &str) -> Result<String, TemplateError> {
    let field = |one: &Json, field: &str| Some(one.get(field)?.as_str()?.to_owned());
    let found = named
        .iter()
        .find(|one| field(one, "name").as_deref() == Some(name));
    let source = found.and_then(|one| field(one, "template"));
    source.ok_or_else(|| TemplateError::Name {
        path: path.to_owned(),
        name: name.to_owned(),
        names: named.iter().filter_map(|one| field(one, "name")).collect(),
    })
}

/// A special token of `tokenizer_config.json`: its text, or a map with it.
fn token(config: &Json, field: &str) -> Option<String> {
    let found = config.get(field)?;
    let text = found.as_str().or_else(|| found.get("content")?.as_str());
    text.map(str::to_owned)
}
