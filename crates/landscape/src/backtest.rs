//! A backtest: forecasts from earlier years, held against the years that came after.
//!
//! Papers: rolling origin, Tashman 2000, International Journal of Forecasting 16(4); MASE, Hyndman and Koehler 2006, ibid. 22(4); CRPS,
//! Gneiting and Raftery 2007, JASA 102(477).
//!
//! ```text
//! origin o: fitted to years ≤ o, forecast of every later year
//! MASE = mean |y − ŷ| / scale,       scale_o = mean |y_i − y_{i−1}| over yearly means up to o
//! against drift = mean |y − ŷ| / mean |y − ŷ_drift|                       below 1: better than the naive forecast
//! CRPS = E|Y − y| − ½ E|Y − Y'|                                           in units of the score; lower is better
//! coverage = the share of later scores inside the 50, 80 and 95 % bands
//! ```
//!
//! In: a [`Series`]. Out: errors as fractions, shares.
//! Later scores of one origin are not independent: coverage of a single short series is a check for gross faults, no more.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::forecast::{Forecast, ForecastOptions, forecast};
use crate::{Observation, Series, Trend};

/// How a trend did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backtest {
    /// Which.
    pub trend: Trend,
    /// Years that forecasts were made from.
    pub n_origins: usize,
    /// Scores that they were held against.
    pub n_forecasts: usize,
    /// Origins from which it could not be fitted.
    pub n_left_out: usize,
    /// Mean absolute error.
    pub mean_absolute_error: f64,
    /// The same over that of last year's score before each origin; none where scores never moved.
    pub mase: Option<f64>,
    /// The same over that of the drift, on the same scores; none where that made no error, or could not be fitted.
    pub against_drift: Option<f64>,
    /// Continuous ranked probability score.
    pub crps: f64,
    /// Scores inside the bands of [`crate::forecast::FAN`].
    pub n_covered: [usize; 3],
}

impl Backtest {
    /// The share of scores inside the bands of [`crate::forecast::FAN`].
    pub fn coverage(&self) -> [f64; 3] {
        self.n_covered.map(|n| n as f64 / self.n_forecasts as f64)
    }
}

/// Holds `trend` against every later score, up to `furthest` years ahead; `None` where there is no year to forecast from, or the
/// trend fits from none.
pub fn backtest(
    series: &Series,
    trend: Trend,
    furthest: f64,
    options: &ForecastOptions,
) -> Option<Backtest> {
    let mut tally = Tally::default();
    for (origin, past, later) in origins(series, furthest) {
        let years = different_years(&later);
        let options = ForecastOptions {
            seed: options.seed.child(&format!("origin {origin}")),
            ..*options
        };
        match forecast(&past, trend, &years, &options) {
            Ok(ahead) => tally.add(&past, &ahead, &later),
            Err(_) => tally.n_left_out += 1,
        }
    }
    tally.finish(trend)
}

/// Origins, what was known there, and what came later.
fn origins(series: &Series, furthest: f64) -> Vec<(f64, Series, Vec<&Observation>)> {
    let mut years: Vec<f64> = series.observations().iter().map(|row| row.year).collect();
    years.sort_by(f64::total_cmp);
    years.dedup();
    let mut origins = Vec::new();
    for origin in years {
        let Some(past) = series.until(origin) else {
            continue;
        };
        let later: Vec<&Observation> = (series.observations().iter())
            .filter(|row| row.year > origin && row.year <= origin + furthest)
            .collect();
        if !later.is_empty() {
            origins.push((origin, past, later));
        }
    }
    origins
}

fn different_years(rows: &[&Observation]) -> Vec<f64> {
    let mut years: Vec<f64> = rows.iter().map(|row| row.year).collect();
    years.sort_by(f64::total_cmp);
    years.dedup();
    years
}

#[derive(Default)]
struct Tally {
    n_origins: usize,
    n_left_out: usize,
    n_forecasts: usize,
    error: f64,
    scaled: f64,
    n_scaled: usize,
    of_drift: f64,
    n_of_drift: usize,
    crps: f64,
    n_covered: [usize; 3],
}

