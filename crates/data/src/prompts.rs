//! Prompts: conversations that wait for a reply, without answers.
//!
//! From JSON Lines, one object a line: `prompt` (or `columns.text`) is a text, or a list of messages
//! (`{"role": …, "content": …}`); `id` names the row (`columns.id`), else its line does. Of every other set, and of built-in
//! ones, the texts of the questions are the prompts: one for each that differs.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use trimtab_core::chat::{Message, PromptRow, Role};

use crate::blocks::{Blocks, lines};
use crate::config::DataConfig;
use crate::dataset::load;
use crate::error::{DataError, Place};
use crate::source::{Format, Locations, Source};
use crate::stream::Stream;

/// The columns that are looked for where none is named.
const USUAL: [&str; 3] = ["prompt", "messages", "text"];
const BLOCK: usize = 1 << 20;

/// Prompts, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptSet {
    /// The rows.
    pub rows: Vec<PromptRow>,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Loads prompts.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the data, and where.
pub fn load_prompts(config: &DataConfig, locations: &Locations) -> Result<PromptSet, DataError> {
    if let Source::File { file, .. } = Source::resolve(config, locations)?
        && let Some(Format::Jsonl { gzip }) = Format::of(&file)
    {
        return from_jsonl(&file, gzip, config);
    }
    let set = load(config, locations)?;
    let mut seen = HashSet::new();
    let rows = (set.questions.iter())
        .filter(|question| seen.insert(question.text.clone()))
        .map(|question| PromptRow {
            id: question.id.as_str().to_owned(),
            prompt: vec![Message::new(Role::User, question.text.to_string())],
        });
    Ok(PromptSet {
        rows: rows.collect(),
        sha256: set.sha256,
    })
}

fn from_jsonl(file: &Path, gzip: bool, config: &DataConfig) -> Result<PromptSet, DataError> {
    let limit = config.limit.unwrap_or(usize::MAX);
    let mut blocks = Blocks::new(Stream::open(file, gzip)?, BLOCK);
    let mut rows = Vec::new();
    let mut places: HashMap<String, Place> = HashMap::new();
    while let Some(block) = blocks.next(file)? {
        for (line, text) in lines(file, &block).map_err(|(_, error)| error)? {
            if rows.len() == limit {
                break;
            }
            let row = row(file, line, text, config)?;
            let place = Place::Line(line);
            if let Some(&first) = places.get(&row.id) {
                return Err(DataError::DuplicateId {
                    file: file.to_owned(),
                    id: row.id,
                    first,
                    second: place,
                });
            }
            places.insert(row.id.clone(), place);
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    let sha256 = blocks
        .stream
        .finish()
        .map_err(|reason| DataError::Unreadable {
            file: file.to_owned(),
            reason,
        })?;
    Ok(PromptSet { rows, sha256 })
}

fn row(file: &Path, line: u64, text: &str, config: &DataConfig) -> Result<PromptRow, DataError> {
    let json = |reason: &serde_json::Error| DataError::Json {
        file: file.to_owned(),
        line,
        column: reason.column(),
        reason: reason.to_string(),
    };
    let fields: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|reason| json(&reason))?;
    let columns = &config.columns;
    let named = columns.text.as_deref();
    let column = named.or_else(|| USUAL.into_iter().find(|name| fields.contains_key(*name)));
    let prompt = column.and_then(|name| Some((name, fields.get(name)?)));
    let Some((column, prompt)) = prompt else {
        return Err(DataError::MissingColumn {
            file: file.to_owned(),
            place: Place::Line(line),
            column: named.unwrap_or(USUAL[0]).to_owned(),
            role: "prompt",
            available: fields.keys().cloned().collect(),
        });
    };
    let wrong = |got: &str| DataError::WrongType {
        file: file.to_owned(),
        place: Place::Line(line),
        column: column.to_owned(),
        expected: "a text, or messages that end before the assistant's reply",
        got: got.to_owned(),
    };
    let messages = match prompt {
        Value::String(text) if text.trim().is_empty() => return Err(wrong("an empty text")),
        Value::String(text) => vec![Message::new(Role::User, text.as_str())],
        Value::Array(_) => {
            Vec::<Message>::deserialize(prompt).map_err(|_| wrong("another list"))?
        }
        _ => return Err(wrong("something else")),
    };
    match messages.last() {
        None => return Err(wrong("an empty list")),
        Some(last) if last.role == Role::Assistant => {
            return Err(wrong("a conversation that ends with the assistant"));
        }
        Some(_) => {}
    }
    let id = columns.id.as_deref().unwrap_or("id");
    let id = match fields.get(id) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => format!("line-{line}"),
    };
    Ok(PromptRow {
        id,
        prompt: messages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, change: impl FnOnce(&mut DataConfig)) -> Result<PromptSet, DataError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prompts.jsonl"), text).unwrap();
        let mut config = DataConfig::new("prompts.jsonl");
        change(&mut config);
        load_prompts(&config, &Locations::new(folder.path()))
    }

    fn plain(set: &PromptSet) -> Vec<(&str, &str)> {
        (set.rows.iter())
            .map(|row| (row.id.as_str(), row.prompt[0].content.as_str()))
            .collect()
    }

    #[test]
    fn texts_and_conversations_are_read_in_order() {
        let text = "{\"id\": \"a\", \"prompt\": \"Is it?\"}\n\n{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Ho\"}, {\"role\": \"user\", \"content\": \"Why?\"}]}\n";
        let set = load_text(text, |_| {}).unwrap();
        assert_eq!(plain(&set), [("a", "Is it?"), ("line-3", "Hi")]);
        assert_eq!(set.rows[1].prompt.len(), 3);
        assert_eq!(set.sha256.len(), 64);
        let set = load_text(text, |config| config.limit = Some(1)).unwrap();
        assert_eq!(set.rows.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let error = |text: &str| load_text(text, |_| {}).unwrap_err().to_string();
        for (text, wanted) in [
            (
                "{\"question\": \"x\"}",
                "line 1: no column \"prompt\" for the prompt",
            ),
            (
                "{\"prompt\": \"x\"}\n{\"prompt\": 3}",
                "line 2: column \"prompt\" holds something else",
            ),
            ("{\"prompt\": \" \"}", "an empty text"),
            ("{\"prompt\": []}", "an empty list"),
            (
                "{\"prompt\": [{\"role\": \"assistant\", \"content\": \"x\"}]}",
                "ends with the assistant",
            ),
            (
                "{\"id\": 1, \"prompt\": \"x\"}\n{\"id\": 1, \"prompt\": \"y\"}",
                "id \"1\" stands on line 1 and again on line 2",
            ),
            ("{\"prompt\": ", "line 1"),
            ("", "no rows"),
        ] {
            let got = error(text);
            assert!(got.contains(wanted), "{got}");
        }
    }

    #[test]
    fn built_in_sets_have_prompts_too() {
        let set = load_prompts(
            &DataConfig::new("builtin:hh-harmless"),
            &Locations::new("."),
        )
        .unwrap();
        let texts: HashSet<&str> = plain(&set).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts.len(), set.rows.len());
        assert!(set.rows.len() > 1000);
    }
}
