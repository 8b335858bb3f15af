//! A forecast: what a series may come to, as a fan of intervals, and when it may cross a line.
//!
//! Papers: the fan chart, Britton, Fisher and Whitley 1998, Bank of England Quarterly Bulletin 38(1); the bootstrap of families, then
//! tasks, then runs, with everything fitted anew each time, Kwa et al. 2025, arXiv:2503.14499, §4.
//!
//! ```text
//! replicate r:   θ_r   refitted to families, tasks of each, runs of each, drawn with replacement     (where there are two or more)
//!                      or drawn from what the residuals say of θ                                      (elsewhere)
//!                y_r(t)  the score that θ_r and its scatter lead to
//! fan at t:      quantiles of y_r(t)
//! ```
//!
//! With one score a year there is nothing to draw again: rows are the trend itself. Parameters then come from their distribution
//! under normal errors, which for a line is Student's and exact.
//!
//! A trend says nothing of what ends it. A forecast further ahead than there were years to learn from says so ([`BeyondSpan`]).
//!
//! In: a [`Series`], years to come. Out: fractions.

use std::num::NonZeroUsize;

use serde::Serialize;
use trimtab_core::{Seed, SplitMix64};
use trimtab_stats::{Interval, Level, Replicates};

use crate::series::n_different;
use crate::trend::{Fitted, Trend, TrendError};
use crate::{Observation, Series};

/// The levels of a fan, the narrowest first.
pub const FAN: [f64; 3] = [0.5, 0.8, 0.95];

/// How to look ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastOptions {
    /// Ways that things may go.
    pub n_resamples: NonZeroUsize,
    /// What the draws follow from.
    pub seed: Seed,
    /// A forecast over more than so many times the years that were seen is flagged.
    pub span_factor: f64,
}

/// Where replicates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Resampling {
    /// Families, tasks and runs were drawn again, and the trend fitted to them.
    Groups {
        /// Families.
        n_families: usize,
        /// Tasks of all of them.
        n_tasks: usize,
        /// Replicates that could not be fitted, and are left out.
        n_left_out: usize,
    },
    /// Parameters were drawn from what the residuals say of them.
    Residuals,
}

/// A forecast over more years than were seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BeyondSpan {
    /// From the first score to the last.
    pub observed_years: f64,
    /// From the last score to the end of the forecast.
    pub horizon_years: f64,
    /// How many times the first the second may be.
    pub factor: f64,
}

/// What may come.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// By which trend.
    pub trend: Trend,
    /// The fit to all scores.
    pub fitted: Fitted,
    /// Where replicates come from.
    pub resampling: Resampling,
    /// That it goes beyond what was seen.
    pub beyond_span: Option<BeyondSpan>,
    years: Vec<f64>,
    /// A row a replicate: the trend.
    trends: Vec<Vec<f64>>,
    /// A row a replicate: scores about it.
    scores: Vec<Vec<f64>>,
}

/// What may come in one year.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FanYear {
    /// Which.
    pub year: f64,
    /// Half of the replicates lie below.
    pub median: f64,
    /// Low and high ends at the levels of [`FAN`].
    pub bands: [[f64; 2]; 3],
}

/// Why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ForecastError {
    /// The trend does not fit.
    #[error(transparent)]
    Trend(#[from] TrendError),
    /// The years are past.
    #[error("a forecast for {year}, which is not after {last}, the last year with a score")]
    Past {
        /// The first year asked for.
        year: f64,
        /// The last with a score.
        last: f64,
    },
}

impl ForecastError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Trend(error) => error.hint(),
            Self::Past { .. } => "ask for years after the last score",
        }
    }
}

