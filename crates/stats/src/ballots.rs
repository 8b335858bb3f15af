//! Ballots: what several supervisors said of several items, beside what is true of each.
//!
//! In: an answer, a failure, or nothing, a supervisor and an item; the truth an item. Out: who is right where, and the panel's vote.
//!
//! Two things are kept apart that both leave a cell without an answer. A judgement that *failed* was asked for and came to nothing:
//! it is wrong, and counts in every denominator. One that was *not asked* for says nothing of anybody: the item is not among that
//! supervisor's.

use trimtab_core::AnswerIdx;

/// What came of asking one supervisor about one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ballot {
    /// It gave this answer.
    Answer(AnswerIdx),
    /// It was asked and gave none.
    Failed,
    /// It was not asked.
    Unasked,
}

/// A ballot beside the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The true answer.
    Right,
    /// Another one, or a failed judgement.
    Wrong,
    /// No question was put.
    Unasked,
}

impl Outcome {
    /// 1 for an error and 0 for none; nothing where nobody was asked.
    pub fn error(self) -> Option<f64> {
        match self {
            Self::Right => Some(0.0),
            Self::Wrong => Some(1.0),
            Self::Unasked => None,
        }
    }
}

/// Ballots of several supervisors on the same items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ballots {
    n_answers: usize,
    truth: Vec<AnswerIdx>,
    rows: Vec<Vec<Ballot>>,
}

/// Why cells are no ballots. Supervisors and items are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BallotsError {
    /// Nobody, or nothing.
    #[error("{n_supervisors} supervisors and {n_items} items: there is nothing to count")]
    Empty {
        /// How many supervisors there are.
        n_supervisors: usize,
        /// How many items.
        n_items: usize,
    },
    /// A choice needs two answers.
    #[error("{0} answers are no choice")]
    TooFewAnswers(usize),
    /// A row of another length.
    #[error("supervisor {supervisor} has {got} ballots for {n_items} items")]
    Ragged {
        /// Which supervisor.
        supervisor: usize,
        /// How many ballots it has.
        got: usize,
        /// How many items there are.
        n_items: usize,
    },
    /// An answer that nobody may give.
    #[error("item {item}: answer {answer} is outside the {n_answers} that there are")]
    OutsideAnswers {
        /// Which item.
        item: usize,
        /// The answer, from 0.
        answer: usize,
        /// How many there are.
        n_answers: usize,
    },
}

impl BallotsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "give at least one supervisor and one item whose truth is known",
            Self::TooFewAnswers(_) => "declare every answer that may be given, two at least",
            Self::Ragged { .. } => {
                "give every supervisor a cell for every item; one that was not asked is a cell of its own"
            }
            Self::OutsideAnswers { .. } => {
                "count answers from 0, and declare every one that may be given"
            }
        }
    }
}

impl Ballots {
    /// Checks the shape: `rows` has a row a supervisor, with a cell an item; `n_answers` is how many answers an item may have.
    ///
    /// # Errors
    ///
    /// [`BallotsError`] names the first cell that does not fit.
    pub fn new(
        n_answers: usize,
        truth: Vec<AnswerIdx>,
        rows: Vec<Vec<Ballot>>,
    ) -> Result<Self, BallotsError> {
        if truth.is_empty() || rows.is_empty() {
            return Err(BallotsError::Empty {
                n_supervisors: rows.len(),
                n_items: truth.len(),
            });
        }
        if n_answers < 2 {
            return Err(BallotsError::TooFewAnswers(n_answers));
        }
        let inside = |item: usize, answer: AnswerIdx| {
            if answer.0 < n_answers {
                return Ok(());
            }
            Err(BallotsError::OutsideAnswers {
                item,
                answer: answer.0,
                n_answers,
            })
        };
        for (item, &answer) in truth.iter().enumerate() {
            inside(item, answer)?;
        }
        for (supervisor, row) in rows.iter().enumerate() {
            if row.len() != truth.len() {
                return Err(BallotsError::Ragged {
                    supervisor,
                    got: row.len(),
                    n_items: truth.len(),
                });
            }
            for (item, ballot) in row.iter().enumerate() {
                if let Ballot::Answer(answer) = *ballot {
                    inside(item, answer)?;
                }
            }
        }
        Ok(Self {
            n_answers,
            truth,
            rows,
        })
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.truth.len()
    }

