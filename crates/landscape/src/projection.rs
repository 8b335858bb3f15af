//! A projection: what happens to the gap if capability and human accuracy each grow by so much a year.
//!
//! From the founding post.
//!
//! ```text
//! capability(y + 1)     = min(cap, growth · capability(y))             1.15 a year, at most .99
//! human accuracy(y + 1) = min(cap, growth · human accuracy(y))         1.02 a year, at most .95
//! gap = capability − human accuracy,   supervisable: human accuracy > .7
//! ```
//!
//! It is arithmetic on assumptions, not a forecast: nothing is fitted, and nothing says how sure one is of the growth. Where the
//! figures that it starts from were measured, their intervals go through the same arithmetic. Trends of data are in
//! [`mod@crate::forecast`].
//!
//! In: fractions, factors a year, years. Out: a row a year, the first being the one that it starts in.
//! Differs from the post: nowhere with [`Scenario::default`].

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Figure, Supervisable};

/// Assumptions about the years to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// The domain that it starts from, by name; its figures are then measured or stated there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Capability that it starts from, where no domain is named [default: 0.6].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_capability: Option<f64>,
    /// Human accuracy that it starts from, where no domain is named [default: 0.6].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_accuracy: Option<f64>,
    /// The year that the starting figures are of.
    pub from_year: i32,
    /// Years to go on for.
    pub years: NonZeroU32,
    /// Capability grows by this factor a year.
    pub capability_growth: f64,
    /// And no further than this.
    pub capability_cap: f64,
    /// Human accuracy grows by this factor a year.
    pub human_growth: f64,
    /// And no further than this.
    pub human_cap: f64,
}

impl Default for Scenario {
    /// The founding post's.
    fn default() -> Self {
        Self {
            name: "founding post".into(),
            domain: None,
            model_capability: None,
            human_accuracy: None,
            from_year: 2025,
            years: const { NonZeroU32::new(5).unwrap() },
            capability_growth: 1.15,
            capability_cap: 0.99,
            human_growth: 1.02,
            human_cap: 0.95,
        }
    }
}

/// Why a scenario cannot be projected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// A factor that is none.
    #[error("`{key}` is {value}: a factor a year is above 0, such as 1.15 for 15 % more")]
    Growth {
        /// Its key.
        key: &'static str,
        /// What it says.
        value: f64,
    },
    /// A cap that is no share.
    #[error("`{key}` is {value}: an accuracy is from 0 to 1")]
    Cap {
        /// Its key.
        key: &'static str,
        /// What it says.
        value: f64,
    },
    /// A starting figure that is no share.
    #[error("`{key}` is {value}: an accuracy is from 0 to 1")]
    Start {
        /// Its key.
        key: &'static str,
        /// What it says.
        value: f64,
    },
    /// It starts from two places.
    #[error("`{key}` is given, and so is `domain`, which has figures of its own")]
    TwoStarts {
        /// The key.
        key: &'static str,
    },
    /// So many years say nothing.
    #[error("`years` is {years}: at most {most}")]
    Years {
        /// What it says.
        years: u32,
        /// The most.
        most: u32,
    },
}

impl ScenarioError {
    /// The key at fault.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Growth { key, .. }
            | Self::Cap { key, .. }
            | Self::Start { key, .. }
            | Self::TwoStarts { key } => key,
            Self::Years { .. } => "years",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Growth { .. } => "write growth as a factor: 1.02 is 2 % a year, 1 is none",
            Self::TwoStarts { .. } => "leave one of them out",
            Self::Cap { .. } | Self::Start { .. } => "write a fraction: 0.95, not 95",
            Self::Years { .. } => "every figure stands at its cap long before; ask for fewer years",
        }
    }
}

/// Where the founding post starts, in 2025.
const START: f64 = 0.6;

/// The most years of a projection.
pub const MOST_YEARS: u32 = 100;

/// One year of a projection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectedYear {
    /// Which.
    pub year: i32,
    /// What models can do.
    pub model_capability: Figure,
    /// What people can judge.
    pub human_accuracy: Figure,
    /// The first less the second.
    pub gap: Figure,
    /// Whether the second is above the threshold.
    pub supervisable: Supervisable,
}

