//! The logistic trend: a line in logits, which saturates.
//!
//! ```text
//! score(t) = σ(a + b t),   V(score) = φ p (1 − p) / n
//! ```
//!
//! Fitted as a quasi-binomial regression (`logit_line.rs`), scatter as in `dispersion.rs`.
//!
//! In: years and shares, with items where they are known. Out: shares.

use trimtab_core::SplitMix64;
use trimtab_stats::sigmoid;

use super::{Path, TrendError, weight_to_come, weights};
use crate::Observation;
use crate::dispersion::Dispersion;
use crate::logit_line::{LogitLine, Share};

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    line: LogitLine,
    dispersion: Dispersion,
    weight: f64,
}

/// One way that it may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogisticCourse {
    centre: f64,
    level: f64,
    slope: f64,
    /// V(score) / (p (1 − p)).
    scatter: f64,
}

impl Logistic {
    pub(super) fn fit(scores: &[&Observation]) -> Result<Self, TrendError> {
        let (kind, weights) = weights(scores);
        let points: Vec<Share> = (scores.iter().zip(&weights))
            .map(|(score, &weight)| Share {
                x: score.year,
                y: score.score,
                weight,
            })
            .collect();
        if points.iter().all(|point| point.x == points[0].x) {
            return Err(TrendError::TooFew);
        }
        let line = LogitLine::fit(&points, 0.0).ok_or(TrendError::Separated)?;
        Ok(Self {
            line,
            dispersion: Dispersion::new(line.pearson, points.len() - 2, kind),
            weight: weight_to_come(scores, &weights),
        })
    }

    pub(super) fn at(&self, year: f64) -> f64 {
        self.line.at(year)
    }

    pub(super) fn slope(&self) -> f64 {
        self.line.slope
    }

    pub(super) fn course(&self, random: &mut SplitMix64) -> LogisticCourse {
        let phi = self.dispersion.draw(random);
        let [[v, c], [_, w]] = self.line.covariance;
        // Cholesky of the covariance, by hand.
        let (z, other) = (random.next_normal(), random.next_normal());
        let root = v.sqrt();
        let rest = (w - c * c / v).max(0.0).sqrt();
        LogisticCourse {
            centre: self.line.centre,
            level: self.line.level + phi.sqrt() * root * z,
            slope: self.line.slope + phi.sqrt() * (c / root * z + rest * other),
            scatter: phi / self.weight,
        }
    }

    pub(super) fn refitted(&self, all: &Self) -> LogisticCourse {
        LogisticCourse {
            centre: self.line.centre,
            level: self.line.level,
            slope: self.line.slope,
            scatter: all.dispersion.estimate() / all.weight,
        }
    }
}

impl LogisticCourse {
    pub(super) fn path(&self, years: &[f64], random: &mut SplitMix64) -> Path {
        let trend: Vec<f64> = (years.iter())
            .map(|year| sigmoid(self.level + self.slope * (year - self.centre)))
            .collect();
        let observed = (trend.iter())
            .map(|p| {
                let sd = (self.scatter * p * (1.0 - p)).sqrt();
                (p + sd * random.next_normal()).clamp(0.0, 1.0)
            })
            .collect();
        Path { trend, observed }
    }
}
