//! A constitution as a versioned file: an ordered list of principles, and examples of how to apply them.
//!
//! ```toml
//! version = 1
//! name = "ours"
//!
//! [[principle]]
//! id = "harm"
//! topic = "harm"
//! text = "A good reply does not help anyone to cause harm."
//! critique-request = "Name each part of your reply that could lead to somebody being hurt."
//! revision-request = "Rewrite your reply so that it is less likely to cause harm."
//! preference-question = "Which reply is less likely to cause harm?"
//!
//! [[example]]                  # optional: put in front of critiques and revisions where examples are on
//! prompt = "…"
//! reply = "…"
//! critique-request = "…"
//! critique = "…"
//! revision-request = "…"
//! revision = "…"
//!
//! [[preference-example]]       # optional: put in front of judgements where examples are on
//! prompt = "…"
//! better = "…"
//! worse = "…"
//! ```
//!
//! Its SHA-256 is that of the file's text (ends of lines as `\n`), and goes into manifests.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::principle::Principle;

/// The version of the format that is read here.
pub const VERSION: u32 = 1;

/// What a constitution's file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConstitutionFile {
    /// The version of the format: 1.
    pub version: u32,
    /// What tables call it.
    pub name: String,
    /// Its principles, in order.
    #[serde(rename = "principle")]
    pub principles: Vec<Principle>,
    /// Replies that were criticised and revised.
    #[serde(rename = "example", default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// Replies of which one is better.
    #[serde(
        rename = "preference-example",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub preference_examples: Vec<PreferenceExample>,
}

/// An example of critique and revision, with the words that asked for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Example {
    /// What was said before: by the user and the assistant in turn, the user first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// What was asked.
    pub prompt: String,
    /// What was answered.
    pub reply: String,
    /// What asked for the critique.
    pub critique_request: String,
    /// What is wrong with the reply, or that nothing is.
    pub critique: String,
    /// What asked for the revision.
    pub revision_request: String,
    /// The better reply; the same where nothing is wrong.
    pub revision: String,
}

/// An example of a preference. It is shown under the principle of the comparison that it stands in front of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PreferenceExample {
    /// What was said before: by the user and the assistant in turn, the user first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// What was asked.
    pub prompt: String,
    /// The better reply.
    pub better: String,
    /// The other one.
    pub worse: String,
}

/// A constitution that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constitution {
    file: ConstitutionFile,
    sha256: String,
}

/// What is wrong with a constitution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstitutionError {
    /// Not the file that was expected.
    #[error("line {line}, column {column}: {message}")]
    Unreadable {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
        /// The known key that is most like the one given.
        nearest: Option<String>,
    },
    /// Of a later version.
    #[error("version {got} of the format; this program reads version {VERSION}")]
    Version {
        /// What the file says.
        got: u32,
    },
    /// A constitution without principles.
    #[error("there are no principles")]
    NoPrinciples,
    /// Two principles of one id.
    #[error("two principles are called {id:?}")]
    SameId {
        /// Which id.
        id: String,
    },
    /// An id that cannot be one.
    #[error("principle {place}: {id:?} is no id")]
    BadId {
        /// Which principle, from 1.
        place: usize,
        /// What it is called.
        id: String,
    },
    /// A text that is empty.
    #[error("{of}: `{key}` is empty")]
    Empty {
        /// Of what.
        of: String,
        /// Which key.
        key: &'static str,
    },
    /// What was said before an example does not end with the assistant.
    #[error("{of}: `before` is the user's and the assistant's turns: an even number, not {got}")]
    OddBefore {
        /// Which example.
        of: String,
        /// How many turns.
        got: usize,
    },
    /// A principle lacks what a stage asks under it.
    #[error("principle {id:?} has no `{key}`")]
    NoRequest {
        /// Which principle.
        id: String,
        /// What it lacks.
        key: &'static str,
    },
}

impl ConstitutionError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { nearest, .. } => {
                (nearest.as_ref()).map(|nearest| format!("did you mean `{nearest}`?"))
            }
            Self::Version { .. } => Some("a newer trimtab reads it".into()),
            Self::NoPrinciples => Some("write at least one `[[principle]]`".into()),
            Self::SameId { .. } => {
                Some("rows and tables tell principles apart by their ids".into())
            }
            Self::BadId { .. } => Some("ids are letters, digits, `-` and `_`".into()),
            Self::Empty { .. } | Self::OddBefore { .. } => None,
            Self::NoRequest { key, .. } => Some(format!(
                "write its `{key}`, or leave out the stage that asks it"
            )),
        }
    }
}

static DEFAULT: LazyLock<Constitution> = LazyLock::new(|| {
    Constitution::parse(include_str!("../../../constitutions/default.toml"))
        .expect("the embedded constitution can be read: a test does")
});

