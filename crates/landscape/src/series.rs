//! A series: what was scored in which year, of models or of people, with the groups that scores come in.
//!
//! A row may name its family of tasks, its task and its run (a model, an annotator, an attempt). Within a family and task, years
//! do not fall from row to row; rows of one year are told apart by their run. What breaks this is refused, with its row, since it
//! is as likely a slip as meant.
//!
//! In: years (2024.5 is the middle of 2024), scores as fractions, items behind each. Out: the same, checked.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Observation {
    /// When: 2024.5 is the middle of 2024.
    pub year: f64,
    /// The share that was right, as a fraction.
    pub score: f64,
    /// Items behind the score; on every row or on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<NonZeroU32>,
    /// The family that its task is of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub family: String,
    /// Its task.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub task: String,
    /// Which run, model or annotator it is of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
}

/// Scores over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    observations: Vec<Observation>,
}

/// The fewest years with scores: two make a line, the third shows how far from one they are.
pub const FEWEST_YEARS: usize = 3;

/// Why rows are no series. Rows are counted from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SeriesError {
    /// No row at all.
    #[error("no row")]
    Empty,
    /// A year that is none.
    #[error("row {row}: `year` is {value}, which is no year")]
    Year {
        /// The row.
        row: usize,
        /// What it says.
        value: f64,
    },
    /// A score that is no share.
    #[error("row {row}: `score` is {value}, outside 0 to 1")]
    Score {
        /// The row.
        row: usize,
        /// What it says.
        value: f64,
    },
    /// Items are known of some rows only.
    #[error("row {row} has no `n`, and row {other} has one")]
    SomeItems {
        /// A row without.
        row: usize,
        /// A row with.
        other: usize,
    },
    /// A year before the row's above.
    #[error(
        "row {row}: year {year} comes after year {before} of row {above}: years are out of order"
    )]
    OutOfOrder {
        /// The row.
        row: usize,
        /// Its year.
        year: f64,
        /// The row of the same family and task above it.
        above: usize,
        /// That one's year.
        before: f64,
    },
    /// Two scores of one thing in one year.
    #[error("rows {first} and {row} are both of year {year}, and nothing tells them apart")]
    Repeated {
        /// The second.
        row: usize,
        /// The first.
        first: usize,
        /// Their year.
        year: f64,
    },
    /// Too few years for a trend.
    #[error(
        "row {last} is the last, and there are {n_years} different years: a trend needs {FEWEST_YEARS}"
    )]
    TooFewYears {
        /// The last row.
        last: usize,
        /// Different years.
        n_years: usize,
    },
}

impl SeriesError {
    /// The row at fault, from 1, where there is one.
    pub fn row(&self) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::Year { row, .. }
            | Self::Score { row, .. }
            | Self::SomeItems { row, .. }
            | Self::OutOfOrder { row, .. }
            | Self::Repeated { row, .. }
            | Self::TooFewYears { last: row, .. } => Some(*row),
        }
    }

    /// The key of the row that is at fault.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Score { .. } => "score",
            Self::SomeItems { .. } => "n",
            _ => "year",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::TooFewYears { .. } => {
                "add scores of more years, or leave the series out"
            }
            Self::Year { .. } => "write a number: 2024, or 2024.5 for its middle",
            Self::Score { .. } => "write a fraction: 0.62, not 62",
            Self::SomeItems { .. } => "say how many items are behind each score, or say it of none",
            Self::OutOfOrder { .. } => {
                "sort rows of one family and task by year; a wrong year is often a slip of a digit"
            }
            Self::Repeated { .. } => "name them: run = \"…\" on each, or task = \"…\"",
        }
    }
}

impl Series {
    /// Checks rows.
    ///
    /// # Errors
    ///
    /// [`SeriesError`], naming the row.
    pub fn new(rows: Vec<Observation>) -> Result<Self, SeriesError> {
        let with_items = rows.iter().position(|row| row.n.is_some());
        let mut last_of: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut seen: BTreeMap<(&str, &str, &str, u64), usize> = BTreeMap::new();
        for (i, row) in rows.iter().enumerate() {
            let number = i + 1;
            if !row.year.is_finite() {
                return Err(SeriesError::Year {
                    row: number,
                    value: row.year,
                });
            }
            if !(0.0..=1.0).contains(&row.score) {
                return Err(SeriesError::Score {
                    row: number,
                    value: row.score,
                });
            }
            if let (Some(other), None) = (with_items, row.n) {
                return Err(SeriesError::SomeItems {
                    row: number,
                    other: other + 1,
                });
            }
            if let Some(above) = last_of.insert((&row.family, &row.task), i)
                && rows[above].year > row.year
            {
                return Err(SeriesError::OutOfOrder {
                    row: number,
                    year: row.year,
                    above: above + 1,
                    before: rows[above].year,
                });
            }
            let key = (&*row.family, &*row.task, &*row.run, row.year.to_bits());
            if let Some(first) = seen.insert(key, i) {
                return Err(SeriesError::Repeated {
                    row: number,
                    first: first + 1,
                    year: row.year,
                });
            }
        }
        let n_years = n_different(rows.iter().map(|row| row.year));
        if rows.is_empty() {
            return Err(SeriesError::Empty);
        }
        if n_years < FEWEST_YEARS {
            return Err(SeriesError::TooFewYears {
                last: rows.len(),
                n_years,
            });
        }
        Ok(Self { observations: rows })
    }

