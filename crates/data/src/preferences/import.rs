//! Training files to pairs and demonstrations: what a file holds is told by the columns of its first row.
//!
//! A row that cannot be read is handed over as a fault, so that faults can be counted; [`import_pairs`] stops at the first.
//! Rows come one at a time from JSON Lines (plain or gzip) and Parquet; `icai` is one document.
//!
//! `p_chosen` is read if it is there, else found from `margin`, else 1. Where a reply is a list of more than one message it
//! is a whole conversation, and what comes before the last message is the prompt. OpenRLHF's columns are TRL's.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use serde_json::{Map, Value};
use trimtab_core::chat::{Message, Role};
use trimtab_core::{PreferencePair, SftRow};

use super::dialogue::{parse_whole, read_completion, read_prompt};
use super::fault::{PreferenceError, RowFault};
use super::icai::Document;
use super::{Container, Form, PreferenceFormat};
use crate::blocks::{Blocks, lines};
use crate::error::{DataError, Place};
use crate::stream::Stream;

/// A row of a training file.
#[derive(Debug, Clone, PartialEq)]
pub enum Example {
    /// Two replies.
    Pair(PreferencePair),
    /// One, to learn.
    Demonstration(SftRow),
    /// None.
    Prompt {
        /// Which row.
        id: String,
        /// The conversation so far.
        prompt: Vec<Message>,
    },
}

/// What a file turned out to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Whose columns it has.
    pub format: PreferenceFormat,
    /// Strings or lists of messages, by the first row.
    pub form: Form,
    /// What kind of file it is; an `icai` document counts as JSON Lines.
    pub container: Container,
    /// Rows, bad ones included.
    pub n_rows: u64,
}

/// What is done with each row, or with why it cannot be read.
type Take<'t> = &'t mut dyn FnMut(Place, Result<Example, RowFault>) -> Result<(), PreferenceError>;

/// Reads a file, and hands over each row. `.jsonl`, `.jsonl.gz`, `.parquet` and `.json` (`icai`) are read.
///
/// # Errors
///
/// [`PreferenceError`] when the file cannot be read, or its columns are those of no format; and whatever `take` returns.
pub fn import(file: &Path, take: Take<'_>) -> Result<Contents, PreferenceError> {
    let name = file.to_string_lossy();
    let mut reader = Reader {
        file,
        found: None,
        waiting: None,
        n_rows: 0,
        take,
    };
    let container = if name.ends_with(".parquet") {
        read_parquet(file, &mut reader)?;
        Container::Parquet
    } else if name.ends_with(".json") {
        return read_document(file, reader.take);
    } else if name.ends_with(".jsonl") || name.ends_with(".jsonl.gz") {
        read_jsonl(file, &mut reader)?;
        Container::Jsonl
    } else {
        return Err(PreferenceError::Data(DataError::UnknownFormat {
            file: file.to_owned(),
        }));
    };
    reader.finish(container)
}

/// The pairs of a file.
///
/// # Errors
///
/// [`PreferenceError`] for the first row that cannot be read or is no pair, or when the file cannot be read.
pub fn import_pairs(file: &Path) -> Result<Vec<PreferencePair>, PreferenceError> {
    let mut pairs = Vec::new();
    let mut others = false;
    let contents = import(file, &mut |place, row| {
        match row {
            Ok(Example::Pair(pair)) => pairs.push(pair),
            Ok(_) => others = true,
            Err(fault) => {
                return Err(PreferenceError::Row {
                    file: file.to_owned(),
                    place,
                    fault,
                });
            }
        }
        Ok(())
    })?;
    if others {
        return Err(PreferenceError::NoPairs {
            file: file.to_owned(),
            format: contents.format,
        });
    }
    Ok(pairs)
}

fn read_document(file: &Path, take: Take<'_>) -> Result<Contents, PreferenceError> {
    let bytes = std::fs::read(file).map_err(|reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    })?;
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| DataError::Json {
        file: file.to_owned(),
        line: error.line() as u64,
        column: error.column(),
        reason: error.to_string(),
    })?;
    for (row, comparison) in document.comparisons.iter().enumerate() {
        let pair = document.pair(comparison, row);
        take(Place::Row(row as u64), pair.map(Example::Pair))?;
    }
    Ok(Contents {
        format: PreferenceFormat::Icai,
        form: Form::Standard,
        container: Container::Jsonl,
        n_rows: document.comparisons.len() as u64,
    })
}