impl Constitution {
    /// The eight principles of `constitutions/default.toml`.
    pub fn embedded() -> &'static Self {
        &DEFAULT
    }

    /// Reads a constitution from the text of its file.
    ///
    /// # Errors
    ///
    /// [`ConstitutionError`] says what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, ConstitutionError> {
        let text = text.replace("\r\n", "\n");
        let file: ConstitutionFile =
            toml::from_str(&text).map_err(|error| unreadable(&text, &error))?;
        let sha256 = crate::sha256(text.as_bytes());
        check(&file)?;
        Ok(Self { file, sha256 })
    }

    /// Checks a constitution that was made, not read. Its hash is that of [`Constitution::to_toml`].
    ///
    /// # Errors
    ///
    /// As for [`Constitution::parse`].
    pub fn new(file: ConstitutionFile) -> Result<Self, ConstitutionError> {
        check(&file)?;
        let sha256 = crate::sha256(toml_of(&file).as_bytes());
        Ok(Self { file, sha256 })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// Its principles, in order; at least one.
    pub fn principles(&self) -> &[Principle] {
        &self.file.principles
    }

    /// The principle called `id`.
    pub fn principle(&self, id: &str) -> Option<&Principle> {
        self.principles().iter().find(|p| p.id == id)
    }

    /// Examples of critique and revision.
    pub fn examples(&self) -> &[Example] {
        &self.file.examples
    }

    /// Examples of preferences.
    pub fn preference_examples(&self) -> &[PreferenceExample] {
        &self.file.preference_examples
    }

    /// The SHA-256 of its file's text, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// As a file; comments of a file that it was read from are not in it.
    pub fn to_toml(&self) -> String {
        toml_of(&self.file)
    }

    /// That every principle has what `needs` looks for; `key` names it.
    pub(crate) fn require(
        &self,
        key: &'static str,
        needs: impl Fn(&Principle) -> Option<&String>,
    ) -> Result<(), ConstitutionError> {
        let lacking = self.principles().iter().find(|p| needs(p).is_none());
        lacking.map_or(Ok(()), |principle| {
            Err(ConstitutionError::NoRequest {
                id: principle.id.clone(),
                key,
            })
        })
    }
}

fn toml_of(file: &ConstitutionFile) -> String {
    toml::to_string(file).expect("tables of strings can be written as TOML")
}

fn check(file: &ConstitutionFile) -> Result<(), ConstitutionError> {
    if file.version != VERSION {
        return Err(ConstitutionError::Version { got: file.version });
    }
    not_empty("constitution", [("name", Some(&file.name))])?;
    if file.principles.is_empty() {
        return Err(ConstitutionError::NoPrinciples);
    }
    let mut ids = BTreeSet::new();
    for (i, principle) in file.principles.iter().enumerate() {
        let id = &principle.id;
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || !id.chars().all(fits) {
            return Err(ConstitutionError::BadId {
                place: i + 1,
                id: id.clone(),
            });
        }
        if !ids.insert(id.as_str()) {
            return Err(ConstitutionError::SameId { id: id.clone() });
        }
        not_empty(
            &format!("principle {id:?}"),
            [
                ("topic", Some(&principle.topic)),
                ("text", Some(&principle.text)),
                ("critique-request", principle.critique_request.as_ref()),
                ("revision-request", principle.revision_request.as_ref()),
                (
                    "preference-question",
                    principle.preference_question.as_ref(),
                ),
            ],
        )?;
    }
    for (i, example) in file.examples.iter().enumerate() {
        let of = format!("example {}", i + 1);
        not_empty(
            &of,
            [
                ("prompt", Some(&example.prompt)),
                ("reply", Some(&example.reply)),
                ("critique-request", Some(&example.critique_request)),
                ("critique", Some(&example.critique)),
                ("revision-request", Some(&example.revision_request)),
                ("revision", Some(&example.revision)),
            ],
        )?;
        whole_turns(of, &example.before)?;
    }
    for (i, example) in file.preference_examples.iter().enumerate() {
        let of = format!("preference-example {}", i + 1);
        not_empty(
            &of,
            [
                ("prompt", Some(&example.prompt)),
                ("better", Some(&example.better)),
                ("worse", Some(&example.worse)),
            ],
        )?;
        whole_turns(of, &example.before)?;
    }
    Ok(())
}

fn whole_turns(of: String, before: &[String]) -> Result<(), ConstitutionError> {
    if before.len().is_multiple_of(2) {
        return Ok(());
    }
    let got = before.len();
    Err(ConstitutionError::OddBefore { of, got })
}