impl Tally {
    fn add(&mut self, past: &Series, ahead: &Forecast, later: &[&Observation]) {
        self.n_origins += 1;
        let fan = ahead.fan();
        let scale = naive_scale(past);
        let rows: Vec<&Observation> = past.observations().iter().collect();
        let drift = Trend::Drift.fit(&rows).ok();
        for row in later {
            let Some(place) = fan.iter().position(|of| of.year == row.year) else {
                unreachable!("a forecast for every later year")
            };
            let error = (row.score - ahead.fitted.at(row.year)).abs();
            self.n_forecasts += 1;
            self.error += error;
            if let Some(scale) = scale {
                self.scaled += error / scale;
                self.n_scaled += 1;
            }
            if let Some(drift) = &drift {
                self.of_drift += (row.score - drift.at(row.year)).abs();
                self.n_of_drift += 1;
            }
            let mut values: Vec<f64> = ahead.scores().iter().map(|path| path[place]).collect();
            self.crps += crps(&mut values, row.score);
            for (n, [low, high]) in self.n_covered.iter_mut().zip(fan[place].bands) {
                *n += usize::from((low..=high).contains(&row.score));
            }
        }
    }

    fn finish(self, trend: Trend) -> Option<Backtest> {
        if self.n_forecasts == 0 {
            return None;
        }
        let n = self.n_forecasts as f64;
        let is_scaled = self.n_scaled == self.n_forecasts;
        let is_beside_drift = self.n_of_drift == self.n_forecasts && self.of_drift > 0.0;
        Some(Backtest {
            trend,
            n_origins: self.n_origins,
            n_forecasts: self.n_forecasts,
            n_left_out: self.n_left_out,
            mean_absolute_error: self.error / n,
            mase: is_scaled.then(|| self.scaled / n),
            against_drift: is_beside_drift.then(|| self.error / self.of_drift),
            crps: self.crps / n,
            n_covered: self.n_covered,
        })
    }
}

/// How far yearly means moved from one year to the next; none where they never did.
fn naive_scale(past: &Series) -> Option<f64> {
    let mut years: BTreeMap<u64, (f64, Vec<f64>)> = BTreeMap::new();
    for row in past.observations() {
        let year = years
            .entry(row.year.to_bits())
            .or_insert((row.year, Vec::new()));
        year.1.push(row.score);
    }
    let mut means: Vec<(f64, f64)> = (years.into_values())
        .map(|(year, scores)| (year, scores.iter().sum::<f64>() / scores.len() as f64))
        .collect();
    means.sort_by(|a, b| a.0.total_cmp(&b.0));
    let steps: Vec<f64> = means
        .windows(2)
        .map(|pair| (pair[1].1 - pair[0].1).abs())
        .collect();
    let scale = steps.iter().sum::<f64>() / steps.len() as f64;
    (scale > 0.0).then_some(scale)
}

/// The continuous ranked probability score of a sample. Sorts it.
///
/// With x₁ ≤ … ≤ x_n: E|Y − Y'| = 2/n² Σ_i (2i − n − 1) x_i, i from 1.
///
/// # Panics
///
/// Without a number in the sample: a bug in the caller.
pub fn crps(sample: &mut [f64], outcome: f64) -> f64 {
    assert!(!sample.is_empty(), "a score of no forecast");
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let error = sample.iter().map(|x| (x - outcome).abs()).sum::<f64>() / n;
    let spread: f64 = (sample.iter().zip(1..))
        .map(|(x, i)| (2.0 * f64::from(i) - n - 1.0) * x)
        .sum();
    error - spread / (n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crps_against_all_pairs() {
        let mut sample: [f64; 5] = [0.3, 0.9, 0.1, 0.4, 0.4];
        let outcome = 0.55;
        let n = sample.len() as f64;
        let error: f64 = sample.iter().map(|x| (x - outcome).abs()).sum::<f64>() / n;
        let pairs = sample
            .iter()
            .flat_map(|a| sample.iter().map(move |b| (a - b).abs()));
        let expected = error - pairs.sum::<f64>() / (2.0 * n * n);
        assert!((crps(&mut sample, outcome) - expected).abs() < 1e-12);
        // A sure forecast: the absolute error.
        assert!((crps(&mut [0.5], 0.8) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn a_hundred_normal_numbers_score_as_the_normal_does() {
        // CRPS(N(0, 1), 0) = 2 φ(0) − 1/√π = 0.2337.
        let mut random = trimtab_core::Seed(2).stream();
        let mut sample: Vec<f64> = (0..20_000).map(|_| random.next_normal()).collect();
        assert!((crps(&mut sample, 0.0) - 0.233_695).abs() < 0.01);
    }
}