fn read_jsonl(file: &Path, reader: &mut Reader<'_>) -> Result<(), PreferenceError> {
    const BLOCK: usize = 1 << 20;
    let gzip = file.extension().is_some_and(|ending| ending == "gz");
    let mut blocks = Blocks::new(Stream::open(file, gzip)?, BLOCK);
    while let Some(block) = blocks.next(file)? {
        for (line, text) in lines(file, &block).map_err(|(_, error)| error)? {
            let row = serde_json::from_str(text).map_err(|error| DataError::Json {
                file: file.to_owned(),
                line,
                column: error.column(),
                reason: "not a JSON object".into(),
            })?;
            reader.row(Place::Line(line), row)?;
        }
    }
    Ok(())
}

fn read_parquet(file: &Path, reader: &mut Reader<'_>) -> Result<(), PreferenceError> {
    let opened = File::open(file).map_err(|reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    })?;
    let damaged = |error: parquet::errors::ParquetError| DataError::Parquet {
        file: file.to_owned(),
        reason: error.to_string(),
    };
    let opened: Box<dyn FileReader> = Box::new(SerializedFileReader::new(opened).map_err(damaged)?);
    for (n, row) in RowIter::from_file_into(opened).enumerate() {
        let row = row.map_err(damaged)?.into_columns();
        let row = row.into_iter().map(|(name, field)| (name, value(field)));
        reader.row(Place::Row(n as u64), row.collect())?;
    }
    Ok(())
}

/// A Parquet value as JSON has it; what JSON has no word for is null, which is no value.
fn value(field: Field) -> Value {
    match field {
        Field::Bool(value) => value.into(),
        Field::Int(value) => value.into(),
        Field::Long(value) => value.into(),
        Field::Float(value) => value.into(),
        Field::Double(value) => value.into(),
        Field::Str(value) => value.into(),
        Field::Group(row) => (row.into_columns().into_iter())
            .map(|(name, field)| (name, value(field)))
            .collect(),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        _ => Value::Null,
    }
}

/// The rows of one file, as they come.
struct Reader<'r> {
    file: &'r Path,
    found: Option<(PreferenceFormat, Form)>,
    /// The first half of an unpaired pair.
    waiting: Option<(Place, Half)>,
    n_rows: u64,
    take: Take<'r>,
}

/// One reply of an unpaired file.
struct Half {
    id: String,
    prompt: Vec<Message>,
    reply: String,
    label: bool,
    p_chosen: f64,
    judge: String,
}

