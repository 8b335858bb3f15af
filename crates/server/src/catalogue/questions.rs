//! Questions that active querying asks people: an index of the lines of every `asked.jsonl`. The words are read when a page is
//! opened.

use trimtab_core::SampleId;
use trimtab_run::RunFolder;
use trimtab_run::safeguard::{AskedQuestion, ShownAnswers, annotation_folders};

use super::named::Named;
use super::{Catalogue, CatalogueError, Line, lines, no_such};

/// The questions of a run.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Whether any method of the run asks people.
    asks_people: bool,
    heads: Named<QuestionHead>,
}

/// A question without its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionHead {
    /// What tells it from others: a hash of all that is shown.
    pub key: String,
    /// Which it is in the data.
    pub id: SampleId,
    /// What answers are filed under.
    pub cell: String,
    /// How many people are asked.
    pub raters: usize,
    /// Whether it waited when the run was last asked to go on.
    pub waits: bool,
    /// Whether its answers are texts, which may change places.
    pub are_texts: bool,
    line: Line,
}

#[cfg(test)]
impl QuestionHead {
    /// One that waits and has no words.
    pub(crate) fn new(key: &str, id: &SampleId, raters: usize) -> Self {
        Self {
            key: key.to_owned(),
            id: id.clone(),
            cell: "safeguard/0-querying".into(),
            raters,
            waits: true,
            are_texts: false,
            line: Line::nowhere(),
        }
    }
}

impl Catalogue {
    /// Whether any method of the run puts its questions to people.
    pub fn asks_annotators(&self) -> bool {
        self.questions.asks_people
    }

    /// Every question that was asked, in the order of the run; one that several methods ask is in it once.
    pub fn questions(&self) -> &[QuestionHead] {
        self.questions.heads.all()
    }

    /// Reads the question of this key.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it is not there or cannot be read, or another stands in its place since.
    pub fn question(&self, key: &str) -> Result<AskedQuestion, CatalogueError> {
        let head = (self.questions.heads.get(key)).ok_or_else(|| no_such("questions", key))?;
        let question: AskedQuestion = head.line.read()?;
        if question.key() == head.key {
            Ok(question)
        } else {
            Err(no_such(&head.cell, key))
        }
    }
}

/// Reads the index.
pub(super) fn read(run: &RunFolder) -> Result<Questions, CatalogueError> {
    let mut questions = Questions::default();
    for (_, folder) in annotation_folders(run) {
        questions.asks_people = true;
        let file = folder.path();
        if !file.exists() {
            continue;
        }
        let cell = folder.cell();
        let heads = lines(&file, |question: AskedQuestion, line| QuestionHead {
            key: question.key(),
            id: question.id,
            cell: cell.clone(),
            raters: question.raters.get() as usize,
            waits: question.waits,
            are_texts: matches!(question.answers, ShownAnswers::Texts(_)),
            line,
        })?;
        for head in heads {
            let (waits, raters) = (head.waits, head.raters);
            // Whoever asks more people is satisfied last.
            if let Some(there) = questions.heads.add(&head.key.clone(), head)
                && waits
            {
                let others = if there.waits { there.raters } else { 0 };
                there.raters = others.max(raters);
                there.waits = true;
            }
        }
    }
    Ok(questions)
}
