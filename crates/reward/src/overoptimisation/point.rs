//! A point of a curve of the laboratory: how hard a proxy was pushed, and what came of it.
//!
//! A row of a file says `n` or `step`, never both: a best of n, or a policy after so many steps.

use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::Arm;
use crate::gao::GaoForm;

/// How hard a proxy was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Push {
    /// The best of so many candidates.
    BestOf(NonZeroUsize),
    /// A policy after so many steps; 0 as it starts.
    Steps(usize),
}

impl Push {
    /// The form that gold takes, pushed so (Gao et al. 2022).
    pub fn form(self) -> GaoForm {
        match self {
            Self::BestOf(_) => GaoForm::BestOfN,
            Self::Steps(_) => GaoForm::Reinforcement,
        }
    }

    /// Of how many, or how many steps.
    pub fn amount(self) -> usize {
        match self {
            Self::BestOf(n) => n.get(),
            Self::Steps(steps) => steps,
        }
    }
}

impl fmt::Display for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BestOf(n) => write!(f, "best of {n}"),
            Self::Steps(1) => f.write_str("1 step"),
            Self::Steps(steps) => write!(f, "{steps} steps"),
        }
    }
}

/// Gold and proxy under one arm and seed; means over prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Row", into = "Row")]
pub struct CurvePoint {
    /// What picks, or rewards.
    pub arm: Arm,
    /// The seed.
    pub seed: u64,
    /// How hard.
    pub push: Push,
    /// Divergence from the start, nats: of the best of n its bound log n − (n − 1)/n, of a policy what it is.
    pub kl: f64,
    /// Expected score by what picks or rewards, refusals left out; on typical replies a reward has mean 0 and spread 1 before
    /// anything is taken off. 0 where all is refused.
    pub proxy: f64,
    /// Expected gold, refusals included; typical replies have mean 0 and spread 1.
    pub gold: f64,
    /// Probability of a refusal.
    pub refused: f64,
}

/// The same as a row of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    arm: Arm,
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<NonZeroUsize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    kl: f64,
    proxy: f64,
    gold: f64,
    refused: f64,
}

/// A row that is of neither curve, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a point of a curve has either `n` or `step`")]
struct NotOneOfTwo;

impl TryFrom<Row> for CurvePoint {
    type Error = NotOneOfTwo;

    fn try_from(row: Row) -> Result<Self, NotOneOfTwo> {
        let Row {
            arm,
            seed,
            n,
            step,
            kl,
            proxy,
            gold,
            refused,
        } = row;
        let push = match (n, step) {
            (Some(n), None) => Push::BestOf(n),
            (None, Some(step)) => Push::Steps(step),
            _ => return Err(NotOneOfTwo),
        };
        Ok(Self {
            arm,
            seed,
            push,
            kl,
            proxy,
            gold,
            refused,
        })
    }
}

impl From<CurvePoint> for Row {
    fn from(point: CurvePoint) -> Self {
        let CurvePoint {
            arm,
            seed,
            push,
            kl,
            proxy,
            gold,
            refused,
        } = point;
        let (n, step) = match push {
            Push::BestOf(n) => (Some(n), None),
            Push::Steps(step) => (None, Some(step)),
        };
        Self {
            arm,
            seed,
            n,
            step,
            kl,
            proxy,
            gold,
            refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::{Combination, Spread};
    use crate::overoptimisation::Mitigation;

    #[test]
    fn a_point_can_be_stored() {
        let arm = Arm::Mitigated {
            by: Mitigation::Ensemble {
                combination: Combination::UncertaintyWeighted(Spread::default()),
            },
        };
        for push in [Push::BestOf(NonZeroUsize::MIN), Push::Steps(0)] {
            let point = CurvePoint {
                arm,
                seed: 3,
                push,
                kl: 0.0,
                proxy: 1.0,
                gold: 0.5,
                refused: 0.0,
            };
            let text = serde_json::to_string(&point).unwrap();
            assert_eq!(serde_json::from_str::<CurvePoint>(&text).unwrap(), point);
        }
    }

    #[test]
    fn a_row_of_an_older_run_is_read_and_one_of_neither_curve_is_not() {
        let row = |push: &str| {
            format!(
                r#"{{"arm":{{"kind":"single"}},"seed":0,{push}"kl":0.5,"proxy":1.0,"gold":0.5,"refused":0.0}}"#
            )
        };
        let read = |push| serde_json::from_str::<CurvePoint>(&row(push));
        let four = NonZeroUsize::new(4).unwrap();
        assert_eq!(read(r#""n":4,"#).unwrap().push, Push::BestOf(four));
        for push in ["", r#""n":4,"step":4,"#] {
            let error = read(push).unwrap_err().to_string();
            assert!(error.contains("either `n` or `step`"), "{error}");
        }
    }
}
