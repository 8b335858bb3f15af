//! A row of a training file: named cells, in the order of the format.

use serde::ser::{Serialize, SerializeMap, Serializer};
use trimtab_core::chat::Message;
use trimtab_core::{PreferencePair, SftRow};

use super::dialogue::{completion_text, prompt_text, whole_text};
use super::fault::RowFault;
use super::{ExportConfig, ExtraColumn, Form, PreferenceFormat, margin};

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Messages(Vec<Message>),
    Bool(bool),
    Number(f64),
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Messages(messages) => messages.serialize(serializer),
            Self::Bool(bool) => bool.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record(pub(super) Vec<(&'static str, Cell)>);

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, cell) in &self.0 {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

/// How cells are made of conversations.
struct Cells<'c> {
    form: Form,
    id: &'c str,
    prompt: &'c [Message],
}

impl Cells<'_> {
    fn id(&self) -> (&'static str, Cell) {
        ("id", Cell::Text(self.id.to_owned()))
    }

    fn prompt(&self) -> Result<(&'static str, Cell), RowFault> {
        let cell = match self.form {
            Form::Standard => Cell::Text(prompt_text(self.prompt).ok_or(RowFault::NotStandard)?),
            Form::Conversational => Cell::Messages(self.prompt.to_vec()),
        };
        Ok(("prompt", cell))
    }

    fn reply(&self, name: &'static str, reply: &str) -> (&'static str, Cell) {
        let cell = match self.form {
            Form::Standard => Cell::Text(completion_text(reply)),
            Form::Conversational => Cell::Messages(vec![said(reply)]),
        };
        (name, cell)
    }

    fn whole(&self, name: &'static str, reply: &str) -> Result<(&'static str, Cell), RowFault> {
        let cell = match self.form {
            Form::Standard => {
                Cell::Text(whole_text(self.prompt, reply).ok_or(RowFault::NotStandard)?)
            }
            Form::Conversational => {
                let reply = std::iter::once(said(reply));
                Cell::Messages(self.prompt.iter().cloned().chain(reply).collect())
            }
        };
        Ok((name, cell))
    }
}

fn said(reply: &str) -> Message {
    Message::new(trimtab_core::chat::Role::Assistant, reply)
}

/// The rows that a pair makes.
pub(super) fn of_pair(
    pair: &PreferencePair,
    config: &ExportConfig,
) -> Result<Vec<Record>, RowFault> {
    if !(0.5..=1.0).contains(&pair.p_chosen) {
        return Err(RowFault::PChosen(pair.p_chosen));
    }
    let cells = Cells {
        form: config.form,
        id: &pair.id,
        prompt: &pair.prompt,
    };
    let extra = config.extra.iter().map(|column| match column {
        ExtraColumn::PChosen => ("p_chosen", Cell::Number(pair.p_chosen)),
        ExtraColumn::Margin => ("margin", Cell::Number(margin(pair.p_chosen))),
        ExtraColumn::Judge => ("judge", Cell::Text(pair.judge.clone())),
    });
    let (chosen, rejected) = (pair.chosen.as_str(), pair.rejected.as_str());
    let mut rows = match config.format {
        PreferenceFormat::TrlExplicit | PreferenceFormat::Openrlhf => vec![vec![
            cells.id(),
            cells.prompt()?,
            cells.reply("chosen", chosen),
            cells.reply("rejected", rejected),
        ]],
        PreferenceFormat::TrlImplicit => vec![vec![
            cells.id(),
            cells.whole("chosen", chosen)?,
            cells.whole("rejected", rejected)?,
        ]],
        PreferenceFormat::TrlUnpaired => [(chosen, true), (rejected, false)]
            .into_iter()
            .map(|(reply, label)| {
                Ok(vec![
                    cells.id(),
                    cells.prompt()?,
                    cells.reply("completion", reply),
                    ("label", Cell::Bool(label)),
                ])
            })
            .collect::<Result<_, RowFault>>()?,
        PreferenceFormat::TrlPromptCompletion
        | PreferenceFormat::TrlLanguageModelling
        | PreferenceFormat::TrlPromptOnly => vec![demonstration(&cells, chosen, config)?],
        PreferenceFormat::Icai => unreachable!("an icai file is one document, of no rows"),
    };
    for row in &mut rows {
        row.extend(extra.clone());
    }
    Ok(rows.into_iter().map(Record).collect())
}

/// The row that a demonstration makes.
pub(super) fn of_demonstration(row: &SftRow, config: &ExportConfig) -> Result<Record, RowFault> {
    let cells = Cells {
        form: config.form,
        id: &row.id,
        prompt: &row.prompt,
    };
    Ok(Record(demonstration(&cells, &row.completion, config)?))
}

fn demonstration(
    cells: &Cells<'_>,
    reply: &str,
    config: &ExportConfig,
) -> Result<Vec<(&'static str, Cell)>, RowFault> {
    let whole = match config.form {
        Form::Standard => "text",
        Form::Conversational => "messages",
    };
    Ok(match config.format {
        PreferenceFormat::TrlPromptCompletion => {
            vec![
                cells.id(),
                cells.prompt()?,
                cells.reply("completion", reply),
            ]
        }
        PreferenceFormat::TrlLanguageModelling => vec![cells.id(), cells.whole(whole, reply)?],
        _ => vec![cells.id(), cells.prompt()?],
    })
}
