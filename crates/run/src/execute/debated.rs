//! What is debated: questions with two answers, from a file of such, or from any set whose questions have two.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use trimtab_core::AnswerKey;
use trimtab_data::{DataConfig, Locations, TwoAnswerSet, load, load_two_answers};
use trimtab_debate::{DebateQuestion, Passage};

use super::RunError;
use crate::folder::hex;

/// Questions, what debaters read, and which answers are right.
pub(super) struct Debated {
    pub(super) questions: Vec<Arc<DebateQuestion>>,
    /// Each once.
    pub(super) passages: Vec<Arc<Passage>>,
    pub(super) key: AnswerKey,
    /// SHA-256 of the data.
    pub(super) sha256: String,
}

impl Debated {
    pub(super) fn load(config: &DataConfig, locations: &Locations) -> Result<Self, RunError> {
        if let Some(set) = load_two_answers(config, locations)? {
            return Ok(Self::from(set));
        }
        let set = load(config, locations)?;
        let questions: Vec<Arc<DebateQuestion>> = (set.questions.iter())
            .map(|question| DebateQuestion::try_from(question).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let sha256 = match config.limit {
            None => set.sha256,
            Some(n) => hex(&Sha256::digest(format!("{} {n}", set.sha256))),
        };
        Ok(Self {
            passages: (questions.iter())
                .filter_map(|question| question.passage.clone())
                .collect(),
            questions,
            key: set.key,
            sha256,
        })
    }
}

impl From<TwoAnswerSet> for Debated {
    fn from(set: TwoAnswerSet) -> Self {
        let passages: Vec<Arc<Passage>> = (set.passages.into_iter())
            .map(|passage| {
                Arc::new(Passage {
                    id: passage.id,
                    title: passage.title,
                    text: passage.text,
                })
            })
            .collect();
        let questions = (set.questions.into_iter())
            .map(|question| {
                Arc::new(DebateQuestion {
                    id: question.id,
                    text: question.text.into(),
                    answers: question.answers.map(Into::into),
                    passage: (question.passage).map(|place| Arc::clone(&passages[place])),
                })
            })
            .collect();
        Self {
            questions,
            passages,
            key: set.key,
            sha256: set.sha256,
        }
    }
}