impl Scenario {
    /// Says what is wrong with it.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`], naming the key.
    pub fn check(&self) -> Result<(), ScenarioError> {
        for (key, value) in [
            ("capability-growth", self.capability_growth),
            ("human-growth", self.human_growth),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(ScenarioError::Growth { key, value });
            }
        }
        for (key, value) in [
            ("capability-cap", self.capability_cap),
            ("human-cap", self.human_cap),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(ScenarioError::Cap { key, value });
            }
        }
        for (key, value) in [
            ("model-capability", self.model_capability),
            ("human-accuracy", self.human_accuracy),
        ] {
            let Some(value) = value else { continue };
            if self.domain.is_some() {
                return Err(ScenarioError::TwoStarts { key });
            }
            if !(0.0..=1.0).contains(&value) {
                return Err(ScenarioError::Start { key, value });
            }
        }
        if self.years.get() > MOST_YEARS {
            return Err(ScenarioError::Years {
                years: self.years.get(),
                most: MOST_YEARS,
            });
        }
        Ok(())
    }

    /// The capability and the human accuracy that it starts from, where it names no domain.
    pub fn start(&self) -> (Figure, Figure) {
        let figure = |value: Option<f64>| Figure::stated(value.unwrap_or(START));
        (figure(self.model_capability), figure(self.human_accuracy))
    }

    /// Goes on from where things stand.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] when an assumption makes no sense.
    pub fn project(
        &self,
        model_capability: Figure,
        human_accuracy: Figure,
        threshold: f64,
    ) -> Result<Vec<ProjectedYear>, ScenarioError> {
        self.check()?;
        let (mut model, mut human) = (model_capability, human_accuracy);
        let mut rows = Vec::new();
        for year in (self.from_year..).take(self.years.get() as usize + 1) {
            rows.push(ProjectedYear {
                year,
                model_capability: model,
                human_accuracy: human,
                gap: model.minus(&human),
                supervisable: Supervisable::of(&human, threshold),
            });
            model = model.mapped(|x| (x * self.capability_growth).min(self.capability_cap));
            human = human.mapped(|x| (x * self.human_growth).min(self.human_cap));
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::THRESHOLD;

    fn post(capability: f64, human: f64, scenario: &Scenario) -> Vec<ProjectedYear> {
        scenario
            .project(Figure::stated(capability), Figure::stated(human), THRESHOLD)
            .unwrap()
    }

    #[test]
    fn the_founding_posts_five_years() {
        // By hand: × 1.15 up to .99, × 1.02 up to .95, from .60 and .60 in 2025.
        let capability = [0.6, 0.69, 0.7935, 0.912525, 0.99, 0.99];
        let human = [0.6, 0.612, 0.62424, 0.6367248, 0.649459296, 0.66244848192];
        let scenario = Scenario::default();
        let (model, people) = scenario.start();
        let rows = scenario.project(model, people, THRESHOLD).unwrap();
        assert_eq!(rows.len(), 6);
        assert_eq!((rows[0].year, rows[5].year), (2025, 2030));
        for ((row, capability), human) in rows.iter().zip(capability).zip(human) {
            assert!(
                (row.model_capability.estimate() - capability).abs() < 1e-12,
                "{row:?}"
            );
            assert!(
                (row.human_accuracy.estimate() - human).abs() < 1e-12,
                "{row:?}"
            );
            assert!(
                (row.gap.estimate() - (capability - human)).abs() < 1e-12,
                "{row:?}"
            );
            assert_eq!(row.supervisable, Supervisable::No);
        }
    }

    #[test]
    fn people_reach_the_threshold_in_the_eighth_year_and_their_cap_in_the_twenty_fourth() {
        let scenario = Scenario {
            years: NonZeroU32::new(30).unwrap(),
            ..Scenario::default()
        };
        let rows = post(0.75, 0.6, &scenario);
        // .6 × 1.02⁷ = .6892, .6 × 1.02⁸ = .7030; .6 × 1.02²³ = .9461, .6 × 1.02²⁴ = .9651.
        let first = rows
            .iter()
            .position(|row| row.supervisable == Supervisable::Yes);
        assert_eq!(first, Some(8));
        assert_eq!(rows[24].human_accuracy.estimate(), 0.95);
        assert_eq!(rows[30].gap.estimate(), 0.99 - 0.95);
    }

    #[test]
    fn what_makes_no_sense_is_said_by_its_key() {
        let check = |scenario: Scenario, key| {
            let error = scenario
                .project(Figure::stated(0.5), Figure::stated(0.5), 0.7)
                .unwrap_err();
            assert_eq!(error.key(), key);
            assert!(!error.hint().is_empty());
        };
        check(
            Scenario {
                human_growth: 0.0,
                ..Scenario::default()
            },
            "human-growth",
        );
        check(
            Scenario {
                capability_growth: f64::NAN,
                ..Scenario::default()
            },
            "capability-growth",
        );
        check(
            Scenario {
                capability_cap: 99.0,
                ..Scenario::default()
            },
            "capability-cap",
        );
        check(
            Scenario {
                years: NonZeroU32::new(101).unwrap(),
                ..Scenario::default()
            },
            "years",
        );
    }

    proptest! {
        #[test]
        fn caps_hold_and_order_is_kept(capability in 0.0..1.0_f64, human in 0.0..1.0_f64, growth in 0.8..1.5_f64) {
            let scenario = Scenario { capability_growth: growth, ..Scenario::default() };
            let rows = post(capability, human, &scenario);
            for row in &rows[1..] {
                prop_assert!(row.model_capability.estimate() <= 0.99 && row.human_accuracy.estimate() <= 0.95);
                prop_assert!((row.gap.estimate() - row.model_capability.estimate() + row.human_accuracy.estimate()).abs() < 1e-12);
            }
            let better = post((capability + 0.1).min(1.0), human, &scenario);
            prop_assert!(rows.iter().zip(&better).all(|(row, better)| better.gap.estimate() >= row.gap.estimate()));
        }
    }
}
