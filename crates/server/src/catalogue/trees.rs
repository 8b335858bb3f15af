//! Trees of iterated amplification: an index of the files that a run's methods leave. A tree is read when its page is opened.

use std::collections::{BTreeMap, HashMap};

use trimtab_amplify::Unanswered;
use trimtab_amplify::language::ProblemTree;
use trimtab_amplify::language::reply::same_answer;
use trimtab_core::SampleId;
use trimtab_run::RunFolder;
use trimtab_run::amplification::{self, AmplificationFolder, IteratedAmplificationConfig, Trees};

use super::{Catalogue, CatalogueError, Line, lines, no_such};

/// Characters of a question or an answer that the index keeps.
const MOST_CHARS: usize = 160;

/// The trees of one method under one seed of one variant.
#[derive(Debug)]
pub struct TreeCell {
    /// The folder's name: `0-0-amplified_at_once__depth_1`.
    pub name: String,
    /// The method, as tables call it.
    pub method: String,
    /// The variant, from 0.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
    /// Its files of trees, in the order in which they are made.
    pub files: Vec<TreeFile>,
}

/// Trees of one kind.
#[derive(Debug)]
pub struct TreeFile {
    /// Which.
    pub of: Trees,
    /// The trees, in the order of the file.
    pub heads: Vec<TreeHead>,
    by_id: HashMap<String, usize>,
}

/// A tree without what was asked below its root.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeHead {
    /// The problem's id.
    pub id: SampleId,
    /// The beginning of what is asked.
    pub question: String,
    /// What came of it.
    pub came_to: CameTo,
    /// Questions in the tree, its root too.
    pub n_questions: usize,
    line: Line,
}

/// What came of a problem, seen beside its key.
#[derive(Debug, Clone, PartialEq)]
pub enum CameTo {
    /// An answer.
    Answer {
        /// Its beginning.
        text: String,
        /// Whether it is the right one, where that is known.
        is_right: Option<bool>,
    },
    /// None, and why.
    Nothing(&'static str),
}

impl CameTo {
    fn of(
        answer: &trimtab_amplify::Answered<trimtab_amplify::language::Reply>,
        key: Option<&str>,
    ) -> Self {
        match answer {
            Ok(reply) => Self::Answer {
                text: beginning(&reply.answer),
                is_right: key.map(|key| same_answer(key, &reply.answer)),
            },
            Err(unanswered) => Self::Nothing(unanswered.in_words()),
        }
    }

    /// Whether it is known not to be right. What has no answer is not; what still waits for a person is not known.
    pub fn is_not_right(&self) -> bool {
        match self {
            Self::Answer { is_right, .. } => *is_right == Some(false),
            Self::Nothing(why) => *why != Unanswered::Waiting.in_words(),
        }
    }
}

impl TreeCell {
    /// Its trees of the kind that is called `of` in addresses.
    pub fn file(&self, of: &str) -> Option<&TreeFile> {
        self.files.iter().find(|file| file.address() == of)
    }
}

impl TreeFile {
    /// What it is called in addresses: `amplified-0`.
    pub fn address(&self) -> String {
        let name = self.of.file();
        name.trim_end_matches(".jsonl").to_owned()
    }
}

impl Catalogue {
    /// Methods of iterated amplification under their seeds, those that have trees so far.
    pub fn trees(&self) -> &[TreeCell] {
        &self.trees
    }

    /// The cell called `name`.
    pub fn tree_cell(&self, name: &str) -> Option<&TreeCell> {
        self.trees.iter().find(|cell| cell.name == name)
    }

    /// Reads a tree.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it is not there or cannot be read.
    pub fn tree(&self, cell: &str, of: &str, id: &str) -> Result<ProblemTree, CatalogueError> {
        let found = (self.tree_cell(cell).and_then(|cell| cell.file(of))).and_then(|file| {
            let i = file.by_id.get(id)?;
            Some((file, *i))
        });
        let (file, i) = found.ok_or_else(|| no_such(cell, id))?;
        let tree: ProblemTree = file.heads[i].line.read()?;
        if tree.id == file.heads[i].id {
            Ok(tree)
        } else {
            Err(no_such(cell, id))
        }
    }
}

/// The kinds of trees that a method leaves, in the order in which they are made.
fn kinds(config: &IteratedAmplificationConfig) -> Vec<Trees> {
    let mut kinds = vec![Trees::Expert];
    for k in 0..config.iterations {
        kinds.extend([Trees::Alone(k), Trees::Amplified(k), Trees::Training(k)]);
    }
    kinds.push(Trees::Supervised);
    kinds
}

/// Reads the index of a run's trees.
pub(super) fn read(run: &RunFolder) -> Result<Vec<TreeCell>, CatalogueError> {
    let mut keys: BTreeMap<usize, BTreeMap<SampleId, String>> = BTreeMap::new();
    let mut cells = Vec::new();
    for (variant, seed, config, folder) in amplification::folders(run) {
        if let std::collections::btree_map::Entry::Vacant(entry) = keys.entry(variant) {
            entry.insert(amplification::key(run.path(), variant)?.unwrap_or_default());
        }
        let files = files(&folder, &config, &keys[&variant])?;
        if !files.is_empty() {
            cells.push(TreeCell {
                name: folder.name(),
                method: config.name(),
                variant,
                seed,
                files,
            });
        }
    }
    Ok(cells)
}

fn files(
    folder: &AmplificationFolder,
    config: &IteratedAmplificationConfig,
    key: &BTreeMap<SampleId, String>,
) -> Result<Vec<TreeFile>, CatalogueError> {
    let mut files = Vec::new();
    for of in kinds(config) {
        let file = folder.files().path().join(of.file());
        if !file.exists() {
            continue;
        }
        let heads = lines(&file, |tree: ProblemTree, line| TreeHead {
            question: beginning(tree.tree.question.as_str()),
            came_to: CameTo::of(&tree.tree.answer, key.get(&tree.id).map(String::as_str)),
            n_questions: tree.tree.n_questions(),
            id: tree.id,
            line,
        })?;
        let by_id = (heads.iter().enumerate())
            .map(|(i, head)| (head.id.as_str().to_owned(), i))
            .collect();
        files.push(TreeFile { of, heads, by_id });
    }
    Ok(files)
}

/// Enough of a text to tell it from others.
fn beginning(text: &str) -> String {
    let mut chars = text.chars();
    let mut beginning: String = chars.by_ref().take(MOST_CHARS).collect();
    if chars.next().is_some() {
        beginning.push('…');
    }
    beginning
}