    /// How many supervisors.
    pub fn n_supervisors(&self) -> usize {
        self.rows.len()
    }

    /// How many answers an item may have.
    pub fn n_answers(&self) -> usize {
        self.n_answers
    }

    /// The true answer of every item.
    pub fn truth(&self) -> &[AnswerIdx] {
        &self.truth
    }

    /// What one supervisor said, item by item.
    pub fn row(&self, supervisor: usize) -> &[Ballot] {
        &self.rows[supervisor]
    }

    /// Whether a supervisor is right on an item.
    pub fn outcome(&self, supervisor: usize, item: usize) -> Outcome {
        match self.rows[supervisor][item] {
            Ballot::Answer(answer) if answer == self.truth[item] => Outcome::Right,
            Ballot::Answer(_) | Ballot::Failed => Outcome::Wrong,
            Ballot::Unasked => Outcome::Unasked,
        }
    }

    /// Errors of a supervisor, failed judgements among them, and the items that it was asked about.
    pub fn errors(&self, supervisor: usize) -> (usize, usize) {
        let outcomes = (0..self.n_items()).map(|item| self.outcome(supervisor, item));
        outcomes.fold((0, 0), |(errors, asked), outcome| match outcome {
            Outcome::Right => (errors, asked + 1),
            Outcome::Wrong => (errors + 1, asked + 1),
            Outcome::Unasked => (errors, asked),
        })
    }

    /// A supervisor's accuracy on the items it was asked about; `None` where there was none.
    pub fn accuracy(&self, supervisor: usize) -> Option<f64> {
        let (errors, asked) = self.errors(supervisor);
        (asked > 0).then(|| 1.0 - errors as f64 / asked as f64)
    }

    /// Errors on an item, and how many were asked.
    pub fn errors_on(&self, item: usize) -> (usize, usize) {
        let outcomes = (0..self.n_supervisors()).map(|supervisor| self.outcome(supervisor, item));
        outcomes.fold((0, 0), |(errors, asked), outcome| match outcome {
            Outcome::Right => (errors, asked + 1),
            Outcome::Wrong => (errors + 1, asked + 1),
            Outcome::Unasked => (errors, asked),
        })
    }

    /// Failed judgements of all.
    pub fn n_failed(&self) -> usize {
        let cells = self.rows.iter().flatten();
        cells.filter(|ballot| **ballot == Ballot::Failed).count()
    }

    /// The same items before these supervisors only.
    ///
    /// # Panics
    ///
    /// When there is none, or one is not there: a bug in the caller.
    #[must_use]
    pub fn of_supervisors(&self, supervisors: &[usize]) -> Self {
        assert!(!supervisors.is_empty(), "ballots of nobody");
        Self {
            n_answers: self.n_answers,
            truth: self.truth.clone(),
            rows: supervisors.iter().map(|&j| self.rows[j].clone()).collect(),
        }
    }

    /// The same supervisors on these items only.
    ///
    /// # Panics
    ///
    /// When there is none, or one is not there: a bug in the caller.
    #[must_use]
    pub fn of_items(&self, items: &[usize]) -> Self {
        assert!(!items.is_empty(), "ballots on nothing");
        Self {
            n_answers: self.n_answers,
            truth: items.iter().map(|&i| self.truth[i]).collect(),
            rows: (self.rows.iter())
                .map(|row| items.iter().map(|&i| row[i]).collect())
                .collect(),
        }
    }

