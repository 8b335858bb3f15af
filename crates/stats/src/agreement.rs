//! Agreement: how often the student says what its supervisor says.
//!
//! Paper: Burns et al. 2023, arXiv:2312.09390, section 5.1 (understanding imitation).
//!
//! ```text
//! agreement = #{i ∈ I : student_i = supervisor_i} / #I
//! ```
//!
//! with `I` all items, those the supervisor gets right, and those it gets wrong. The last is the
//! share of the supervisor's errors that the student imitates.
//!
//! In: an answer an item from each, `None` where the judgement failed. Out: fractions.
//! A failed judgement agrees with nothing, not even another failure, and is a supervisor's error like
//! any other, so that `overall · n = on_right · n_right + on_wrong · n_wrong`.

use serde::Serialize;
use trimtab_core::AnswerIdx;

/// How often the student says what the supervisor says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Over all items.
    pub overall: f64,
    /// Over items that the supervisor gets right; absent when there is none.
    pub on_right: Option<f64>,
    /// Over items that the supervisor gets wrong: errors imitated; absent when there is none.
    pub on_wrong: Option<f64>,
}

impl Agreement {
    /// Counts agreements; `None` where there is no item.
    ///
    /// # Panics
    ///
    /// When the three are not of the same length: a bug in the caller.
    pub fn new(
        supervisor: &[Option<AnswerIdx>],
        student: &[Option<AnswerIdx>],
        truth: &[AnswerIdx],
    ) -> Option<Self> {
        assert_eq!(
            supervisor.len(),
            truth.len(),
            "supervisor's answers and truths"
        );
        assert_eq!(student.len(), truth.len(), "student's answers and truths");
        let (mut on_right, mut on_wrong) = (Tally::default(), Tally::default());
        for ((supervisor, student), truth) in supervisor.iter().zip(student).zip(truth) {
            let tally = if *supervisor == Some(*truth) {
                &mut on_right
            } else {
                &mut on_wrong
            };
            tally.n += 1;
            tally.n_agreed += usize::from(supervisor.is_some() && supervisor == student);
        }
        let all = Tally {
            n: on_right.n + on_wrong.n,
            n_agreed: on_right.n_agreed + on_wrong.n_agreed,
        };
        Some(Self {
            overall: all.share()?,
            on_right: on_right.share(),
            on_wrong: on_wrong.share(),
        })
    }
}

#[derive(Default)]
struct Tally {
    n: usize,
    n_agreed: usize,
}

impl Tally {
    fn share(&self) -> Option<f64> {
        (self.n > 0).then(|| self.n_agreed as f64 / self.n as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agreement(items: &[(Option<usize>, Option<usize>, usize)]) -> Option<Agreement> {
        let supervisor: Vec<_> = items.iter().map(|item| item.0.map(AnswerIdx)).collect();
        let student: Vec<_> = items.iter().map(|item| item.1.map(AnswerIdx)).collect();
        let truth: Vec<_> = items.iter().map(|item| AnswerIdx(item.2)).collect();
        Agreement::new(&supervisor, &student, &truth)
    }

    #[test]
    fn errors_are_imitated_only_by_the_same_error() {
        let items = [
            (Some(1), Some(1), 0),
            (Some(1), Some(2), 0),
            (Some(0), Some(0), 0),
        ];
        let expected = Agreement {
            overall: 2.0 / 3.0,
            on_right: Some(1.0),
            on_wrong: Some(0.5),
        };
        assert_eq!(agreement(&items), Some(expected));
    }

    #[test]
    fn two_failures_do_not_agree() {
        let expected = Agreement {
            overall: 0.0,
            on_right: None,
            on_wrong: Some(0.0),
        };
        assert_eq!(agreement(&[(None, None, 0)]), Some(expected));
        assert_eq!(agreement(&[]), None);
    }

    proptest! {
        #[test]
        fn the_parts_make_the_whole(
            items in prop::collection::vec(
                (prop::option::of(0..3usize), prop::option::of(0..3usize), 0..3usize), 1..60),
        ) {
            let Agreement { overall, on_right, on_wrong } = agreement(&items).unwrap();
            let n_right = items.iter().filter(|item| item.0 == Some(item.2)).count() as f64;
            let n = items.len() as f64;
            let parts = on_right.unwrap_or(0.0) * n_right + on_wrong.unwrap_or(0.0) * (n - n_right);
            prop_assert!((overall * n - parts).abs() < 1e-9);
        }
    }
}
