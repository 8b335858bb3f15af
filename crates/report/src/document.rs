//! A report as sections of tables, whatever was measured: plain data, and one rendering of it for each output.
//!
//! The comparison of weak supervisors, students and ceilings has a report of its own ([`crate::summary`]). What other
//! families of methods measure is said here, in tables whose cells know what kind of number they hold.

mod csv;
mod curves;
mod html;
mod markdown;
mod terminal;

use serde::Serialize;

pub use self::curves::{Axis, CurvePanel, Curves, Line, Point, SeedLine, Stroke, Unit};
pub use crate::summary::Interval;

/// One run, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// The experiment's name.
    pub name: String,
    /// The run folder's identity: a hash of the resolved configuration and the data.
    pub run_id: String,
    /// The version of Trimtab that made the numbers.
    pub version: String,
    /// What was run, in one sentence.
    pub sentence: String,
    /// What a reader must know before anything else: that the run is unfinished, say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// The body.
    pub sections: Vec<Section>,
    /// Confidence level of every interval, such as 0.95.
    pub level: f64,
    /// How intervals were made, in one sentence.
    pub interval_method: String,
}

/// One thing that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// Its anchor on the page: lower-case letters and `-`.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What is measured, and how to read it.
    pub text: String,
    /// The figures.
    pub table: Table,
    /// Lines that belong to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curves: Option<Curves>,
}

/// The id of a section that holds what is behind rows of this name: a page leads from them to it.
pub fn behind(row: &str) -> String {
    let slug: String = (row.chars())
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    format!("behind-{slug}")
}

/// Columns and rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// The first names the rows.
    pub columns: Vec<Column>,
    /// In reading order.
    pub rows: Vec<Row>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// What stands above it.
    pub name: String,
    /// What it means, in a sentence; may be empty for the first.
    pub meaning: String,
    /// On a narrow terminal the highest goes first; `None` stays.
    #[serde(skip)]
    pub spare: Option<u8>,
    /// How it is drawn.
    #[serde(skip)]
    pub on_axis: Option<OnAxis>,
}

/// What a column is in a picture: of that column only, a dot a row, or of several of its section, two ends of a dumbbell, a row
/// each, or a point a row, by what it costs and what it gains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OnAxis {
    /// All that is in it: shares, with their intervals.
    Own,
    /// Those who supervise, and what their share is held against.
    Supervisor {
        /// A line across all rows.
        threshold: f64,
    },
    /// Those who are supervised.
    Supervised,
    /// A cost: the less the better. Each has a picture.
    Cost,
    /// What is had for it, a share.
    Gain,
}

impl Column {
    /// A column that always stays.
    pub fn new(name: &str, meaning: &str) -> Self {
        Self {
            name: name.into(),
            meaning: meaning.into(),
            spare: None,
            on_axis: None,
        }
    }

    /// The same column, drawn.
    #[must_use]
    pub fn on_axis(mut self, part: OnAxis) -> Self {
        self.on_axis = Some(part);
        self
    }

    /// The same column, which a narrow terminal can do without.
    #[must_use]
    pub fn spare(mut self, order: u8) -> Self {
        self.spare = Some(order);
        self
    }
}

/// One row: as many cells as there are columns after the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What it is about.
    pub name: String,
    /// The figures.
    pub cells: Vec<Cell>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Cell {
    /// Words.
    Words {
        /// The words.
        text: String,
    },
    /// A whole number.
    Count {
        /// How many.
        n: u64,
    },
    /// A share of a whole, shown in per cent.
    Share {
        /// As a fraction.
        share: f64,
    },
    /// A share with its interval.
    ShareWithin {
        /// As fractions.
        interval: Interval,
        /// By seed, where there are several.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        by_seed: Vec<f64>,
    },
    /// A number.
    Number {
        /// It.
        value: f64,
        /// Digits after the point that are shown.
        decimals: usize,
    },
    /// An amount with its interval: written without a plus sign, which a difference has.
    AmountWithin {
        /// It, with its ends.
        interval: Interval,
        /// Digits after the point that are shown.
        decimals: usize,
    },
    /// A difference, or another number that may be negative, with its interval.
    NumberWithin {
        /// It, with its ends.
        interval: Interval,
        /// Digits after the point that are shown.
        decimals: usize,
    },
    /// Nothing was measured, for a reason.
    Absent {
        /// Why, in a few words.
        why: String,
    },
}

