//! What a model sees of a question: its words, or its frozen features.

use std::sync::Arc;

use trimtab_core::{FeatureError, FeatureTable, Question, Rows};
use trimtab_probe::ngrams::Ngrams;
use trimtab_probe::{Dense, Design, Preconditioner};

/// Where a linear model's inputs come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Hashed n-grams of the text.
    Words(Ngrams),
    /// Frozen features.
    Features(FeatureView),
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
            Self::Words(ngrams) => {
                let design = ngrams.design(questions.iter().map(|q| &*q.text));
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
            Self::Words(ngrams) => Ok(ngrams
                .design(questions.iter().map(|q| &*q.text))
                .logits(weights)),
            Self::Features(view) => Ok(Dense::new(&view.rows(questions)?).logits(weights)),
        }
    }
}