    /// Its rows, as they came.
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// The first year and the last.
    pub fn span(&self) -> (f64, f64) {
        let years = || self.observations.iter().map(|row| row.year);
        (
            years().fold(f64::INFINITY, f64::min),
            years().fold(f64::NEG_INFINITY, f64::max),
        )
    }

    /// What is there up to a year, if a trend can be fitted to it.
    pub fn until(&self, year: f64) -> Option<Self> {
        let rows = self.observations.iter().filter(|row| row.year <= year);
        Self::new(rows.cloned().collect()).ok()
    }

    /// Rows by family, then by task, in order of name.
    pub(crate) fn families(&self) -> Vec<Vec<Vec<&Observation>>> {
        let mut families: BTreeMap<&str, BTreeMap<&str, Vec<&Observation>>> = BTreeMap::new();
        for row in &self.observations {
            let tasks = families.entry(&row.family).or_default();
            tasks.entry(&row.task).or_default().push(row);
        }
        let tasks = families.into_values().map(BTreeMap::into_values);
        tasks.map(Iterator::collect).collect()
    }
}

/// How many different numbers there are.
pub(crate) fn n_different(numbers: impl Iterator<Item = f64>) -> usize {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    numbers.len()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One row a year, nothing else said.
    pub(crate) fn row(year: f64, score: f64) -> Observation {
        Observation {
            year,
            score,
            n: None,
            family: String::new(),
            task: String::new(),
            run: String::new(),
        }
    }

    fn refused(rows: Vec<Observation>) -> SeriesError {
        let error = Series::new(rows).unwrap_err();
        assert!(!error.hint().is_empty());
        error
    }

    #[test]
    fn years_out_of_order_are_refused_by_row() {
        let rows = vec![row(2020.0, 0.5), row(2022.0, 0.6), row(2021.0, 0.7)];
        let error = refused(rows);
        assert_eq!((error.row(), error.key()), (Some(3), "year"));
        assert_eq!(
            error.to_string(),
            "row 3: year 2021 comes after year 2022 of row 2: years are out of order"
        );
    }

    #[test]
    fn families_and_tasks_have_years_of_their_own() {
        let of = |family: &str, year| Observation {
            family: family.into(),
            ..row(year, 0.5)
        };
        let rows = [2020.0, 2021.0, 2022.0].map(|year| of("a", year));
        let more = [2020.0, 2021.0, 2022.0].map(|year| of("b", year));
        let series = Series::new([rows, more].concat()).unwrap();
        assert_eq!(series.families().len(), 2);
        assert_eq!(series.span(), (2020.0, 2022.0));
    }

    #[test]
    fn one_year_twice_needs_names() {
        let mut rows = vec![
            row(2020.0, 0.5),
            row(2021.0, 0.6),
            row(2022.0, 0.7),
            row(2022.0, 0.8),
        ];
        assert_eq!(
            refused(rows.clone()),
            SeriesError::Repeated {
                row: 4,
                first: 3,
                year: 2022.0
            }
        );
        rows[3].run = "another model".into();
        assert!(Series::new(rows).is_ok());
    }

    #[test]
    fn other_faults_name_their_row_and_key() {
        assert_eq!(refused(Vec::new()), SeriesError::Empty);
        assert_eq!(
            refused(vec![row(2020.0, 0.5)]),
            SeriesError::TooFewYears {
                last: 1,
                n_years: 1
            }
        );
        assert_eq!(refused(vec![row(2020.0, 62.0)]).key(), "score");
        assert_eq!(refused(vec![row(f64::NAN, 0.5)]).row(), Some(1));
        let mut rows = vec![row(2020.0, 0.5), row(2021.0, 0.6)];
        rows[0].n = NonZeroU32::new(10);
        assert_eq!(refused(rows), SeriesError::SomeItems { row: 2, other: 1 });
    }
}
