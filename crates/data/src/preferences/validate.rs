//! What is wrong with pairs, before anything is trained on them.
//!
//! Errors make a pair teach nothing or something false; warnings may be meant. Lengths are counted, in characters, so that
//! how often the longer reply is the chosen one can be told, with its interval, by `trimtab-stats`.
//!
//! In: pairs, one at a time; rows that could not be read; pairs of the test split. Out: for each kind of finding how many
//! rows, and the ids of the first few. Memory: a hash of each pair, and of each run of words of its prompt.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};
use trimtab_core::PreferencePair;
use trimtab_core::chat::{Message, Role};

use super::fault::{PreferenceError, RowFault};
use super::import::{Example, import};
use super::near_duplicates::NearDuplicates;
use super::table::role_name;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// May be meant.
    Warning,
    /// Not to be trained on.
    Error,
}

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A row cannot be read.
    Unreadable,
    /// Both replies hold the prompt, and not the same one.
    PromptsDiffer,
    /// The prompt is empty, or ends with a message by the assistant.
    NoPrompt,
    /// A reply is empty, or blank.
    EmptyReply,
    /// Both replies are the same.
    SameReplies,
    /// The soft label is not from 0.5 to 1.
    BadLabel,
    /// An id stands twice: it could not be told which row is meant.
    DuplicateId,
    /// The same two replies to the same prompt are preferred the other way in another row.
    Contradiction,
    /// The same pair stands in another row.
    DuplicatePair,
    /// The prompt of a test pair stands in the training split, or nearly.
    Leak,
}

impl FindingKind {
    const ALL: [Self; 10] = [
        Self::Unreadable,
        Self::PromptsDiffer,
        Self::NoPrompt,
        Self::EmptyReply,
        Self::SameReplies,
        Self::BadLabel,
        Self::DuplicateId,
        Self::Contradiction,
        Self::DuplicatePair,
        Self::Leak,
    ];

    /// What was found, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unreadable => "a row cannot be read",
            Self::PromptsDiffer => "the two replies hold different prompts",
            Self::NoPrompt => "the prompt is empty, or ends with a message by the assistant",
            Self::EmptyReply => "a reply is empty",
            Self::SameReplies => "both replies are the same",
            Self::BadLabel => "the soft label is not from 0.5 to 1",
            Self::DuplicateId => "an id stands twice",
            Self::Contradiction => "the same pair is preferred the other way in another row",
            Self::DuplicatePair => "the same pair stands in another row",
            Self::Leak => "the prompt of a test pair stands in the training split, or nearly",
        }
    }

    /// How bad it is. People do disagree, and a pair may be judged twice; but what is tested on must not be learnt.
    pub fn severity(self) -> Severity {
        match self {
            Self::Contradiction | Self::DuplicatePair => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// What was found, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// In how many rows.
    pub n: u64,
    /// Which: the ids of the first few, or places where a row has none.
    pub examples: Vec<String>,
}

/// In how many pairs the chosen reply is longer, in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LengthCounts {
    /// The chosen reply is longer.
    pub chosen_longer: u64,
    /// The rejected one is.
    pub rejected_longer: u64,
    /// Neither.
    pub equal: u64,
}

/// What is to be said of a set of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// Rows, bad ones and those of the test split included.
    pub n_rows: u64,
    /// What was found, in the order of [`FindingKind`].
    pub findings: Vec<Finding>,
    /// Lengths.
    pub lengths: LengthCounts,
}

impl Validation {
    /// Whether the pairs may be trained on.
    pub fn is_sound(&self) -> bool {
        (self.findings.iter()).all(|finding| finding.severity == Severity::Warning)
    }

    /// Reads a file and says what is wrong with it. Rows that are no pairs are unreadable ones.
    ///
    /// # Errors
    ///
    /// [`PreferenceError`] when the file as a whole cannot be read.
    pub fn of_file(file: &Path) -> Result<Self, PreferenceError> {
        let mut validator = Validator::default();
        import(file, &mut |place, row| {
            match row {
                Ok(Example::Pair(pair)) => validator.add(&pair),
                Ok(_) => validator.unreadable(&place.to_string(), None),
                Err(fault) => validator.unreadable(&place.to_string(), Some(&fault)),
            }
            Ok(())
        })?;
        Ok(validator.finish())
    }
}

/// Examples kept of each kind.
const N_EXAMPLES: usize = 5;

type Hash = [u8; 16];

