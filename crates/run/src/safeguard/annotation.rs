//! Questions that active querying puts to people: which were asked, and which of them wait.
//!
//! ```text
//! safeguard/VARIANT-METHOD/asked.jsonl    every question that was ever asked, in the order in which it came up
//! key of a question = SHA-256 of all that is shown
//! ```
//!
//! What somebody said of a question counts wherever the same is shown: under every seed, every way to choose and every method of
//! the run. Nobody is asked the same twice. A row says neither why a question was chosen nor what is right.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::{Question, SampleId};

use super::safeguard_folder;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::{FolderError, RunFolder, hex};
use crate::row_folder::RowFolder;

/// Who says what the answer to a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Annotator {
    /// The data's own labels.
    #[default]
    Labels,
    /// People, on the pages of `trimtab serve`: the run stops where a question waits for them, and goes on when it is run again.
    People,
}

impl Annotator {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_labels(&self) -> bool {
        *self == Self::Labels
    }
}

/// How people are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// How many people are asked each question.
    pub raters: NonZeroU32,
    /// What they are asked, above each question.
    pub instruction: Option<String>,
}

/// A question that people were asked, or are to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AskedQuestion {
    /// Which it is in the data.
    pub id: SampleId,
    /// What is asked of every question of the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// Its words; the prompt, where the answers are texts.
    pub text: String,
    /// The answers, in the order of the data.
    pub answers: ShownAnswers,
    /// How many people are asked.
    pub raters: NonZeroU32,
    /// Whether it waited for somebody when the run was last asked to go on.
    pub waits: bool,
}

/// The two answers, as they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownAnswers {
    /// Names, which stand in the same order before everybody.
    Names([String; 2]),
    /// Texts, such as two replies: which comes first is drawn for each person.
    Texts([String; 2]),
}

impl AskedQuestion {
    /// What is shown of `question`; none where it has no words or not two answers.
    pub(crate) fn of(question: &Question, how: &Annotation, waits: bool) -> Option<Self> {
        let pair = |texts: Vec<String>| <[String; 2]>::try_from(texts).ok();
        let answers = match &question.candidates {
            Some(texts) => {
                ShownAnswers::Texts(pair(texts.iter().map(ToString::to_string).collect())?)
            }
            None if question.text.trim().is_empty() => return None,
            None => {
                ShownAnswers::Names(pair(question.answers.names().map(str::to_owned).collect())?)
            }
        };
        Some(Self {
            id: question.id.clone(),
            instruction: how.instruction.clone(),
            text: question.text.to_string(),
            answers,
            raters: how.raters,
            waits,
        })
    }

    /// What tells it from others: a hash of all that is shown.
    pub fn key(&self) -> String {
        let mut hasher = Sha256::new();
        let mut add = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        add(self.instruction.as_deref().unwrap_or_default());
        add(&self.text);
        let (kind, answers) = match &self.answers {
            ShownAnswers::Names(names) => ("names", names),
            ShownAnswers::Texts(texts) => ("texts", texts),
        };
        add(kind);
        for answer in answers {
            add(answer);
        }
        hex(&hasher.finalize())
    }
}

const ASKED: &str = "asked.jsonl";

/// The questions of one method of one variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationFolder(RowFolder);

impl AnnotationFolder {
    /// Of the method called `method`.
    pub fn new(run: &Path, variant: usize, method: &str) -> Self {
        Self(safeguard_folder(run, variant, method))
    }

    /// What answers are filed under.
    pub fn cell(&self) -> String {
        format!("safeguard/{}", self.0.name().to_string_lossy())
    }

    /// Where the questions are.
    pub fn path(&self) -> std::path::PathBuf {
        self.0.path().join(ASKED)
    }

