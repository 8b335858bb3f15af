//! The landscape file as a type.

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Scale;
use trimtab_landscape::nested::OversightGame;
use trimtab_landscape::{Observation, Scenario, Series, THRESHOLD, Trend};
use trimtab_stats::{Level, Plateaus};

use crate::experiment_file::Objection;

/// A landscape: domains, and what is asked of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LandscapeConfig {
    /// Its name.
    pub name: String,
    /// A set of domains that is part of the program, after those of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<DomainSet>,
    /// People can supervise where their accuracy is above this.
    #[serde(default = "threshold")]
    pub threshold: f64,
    /// The level of intervals.
    #[serde(default = "level")]
    pub level: f64,
    /// Replicates of every bootstrap and forecast.
    #[serde(default = "resamples")]
    pub resamples: NonZeroU32,
    /// What all draws follow from.
    #[serde(default)]
    pub seed: u64,
    /// Domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<DomainConfig>,
    /// Assumptions about the years to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenario: Vec<Scenario>,
    /// Scores over time, to which trends are fitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesConfig>,
    /// How far ahead, and by which trends.
    #[serde(default)]
    pub forecast: ForecastConfig,
    /// Games between overseers and those who would escape them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub game: Vec<GameConfig>,
    /// How far chains of overseers are followed.
    #[serde(default)]
    pub nested: NestedConfig,
}

fn threshold() -> f64 {
    THRESHOLD
}

fn level() -> f64 {
    Level::default().get()
}

fn resamples() -> NonZeroU32 {
    const { NonZeroU32::new(2_000).unwrap() }
}

/// Domains that are part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DomainSet {
    /// The founding post's eight, an illustration.
    #[serde(rename = "builtin:founding-post")]
    FoundingPost,
}

/// One domain: either ratings, or figures with their source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DomainConfig {
    /// What is judged there.
    pub name: String,
    /// Who said what of which item: `builtin:NAME`, or a file (CSV or JSON Lines) with `item`, `rater`, `rating`, and as they are known
    /// `gold`, `kind`, `domain`, `round`. Relative to the folder of this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratings: Option<String>,
    /// The rater who stands for models, where several models rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of the ratings, only items of this `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Of the ratings, only those of this `round`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<String>,
    /// What the numbers of a file's ratings mean [default: names].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// What may be said in a file of ratings, from the lowest to the highest; left out, what is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// How often people judge rightly, where that is known from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_accuracy: Option<f64>,
    /// Items behind it; without, it has no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_n: Option<NonZeroU32>,
    /// How often models are right, where that is known from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_capability: Option<f64>,
    /// Items behind it; without, it has no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_n: Option<NonZeroU32>,
    /// Who says so: a figure that is given by hand says where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Whose scores a series has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// Models: capability.
    Model,
    /// People: accuracy.
    Human,
}

/// Scores over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeriesConfig {
    /// Its name.
    pub name: String,
    /// Whose scores.
    pub of: Of,
    /// The domain that it belongs to: models are held against the people of the same domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// A CSV file with a header, or JSON Lines: `year`, `score`, and as they are known `n`, `family`, `task`, `run`. Relative to
    /// the folder of this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The same, row by row in this file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub row: Vec<Observation>,
    /// Where scores are from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// How far ahead, and by which trends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ForecastConfig {
    /// Years after the last score.
    pub years: NonZeroU32,
    /// By which trends.
    pub trends: Vec<Trend>,
    /// A forecast over more than so many times the years that were seen is flagged.
    pub span_factor: f64,
    /// How many years ahead of each earlier year backtests look.
    pub backtest_years: f64,
}

impl Default for ForecastConfig {
    fn default() -> Self {
        Self {
            years: const { NonZeroU32::new(5).unwrap() },
            trends: Trend::ALL.to_vec(),
            span_factor: 1.0,
            backtest_years: 2.0,
        }
    }
}

/// A game between a guard, who oversees, and a Houdini, who would escape: how strength in it goes with general strength, in
/// Elo points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GameConfig {
    /// Its name.
    pub name: String,
    /// The guard's strength.
    pub guard: LineConfig,
    /// The Houdini's.
    pub houdini: LineConfig,
}

/// A line that may be flat below one point and above another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LineConfig {
    /// Strength in the game at general strength 0.
    pub base: f64,
    /// Points in the game a point of general strength.
    pub slope: f64,
    /// Flat below this general strength.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// Flat above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
}

