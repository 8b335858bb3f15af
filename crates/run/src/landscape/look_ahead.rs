//! Forecasts of every series by every trend, and when lines are crossed.
//!
//! Models of a domain are held against its people: a series of their scores where there is one, else the accuracy that the domain has,
//! which then stays what it is. People's own series are held against the threshold of supervision.

use std::num::NonZeroUsize;

use trimtab_core::Seed;
use trimtab_landscape::crossing::{falls_below, gap_opens, overtakes};
use trimtab_landscape::{
    Crossing, Domain, Forecast, ForecastError, ForecastOptions, Series, Trend, backtest, forecast,
};

use super::config::{LandscapeConfig, Of, SeriesConfig};
use super::{CrossedLine, DomainCrossing, Forecasted, SeriesForecasts, TrendForecast};

/// Points a year at which trends are followed, for crossings.
const STEPS_A_YEAR: u32 = 10;

/// What is looked at.
pub(super) struct LookAhead<'a> {
    config: &'a LandscapeConfig,
    domains: &'a [Domain],
    read: &'a [(&'a SeriesConfig, Series)],
}

impl<'a> LookAhead<'a> {
    pub(super) fn new(
        config: &'a LandscapeConfig,
        domains: &'a [Domain],
        read: &'a [(&'a SeriesConfig, Series)],
    ) -> Self {
        Self {
            config,
            domains,
            read,
        }
    }

    fn options(&self, series: &SeriesConfig) -> ForecastOptions {
        ForecastOptions {
            n_resamples: NonZeroUsize::try_from(self.config.resamples).unwrap_or(NonZeroUsize::MIN),
            seed: Seed(self.config.seed).child("forecast").child(&series.name),
            span_factor: self.config.forecast.span_factor,
        }
    }

    fn trends(&self) -> impl Iterator<Item = Trend> {
        self.config.forecast.trends.iter().copied()
    }

    /// Fans and backtests of every series.
    pub(super) fn series(&self) -> Vec<SeriesForecasts> {
        (self.read.iter())
            .map(|(series, scores)| self.one(series, scores))
            .collect()
    }

    fn one(&self, series: &SeriesConfig, scores: &Series) -> SeriesForecasts {
        let options = self.options(series);
        let (_, last) = scores.span();
        let years: Vec<f64> = (0..=self.config.forecast.years.get())
            .map(|i| last + f64::from(i))
            .collect();
        let mut beyond_span = None;
        let by_trend = (self.trends())
            .map(|trend| TrendForecast {
                trend,
                forecast: match forecast(scores, trend, &years, &options) {
                    Ok(forecast) => {
                        beyond_span = forecast.beyond_span;
                        Forecasted::Fan {
                            years: forecast.fan(),
                            resampling: forecast.resampling,
                        }
                    }
                    Err(error) => Forecasted::Unfit {
                        why: error.to_string(),
                        hint: error.hint().into(),
                    },
                },
                backtest: backtest(scores, trend, self.config.forecast.backtest_years, &options),
            })
            .collect();
        SeriesForecasts {
            name: series.name.clone(),
            of: series.of,
            domain: series.domain.clone(),
            source: match &series.file {
                Some(file) if series.source.is_empty() => file.display().to_string(),
                _ => series.source.clone(),
            },
            observations: scores.observations().to_vec(),
            beyond_span,
            by_trend,
        }
    }

    /// Lines that are crossed, or not.
    pub(super) fn crossings(&self) -> Vec<DomainCrossing> {
        let mut crossings = Vec::new();
        for (series, scores) in self.read {
            for trend in self.trends() {
                let found = match series.of {
                    Of::Human => self.people(series, scores, trend).ok(),
                    Of::Model => self.models(series, scores, trend),
                };
                crossings.extend(found.map(|(line, crossing)| DomainCrossing {
                    of: (series.domain.clone()).unwrap_or_else(|| series.name.clone()),
                    line,
                    trend,
                    crossing,
                }));
            }
        }
        crossings
    }

    fn people(
        &self,
        series: &SeriesConfig,
        scores: &Series,
        trend: Trend,
    ) -> Result<(CrossedLine, Crossing), ForecastError> {
        let threshold = self.config.threshold;
        let ahead = self.fine(series, scores, trend, scores.span().1)?;
        Ok((
            CrossedLine::FallsBelow { threshold },
            falls_below(&ahead, threshold),
        ))
    }

    fn models(
        &self,
        series: &SeriesConfig,
        scores: &Series,
        trend: Trend,
    ) -> Option<(CrossedLine, Crossing)> {
        let domain = series.domain.as_ref()?;
        let people = (self.read.iter())
            .find(|(other, _)| other.of == Of::Human && other.domain.as_ref() == Some(domain));
        let (_, last) = scores.span();
        if let Some((people, of_people)) = people {
            let from = last.max(of_people.span().1);
            let models = self.fine(series, scores, trend, from).ok()?;
            let people = self.fine(people, of_people, trend, from).ok()?;
            return Some((CrossedLine::GapOpens, gap_opens(&models, &people)));
        }
        let domain = self.domains.iter().find(|of| of.name == *domain)?;
        let human_accuracy = domain.human_accuracy?.estimate();
        let models = self.fine(series, scores, trend, last).ok()?;
        Some((
            CrossedLine::GapOpensAgainst { human_accuracy },
            overtakes(&models, human_accuracy),
        ))
    }

    /// A forecast in fine steps from a year on.
    fn fine(
        &self,
        series: &SeriesConfig,
        scores: &Series,
        trend: Trend,
        from: f64,
    ) -> Result<Forecast, ForecastError> {
        let years: Vec<f64> = (0..=self.config.forecast.years.get() * STEPS_A_YEAR)
            .map(|i| from + f64::from(i) / f64::from(STEPS_A_YEAR))
            .collect();
        forecast(scores, trend, &years, &self.options(series))
    }
}
