//! What can be judged or looked at: an index of a run's transcripts, pairs of replies, questions and trees. Their words stay on disk; one
//! is read when its page is opened.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use trimtab_constitution::LabelledPair;
use trimtab_core::SampleId;
use trimtab_core::chat::Message;
use trimtab_debate::Transcript;
use trimtab_debate::transcript::{Arm, Speakers};
use trimtab_run::people::TaskKind;
use trimtab_run::rlhf::LabelledRow;
use trimtab_run::{FolderError, RowFolder, RunFolder, debates};

use crate::assignment::Candidate;

mod line;
mod named;
mod questions;
mod trees;
mod turns;
mod waiting;

use self::line::{Line, lines};
pub use questions::QuestionHead;
pub use trees::{CameTo, TreeCell, TreeFile, TreeHead};
pub use turns::TurnHead;
pub use waiting::WaitingHead;

/// The index of a run.
#[derive(Debug, Default)]
pub struct Catalogue {
    debates: Vec<DebateCell>,
    pairs: Vec<PairCell>,
    trees: Vec<TreeCell>,
    waiting: waiting::Waiting,
    questions: questions::Questions,
    turns: turns::Turns,
    seen: Seen,
}

/// What the files were when they were read.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// The transcripts of one method under one seed of one variant.
#[derive(Debug)]
pub struct DebateCell {
    /// The folder's name: `0-0-debate`.
    pub name: String,
    /// The variant, from 0.
    pub variant: usize,
    /// The transcripts, in the order of the file.
    pub heads: Vec<Head>,
    by_id: HashMap<String, usize>,
}

/// A transcript without its words.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its id.
    pub id: String,
    /// The question's id.
    pub question: SampleId,
    /// What is asked, with the answers: the same over methods and variants.
    pub asked: String,
    /// The passage's id, where there is one.
    pub passage: Option<String>,
    /// Who argued what.
    pub arm: Arm,
    /// Rounds in which anything was said.
    pub n_rounds: u32,
    /// Whether the right answer is known.
    pub has_answer: bool,
    line: Line,
}

/// Pairs of replies that were labelled together.
#[derive(Debug)]
pub struct PairCell {
    /// The folder's name.
    pub name: String,
    form: PairForm,
    heads: Vec<(String, Line)>,
    by_id: HashMap<String, usize>,
}

/// How a pair's line is written.
#[derive(Debug, Clone, Copy)]
enum PairForm {
    /// By constitutional AI, with every judgement.
    Labelled,
    /// By RLHF, the preferred reply first.
    Row,
}

/// A pair of replies, without anybody's judgement of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Its id.
    pub id: String,
    /// The conversation so far.
    pub prompt: Vec<Message>,
    /// The replies, in the order of the data.
    pub replies: [String; 2],
}

/// Why the run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file cannot be read.
    #[error("{}: reading", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{}: line {line} cannot be read", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The run folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What is asked for is not in the run.
    #[error("there is no {item:?} in {cell:?}")]
    NoSuchItem {
        /// The cell.
        cell: String,
        /// The item.
        item: String,
    },
}

impl CatalogueError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "check that the run folder is there and can be read".into(),
            Self::Line { .. } => "run the experiment again: it writes its files whole".into(),
            Self::Folder(error) => error.hint(),
            Self::NoSuchItem { .. } => "the run has changed since it was handed out".into(),
        }
    }
}

