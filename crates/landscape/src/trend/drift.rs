//! A random walk with drift: from where it stands, by the same amount every year, give or take.
//!
//! Paper: Hyndman and Athanasopoulos, *Forecasting: Principles and Practice*, §5.2 (the drift method); for steps of unequal length
//! a Brownian motion with drift.
//!
//! ```text
//! d = (y_T − y_1) / (t_T − t_1)
//! s² = 1/(m − 1) Σ_i (Δy_i − d Δt_i)² / Δt_i                          m steps between years
//! y(t_T + h) ~ y_T + d h,   variance s² h (1 + h / (t_T − t_1)),   Student's t with m − 1 degrees of freedom
//! ```
//!
//! Several scores of a year count as their mean, weighted by items. Paths end at 0 and 1 and stay on the scale.
//!
//! In: years and shares. Out: shares.

use trimtab_core::SplitMix64;

use super::{Path, TrendError, weights};
use crate::Observation;
use crate::dispersion::{Dispersion, Weights};

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    last_year: f64,
    last: f64,
    slope: f64,
    span: f64,
    dispersion: Dispersion,
}

/// One way that it may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftCourse {
    last_year: f64,
    last: f64,
    slope: f64,
    /// Variance a year.
    variance: f64,
}

impl Drift {
    pub(super) fn fit(scores: &[&Observation]) -> Result<Self, TrendError> {
        let means = yearly_means(scores);
        let ([first, ..], [.., last]) = (&means[..], &means[..]) else {
            return Err(TrendError::TooFew);
        };
        if means.len() < 3 {
            return Err(TrendError::TooFew);
        }
        let span = last.0 - first.0;
        let slope = (last.1 - first.1) / span;
        let squares = (means.windows(2))
            .map(|pair| {
                let (step, years) = (pair[1].1 - pair[0].1, pair[1].0 - pair[0].0);
                (step - slope * years).powi(2) / years
            })
            .sum();
        Ok(Self {
            last_year: last.0,
            last: last.1,
            slope,
            span,
            dispersion: Dispersion::new(squares, means.len() - 2, Weights::Equal),
        })
    }

    pub(super) fn at(&self, year: f64) -> f64 {
        (self.last + self.slope * (year - self.last_year)).clamp(0.0, 1.0)
    }

    pub(super) fn slope(&self) -> f64 {
        self.slope
    }

    pub(super) fn course(&self, random: &mut SplitMix64) -> DriftCourse {
        let variance = self.dispersion.draw(random);
        DriftCourse {
            last_year: self.last_year,
            last: self.last,
            slope: self.slope + (variance / self.span).sqrt() * random.next_normal(),
            variance,
        }
    }

    pub(super) fn refitted(&self, all: &Self) -> DriftCourse {
        DriftCourse {
            last_year: self.last_year,
            last: self.last,
            slope: self.slope,
            variance: all.dispersion.estimate(),
        }
    }
}

impl DriftCourse {
    pub(super) fn path(&self, years: &[f64], random: &mut SplitMix64) -> Path {
        let (mut year, mut walk) = (self.last_year, self.last);
        let observed: Vec<f64> = (years.iter())
            .map(|&next| {
                let step = (next - year).max(0.0);
                walk += self.slope * step + (self.variance * step).sqrt() * random.next_normal();
                year = next;
                walk.clamp(0.0, 1.0)
            })
            .collect();
        Path {
            trend: observed.clone(),
            observed,
        }
    }
}

/// Years in their order, each with the mean of its scores.
fn yearly_means(scores: &[&Observation]) -> Vec<(f64, f64)> {
    let (_, weights) = weights(scores);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].year.total_cmp(&scores[b].year));
    (order.chunk_by(|&a, &b| scores[a].year == scores[b].year))
        .map(|year| {
            let total: f64 = year.iter().map(|&i| weights[i]).sum();
            let sum: f64 = year.iter().map(|&i| weights[i] * scores[i].score).sum();
            (scores[year[0]].year, sum / total)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::row;

    #[test]
    fn years_of_unequal_length_by_hand() {
        // Steps of 1 and 3 years: drift 0.4/4; residuals 0.1 and −0.1; s² = (0.01/1 + 0.01/3)/1.
        let rows = [row(2020.0, 0.2), row(2021.0, 0.4), row(2024.0, 0.6)];
        let fit = Drift::fit(&rows.iter().collect::<Vec<_>>()).unwrap();
        assert!((fit.slope - 0.1).abs() < 1e-12);
        assert!((fit.dispersion.estimate() - (0.01 + 0.01 / 3.0)).abs() < 1e-12);
        assert!((fit.at(2026.0) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn a_years_scores_count_as_their_mean() {
        let of = |year, score, n| Observation {
            n: std::num::NonZeroU32::new(n),
            ..row(year, score)
        };
        let rows = [
            of(2021.0, 0.8, 30),
            of(2020.0, 0.5, 10),
            of(2021.0, 0.4, 10),
        ];
        let means = yearly_means(&rows.iter().collect::<Vec<_>>());
        assert_eq!(means, [(2020.0, 0.5), (2021.0, 0.7)]);
    }
}