/// Looks at pairs as they come.
#[derive(Debug, Default)]
pub struct Validator {
    n_rows: u64,
    found: HashMap<FindingKind, (u64, Vec<String>)>,
    lengths: LengthCounts,
    ids: HashSet<Hash>,
    pairs: HashSet<Hash>,
    prompts: NearDuplicates,
    /// Prompts that are in `prompts`: most stand in several pairs.
    known: HashSet<Hash>,
}

impl Validator {
    /// Looks at a pair of the training split.
    pub fn add(&mut self, pair: &PreferencePair) {
        self.look(pair);
        let prompt = conversation(&pair.prompt);
        if self.known.insert(hash(&[&prompt])) {
            self.prompts.add(&words(&pair.prompt));
        }
    }

    /// Looks at a pair of the test split, once all of the training split have been added.
    pub fn add_test(&mut self, pair: &PreferencePair) {
        self.look(pair);
        if self.prompts.find(&words(&pair.prompt)).is_some() {
            self.find(FindingKind::Leak, &pair.id);
        }
    }

    /// Counts a row that could not be read; `place` says which.
    pub fn unreadable(&mut self, place: &str, fault: Option<&RowFault>) {
        self.n_rows += 1;
        let kind = match fault {
            Some(RowFault::PromptsDiffer) => FindingKind::PromptsDiffer,
            Some(RowFault::PChosen(_) | RowFault::Margin(_)) => FindingKind::BadLabel,
            _ => FindingKind::Unreadable,
        };
        self.find(kind, place);
    }

    /// What was found.
    pub fn finish(mut self) -> Validation {
        let findings = FindingKind::ALL.into_iter().filter_map(|kind| {
            let (n, examples) = self.found.remove(&kind)?;
            Some(Finding {
                kind,
                severity: kind.severity(),
                n,
                examples,
            })
        });
        Validation {
            findings: findings.collect(),
            n_rows: self.n_rows,
            lengths: self.lengths,
        }
    }

    fn find(&mut self, kind: FindingKind, example: &str) {
        let (n, examples) = self.found.entry(kind).or_default();
        *n += 1;
        if examples.len() < N_EXAMPLES {
            examples.push(example.to_owned());
        }
    }

    fn look(&mut self, pair: &PreferencePair) {
        self.n_rows += 1;
        let blank = |text: &str| text.trim().is_empty();
        let last = pair.prompt.last();
        if last.is_none_or(|last| last.role == Role::Assistant || blank(&last.content)) {
            self.find(FindingKind::NoPrompt, &pair.id);
        }
        if blank(&pair.chosen) || blank(&pair.rejected) {
            self.find(FindingKind::EmptyReply, &pair.id);
        }
        if pair.chosen == pair.rejected {
            self.find(FindingKind::SameReplies, &pair.id);
        }
        if !(0.5..=1.0).contains(&pair.p_chosen) {
            self.find(FindingKind::BadLabel, &pair.id);
        }
        if !self.ids.insert(hash(&[&pair.id])) {
            self.find(FindingKind::DuplicateId, &pair.id);
        }
        let prompt = conversation(&pair.prompt);
        let (chosen, rejected) = (pair.chosen.as_str(), pair.rejected.as_str());
        if chosen != rejected && self.pairs.contains(&hash(&[&prompt, rejected, chosen])) {
            self.find(FindingKind::Contradiction, &pair.id);
        }
        if !self.pairs.insert(hash(&[&prompt, chosen, rejected])) {
            self.find(FindingKind::DuplicatePair, &pair.id);
        }
        let (chosen, rejected) = (chosen.chars().count(), rejected.chars().count());
        let count = match chosen.cmp(&rejected) {
            std::cmp::Ordering::Greater => &mut self.lengths.chosen_longer,
            std::cmp::Ordering::Less => &mut self.lengths.rejected_longer,
            std::cmp::Ordering::Equal => &mut self.lengths.equal,
        };
        *count += 1;
    }
}

/// A conversation as a key: no other has it.
fn conversation(messages: &[Message]) -> String {
    let parts = messages.iter().map(|message| {
        let (role, content) = (role_name(message.role), &message.content);
        format!("{role} {}\n{content}", content.len())
    });
    parts.collect()
}

fn words(messages: &[Message]) -> String {
    let contents: Vec<&str> = messages.iter().map(|m| m.content.as_str()).collect();
    contents.join("\n")
}

fn hash(parts: &[&str]) -> Hash {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    let digest = sha.finalize();
    std::array::from_fn(|i| digest[i])
}