impl Catalogue {
    /// Reads the index of `run`.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when a file cannot be read.
    pub fn read(run: &RunFolder) -> Result<Self, CatalogueError> {
        let mut catalogue = Self {
            seen: seen(run.path())?,
            trees: trees::read(run)?,
            waiting: waiting::read(run)?,
            questions: questions::read(run)?,
            turns: turns::read(run)?,
            ..Self::default()
        };
        let mut answers: BTreeMap<usize, BTreeMap<SampleId, usize>> = BTreeMap::new();
        for name in folders(&run.path().join("debates"))? {
            let Some(variant) = variant_of(&name) else {
                continue;
            };
            let file = run.path().join("debates").join(&name).join(TRANSCRIPTS);
            if !file.exists() {
                continue;
            }
            if let Entry::Vacant(entry) = answers.entry(variant) {
                entry.insert(debates::answers(run.path(), variant)?.unwrap_or_default());
            }
            let key = &answers[&variant];
            let heads = lines(&file, |transcript: Transcript, line| Head {
                asked: asked(&transcript),
                has_answer: key.contains_key(&transcript.question),
                n_rounds: transcript.n_rounds(),
                id: transcript.id,
                question: transcript.question,
                passage: transcript.passage,
                arm: transcript.arm,
                line,
            })?;
            let by_id = (heads.iter().enumerate())
                .map(|(i, head)| (head.id.clone(), i))
                .collect();
            catalogue.debates.push(DebateCell {
                name,
                variant,
                heads,
                by_id,
            });
        }
        for (name, form, file) in pair_files(run)? {
            #[derive(Deserialize)]
            struct Id {
                id: String,
            }
            #[derive(Deserialize)]
            struct Row {
                pair: Id,
            }
            let heads = match form {
                PairForm::Labelled => lines(&file, |row: Id, line| (row.id, line))?,
                PairForm::Row => lines(&file, |row: Row, line| (row.pair.id, line))?,
            };
            let by_id = (heads.iter().enumerate())
                .map(|(i, (id, _))| (id.clone(), i))
                .collect();
            catalogue.pairs.push(PairCell {
                name,
                form,
                heads,
                by_id,
            });
        }
        Ok(catalogue)
    }

    /// Whether the run's files are those that were read.
    pub fn is_current(&self, run: &Path) -> bool {
        seen(run).is_ok_and(|now| now == self.seen)
    }

    /// Methods of debate under their seeds.
    pub fn debates(&self) -> &[DebateCell] {
        &self.debates
    }

    /// Sets of pairs.
    pub fn pairs(&self) -> &[PairCell] {
        &self.pairs
    }

    /// What can be judged, in a fixed order.
    pub fn candidates(&self) -> Vec<Candidate> {
        let debates = self.debates.iter().flat_map(|cell| {
            cell.heads.iter().map(|head| Candidate {
                kind: TaskKind::Debate,
                cell: cell.name.clone(),
                item: head.id.clone(),
                question: head.question.clone(),
                asked: head.asked.clone(),
                cluster: (head.passage.clone()).unwrap_or_else(|| head.asked.clone()),
                condition: format!("{} {}", cell.name, arm_name(head.arm)),
                has_answer: head.has_answer,
            })
        });
        let pairs = self.pairs.iter().flat_map(|cell| {
            cell.heads.iter().map(|(id, _)| Candidate {
                kind: TaskKind::Pair,
                cell: cell.name.clone(),
                item: id.clone(),
                question: SampleId::new(id),
                asked: format!("{} {id}", cell.name),
                cluster: format!("{} {id}", cell.name),
                condition: String::new(),
                has_answer: false,
            })
        });
        debates.chain(pairs).collect()
    }

    /// The cell called `name`.
    pub fn debate_cell(&self, name: &str) -> Option<&DebateCell> {
        self.debates.iter().find(|cell| cell.name == name)
    }

    /// Reads a transcript.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it is not there or cannot be read.
    pub fn transcript(&self, cell: &str, id: &str) -> Result<Transcript, CatalogueError> {
        let found = self.debate_cell(cell).and_then(|cell| {
            let i = cell.by_id.get(id)?;
            Some((cell, *i))
        });
        let (cell, i) = found.ok_or_else(|| no_such(cell, id))?;
        cell.heads[i].line.read()
    }

