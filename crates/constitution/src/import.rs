//! Constitutions in the JSON of other projects.
//!
//! | shape | becomes |
//! |---|---|
//! | `{"harmful0": {"prompt": ["\n\nCritiqueRequest: …\n\nCritique:"], "edit_request": "\n\nRevisionRequest: …\n\nRevision:"}, …}` | principles with both requests |
//! | `["\n… Options:", …]` | principles with a question about preferences |
//! | `["\n\nHuman: …\n\nAssistant: …\n\nCritiqueRequest: …\n\nCritique: …\n\nRevisionRequest: …\n\nRevision: …", …]` | examples |
//! | `[{"prompt": "\n\nHuman: …\n\nAssistant:", "corrects": ["…"], "incorrects": ["…"]}, …]` | examples of preferences |
//!
//! These are the shapes of the files that accompany Bai et al. 2022; no text of those files is in this repository. Ids and
//! topics are the entries' names, or `NAME-1`, `NAME-2`, … Labels such as `CritiqueRequest:` and trailing `Human:` are taken
//! off. Anything in an entry that is not expected is an error: nothing is left out in silence.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::file::{
    Constitution, ConstitutionError, ConstitutionFile, Example, PreferenceExample, VERSION,
};
use crate::principle::Principle;

/// Why a file could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no JSON.
    #[error("this is no JSON: {0}")]
    NoJson(#[from] serde_json::Error),
    /// Its shape is none of those that are known.
    #[error("the file is none of the known shapes: {why}")]
    Shape {
        /// What it is instead.
        why: String,
    },
    /// An entry is not what the shape says.
    #[error("entry {entry}: {why}")]
    Entry {
        /// Which entry: its name, or its place from 1.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// What was read makes no constitution.
    #[error(transparent)]
    Constitution(#[from] ConstitutionError),
}

impl ImportError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoJson(_) => None,
            Self::Shape { .. } => Some(
                "known: an object of critique and revision requests; a list of questions that end in \"Options:\"; \
                 a list of dialogues with critiques; a list of prompts with `corrects` and `incorrects`"
                    .into(),
            ),
            Self::Entry { .. } => Some("mend the entry, or take it out".into()),
            Self::Constitution(error) => error.hint(),
        }
    }
}

/// What a file was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// Principles.
    Principles(Vec<Principle>),
    /// Examples of critique and revision.
    Examples(Vec<Example>),
    /// Examples of preferences.
    PreferenceExamples(Vec<PreferenceExample>),
}

/// Reads one JSON file of any known shape. `name` begins the ids of principles that have no name of their own.
///
/// # Errors
///
/// [`ImportError`] says which entry.
pub fn import(name: &str, json: &str) -> Result<Imported, ImportError> {
    match serde_json::from_str(json)? {
        Value::Object(entries) => critique_principles(entries).map(Imported::Principles),
        Value::Array(entries) => list(name, entries),
        other => Err(ImportError::Shape {
            why: format!("it is {}", kind(&other)),
        }),
    }
}

/// A constitution of several files' contents.
///
/// # Errors
///
/// [`ImportError::Constitution`] when they make none: two principles of one id, or none at all.
pub fn constitution(name: &str, parts: Vec<Imported>) -> Result<Constitution, ImportError> {
    let mut file = ConstitutionFile {
        version: VERSION,
        name: name.into(),
        principles: Vec::new(),
        examples: Vec::new(),
        preference_examples: Vec::new(),
    };
    for part in parts {
        match part {
            Imported::Principles(principles) => file.principles.extend(principles),
            Imported::Examples(examples) => file.examples.extend(examples),
            Imported::PreferenceExamples(examples) => file.preference_examples.extend(examples),
        }
    }
    Ok(Constitution::new(file)?)
}

fn list(name: &str, entries: Vec<Value>) -> Result<Imported, ImportError> {
    let shape = |why: &str| ImportError::Shape { why: why.into() };
    match entries.first() {
        None => Err(shape("it is an empty list")),
        Some(Value::Object(_)) => {
            (numbered(entries, preference_example)).map(Imported::PreferenceExamples)
        }
        Some(Value::String(first)) if first.contains("CritiqueRequest:") => {
            numbered(entries, |i, entry| example(i, &string(i, entry)?)).map(Imported::Examples)
        }
        Some(Value::String(_)) => numbered(entries, |i, entry| {
            preference_principle(name, i, &string(i, entry)?)
        })
        .map(Imported::Principles),
        Some(other) => Err(shape(&format!("it is a list of {}", kind(other)))),
    }
}

fn numbered<T>(
    entries: Vec<Value>,
    of: impl Fn(usize, Value) -> Result<T, ImportError>,
) -> Result<Vec<T>, ImportError> {
    (entries.into_iter().enumerate())
        .map(|(i, entry)| of(i + 1, entry))
        .collect()
}

fn string(i: usize, entry: Value) -> Result<String, ImportError> {
    match entry {
        Value::String(text) => Ok(text),
        other => Err(at(&i, format!("expected a text, this is {}", kind(&other)))),
    }
}

