//! The landscape of oversight, from a file to what is measured: domains with their gaps, agreement of raters, projections, forecasts,
//! backtests and chains of overseers.
//!
//! ```text
//! LandscapeConfig + files that it names  ->  measure  ->  Landscape: plain numbers, for the report
//! ```
//!
//! Nothing is stored: everything follows from the file, the data and the seed, in seconds.

mod config;
mod look_ahead;
mod measure;
mod rated;
mod score_file;

use std::path::Path;

use serde::Serialize;
use trimtab_data::{DataError, Place};
use trimtab_landscape::{
    Backtest, BeyondSpan, Crossing, Domain, FanYear, Observation, ProjectedYear, Resampling, Trend,
};

pub use config::{
    DomainConfig, DomainSet, ForecastConfig, GameConfig, LandscapeConfig, LineConfig, NestedConfig,
    Of, SeriesConfig,
};
pub use rated::{RatedBy, RatedDomain, Reference, Reliability, SavedLabels};
pub use score_file::ScoreFileError;

use crate::experiment_file::{self, ExperimentFileError, Resolved};
use crate::reproduction::hash;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Landscape {
    /// What it is called.
    pub name: String,
    /// A hash of the settings and of the data.
    pub id: String,
    /// The settings, whole.
    pub config: LandscapeConfig,
    /// In the order of the file, illustrations last.
    pub domains: Vec<Domain>,
    /// Raters of every domain that has ratings.
    pub raters: Vec<RatedDomain>,
    /// A scenario each.
    pub projections: Vec<Projection>,
    /// A series each.
    pub series: Vec<SeriesForecasts>,
    /// When lines are crossed.
    pub crossings: Vec<DomainCrossing>,
    /// A game each.
    pub games: Vec<GameCurve>,
}

/// A scenario and where it leads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Projection {
    /// Its name.
    pub name: String,
    /// Where it starts, in words.
    pub start: String,
    /// A year each.
    pub years: Vec<ProjectedYear>,
}

/// A series with a forecast by every trend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesForecasts {
    /// Its name.
    pub name: String,
    /// Whose scores.
    pub of: Of,
    /// The domain that it belongs to, if it names one.
    pub domain: Option<String>,
    /// Where scores are from.
    pub source: String,
    /// The scores.
    pub observations: Vec<Observation>,
    /// That a forecast goes beyond the years that were seen.
    pub beyond_span: Option<BeyondSpan>,
    /// By trend.
    pub by_trend: Vec<TrendForecast>,
}

/// What one trend says of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendForecast {
    /// Which.
    pub trend: Trend,
    /// The forecast, or why there is none.
    #[serde(flatten)]
    pub forecast: Forecasted,
    /// How it would have done before.
    pub backtest: Option<Backtest>,
}

/// A forecast, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forecasted {
    /// Year by year.
    Fan {
        /// The fan of scores.
        years: Vec<FanYear>,
        /// Where replicates come from.
        resampling: Resampling,
    },
    /// The trend does not fit.
    Unfit {
        /// Why.
        why: String,
        /// What to do about it.
        hint: String,
    },
}

/// When a line is crossed in a domain, by one trend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DomainCrossing {
    /// The domain, or the series where it names none.
    pub of: String,
    /// Which line.
    pub line: CrossedLine,
    /// By which trend.
    pub trend: Trend,
    /// When.
    pub crossing: Crossing,
}

/// A line that trends may cross.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CrossedLine {
    /// Models overtake people whose accuracy has a series of its own.
    GapOpens,
    /// Models overtake people whose accuracy stays what it is.
    GapOpensAgainst {
        /// What it is.
        human_accuracy: f64,
    },
    /// People's accuracy falls to what supervision needs.
    FallsBelow {
        /// What it needs.
        threshold: f64,
    },
}

/// How far a chain of overseers reaches in one game.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GameCurve {
    /// The game.
    pub name: String,
    /// Gaps, each with the number of steps that is likeliest to hold, and that chance.
    pub points: Vec<NestedPoint>,
}

/// One gap in general strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NestedPoint {
    /// How many points the strongest is above the weakest overseer.
    pub gap: f64,
    /// The likeliest number of steps.
    pub n_steps: u32,
    /// The chance that all of them hold.
    pub success: f64,
    /// The chance that one step holds.
    pub in_one_step: f64,
}

/// Why a landscape cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum LandscapeError {
    /// The file says nothing that can be measured.
    #[error(transparent)]
    File(#[from] ExperimentFileError),
    /// It sweeps or has variants.
    #[error("{file}: a landscape is one, and this file makes {n} of them")]
    Several {
        /// The file.
        file: String,
        /// How many.
        n: usize,
    },
    /// Ratings cannot be read.
    #[error("domain `{domain}`: {source}")]
    Ratings {
        /// The domain.
        domain: String,
        /// What is wrong with the file.
        #[source]
        source: Box<DataError>,
    },
    /// Ratings can be read, and nothing can be measured with them.
    #[error("domain `{domain}`: {set}{}: {what}", at(*place))]
    Panel {
        /// The domain.
        domain: String,
        /// The set or file.
        set: String,
        /// Where in it, where that is one place.
        place: Option<Place>,
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A file of scores cannot be used.
    #[error("series `{series}`: {source}")]
    Scores {
        /// The series.
        series: String,
        /// What is wrong with the file.
        #[source]
        source: ScoreFileError,
    },
}

fn at(place: Option<Place>) -> String {
    place.map_or_else(String::new, |place| format!(", {place}"))
}

impl LandscapeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // It says so itself, with the line.
            Self::File(_) => None,
            Self::Several { .. } => {
                Some("take `sweep` and `variant` out, and write a file for each".into())
            }
            Self::Ratings { source, .. } => source.hint(),
            Self::Panel { hint, .. } => Some(hint.clone()),
            Self::Scores { source, .. } => Some(source.hint()),
        }
    }
}

/// Reads and measures a file.
///
/// # Errors
///
/// [`LandscapeError`], naming file, field or row.
pub fn measure_file(path: &Path, overrides: &[String]) -> Result<Landscape, LandscapeError> {
    let resolved = experiment_file::resolve_settled(path, overrides, &|config| {
        LandscapeConfig::check(config)
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    measure::measure(&one(path.display().to_string(), resolved)?, folder)
}

/// Measures a text that is part of the program; files that it names would be looked for in `folder`.
///
/// # Errors
///
/// [`LandscapeError`], as [`measure_file`].
pub fn measure_text(
    name: &str,
    text: &str,
    overrides: &[String],
    folder: &Path,
) -> Result<Landscape, LandscapeError> {
    let resolved = experiment_file::resolve_text(name, text, overrides, &|config| {
        LandscapeConfig::check(config)
    })?;
    measure::measure(&one(name.to_owned(), resolved)?, folder)
}

fn one(
    file: String,
    mut resolved: Vec<Resolved<LandscapeConfig>>,
) -> Result<LandscapeConfig, LandscapeError> {
    match (resolved.len(), resolved.pop()) {
        (1, Some(resolved)) => Ok(resolved.variant.config),
        (n, _) => Err(LandscapeError::Several { file, n }),
    }
}

impl Landscape {
    fn id_of(config: &LandscapeConfig, data: &[String]) -> String {
        hash(&(config, data))
    }
}