/// Looks `years` ahead, which rise, from the last score of `series` on.
///
/// # Errors
///
/// [`ForecastError`] when there is no such trend, or the years lie before the last score.
pub fn forecast(
    series: &Series,
    trend: Trend,
    years: &[f64],
    options: &ForecastOptions,
) -> Result<Forecast, ForecastError> {
    let (first, last) = series.span();
    if let Some(&year) = years.iter().find(|year| **year < last) {
        return Err(ForecastError::Past { year, last });
    }
    let all: Vec<&Observation> = series.observations().iter().collect();
    let fitted = trend.fit(&all)?;
    let mut random = options.seed.child(trend.name()).stream();
    let families = series.families();
    let n_tasks: usize = families.iter().map(Vec::len).sum();
    let (mut trends, mut scores) = (Vec::new(), Vec::new());
    let mut n_left_out = 0;
    for _ in 0..options.n_resamples.get() {
        let course = if n_tasks < 2 {
            fitted.course(&mut random)
        } else {
            let drawn = draw_groups(&families, &mut random);
            let is_line = n_different(drawn.iter().map(|row| row.year)) >= 2;
            let Some(refit) = is_line.then(|| trend.fit(&drawn).ok()).flatten() else {
                n_left_out += 1;
                continue;
            };
            refit.refitted(&fitted)
        };
        let path = course.path(years, &mut random);
        trends.push(path.trend);
        scores.push(path.observed);
    }
    if trends.is_empty() {
        return Err(TrendError::TooFew.into());
    }
    let horizon_years = years.last().map_or(0.0, |year| year - last);
    let observed_years = last - first;
    Ok(Forecast {
        trend,
        fitted,
        resampling: if n_tasks < 2 {
            Resampling::Residuals
        } else {
            Resampling::Groups {
                n_families: families.len(),
                n_tasks,
                n_left_out,
            }
        },
        beyond_span: (horizon_years > options.span_factor * observed_years).then_some(BeyondSpan {
            observed_years,
            horizon_years,
            factor: options.span_factor,
        }),
        years: years.to_vec(),
        trends,
        scores,
    })
}

/// As many families as there are, of each as many tasks as it has, of each as many rows, with replacement.
fn draw_groups<'a>(
    families: &[Vec<Vec<&'a Observation>>],
    random: &mut SplitMix64,
) -> Vec<&'a Observation> {
    let mut drawn = Vec::new();
    for _ in 0..families.len() {
        let family = &families[random.below(families.len())];
        for _ in 0..family.len() {
            let task = &family[random.below(family.len())];
            drawn.extend((0..task.len()).map(|_| task[random.below(task.len())]));
        }
    }
    drawn
}

impl Forecast {
    /// The years that it is for.
    pub fn years(&self) -> &[f64] {
        &self.years
    }

    /// Replicates of the trend, a row each.
    pub fn trends(&self) -> &[Vec<f64>] {
        &self.trends
    }

    /// Replicates of scores about the trend, a row each.
    pub fn scores(&self) -> &[Vec<f64>] {
        &self.scores
    }

    /// The fan of scores, year by year.
    pub fn fan(&self) -> Vec<FanYear> {
        (self.years.iter().enumerate())
            .map(|(i, &year)| {
                let mut values: Vec<f64> = self.scores.iter().map(|path| path[i]).collect();
                values.sort_by(f64::total_cmp);
                FanYear {
                    year,
                    median: quantile(&values, 0.5),
                    bands: FAN.map(|level| {
                        [(1.0 - level) / 2.0, f64::midpoint(1.0, level)]
                            .map(|at| quantile(&values, at))
                    }),
                }
            })
            .collect()
    }

    /// The trend in one of its years, with an interval: the median of replicates and their quantiles.
    pub fn trend_within(&self, year: usize, level: Level) -> Option<Interval> {
        let values: Vec<f64> = self.trends.iter().map(|path| path[year]).collect();
        let estimate = self.fitted.at(self.years[year]);
        Some(Replicates::new(estimate, values)?.interval(level))
    }
}

/// The quantile of sorted numbers: linear between them (type 7 of Hyndman and Fan 1996).
pub(crate) fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
