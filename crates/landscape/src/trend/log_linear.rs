//! The log-linear trend: the same factor every year, up to 1.
//!
//! ```text
//! ln score(t) = a + b t + ε,   V(ε) = φ (1 − p) / (n p)  with items,  φ without
//! ```
//!
//! The founding post's projection is one, with `b` = ln 1.15 and caps of .99 and .95 in place of 1. Weights take p from the score
//! itself, moved off 1 by half an item: (n p + ½)/(n + 1).
//!
//! In: years and shares above 0, with items where they are known. Out: shares.

use trimtab_core::SplitMix64;

use super::{Path, TrendError, weight_to_come, weights};
use crate::Observation;
use crate::dispersion::{Dispersion, Weights};
use crate::weighted_line::WeightedLine;

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLinear {
    line: WeightedLine,
    dispersion: Dispersion,
    weight: f64,
}

/// One way that it may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogLinearCourse {
    centre: f64,
    level: f64,
    slope: f64,
    /// Of a logarithm.
    sd: f64,
}

impl LogLinear {
    pub(super) fn fit(scores: &[&Observation]) -> Result<Self, TrendError> {
        if let Some(i) = scores.iter().position(|score| score.score <= 0.0) {
            return Err(TrendError::ZeroScore { row: i + 1 });
        }
        let (kind, items) = weights(scores);
        let weights: Vec<f64> = (scores.iter().zip(&items))
            .map(|(score, &n)| match kind {
                Weights::Items => {
                    let p = (n * score.score + 0.5) / (n + 1.0);
                    n * p / (1.0 - p)
                }
                Weights::Equal => 1.0,
            })
            .collect();
        let points: Vec<(f64, f64, f64)> = (scores.iter().zip(&weights))
            .map(|(score, &weight)| (score.year, score.score.ln(), weight))
            .collect();
        let line = WeightedLine::fit(&points).ok_or(TrendError::TooFew)?;
        Ok(Self {
            line,
            dispersion: Dispersion::new(line.squares, points.len() - 2, kind),
            weight: weight_to_come(scores, &weights),
        })
    }

    pub(super) fn at(&self, year: f64) -> f64 {
        self.line.at(year).exp().min(1.0)
    }

    pub(super) fn slope(&self) -> f64 {
        self.line.slope
    }

    pub(super) fn course(&self, random: &mut SplitMix64) -> LogLinearCourse {
        let phi = self.dispersion.draw(random);
        let [of_level, of_slope] = self.line.variances.map(|v| (phi * v).sqrt());
        LogLinearCourse {
            centre: self.line.centre,
            level: self.line.level + of_level * random.next_normal(),
            slope: self.line.slope + of_slope * random.next_normal(),
            sd: (phi / self.weight).sqrt(),
        }
    }

    pub(super) fn refitted(&self, all: &Self) -> LogLinearCourse {
        LogLinearCourse {
            centre: self.line.centre,
            level: self.line.level,
            slope: self.line.slope,
            sd: (all.dispersion.estimate() / all.weight).sqrt(),
        }
    }
}

impl LogLinearCourse {
    pub(super) fn path(&self, years: &[f64], random: &mut SplitMix64) -> Path {
        let logs = || (years.iter()).map(|year| self.level + self.slope * (year - self.centre));
        Path {
            trend: logs().map(|log| log.exp().min(1.0)).collect(),
            observed: logs()
                .map(|log| (log + self.sd * random.next_normal()).exp().min(1.0))
                .collect(),
        }
    }
}
