//! What came of trying an approach under one seed: figures without it and with it, on the same draws.
//!
//! The first [`Figure`] is the headline: what the approach is judged by. Measures and curves say why. A value that is undefined
//! (no positive, nothing answered) is `None`, and stays so in every table.

use serde::{Deserialize, Serialize};

/// What came of one approach under one seed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Trial {
    /// Paired figures; the first is the headline.
    pub figures: Vec<Figure>,
    /// Everything else that was measured, as cells of tables.
    pub measures: Vec<Measure>,
    /// What is drawn.
    pub curves: Vec<Curve>,
}

/// One figure without and with an approach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What is measured: `accuracy on the shifted target`.
    pub measure: String,
    /// How it is written.
    pub unit: Unit,
    /// Which way is good.
    pub better: Better,
    /// The comparison: what one does without the approach.
    pub without: Arm,
    /// With it.
    pub with: Arm,
    /// What both cost.
    pub cost: Cost,
}

/// One side of a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// What is done: `empirical risk minimisation`.
    pub name: String,
    /// What came of it.
    pub value: Option<f64>,
}

impl Arm {
    /// A side that has a value.
    pub fn new(name: impl Into<String>, value: impl Into<Option<f64>>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// What both sides of a figure cost. Counts only: time is measured by whoever runs trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// What is counted, in the plural: `labels`, `audited outputs`, `judge calls`.
    pub of: String,
    /// Without the approach.
    pub without: f64,
    /// With it.
    pub with: f64,
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A fraction, written in per cent.
    Share,
    /// A plain number.
    Number,
    /// An area under a curve, or another number from 0 to 1 that is written as a number.
    Area,
    /// A whole number, or the mean of several.
    Count,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

impl Better {
    /// A difference `with − without` as a gain: positive where the approach helps.
    pub fn gain(self, difference: f64) -> f64 {
        match self {
            Self::Higher => difference,
            Self::Lower => -difference,
        }
    }
}

/// One cell of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The table's heading: `AUROC by trigger`.
    pub table: String,
    /// Its row: `token`.
    pub row: String,
    /// Its column: `activation-matched`.
    pub column: String,
    /// How it is written.
    pub unit: Unit,
    /// What was measured.
    pub value: Option<f64>,
}

impl Measure {
    /// One cell.
    pub fn new(
        table: impl Into<String>,
        row: impl Into<String>,
        column: impl Into<String>,
        unit: Unit,
        value: impl Into<Option<f64>>,
    ) -> Self {
        Self {
            table: table.into(),
            row: row.into(),
            column: column.into(),
            unit,
            value: value.into(),
        }
    }
}

/// One line of one plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The plot's heading.
    pub plot: String,
    /// Which line it is.
    pub name: String,
    /// What is along.
    pub x: String,
    /// What is up.
    pub y: String,
    /// How the upward numbers are written.
    pub unit: Unit,
    /// Points, in the order of `x`; the same abscissas under every seed.
    pub points: Vec<(f64, Option<f64>)>,
}