impl Reader<'_> {
    fn row(&mut self, place: Place, mut row: Map<String, Value>) -> Result<(), PreferenceError> {
        // A null is no value: other rows of the file have one.
        row.retain(|_, value| !value.is_null());
        let format = match self.found {
            Some((format, _)) => format,
            None => self.settle(place, &row)?,
        };
        let row_number = self.n_rows;
        self.n_rows += 1;
        let row = Row {
            row: &row,
            number: row_number,
        };
        let example = match format {
            PreferenceFormat::TrlUnpaired => return self.half(place, row.half()),
            PreferenceFormat::TrlImplicit => row.implicit().map(Example::Pair),
            PreferenceFormat::TrlPromptCompletion => {
                row.prompt_completion().map(Example::Demonstration)
            }
            PreferenceFormat::TrlLanguageModelling => {
                row.language_modelling().map(Example::Demonstration)
            }
            PreferenceFormat::TrlPromptOnly => row.prompt().map(|prompt| Example::Prompt {
                id: row.id(),
                prompt,
            }),
            _ => row.explicit().map(Example::Pair),
        };
        (self.take)(place, example)
    }

    /// Finds which format the first row is of.
    fn settle(
        &mut self,
        place: Place,
        row: &Map<String, Value>,
    ) -> Result<PreferenceFormat, PreferenceError> {
        let has = |column: &str| row.contains_key(column);
        let whole = |column: &str| {
            let value = row.get(column);
            value.and_then(Value::as_array).map_or(0, Vec::len) > 1
        };
        let (format, telling) = if has("chosen") && has("rejected") {
            if has("prompt") && !whole("chosen") && !whole("rejected") {
                (PreferenceFormat::TrlExplicit, "chosen")
            } else {
                (PreferenceFormat::TrlImplicit, "chosen")
            }
        } else if has("prompt") && has("completion") && has("label") {
            (PreferenceFormat::TrlUnpaired, "completion")
        } else if has("prompt") && has("completion") {
            (PreferenceFormat::TrlPromptCompletion, "completion")
        } else if has("messages") {
            (PreferenceFormat::TrlLanguageModelling, "messages")
        } else if has("text") {
            (PreferenceFormat::TrlLanguageModelling, "text")
        } else if has("prompt") && !has("chosen") && !has("rejected") {
            (PreferenceFormat::TrlPromptOnly, "prompt")
        } else {
            return Err(PreferenceError::UnknownColumns {
                file: self.file.to_owned(),
                place,
                found: names(row),
            });
        };
        let form = match row.get(telling) {
            Some(Value::Array(_)) => Form::Conversational,
            _ => Form::Standard,
        };
        self.found = Some((format, form));
        Ok(format)
    }

    /// Half a pair: it waits for the other.
    fn half(&mut self, place: Place, half: Result<Half, RowFault>) -> Result<(), PreferenceError> {
        let half = match half {
            Ok(half) => half,
            Err(fault) => return (self.take)(place, Err(fault)),
        };
        let Some((at, first)) = self.waiting.take() else {
            self.waiting = Some((place, half));
            return Ok(());
        };
        if first.id != half.id || first.label == half.label {
            self.waiting = Some((place, half));
            return (self.take)(at, Err(RowFault::NoPartner));
        }
        let (chosen, rejected) = if first.label {
            (first, half)
        } else {
            (half, first)
        };
        if chosen.prompt != rejected.prompt {
            return (self.take)(at, Err(RowFault::PromptsDiffer));
        }
        let pair = PreferencePair {
            id: chosen.id,
            prompt: chosen.prompt,
            chosen: chosen.reply,
            rejected: rejected.reply,
            p_chosen: chosen.p_chosen,
            judge: chosen.judge,
        };
        (self.take)(at, Ok(Example::Pair(pair)))
    }

    fn finish(mut self, container: Container) -> Result<Contents, PreferenceError> {
        if let Some((place, _)) = self.waiting.take() {
            (self.take)(place, Err(RowFault::NoPartner))?;
        }
        let Some((format, form)) = self.found else {
            return Err(PreferenceError::Data(DataError::Empty {
                file: self.file.to_owned(),
            }));
        };
        Ok(Contents {
            format,
            form,
            container,
            n_rows: self.n_rows,
        })
    }
}

/// The cells of a row.
struct Row<'r> {
    row: &'r Map<String, Value>,
    number: u64,
}

/// A conversation, however it stands.
enum Talk<'r> {
    Text(&'r str),
    Messages(Vec<Message>),
}