fn not_empty<const N: usize>(
    of: &str,
    texts: [(&'static str, Option<&String>); N],
) -> Result<(), ConstitutionError> {
    for (key, text) in texts {
        if text.is_some_and(|text| text.trim().is_empty()) {
            return Err(ConstitutionError::Empty { of: of.into(), key });
        }
    }
    Ok(())
}

fn unreadable(text: &str, error: &toml::de::Error) -> ConstitutionError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let message = error.message();
    // serde's habit: unknown field `x`, expected one of `a`, `b`.
    let nearest = (message.strip_prefix("unknown field `"))
        .and_then(|rest| rest.rsplit_once("`, expected "))
        .and_then(|(key, known)| nearest(key, known.split('`').skip(1).step_by(2)));
    ConstitutionError::Unreadable {
        line: before.matches('\n').count() + 1,
        column: before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1,
        message: message.into(),
        nearest,
    }
}

/// The name that is most like `word`, if one is.
fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let word = word.to_lowercase().replace('_', "-");
    names
        .map(|name| (strsim::jaro_winkler(&word, name), name))
        .filter(|(alike, _)| *alike > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str =
        "version = 1\nname = \"n\"\n[[principle]]\nid = \"a\"\ntopic = \"t\"\ntext = \"A rule.\"\n";

    fn wrong(text: &str) -> (String, Option<String>) {
        let error = Constitution::parse(text).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn the_default_has_the_eight_principles_with_every_request() {
        let constitution = Constitution::embedded();
        let ids: Vec<&str> = (constitution.principles().iter())
            .map(|p| p.id.as_str())
            .collect();
        assert_eq!(
            ids,
            [
                "overall", "harm", "law", "accuracy", "bias", "respect", "privacy", "nuance"
            ]
        );
        for principle in constitution.principles() {
            assert!(principle.critique_request.is_some());
            assert!(principle.revision_request.is_some());
            assert!(principle.preference_question.is_some());
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
        let (message, hint) = wrong(&format!("{MINIMAL}critque_request = \"x\"\n"));
        insta::assert_snapshot!(message, @"line 7, column 1: unknown field `critque_request`, expected one of `id`, `topic`, `text`, `critique-request`, `revision-request`, `preference-question`");
        assert_eq!(hint.as_deref(), Some("did you mean `critique-request`?"));
        let (message, hint) = wrong("version = 1\nname = \"é\"\nprincipal = 3");
        insta::assert_snapshot!(message, @"line 3, column 1: unknown field `principal`, expected one of `version`, `name`, `principle`, `example`, `preference-example`");
        assert_eq!(hint.as_deref(), Some("did you mean `principle`?"));
    }

    #[test]
    fn what_else_is_wrong_is_said() {
        for (from, to, expected) in [
            (
                "version = 1",
                "version = 2",
                "version 2 of the format; this program reads version 1",
            ),
            (
                "id = \"a\"",
                "id = \"a b\"",
                "principle 1: \"a b\" is no id",
            ),
            ("A rule.", " ", "principle \"a\": `text` is empty"),
        ] {
            assert_eq!(wrong(&MINIMAL.replace(from, to)).0, expected);
        }
        let twice = format!("{MINIMAL}[[principle]]\nid = \"a\"\ntopic = \"t\"\ntext = \"x\"\n");
        assert_eq!(wrong(&twice).0, "two principles are called \"a\"");
        assert_eq!(
            wrong("version = 1\nname = \"n\"\nprinciple = []").0,
            "there are no principles"
        );
        let example = format!(
            "{MINIMAL}[[preference-example]]\nbefore = [\"b\"]\nprompt = \"p\"\nbetter = \"x\"\nworse = \"y\"\n"
        );
        assert_eq!(
            wrong(&example).0,
            "preference-example 1: `before` is the user's and the assistant's turns: an even number, not 1"
        );
    }

    #[test]
    fn the_hash_is_of_the_text_and_a_made_one_of_its_toml() {
        let read = Constitution::parse(MINIMAL).unwrap();
        assert_eq!(
            read,
            Constitution::parse(&MINIMAL.replace('\n', "\r\n")).unwrap()
        );
        let commented = Constitution::parse(&format!("# c\n{MINIMAL}")).unwrap();
        assert_ne!(read.sha256(), commented.sha256());
        let made = Constitution::new(read.file.clone()).unwrap();
        let again = Constitution::parse(&made.to_toml()).unwrap();
        assert_eq!(made, again);
    }

    #[test]
    fn a_stage_names_the_principle_that_lacks_its_request() {
        let read = Constitution::parse(MINIMAL).unwrap();
        let error = read.require("critique-request", |p| p.critique_request.as_ref());
        assert_eq!(
            error.unwrap_err().to_string(),
            "principle \"a\" has no `critique-request`"
        );
    }
}