    /// Every question that was ever asked.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn asked(&self) -> Result<Vec<AskedQuestion>, FolderError> {
        self.0.rows(ASKED)
    }

    /// Adds questions to those that were asked; of all, only these wait, where they do. What was asked stays, so that whoever is
    /// at its page can go on.
    pub(crate) fn set_asked(&self, asked: &[AskedQuestion]) -> Result<(), FolderError> {
        let before = self.asked()?;
        let mut all = before.clone();
        for question in &mut all {
            question.waits = false;
        }
        let mut places: BTreeMap<String, usize> = (all.iter().enumerate())
            .map(|(at, question)| (question.key(), at))
            .collect();
        for question in asked {
            let next = all.len();
            let at = *places.entry(question.key()).or_insert(next);
            match all.get_mut(at) {
                Some(there) => {
                    there.waits |= question.waits;
                    there.raters = question.raters;
                }
                None => all.push(question.clone()),
            }
        }
        if all == before {
            return Ok(());
        }
        self.0.write_rows(ASKED, &all)
    }
}

/// Every method of a run whose questions are put to people, by variant.
pub fn annotation_folders(run: &RunFolder) -> Vec<(usize, AnnotationFolder)> {
    let variants = run.manifest().variants.iter().enumerate();
    variants
        .flat_map(|(variant, of_variant)| {
            of(&of_variant.experiment)
                .map(move |method| (variant, AnnotationFolder::new(run.path(), variant, &method)))
        })
        .collect()
}

/// Names of methods that ask people.
fn of(experiment: &Experiment) -> impl Iterator<Item = String> {
    experiment.method.iter().filter_map(|method| match method {
        MethodConfig::Safeguard(config) => config.annotation().map(|_| config.name()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use trimtab_core::AnswerSet;

    use super::*;

    fn how() -> Annotation {
        Annotation {
            raters: NonZeroU32::MIN,
            instruction: None,
        }
    }

    fn question(text: &str, candidates: Option<[&str; 2]>) -> Question {
        Question {
            id: SampleId::new("q"),
            text: text.into(),
            answers: AnswerSet::new(&["no", "yes"]).unwrap(),
            candidates: candidates.map(|texts| texts.iter().map(|&text| text.into()).collect()),
        }
    }

    #[test]
    fn what_is_shown_is_the_key_and_nothing_else_is() {
        let of = |text: &str, candidates| {
            AskedQuestion::of(&question(text, candidates), &how(), true).unwrap()
        };
        let one = of("Good?", None);
        let mut same = AskedQuestion {
            id: SampleId::new("other"),
            waits: false,
            ..one.clone()
        };
        assert_eq!(one.key(), same.key());
        same.instruction = Some("Is it good?".into());
        assert_ne!(one.key(), same.key());
        assert_ne!(one.key(), of("Bad?", None).key());
        // Names and texts of the same words are shown differently.
        assert_ne!(one.key(), of("Good?", Some(["no", "yes"])).key());
        let nothing = AskedQuestion::of(&question(" \n", None), &how(), true);
        assert_eq!(nothing, None, "there is nothing to read");
    }

    #[test]
    fn what_was_asked_stays_and_only_what_waits_waits() {
        let run = tempfile::tempdir().unwrap();
        let folder = AnnotationFolder::new(run.path(), 0, "by people");
        folder.set_asked(&[]).unwrap();
        assert!(!folder.path().exists());
        let asked = |text, waits| AskedQuestion::of(&question(text, None), &how(), waits).unwrap();
        folder
            .set_asked(&[asked("a", true), asked("b", true)])
            .unwrap();
        folder
            .set_asked(&[asked("c", true), asked("b", true), asked("b", false)])
            .unwrap();
        let waits = || -> Vec<(String, bool)> {
            let asked = folder.asked().unwrap().into_iter();
            asked.map(|one| (one.text, one.waits)).collect()
        };
        let named = |text: &str, waits| (text.to_owned(), waits);
        assert_eq!(
            waits(),
            [named("a", false), named("b", true), named("c", true)]
        );
        folder.set_asked(&[]).unwrap();
        assert!(waits().iter().all(|(_, waits)| !waits));
    }
}