impl Row<'_> {
    fn id(&self) -> String {
        match self.row.get("id") {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => format!("row-{}", self.number),
        }
    }

    fn judge(&self) -> String {
        let judge = self.row.get("judge").and_then(Value::as_str);
        judge.unwrap_or_default().to_owned()
    }

    fn p_chosen(&self) -> Result<f64, RowFault> {
        let number = |column: &str| self.row.get(column).map(Value::as_f64);
        match (number("p_chosen"), number("margin")) {
            (Some(Some(p)), _) if (0.5..=1.0).contains(&p) => Ok(p),
            (Some(Some(p)), _) => Err(RowFault::PChosen(p)),
            (Some(None), _) => Err(wrong("p_chosen", "a number")),
            (None, Some(Some(margin))) if margin >= 0.0 => Ok(1.0 / (1.0 + (-margin).exp())),
            (None, Some(Some(margin))) => Err(RowFault::Margin(margin)),
            (None, Some(None)) => Err(wrong("margin", "a number")),
            (None, None) => Ok(1.0),
        }
    }

    fn talk(&self, column: &'static str) -> Result<Talk<'_>, RowFault> {
        match self.row.get(column) {
            None => Err(RowFault::MissingColumn {
                column,
                found: names(self.row),
            }),
            Some(Value::String(text)) => Ok(Talk::Text(text)),
            Some(Value::Array(list)) => {
                let messages = list.iter().map(|value| message(column, value));
                Ok(Talk::Messages(messages.collect::<Result<_, _>>()?))
            }
            Some(_) => Err(wrong(column, "a text or a list of messages")),
        }
    }

    fn prompt(&self) -> Result<Vec<Message>, RowFault> {
        match self.talk("prompt")? {
            Talk::Text(text) => Ok(read_prompt(text)),
            Talk::Messages(messages) => match messages.last() {
                Some(last) if last.role != Role::Assistant => Ok(messages),
                _ => Err(RowFault::WrongEnd {
                    column: "prompt".into(),
                    expected: "the user",
                }),
            },
        }
    }

    /// A reply that follows `prompt`.
    fn reply(&self, column: &'static str) -> Result<String, RowFault> {
        match self.talk(column)? {
            Talk::Text(text) => {
                let prompt = self.row.get("prompt").and_then(Value::as_str);
                Ok(read_completion(prompt.unwrap_or_default(), text))
            }
            Talk::Messages(messages) => match &messages[..] {
                [one] if one.role == Role::Assistant => Ok(one.content.clone()),
                _ => Err(wrong(column, "one message by the assistant")),
            },
        }
    }

    /// A conversation that ends with a reply.
    fn whole(&self, column: &'static str) -> Result<(Vec<Message>, String), RowFault> {
        match self.talk(column)? {
            Talk::Text(text) => parse_whole(text).ok_or_else(|| {
                wrong(column, "a dialogue with \\n\\nHuman: and \\n\\nAssistant: in it that ends with a reply")
            }),
            Talk::Messages(mut messages) => match (messages.pop(), messages.last()) {
                (Some(last), Some(before))
                    if last.role == Role::Assistant && before.role != Role::Assistant =>
                {
                    Ok((messages, last.content))
                }
                _ => Err(RowFault::WrongEnd {
                    column: column.into(),
                    expected: "the user, and one by the assistant",
                }),
            },
        }
    }

    fn explicit(&self) -> Result<PreferencePair, RowFault> {
        Ok(PreferencePair {
            id: self.id(),
            prompt: self.prompt()?,
            chosen: self.reply("chosen")?,
            rejected: self.reply("rejected")?,
            p_chosen: self.p_chosen()?,
            judge: self.judge(),
        })
    }

    fn implicit(&self) -> Result<PreferencePair, RowFault> {
        let (prompt, chosen) = self.whole("chosen")?;
        let (other, rejected) = self.whole("rejected")?;
        if prompt != other {
            return Err(RowFault::PromptsDiffer);
        }
        Ok(PreferencePair {
            id: self.id(),
            prompt,
            chosen,
            rejected,
            p_chosen: self.p_chosen()?,
            judge: self.judge(),
        })
    }

    fn half(&self) -> Result<Half, RowFault> {
        let label = self.row.get("label").and_then(Value::as_bool);
        Ok(Half {
            id: self.id(),
            prompt: self.prompt()?,
            reply: self.reply("completion")?,
            label: label.ok_or_else(|| wrong("label", "true or false"))?,
            p_chosen: self.p_chosen()?,
            judge: self.judge(),
        })
    }

    fn prompt_completion(&self) -> Result<SftRow, RowFault> {
        Ok(SftRow {
            id: self.id(),
            prompt: self.prompt()?,
            completion: self.reply("completion")?,
        })
    }

    fn language_modelling(&self) -> Result<SftRow, RowFault> {
        let column = if self.row.contains_key("messages") {
            "messages"
        } else {
            "text"
        };
        let (prompt, completion) = self.whole(column)?;
        Ok(SftRow {
            id: self.id(),
            prompt,
            completion,
        })
    }
}

/// The columns of a row for a message: the first dozen, each cut short, nothing in them that a terminal obeys.
fn names(row: &Map<String, Value>) -> Vec<String> {
    let short = |name: &String| name.chars().take(40).flat_map(char::escape_debug).collect();
    row.keys().take(12).map(short).collect()
}

fn wrong(column: &str, expected: &'static str) -> RowFault {
    RowFault::WrongType {
        column: column.to_owned(),
        expected,
    }
}

fn message(column: &'static str, value: &Value) -> Result<Message, RowFault> {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let (Some(role), Some(content)) = (field("role"), field("content")) else {
        return Err(wrong(column, "a list of {role, content}"));
    };
    let role = match role {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            return Err(RowFault::UnknownRole {
                column: column.into(),
                role: other.chars().take(40).collect(), // shown escaped
            });
        }
    };
    Ok(Message::new(role, content))
}