impl Cell {
    /// Words.
    pub fn words(text: impl Into<String>) -> Self {
        Self::Words { text: text.into() }
    }

    /// A whole number.
    pub fn count(n: usize) -> Self {
        Self::Count { n: n as u64 }
    }

    /// `part` of `whole`; absent where there is no whole.
    pub fn share(part: usize, whole: usize) -> Self {
        if whole == 0 {
            return Self::absent("none");
        }
        let share = part as f64 / whole as f64;
        Self::Share { share }
    }

    /// A share with its interval, if there is one.
    pub fn share_within(interval: Option<Interval>) -> Self {
        interval.map_or_else(
            || Self::absent("none"),
            |interval| Self::ShareWithin {
                interval,
                by_seed: Vec::new(),
            },
        )
    }

    /// A number with its interval, in two decimals, or why there is none.
    pub fn number_within(interval: Option<Interval>, why: &str) -> Self {
        interval.map_or_else(
            || Self::absent(why),
            |interval| Self::NumberWithin {
                interval,
                decimals: 2,
            },
        )
    }

    /// Nothing, for a reason.
    pub fn absent(why: &str) -> Self {
        Self::Absent { why: why.into() }
    }

    /// The estimate, and its interval, as a reader sees them.
    pub(crate) fn shown(&self) -> (String, Option<String>) {
        use crate::number::{NONE, fixed, percent, percent_ends, signed};
        match self {
            Self::Words { text } => (crate::text::sentence(text), None),
            Self::Count { n } => (crate::number::count(*n as usize), None),
            Self::Share { share } => (percent(*share), None),
            Self::ShareWithin { interval, .. } => {
                (percent(interval.estimate), Some(percent_ends(*interval)))
            }
            Self::Number { value, decimals } => (fixed(*value, *decimals), None),
            Self::AmountWithin { interval, decimals } => {
                let ends = [interval.low, interval.high].map(|end| fixed(end, *decimals));
                (
                    fixed(interval.estimate, *decimals),
                    Some(format!("[{}, {}]", ends[0], ends[1])),
                )
            }
            Self::NumberWithin { interval, decimals } => {
                let ends = [interval.low, interval.high].map(|end| signed(end, *decimals));
                (
                    signed(interval.estimate, *decimals),
                    Some(format!("[{}, {}]", ends[0], ends[1])),
                )
            }
            Self::Absent { why } if why.is_empty() => (NONE.into(), None),
            Self::Absent { why } => (format!("{NONE} ({})", crate::text::name(why)), None),
        }
    }

    /// Estimate and ends, where it is a number.
    fn numbers(&self) -> Option<(f64, Option<(f64, f64)>)> {
        match self {
            Self::Words { .. } | Self::Absent { .. } => None,
            Self::Count { n } => Some((*n as f64, None)),
            Self::Share { share: value } | Self::Number { value, .. } => Some((*value, None)),
            Self::ShareWithin { interval, .. }
            | Self::AmountWithin { interval, .. }
            | Self::NumberWithin { interval, .. } => {
                Some((interval.estimate, Some((interval.low, interval.high))))
            }
        }
    }
}

impl Document {
    /// For a terminal of `width` columns.
    pub fn terminal(&self, width: usize, colour: bool) -> String {
        terminal::render(self, width, colour)
    }

    /// One self-contained page.
    pub fn html(&self) -> String {
        html::render(self)
    }

    /// GitHub-flavoured Markdown.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// One row a number, with every digit.
    pub fn csv(&self) -> String {
        csv::render(self)
    }
}

#[cfg(test)]
mod example;
