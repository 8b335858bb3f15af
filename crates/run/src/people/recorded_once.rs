//! What became of words that count once and for all, whoever says them first: a step of an expert, a turn of a debater.

/// What became of words that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedOnce {
    /// They are stored.
    Stored,
    /// This rater had said the same before.
    AlreadyStored,
    /// Others were stored before, by this rater or another, and count.
    AnotherFirst {
        /// Whose those are.
        rater: i64,
    },
}

impl RecordedOnce {
    /// What became of words where `rater`'s were stored before; `is_same`: they are the same, and by the same.
    pub(super) fn after(rater: i64, is_same: bool) -> Self {
        if is_same {
            Self::AlreadyStored
        } else {
            Self::AnotherFirst { rater }
        }
    }
}