    /// Reads a pair.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it is not there or cannot be read.
    pub fn pair(&self, cell: &str, id: &str) -> Result<Pair, CatalogueError> {
        let found = (self.pairs.iter().find(|pairs| pairs.name == cell)).and_then(|cell| {
            let i = cell.by_id.get(id)?;
            Some((cell, *i))
        });
        let (cell, i) = found.ok_or_else(|| no_such(cell, id))?;
        let line = &cell.heads[i].1;
        Ok(match cell.form {
            PairForm::Labelled => {
                let pair: LabelledPair = line.read()?;
                Pair {
                    id: pair.id,
                    prompt: pair.prompt,
                    replies: pair.replies,
                }
            }
            PairForm::Row => {
                let row: LabelledRow = line.read()?;
                Pair {
                    id: row.pair.id,
                    prompt: row.pair.prompt,
                    replies: [row.pair.chosen, row.pair.rejected],
                }
            }
        })
    }
}

const TRANSCRIPTS: &str = "transcripts.jsonl";

fn no_such(cell: &str, item: &str) -> CatalogueError {
    CatalogueError::NoSuchItem {
        cell: cell.to_owned(),
        item: item.to_owned(),
    }
}

/// The arm in a few words: for the admin.
pub(crate) fn arm_name(arm: Arm) -> String {
    let speakers = match arm.speakers {
        Speakers::Nobody => "nobody speaks".to_owned(),
        Speakers::One(side) => format!("for {}", side.letter()),
        Speakers::Both => format!("{} first", arm.first.letter()),
    };
    let order = match arm.order {
        trimtab_debate::Order::AsListed => "as listed",
        trimtab_debate::Order::Swapped => "swapped",
    };
    format!("{order}, {speakers}")
}

/// What tells a question from others, whichever variant asks it and however its answers stood.
fn asked(transcript: &Transcript) -> String {
    let answers = transcript.arm.order.arrange(transcript.answers.clone());
    asked_of(&transcript.question, &transcript.text, &answers)
}

/// The same, of a question with its answers in the order of the data.
fn asked_of(question: &SampleId, text: &str, answers: &[String; 2]) -> String {
    format!("{question}\u{1f}{text}\u{1f}{}", answers.join("\u{1f}"))
}

/// `0` of `0-1-debate`.
fn variant_of(name: &str) -> Option<usize> {
    let mut parts = name.splitn(3, '-');
    let variant = parts.next()?.parse().ok()?;
    let _seed: u64 = parts.next()?.parse().ok()?;
    parts.next()?;
    Some(variant)
}

/// Folders of `folder`, by name.
fn folders(folder: &Path) -> Result<BTreeSet<String>, CatalogueError> {
    let failed = |source| CatalogueError::Io {
        path: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn pair_files(run: &RunFolder) -> Result<Vec<(String, PairForm, PathBuf)>, CatalogueError> {
    let mut files = Vec::new();
    let folder = run.path().join("constitutional-ai");
    for name in folders(&folder)? {
        let file = folder.join(&name).join("pairs.jsonl");
        if file.exists() {
            files.push((name, PairForm::Labelled, file));
        }
    }
    for stage in trimtab_run::rlhf::label_stages(run)? {
        let folder: &RowFolder = &stage.folder;
        let file = folder.path().join("labels.jsonl");
        let name = (folder.path().file_name()).map(|name| name.to_string_lossy().into_owned());
        if let Some(name) = name
            && file.exists()
        {
            files.push((name, PairForm::Row, file));
        }
    }
    Ok(files)
}

/// What the files that the index is made of are now.
fn seen(run: &Path) -> Result<Seen, CatalogueError> {
    let mut seen = Seen::new();
    let mut add = |path: PathBuf| {
        if let Ok(metadata) = std::fs::metadata(&path) {
            seen.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    };
    for (folder, file) in [
        ("debates", TRANSCRIPTS),
        ("debates", "waiting.jsonl"),
        ("constitutional-ai", "pairs.jsonl"),
        ("rlhf", "method.json"),
        ("safeguard", "asked.jsonl"),
    ] {
        let folder = run.join(folder);
        for name in folders(&folder)? {
            add(folder.join(name).join(file));
        }
    }
    let amplification = run.join("amplification");
    for name in folders(&amplification)? {
        // Which files a method has depends on its settings: all of them are looked at.
        let Ok(entries) = std::fs::read_dir(amplification.join(name)) else {
            continue;
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .for_each(&mut add);
    }
    Ok(seen)
}
