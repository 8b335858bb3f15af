//! What a model sees of a question: its words, the words of its two candidates, or its frozen features.
//!
//! Where the answers are two texts, a linear model is a reward model (Bradley and Terry 1952):
//!
//! ```text
//! P(B over A) = σ(r(B) − r(A))          r(x) = w · φ(x)
//! ```
//!
//! One reward `r` scores either text, so there is no bias, and turning a pair round turns its probability
//! round. The prompt is the same for both and would cancel: only the candidates are looked at.

use std::sync::Arc;

use trimtab_core::{FeatureError, FeatureTable, Question, Rows};
use trimtab_probe::ngrams::Ngrams;
use trimtab_probe::{Dense, Design, Preconditioner, Sparse};

/// Where a linear model's inputs come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Hashed n-grams.
    Words(WordView),
    /// Frozen features.
    Features(FeatureView),
}

/// Hashed n-grams of a question's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WordView {
    pub(crate) ngrams: Ngrams,
    pub(crate) of: WordsOf,
}

/// Which words of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordsOf {
    /// Its text.
    Text,
    /// Its two candidates, one against the other.
    Pair,
}

impl WordView {
    fn design(&self, questions: &[Question]) -> Sparse {
        match self.of {
            WordsOf::Text => self.ngrams.design(questions.iter().map(|q| &*q.text)),
            WordsOf::Pair => self.ngrams.differences(questions.iter().map(pair)),
        }
    }
}

/// The two candidates of a question. Models are built for data that have them.
fn pair(question: &Question) -> [&str; 2] {
    match question.candidates.as_deref() {
        Some([first, second]) => [first, second],
        _ => unreachable!("sample {} is no pair", question.id),
    }
}

/// Frozen features, or the first few of them.
#[derive(Debug, Clone)]
pub(crate) struct FeatureView {
    pub(crate) table: Arc<FeatureTable>,
    /// How many features of each row are seen.
    pub(crate) dims: usize,
}

impl FeatureView {
    pub(crate) fn rows<'q>(
        &self,
        questions: impl IntoIterator<Item = &'q Question>,
    ) -> Result<Rows<'_>, FeatureError> {
        Ok(self.table.rows(questions)?.first_dims(self.dims))
    }
}

impl Source {
    /// Whether two sources show a model the same numbers.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Words(a), Self::Words(b)) => a == b,
            (Self::Features(a), Self::Features(b)) => {
                Arc::ptr_eq(&a.table, &b.table) && a.dims == b.dims
            }
            (Self::Words(_) | Self::Features(_), _) => false,
        }
    }

    /// Lets `with` work on the design of `questions` and its preconditioner for the penalty `l2`.
    pub(crate) fn with_design<T>(
        &self,
        questions: &[Question],
        l2: f64,
        with: impl FnOnce(&dyn Design, &Preconditioner) -> T,
    ) -> Result<T, FeatureError> {
        match self {
            Self::Words(view) => {
                let design = view.design(questions);
                let preconditioner = Preconditioner::diagonal(&design, l2);
                Ok(with(&design, &preconditioner))
            }
            Self::Features(view) => {
                let rows = view.rows(questions)?;
                let design = Dense::new(&rows);
                let preconditioner = Preconditioner::dense(&design, l2);
                Ok(with(&design, &preconditioner))
            }
        }
    }

    /// The logits of `questions` under a linear model, `[columns, n]`.
    pub(crate) fn logits(
        &self,
        questions: &[Question],
        weights: &[f32],
    ) -> Result<Vec<f32>, FeatureError> {
        match self {
            Self::Words(view) => Ok(view.design(questions).logits(weights)),
            Self::Features(view) => Ok(Dense::new(&view.rows(questions)?).logits(weights)),
        }
    }
}
