//! Accuracy: the share of right answers.
//!
//! ```text
//! accuracy = #{i : predicted_i = truth_i} / n
//! ```
//!
//! In: one predicted answer an item, `None` where the judgement failed. Out: a fraction.
//! A failed judgement is not right, and is counted in `n`.

use trimtab_core::{Accuracy, AnswerIdx};

/// Which predictions are right, item by item; a failed judgement is not.
///
/// # Panics
///
/// When there are not as many predictions as truths: a bug in the caller.
pub fn right(predicted: &[Option<AnswerIdx>], truth: &[AnswerIdx]) -> Vec<bool> {
    assert_eq!(predicted.len(), truth.len(), "predictions and truths");
    let pairs = predicted.iter().zip(truth);
    pairs.map(|(p, t)| *p == Some(*t)).collect()
}

/// The share of right predictions; `None` where there is no item.
///
/// # Panics
///
/// When there are not as many predictions as truths: a bug in the caller.
pub fn accuracy(predicted: &[Option<AnswerIdx>], truth: &[AnswerIdx]) -> Option<Accuracy> {
    let right = right(predicted, truth);
    let n_right = right.iter().filter(|right| **right).count();
    Accuracy::new(n_right as f64 / right.len() as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(predicted: &[Option<usize>], truth: &[usize], expected: Option<f64>) {
        let predicted: Vec<_> = predicted.iter().map(|p| p.map(AnswerIdx)).collect();
        let truth: Vec<_> = truth.iter().copied().map(AnswerIdx).collect();
        assert_eq!(accuracy(&predicted, &truth).map(Accuracy::get), expected);
    }

    #[test]
    fn failed_judgements_stay_in_the_denominator() {
        check(&[Some(0), Some(1), None, Some(2)], &[0, 1, 0, 0], Some(0.5));
        check(&[None, None], &[0, 1], Some(0.0));
    }

    #[test]
    fn nothing_judged_is_no_accuracy() {
        check(&[], &[], None);
    }
}