    /// The chance that the answer with the greatest sum of weights is the true one, where ties are drawn: 0 where everyone who was
    /// asked failed, `None` where nobody was asked.
    ///
    /// # Panics
    ///
    /// When there are not as many weights as supervisors: a bug in the caller.
    pub fn vote_is_right(&self, item: usize, weights: &[f64]) -> Option<f64> {
        assert_eq!(weights.len(), self.rows.len(), "weights and supervisors");
        let mut sums = vec![0.0; self.n_answers];
        let (mut n_asked, mut n_answered) = (0, 0);
        for (row, weight) in self.rows.iter().zip(weights) {
            match row[item] {
                Ballot::Answer(answer) => {
                    sums[answer.0] += weight;
                    n_asked += 1;
                    n_answered += 1;
                }
                Ballot::Failed => n_asked += 1,
                Ballot::Unasked => {}
            }
        }
        if n_asked == 0 {
            return None;
        }
        if n_answered == 0 {
            return Some(0.0);
        }
        let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let n_tied = sums.iter().filter(|sum| **sum == most).count();
        let is_among = sums[self.truth[item].0] == most;
        Some(if is_among { 1.0 / n_tied as f64 } else { 0.0 })
    }

    /// The error of the weighted vote over items about which anyone was asked; `None` where there is none.
    pub fn vote_error(&self, weights: &[f64]) -> Option<f64> {
        let right: Vec<f64> = (0..self.n_items())
            .filter_map(|item| self.vote_is_right(item, weights))
            .collect();
        (!right.is_empty()).then(|| 1.0 - right.iter().sum::<f64>() / right.len() as f64)
    }

    /// The error of the vote in which all count alike.
    pub fn plurality_error(&self) -> Option<f64> {
        self.vote_error(&vec![1.0; self.n_supervisors()])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two answers, of which the first is true: `.` is right, `x` wrong, `f` failed, `-` not asked; a supervisor a row.
    pub(crate) fn ballots(rows: &[&str]) -> Ballots {
        let rows: Vec<Vec<Ballot>> = (rows.iter())
            .map(|row| {
                row.chars()
                    .map(|cell| match cell {
                        '.' => Ballot::Answer(AnswerIdx(0)),
                        'x' => Ballot::Answer(AnswerIdx(1)),
                        'f' => Ballot::Failed,
                        '-' => Ballot::Unasked,
                        other => panic!("{other}"),
                    })
                    .collect()
            })
            .collect();
        Ballots::new(2, vec![AnswerIdx(0); rows[0].len()], rows).unwrap()
    }

    #[test]
    fn failed_is_wrong_and_unasked_is_nothing() {
        let table = ballots(&[".xf-", "...."]);
        assert_eq!(table.errors(0), (2, 3));
        assert_eq!(table.accuracy(0), Some(1.0 - 2.0 / 3.0));
        assert_eq!(table.errors_on(3), (0, 1));
        assert_eq!(table.n_failed(), 1);
    }

    #[test]
    fn ties_are_drawn_and_all_failing_is_an_error() {
        let table = ballots(&[".xf-.", "xxf-f", "...-f"]);
        let right: Vec<_> = (0..5)
            .map(|item| table.vote_is_right(item, &[1.0; 3]))
            .collect();
        assert_eq!(
            right,
            [Some(1.0), Some(0.0), Some(1.0), None, Some(1.0)],
            "a majority of those who answered"
        );
        assert_eq!(
            ballots(&[".", "x"]).vote_is_right(0, &[1.0; 2]),
            Some(0.5),
            "a tie"
        );
        assert_eq!(ballots(&["f", "f"]).plurality_error(), Some(1.0));
        assert_eq!(
            ballots(&[".", "x", "x"]).vote_error(&[3.0, 1.0, 1.0]),
            Some(0.0)
        );
        assert_eq!(ballots(&["-"]).plurality_error(), None);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let answer = |a| Ballot::Answer(AnswerIdx(a));
        let new = |rows| Ballots::new(2, vec![AnswerIdx(0), AnswerIdx(1)], rows);
        assert_eq!(
            new(vec![vec![answer(0)]]),
            Err(BallotsError::Ragged {
                supervisor: 0,
                got: 1,
                n_items: 2
            })
        );
        assert_eq!(
            new(vec![vec![answer(0), answer(2)]]),
            Err(BallotsError::OutsideAnswers {
                item: 1,
                answer: 2,
                n_answers: 2
            })
        );
        assert!(matches!(new(Vec::new()), Err(BallotsError::Empty { .. })));
        assert_eq!(
            Ballots::new(1, vec![AnswerIdx(0)], vec![vec![answer(0)]]),
            Err(BallotsError::TooFewAnswers(1))
        );
    }
}
