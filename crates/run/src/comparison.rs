//! What makes a comparison of approaches fair: `[comparison]`.
//!
//! Every approach labels the student's questions with the same weak overseer, who has so much time: a *judge budget*, in calls.
//! Who spends more calls on a question labels fewer of them. Combinations may be searched for: each one of `search.parts`, and each
//! way to combine some of them, becomes a supervisor and a method of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_combine::{Combine, Guarantee};
use trimtab_core::setting::{ConfigError, require};
use trimtab_weak_to_strong::{SupervisorName, WeakToStrongConfig};

use crate::experiment::{Experiment, MethodConfig};
use crate::supervisors::{CascadeConfig, EnsembleConfig, Part, SupervisorConfig};

/// How approaches are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ComparisonConfig {
    /// Calls of the weak overseer that each supervisor may spend on labels: on judgements of the student's half, and on what it
    /// asks while it is taught. Who is done with it labels nothing more. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge_budget: Option<u64>,
    /// Accuracy below which an overseer is not to be relied on: the oversight gap counts the errors made there.
    pub threshold: f64,
    /// Combinations that are searched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchConfig>,
}

impl Default for ComparisonConfig {
    fn default() -> Self {
        Self {
            judge_budget: None,
            threshold: 0.7,
            search: None,
        }
    }
}

/// Which combinations are tried. The report chooses the best on one half of the test items, and measures it on the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SearchConfig {
    /// Supervisors and roles to combine.
    pub parts: Vec<String>,
    /// Ways to combine them.
    #[serde(default = "all_combinators")]
    pub combinators: Vec<Combinator>,
    /// Parts in a combination, at most.
    #[serde(default = "two")]
    pub largest: usize,
    /// How students learn from them: as in a `[[method]]`, without its name and supervisor.
    #[serde(default)]
    pub student: WeakToStrongConfig,
}

fn all_combinators() -> Vec<Combinator> {
    vec![Combinator::Ensemble, Combinator::Cascade]
}

fn two() -> usize {
    2
}

/// A question as the report of a comparison shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionText {
    /// Its id.
    pub id: String,
    /// What is asked, or its beginning.
    pub text: String,
    /// The answers there are.
    pub answers: Vec<String>,
}

impl QuestionText {
    /// Longer texts are cut.
    pub(crate) const MOST_BYTES: usize = 400;

    /// The file that a variant's are in, in the run folder.
    pub fn file(variant: usize) -> String {
        format!("questions-{variant}.jsonl")
    }
}

/// A way to combine supervisors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combinator {
    /// The mean of log-odds.
    Ensemble,
    /// In the order of `parts`, with the default guarantee on a tenth of the labels; the last answers what nobody is sure of.
    Cascade,
}

impl Combinator {
    fn name(self) -> &'static str {
        match self {
            Self::Ensemble => "ensemble",
            Self::Cascade => "cascade",
        }
    }

    fn of(self, parts: &[&str]) -> SupervisorConfig {
        let of = parts
            .iter()
            .map(|name| Part::Named((*name).to_owned()))
            .collect();
        match self {
            Self::Ensemble => SupervisorConfig::Ensemble(EnsembleConfig {
                of,
                combine: Combine::LogOdds,
            }),
            Self::Cascade => SupervisorConfig::Cascade(CascadeConfig {
                of,
                guarantee: Guarantee {
                    otherwise: trimtab_combine::Otherwise::Answer,
                    calibration: 0.1,
                    ..Guarantee::default()
                },
            }),
        }
    }
}

/// The most combinations that a search may try.
const MOST: usize = 200;

impl ComparisonConfig {
    /// Checks what types cannot, but for names.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let threshold = self.threshold;
        let fits = threshold > 0.0 && threshold < 1.0;
        require(
            "threshold",
            threshold,
            fits,
            "a fraction above 0 and below 1",
        )?;
        if let Some(budget) = self.judge_budget {
            require("judge-budget", budget, budget > 0, "1 call or more")?;
        }
        let Some(search) = &self.search else {
            return Ok(());
        };
        let n = search.parts.len();
        require("search.parts", n, (2..=20).contains(&n), "2 to 20 names")?;
        for (at, part) in search.parts.iter().enumerate() {
            let again = search.parts[..at].contains(part);
            require(
                "search.parts",
                format!("`{part}` twice"),
                !again,
                "each name once",
            )?;
        }
        let largest = search.largest;
        let fits = (2..=search.parts.len()).contains(&largest);
        require("search.largest", largest, fits, "2 to the number of parts")?;
        let tried = search.combinations().len();
        require(
            "search",
            format!("{tried} combinations"),
            tried <= MOST,
            "200 at most",
        )
    }
}

impl SearchConfig {
    /// Every combination: how, and of whom.
    fn combinations(&self) -> Vec<(Combinator, Vec<&str>)> {
        let mut all = Vec::new();
        let n = self.parts.len().min(20);
        for chosen in 1_u32..(1 << n) {
            let size = chosen.count_ones() as usize;
            if size < 2 || size > self.largest {
                continue;
            }
            let parts: Vec<&str> = (0..n)
                .filter(|at| chosen & (1 << at) != 0)
                .map(|at| &*self.parts[at])
                .collect();
            all.extend(self.combinators.iter().map(|&how| (how, parts.clone())));
        }
        all
    }

    /// The names of the supervisors that are tried: parts, and combinations of them.
    pub fn tried(&self) -> Vec<String> {
        let combinations = self.combinations().into_iter();
        (self.parts.iter().cloned())
            .chain(combinations.map(|(how, parts)| name_of(how, &parts)))
            .collect()
    }

    /// What the student of a tried supervisor is called.
    pub fn method_of(tried: &str) -> String {
        format!("search: {tried}")
    }
}

fn name_of(how: Combinator, parts: &[&str]) -> String {
    format!("{} of {}", how.name(), parts.join(" + "))
}

impl Experiment {
    /// Writes out what a search tries: a supervisor for each combination, a method for each supervisor. What is there already
    /// stays as it is.
    pub(crate) fn expand(&mut self) {
        let Some(search) = self.comparison.as_ref().and_then(|c| c.search.clone()) else {
            return;
        };
        for (how, parts) in search.combinations() {
            (self.supervisor.entry(name_of(how, &parts))).or_insert_with(|| how.of(&parts));
        }
        for tried in search.tried() {
            let name = SearchConfig::method_of(&tried);
            if self.method.iter().all(|method| method.name() != name) {
                self.method
                    .push(MethodConfig::WeakToStrong(Box::new(WeakToStrongConfig {
                        name: Some(name),
                        supervisor: SupervisorName(tried),
                        ..search.student.clone()
                    })));
            }
        }
    }
}