fn at(entry: &dyn std::fmt::Display, why: impl Into<String>) -> ImportError {
    ImportError::Entry {
        entry: entry.to_string(),
        why: why.into(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requests {
    prompt: Vec<String>,
    edit_request: String,
}

fn critique_principles(entries: Map<String, Value>) -> Result<Vec<Principle>, ImportError> {
    let mut principles = Vec::new();
    // `serde_json` sorts the names, or keeps them: numbers in them decide, so that 2 stands before 10.
    let mut entries: Vec<(String, Value)> = entries.into_iter().collect();
    entries.sort_by_key(|(name, _)| {
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        (digits.parse::<u64>().ok(), name.clone())
    });
    for (name, entry) in entries {
        let Requests {
            prompt,
            edit_request,
        } = serde_json::from_value(entry).map_err(|error| at(&name, error.to_string()))?;
        let [prompt] = &prompt[..] else {
            let n = prompt.len();
            return Err(at(
                &name,
                format!("`prompt` is a list of one text, this has {n}"),
            ));
        };
        let critique = between(prompt, "CritiqueRequest:", "Critique:");
        let revision = between(&edit_request, "RevisionRequest:", "Revision:");
        principles.push(Principle {
            topic: name.clone(),
            text: critique.clone(),
            id: name,
            critique_request: Some(critique),
            revision_request: Some(revision),
            preference_question: None,
        });
    }
    Ok(principles)
}

/// `text` without a label at its beginning and one at its end.
fn between(text: &str, before: &str, after: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix(before).unwrap_or(text);
    text.strip_suffix(after).unwrap_or(text).trim().to_owned()
}

fn preference_principle(name: &str, i: usize, text: &str) -> Result<Principle, ImportError> {
    let question = between(text, "", "Options:");
    if question.is_empty() {
        return Err(at(&i, "it asks nothing"));
    }
    let id = format!("{name}-{i}");
    Ok(Principle {
        topic: id.clone(),
        id,
        text: question.clone(),
        critique_request: None,
        revision_request: None,
        preference_question: Some(question),
    })
}

/// The labels of a dialogue, in the order they come after its turns.
const LABELS: [&str; 4] = ["CritiqueRequest", "Critique", "RevisionRequest", "Revision"];

fn example(i: usize, dialogue: &str) -> Result<Example, ImportError> {
    let dialogue = dialogue.trim_end();
    let mut rest = dialogue.strip_suffix("Human:").unwrap_or(dialogue);
    let mut parts: Vec<String> = Vec::new();
    for label in LABELS.iter().rev() {
        let marker = format!("\n\n{label}:");
        let (before, part) = (rest.rsplit_once(&marker))
            .ok_or_else(|| at(&i, format!("there is no `{label}:` on a line of its own")))?;
        parts.push(part.trim().to_owned());
        rest = before;
    }
    let [revision, revision_request, critique, critique_request] =
        <[String; 4]>::try_from(parts).map_err(|_| at(&i, "it is no dialogue"))?;
    let mut turns = turns(i, rest)?;
    let (Some(reply), Some(prompt)) = (turns.pop(), turns.pop()) else {
        return Err(at(&i, "there is no reply to criticise"));
    };
    Ok(Example {
        before: turns,
        prompt,
        reply,
        critique_request,
        critique,
        revision_request,
        revision,
    })
}

/// The turns of `\n\nHuman: …\n\nAssistant: …`: by the user and the assistant in turn.
fn turns(i: usize, text: &str) -> Result<Vec<String>, ImportError> {
    let mut turns = Vec::new();
    let mut rest = text.trim();
    let mut speakers = ["Human:", "Assistant:"].into_iter().cycle().peekable();
    while !rest.is_empty() {
        let (speaker, next) = (speakers.next().unwrap_or_default(), speakers.peek());
        let said = rest.strip_prefix(speaker).ok_or_else(|| {
            at(
                &i,
                format!("turn {} does not begin with `{speaker}`", turns.len() + 1),
            )
        })?;
        let next = format!("\n\n{}", next.copied().unwrap_or_default());
        let end = said.find(&next).unwrap_or(said.len());
        turns.push(said[..end].trim().to_owned());
        rest = said[end..].trim_start();
    }
    Ok(turns)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Comparison {
    prompt: String,
    corrects: Vec<String>,
    incorrects: Vec<String>,
}

fn preference_example(i: usize, entry: Value) -> Result<PreferenceExample, ImportError> {
    let Comparison {
        prompt,
        corrects,
        incorrects,
    } = serde_json::from_value(entry).map_err(|error| at(&i, error.to_string()))?;
    let ([better], [worse]) = (&corrects[..], &incorrects[..]) else {
        return Err(at(
            &i,
            "`corrects` and `incorrects` are lists of one text each",
        ));
    };
    let prompt = prompt.trim_end();
    let mut before = turns(i, prompt.strip_suffix("Assistant:").unwrap_or(prompt))?;
    let Some(prompt) = before.pop().filter(|_| before.len().is_multiple_of(2)) else {
        return Err(at(&i, "the prompt's last turn is not the user's"));
    };
    Ok(PreferenceExample {
        before,
        prompt,
        better: better.trim().to_owned(),
        worse: worse.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principles(json: &str) -> Vec<Principle> {
        match import("ours", json).unwrap() {
            Imported::Principles(principles) => principles,
            other => panic!("{other:?}"),
        }
    }

    fn said(json: &str) -> String {
        import("ours", json).unwrap_err().to_string()
    }

    #[test]
    fn requests_become_principles_in_the_order_of_their_numbers() {
        let json = r#"{
            "kind10": {"prompt": ["\n\nCritiqueRequest: What is curt?\n\nCritique:"], "edit_request": "\n\nRevisionRequest: Say more.\n\nRevision:"},
            "kind2": {"prompt": ["\n\nCritiqueRequest: What is rude?\n\nCritique:"], "edit_request": "\n\nRevisionRequest: Be kind.\n\nRevision:"}
        }"#;
        let principles = principles(json);
        assert_eq!(principles[0].id, "kind2");
        assert_eq!(
            principles[0].critique_request.as_deref(),
            Some("What is rude?")
        );
        assert_eq!(principles[0].revision_request.as_deref(), Some("Be kind."));
        assert_eq!(principles[1].id, "kind10");
        constitution("ours", vec![Imported::Principles(principles)]).unwrap();
    }

    #[test]
    fn questions_become_principles() {
        let principles =
            principles(r#"["\nWhich is kinder? Options:", "\nWhich is wiser? Options:"]"#);
        assert_eq!(principles[1].id, "ours-2");
        assert_eq!(
            principles[1].preference_question.as_deref(),
            Some("Which is wiser?")
        );
        assert_eq!(principles[1].critique_request, None);
    }

    #[test]
    fn dialogues_become_examples() {
        let json = r#"["\n\nHuman: Hi.\n\nAssistant: Hi!\n\nHuman: Who won: us?\n\nAssistant: Those fools.\n\nCritiqueRequest: What is rude?\n\nCritique: It insults.\n\nRevisionRequest: Be kind.\n\nRevision: They won.\n\nHuman:"]"#;
        let Imported::Examples(examples) = import("ours", json).unwrap() else {
            panic!("no examples");
        };
        let expected = Example {
            before: vec!["Hi.".into(), "Hi!".into()],
            prompt: "Who won: us?".into(),
            reply: "Those fools.".into(),
            critique_request: "What is rude?".into(),
            critique: "It insults.".into(),
            revision_request: "Be kind.".into(),
            revision: "They won.".into(),
        };
        assert_eq!(examples, std::slice::from_ref(&expected));
        // One that does not end with the next speaker's label is the same.
        let without = json.replace("\\n\\nHuman:\"", "\"");
        assert_eq!(
            import("ours", &without).unwrap(),
            Imported::Examples(examples)
        );
    }

    #[test]
    fn comparisons_become_examples_of_preferences() {
        let json = r#"[{"prompt": "\n\nHuman: Who won?\n\nAssistant:", "corrects": ["They did."], "incorrects": ["Fools."]}]"#;
        let expected = PreferenceExample {
            before: vec![],
            prompt: "Who won?".into(),
            better: "They did.".into(),
            worse: "Fools.".into(),
        };
        assert_eq!(
            import("ours", json).unwrap(),
            Imported::PreferenceExamples(vec![expected])
        );
    }

    #[test]
    fn what_is_none_of_these_is_said_with_its_place() {
        assert!(said("{").starts_with("this is no JSON"));
        assert_eq!(
            said("3"),
            "the file is none of the known shapes: it is a number"
        );
        assert_eq!(
            said("[]"),
            "the file is none of the known shapes: it is an empty list"
        );
        assert_eq!(
            said("[[]]"),
            "the file is none of the known shapes: it is a list of a list"
        );
        assert_eq!(
            said(r#"["Which? Options:", 3]"#),
            "entry 2: expected a text, this is a number"
        );
        assert_eq!(
            said(r#"["Which? Options:", " Options:"]"#),
            "entry 2: it asks nothing"
        );
        assert!(
            said(r#"{"a": {"prompt": [""], "edit_request": "", "extra": 1}}"#)
                .contains("entry a: unknown field `extra`")
        );
        assert_eq!(
            said(r#"{"a": {"prompt": [], "edit_request": ""}}"#),
            "entry a: `prompt` is a list of one text, this has 0"
        );
        assert_eq!(
            said(r#"["Human: x\n\nCritiqueRequest: y"]"#),
            "entry 1: there is no `Revision:` on a line of its own"
        );
        let backwards = r#"["\n\nAssistant: Hi\n\nCritiqueRequest: a\n\nCritique: b\n\nRevisionRequest: c\n\nRevision: d"]"#;
        assert_eq!(
            said(backwards),
            "entry 1: turn 1 does not begin with `Human:`"
        );
        let by_assistant = r#"[{"prompt": "\n\nHuman: a\n\nAssistant: b", "corrects": ["c"], "incorrects": ["d"]}]"#;
        assert_eq!(
            said(by_assistant),
            "entry 1: the prompt's last turn is not the user's"
        );
    }
}