/// How far chains of overseers are followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct NestedConfig {
    /// General strength of the weakest overseer.
    pub weakest: f64,
    /// How far above it what is overseen may be.
    pub gaps: Vec<f64>,
    /// The most steps.
    pub most_steps: NonZeroU32,
}

impl Default for NestedConfig {
    /// What Engels et al. 2025 start from: the weakest model of their games.
    fn default() -> Self {
        Self {
            weakest: 1103.0,
            gaps: (0..=8).map(|i| 100.0 * f64::from(i)).collect(),
            most_steps: const { NonZeroU32::new(20).unwrap() },
        }
    }
}

impl LineConfig {
    fn plateaus(self) -> Plateaus {
        Plateaus {
            base: self.base,
            slope: self.slope,
            lower: self.lower,
            upper: self.upper,
            aic: 0.0,
        }
    }
}

impl GameConfig {
    /// The game.
    pub fn game(&self) -> OversightGame {
        OversightGame {
            guard: self.guard.plateaus(),
            houdini: self.houdini.plateaus(),
        }
    }
}

fn objection(
    key: impl Into<String>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Objection {
    Objection {
        key: key.into(),
        message: message.into(),
        help: help.into(),
    }
}

const A_SHARE: &str = "write a fraction: 0.62, not 62";

fn share(key: impl Into<String>, value: Option<f64>) -> Result<(), Objection> {
    match value {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(objection(
            key,
            format!("{value} is outside 0 to 1"),
            A_SHARE,
        )),
        _ => Ok(()),
    }
}

fn no_twins<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Objection> {
    let mut seen: Vec<&str> = Vec::new();
    for (i, name) in names.enumerate() {
        if name.trim().is_empty() {
            return Err(objection(
                format!("{kind}.{i}.name"),
                "a name is empty",
                "say what it is",
            ));
        }
        if seen.contains(&name) {
            return Err(objection(
                format!("{kind}.{i}.name"),
                format!("`{name}` is the name of another {kind} too"),
                "give each a name of its own",
            ));
        }
        seen.push(name);
    }
    Ok(())
}

impl LandscapeConfig {
    /// What types cannot say.
    ///
    /// # Errors
    ///
    /// An objection to a key.
    pub fn check(&self) -> Result<(), Objection> {
        share("threshold", Some(self.threshold))?;
        Level::new(self.level).map_err(|error| {
            objection("level", error.to_string(), "write a fraction, such as 0.95")
        })?;
        no_twins("domain", self.domain.iter().map(|of| &*of.name))?;
        no_twins("scenario", self.scenario.iter().map(|of| &*of.name))?;
        no_twins("series", self.series.iter().map(|of| &*of.name))?;
        no_twins("game", self.game.iter().map(|of| &*of.name))?;
        for (i, domain) in self.domain.iter().enumerate() {
            domain.check(&format!("domain.{i}"))?;
        }
        for (i, scenario) in self.scenario.iter().enumerate() {
            scenario.check().map_err(|error| {
                objection(
                    format!("scenario.{i}.{}", error.key()),
                    error.to_string(),
                    error.hint(),
                )
            })?;
            if let Some(domain) = &scenario.domain {
                self.known_domain(&format!("scenario.{i}.domain"), domain)?;
            }
        }
        for (i, series) in self.series.iter().enumerate() {
            series.check(&format!("series.{i}"))?;
            if let Some(domain) = &series.domain {
                self.known_domain(&format!("series.{i}.domain"), domain)?;
            }
        }
        self.forecast.check()?;
        self.nested.check()
    }

    /// Names of all domains, of the file and of the set.
    pub(super) fn domain_names(&self) -> Vec<String> {
        let of_set = (self.set.iter()).flat_map(|_| trimtab_landscape::illustrative::domains());
        (self.domain.iter().map(|of| of.name.clone()))
            .chain(of_set.map(|of| of.name))
            .collect()
    }

    fn known_domain(&self, key: &str, name: &str) -> Result<(), Objection> {
        let known = self.domain_names();
        if known.iter().any(|known| known == name) {
            return Ok(());
        }
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        Err(objection(
            key,
            format!("there is no domain `{name}`"),
            if known.is_empty() {
                "add a [[domain]] of this name".to_owned()
            } else {
                format!("domains of this file: {}", known.join(", "))
            },
        ))
    }
}

impl DomainConfig {
    fn check(&self, at: &str) -> Result<(), Objection> {
        share(format!("{at}.human-accuracy"), self.human_accuracy)?;
        share(format!("{at}.model-capability"), self.model_capability)?;
        for (key, n, figure, of) in [
            (
                "human-n",
                self.human_n,
                self.human_accuracy,
                "human-accuracy",
            ),
            (
                "model-n",
                self.model_n,
                self.model_capability,
                "model-capability",
            ),
        ] {
            if n.is_some() && figure.is_none() {
                return Err(objection(
                    format!("{at}.{key}"),
                    format!("items without a figure: there is no `{of}`"),
                    format!("add `{of}`, or leave `{key}` out"),
                ));
            }
        }
        let is_stated = self.human_accuracy.is_some() || self.model_capability.is_some();
        if self.ratings.is_some() {
            let key = if self.human_accuracy.is_some() {
                "human-accuracy"
            } else {
                "model-capability"
            };
            return if is_stated {
                Err(objection(
                    format!("{at}.{key}"),
                    "this domain has ratings, and figures that are given by hand too",
                    "make two domains of it, so that each says where its figures are from",
                ))
            } else {
                Ok(())
            };
        }
        for (key, is_set) in [
            ("model", self.model.is_some()),
            ("part", self.part.is_some()),
            ("round", self.round.is_some()),
            ("scale", self.scale.is_some()),
            ("categories", !self.categories.is_empty()),
        ] {
            if is_set {
                return Err(objection(
                    format!("{at}.{key}"),
                    "there are no `ratings` that this could be of",
                    "add ratings = \"…\", or leave it out",
                ));
            }
        }
        if !is_stated {
            return Err(objection(
                at,
                "this domain has no figure",
                "add `ratings`, or `human-accuracy` or `model-capability` with `source`",
            ));
        }
        if self
            .source
            .as_deref()
            .is_none_or(|source| source.trim().is_empty())
        {
            return Err(objection(
                at,
                "figures are given by hand, and nothing says where they are from",
                "add source = \"…\": a paper, a page, who counted",
            ));
        }
        Ok(())
    }
}

impl SeriesConfig {
    fn check(&self, at: &str) -> Result<(), Objection> {
        match (&self.file, self.row.is_empty()) {
            (Some(_), false) => Err(objection(
                format!("{at}.file"),
                "scores are in a file, and in this one too",
                "leave `file` or the rows out",
            )),
            (None, true) => Err(objection(
                at,
                "this series has no scores",
                "add `file`, or rows: row = [{ year = 2024, score = 0.62 }, …]",
            )),
            (Some(_), true) => Ok(()),
            (None, false) => match Series::new(self.row.clone()) {
                Ok(_) => Ok(()),
                Err(error) => Err(objection(
                    match error.row() {
                        Some(row) => format!("{at}.row.{}.{}", row - 1, error.key()),
                        None => format!("{at}.row"),
                    },
                    error.to_string(),
                    error.hint(),
                )),
            },
        }
    }
}

/// The most years ahead.
const MOST_YEARS: u32 = 100;

impl ForecastConfig {
    fn check(&self) -> Result<(), Objection> {
        if self.years.get() > MOST_YEARS {
            return Err(objection(
                "forecast.years",
                format!("{} years ahead", self.years),
                format!("ask for at most {MOST_YEARS}"),
            ));
        }
        if self.trends.is_empty() {
            return Err(objection(
                "forecast.trends",
                "no trend",
                "name some: trends = [\"logistic\", \"drift\"]",
            ));
        }
        for (key, value) in [
            ("forecast.span-factor", self.span_factor),
            ("forecast.backtest-years", self.backtest_years),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(objection(
                    key,
                    format!("{value} is not above 0"),
                    "write 1, or 2.5",
                ));
            }
        }
        Ok(())
    }
}

impl NestedConfig {
    fn check(&self) -> Result<(), Objection> {
        if self.most_steps.get() > 1000 {
            return Err(objection(
                "nested.most-steps",
                format!("{} steps", self.most_steps),
                "ask for at most 1000",
            ));
        }
        match self.gaps.iter().find(|gap| !gap.is_finite() || **gap < 0.0) {
            Some(gap) => Err(objection(
                "nested.gaps",
                format!("{gap} is no gap"),
                "write how many points stronger it is than the weakest overseer, 0 or more",
            )),
            None => Ok(()),
        }
    }
}
