//! The experiment file as a type: what is asked of a run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::ConfigError;
use trimtab_data::DataConfig;
use trimtab_debate::DebateConfig;
use trimtab_weak_to_strong::ModelConfig;
use trimtab_weak_to_strong::SupervisorName;
pub use trimtab_weak_to_strong::WeakToStrongConfig;

use crate::amplification::{self, IteratedAmplificationConfig};
use crate::chat_models::CallsConfig;
use crate::comparison::ComparisonConfig;
use crate::constitutional_ai::ConstitutionalAiConfig;
use crate::experiment_file::Objection;
use crate::overoptimisation::OveroptimisationMethodConfig;
use crate::rlhf::RlhfConfig;
use crate::safeguard::SafeguardConfig;
use crate::supervisors::{SupervisorConfig, circle};

/// One experiment: data, the models that roles are bound to, and the methods to compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Experiment {
    /// Its name: what the run folder is called. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// How many seeds everything is repeated with.
    #[serde(default = "five")]
    pub seeds: u32,
    /// The first seed; the others follow it.
    #[serde(default)]
    pub first_seed: u64,
    /// The questions, or prompts. What makes its own needs none.
    #[serde(
        default = "DataConfig::none",
        skip_serializing_if = "DataConfig::is_none"
    )]
    pub data: DataConfig,
    /// Models, by role. In weak-to-strong methods `weak` supervises unless a method says otherwise, and is the
    /// floor; `strong` is student and ceiling. In constitutional AI `assistant` replies and revises, and `judge`
    /// compares (by default, the assistant does). In RLHF `policy` learns, and `judge` compares. In debates `debater` argues,
    /// and `judge` judges. In iterated amplification `expert` decomposes, and `assistant` answers and learns.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Supervisors that are made of others, by name: methods name them as they name roles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub supervisor: BTreeMap<String, SupervisorConfig>,
    /// How approaches are compared: with the same judge budget, on one page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonConfig>,
    /// What is compared. All methods of one experiment are of one family.
    pub method: Vec<MethodConfig>,
    /// Calls of chat models: what they may cost.
    #[serde(default, skip_serializing_if = "CallsConfig::is_default")]
    pub calls: CallsConfig,
    /// How it is measured.
    #[serde(default)]
    pub report: ReportConfig,
}

fn five() -> u32 {
    5
}

/// A role and the model it is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Role {
    /// The model.
    pub model: ModelConfig,
}

/// One row of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MethodConfig {
    /// A student learns from a weaker supervisor's labels.
    WeakToStrong(Box<WeakToStrongConfig>),
    /// A model criticises and revises its replies under a constitution, learns the revisions, and judges pairs.
    ConstitutionalAi(Box<ConstitutionalAiConfig>),
    /// A policy learns from preferences of people or of a constitution, through a reward model or directly.
    Rlhf(Box<RlhfConfig>),
    /// Rewards whose gold is known are pushed until it falls.
    Overoptimisation(Box<OveroptimisationMethodConfig>),
    /// Questions with two answers are argued about, or not, and judged.
    Debate(Box<DebateConfig>),
    /// An expert decomposes questions, an assistant answers what it asks, and learns from what the two find.
    IteratedAmplification(Box<IteratedAmplificationConfig>),
    /// An approach to an open question is tried, without and with.
    Safeguard(Box<SafeguardConfig>),
}

/// Methods that are run and reported together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Weak supervisors, students and ceilings, compared.
    WeakToStrong,
    /// Prompts in, revisions and preferences out.
    ConstitutionalAi,
    /// Reward models and policies.
    Reward,
    /// Debate, consultancy and their controls.
    Debate,
    /// Decomposition and distillation.
    Amplification,
    /// Deception, value extrapolation, overseeing the overseers.
    Safeguard,
}

/// How results are measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ReportConfig {
    /// Confidence level of every interval.
    pub level: f64,
    /// Resamples of the paired bootstrap.
    pub resamples: u32,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self {
            level: 0.95,
            resamples: 2000,
        }
    }
}

/// What is wrong with an experiment that reads well.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExperimentError {
    /// The name would not make a folder.
    #[error("name {0:?} does not make a folder name")]
    Name(String),
    /// A number is out of range.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// The setting.
        field: &'static str,
        /// What it holds.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// There are no questions.
    #[error("method `{method}` needs data, and there is no [data]")]
    NoData {
        /// The method.
        method: String,
    },
    /// A role that everything needs is not bound.
    #[error("no model is bound to the role `{role}`, which {user} needs")]
    MissingRole {
        /// The role.
        role: String,
        /// What needs it.
        user: String,
    },
    /// Two methods would be the same row.
    #[error("two methods are called `{name}`")]
    SameName {
        /// The name.
        name: String,
        /// Which method has it again, from 0.
        again: usize,
    },
    /// There is nothing to compare.
    #[error("there is no [[method]]")]
    NoMethod,
    /// Methods of two families.
    #[error("method `{first}` and method `{other}` cannot be in one experiment")]
    TwoFamilies {
        /// The first method.
        first: String,
        /// One of another family.
        other: String,
        /// Which method that is, from 0.
        at: usize,
    },
    /// A setting of a method makes no sense.
    #[error("`{key}` is {got}, expected {expected}")]
    Setting {
        /// The setting.
        key: String,
        /// What it is.
        got: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl ExperimentError {
    /// Dotted path of the key at fault.
    pub fn key(&self) -> String {
        match self {
            Self::Name(_) => "name".into(),
            Self::OutOfRange { field, .. } => (*field).into(),
            Self::NoData { .. } => "data".into(),
            Self::MissingRole { .. } => "roles".into(),
            Self::SameName { again: at, .. } | Self::TwoFamilies { at, .. } => {
                format!("method.{at}")
            }
            Self::Setting { key, .. } => key.clone(),
            Self::NoMethod => "method".into(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Name(_) => {
                "use letters, digits, `-`, `_` and `.`, not starting with a dot".into()
            }
            Self::OutOfRange { .. } | Self::Setting { .. } => {
                "change it in the experiment file, or with --set".into()
            }
            Self::NoData { .. } => {
                "add `[data]` with a `set`: \"builtin:NAME\", a file, or hf:owner/name".into()
            }
            Self::MissingRole { role, .. } => {
                format!("add `[roles.{role}]` with a `model`, such as \"bag-of-words\"")
            }
            Self::TwoFamilies { .. } => "give them an experiment file each".into(),
            Self::SameName { .. } => "give one of them a `name`".into(),
            Self::NoMethod => "add one: `[[method]]` with `kind = \"weak-to-strong\"`".into(),
        }
    }
}

impl From<ExperimentError> for Objection {
    fn from(error: ExperimentError) -> Self {
        Self {
            key: error.key(),
            message: error.to_string(),
            help: error.hint(),
        }
    }
}

impl Experiment {
    /// The role whose accuracy is the floor.
    pub const WEAK: &'static str = "weak";
    /// The role that is the ceiling when taught ground truth.
    pub const STRONG: &'static str = "strong";
    /// The role that replies, criticises and revises.
    pub const ASSISTANT: &'static str = "assistant";
    /// The role that learns from preferences.
    pub const POLICY: &'static str = "policy";
    /// The role that compares.
    pub const JUDGE: &'static str = "judge";

    /// Checks what types cannot say.
    ///
    /// # Errors
    ///
    /// [`ExperimentError`] names the first thing that is wrong.
    pub fn check(&self) -> Result<(), ExperimentError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty()
            || self.name.len() > 100
            || self.name.starts_with('.')
            || !self.name.chars().all(is_plain)
        {
            return Err(ExperimentError::Name(self.name.clone()));
        }
        in_range("seeds", f64::from(self.seeds), 1.0, 10_000.0, "1 to 10000")?;
        in_range(
            "report.level",
            self.report.level,
            0.5,
            0.9999,
            "0.5 to 0.9999",
        )?;
        let resamples = f64::from(self.report.resamples);
        in_range("report.resamples", resamples, 100.0, 1e6, "100 to 1000000")?;
        if self.method.is_empty() {
            return Err(ExperimentError::NoMethod);
        }
        let family = self.family();
        if family == Family::WeakToStrong {
            if !self.supervisor.contains_key(Self::WEAK) {
                self.check_role(Self::WEAK, "the floor")?;
            }
            self.check_role(Self::STRONG, "the ceiling")?;
        }
        self.check_supervisors()?;
        self.check_comparison()?;
        for (i, method) in self.method.iter().enumerate() {
            if method.family() != family {
                return Err(ExperimentError::TwoFamilies {
                    first: self.method[0].name(),
                    other: method.name(),
                    at: i,
                });
            }
            let makes_its_own = matches!(
                method,
                MethodConfig::Overoptimisation(_) | MethodConfig::Safeguard(_)
            );
            if self.data.is_none() && !makes_its_own {
                return Err(ExperimentError::NoData {
                    method: method.name(),
                });
            }
            match method {
                MethodConfig::WeakToStrong(config) => {
                    for role in config.roles() {
                        if self.supervisor.contains_key(role) && role == config.supervisor.0 {
                            continue;
                        }
                        self.check_role(role, &format!("method `{}`", method.name()))?;
                    }
                }
                MethodConfig::ConstitutionalAi(config) => {
                    self.check_role(Self::ASSISTANT, &format!("method `{}`", method.name()))?;
                    config.check().map_err(|error| setting(i, error))?;
                }
                // Its settings are checked where worlds are made, before anything is fitted.
                MethodConfig::Overoptimisation(_) => {}
                MethodConfig::Safeguard(config) => {
                    config.check().map_err(|error| setting(i, error))?;
                }
                MethodConfig::Debate(config) => {
                    config.check().map_err(|error| setting(i, error))?;
                    self.check_people_are_no_role()?;
                    for role in config.roles() {
                        self.check_role(role, &format!("method `{}`", method.name()))?;
                    }
                }
                MethodConfig::IteratedAmplification(config) => {
                    config.check().map_err(|error| setting(i, error))?;
                    self.check_people_are_no_role()?;
                    for role in config.roles() {
                        self.check_role(role, &format!("method `{}`", method.name()))?;
                    }
                }
                MethodConfig::Rlhf(config) => {
                    self.check_role(Self::POLICY, &format!("method `{}`", method.name()))?;
                    config.check().map_err(|error| setting(i, error))?;
                }
            }
            if self.method[..i]
                .iter()
                .any(|earlier| earlier.name() == method.name())
            {
                return Err(ExperimentError::SameName {
                    name: method.name(),
                    again: i,
                });
            }
        }
        Ok(())
    }

    fn check_supervisors(&self) -> Result<(), ExperimentError> {
        for (name, supervisor) in &self.supervisor {
            let key = format!("supervisor.{name}");
            if self.roles.contains_key(name) || name == SupervisorName::GROUND_TRUTH {
                return Err(ExperimentError::Setting {
                    key,
                    got: format!("`{name}`"),
                    expected: "a name that is neither a role's nor `ground-truth`",
                });
            }
            supervisor.check().map_err(|error| {
                let error = error.within(&key);
                ExperimentError::Setting {
                    key: error.key,
                    got: error.got,
                    expected: error.expected,
                }
            })?;
            let user = format!("supervisor `{name}`");
            let mut missing = Ok(());
            supervisor.each_table(&mut |table| {
                for role in table.roles() {
                    missing = (missing.clone()).and_then(|()| self.check_role(role, &user));
                }
                if let SupervisorConfig::TextEvidence(config) = table
                    && let Some(judge) = &config.judge
                {
                    missing = (missing.clone()).and_then(|()| self.check_reader(&key, judge));
                }
            });
            supervisor.each_name(&mut |part| {
                missing =
                    (missing.clone()).and_then(|()| self.check_part(&format!("{key}.of"), part));
            });
            missing?;
        }
        match circle(&self.supervisor) {
            None => Ok(()),
            Some(names) => Err(ExperimentError::Setting {
                key: format!("supervisor.{}", names[0]),
                got: format!("made of itself ({})", names.join(" → ")),
                expected: "parts that do not lead back to it",
            }),
        }
    }

    /// Finds that `judge` has a judge of pieces of text to share.
    fn check_reader(&self, key: &str, judge: &str) -> Result<(), ExperimentError> {
        match self.supervisor.get(judge) {
            Some(SupervisorConfig::TextEvidence(config)) if config.judge.is_none() => Ok(()),
            _ => Err(ExperimentError::Setting {
                key: format!("{key}.judge"),
                got: format!("`{judge}`"),
                expected: "the name of a `text-evidence` supervisor that has a judge of its own",
            }),
        }
    }

    fn check_comparison(&self) -> Result<(), ExperimentError> {
        let Some(comparison) = &self.comparison else {
            return Ok(());
        };
        let of_table = |error: ConfigError| {
            let error = error.within("comparison");
            ExperimentError::Setting {
                key: error.key,
                got: error.got,
                expected: error.expected,
            }
        };
        comparison.check().map_err(of_table)?;
        if self.family() != Family::WeakToStrong {
            return Err(ExperimentError::Setting {
                key: "comparison".into(),
                got: "in an experiment of another family".into(),
                expected: "methods of the kind `weak-to-strong`, whose supervisors are the approaches",
            });
        }
        for part in comparison.search.iter().flat_map(|search| &search.parts) {
            self.check_part("comparison.search.parts", part)?;
        }
        Ok(())
    }

    /// Finds that `part`, which is named under `key`, is a role or a supervisor.
    fn check_part(&self, key: &str, part: &str) -> Result<(), ExperimentError> {
        if self.supervisor.contains_key(part) || self.roles.contains_key(part) {
            return Ok(());
        }
        Err(ExperimentError::Setting {
            key: key.to_owned(),
            got: format!("made of `{part}`"),
            expected: "names of roles or of supervisors",
        })
    }

    /// Where people can take part, `people` is nobody's role.
    fn check_people_are_no_role(&self) -> Result<(), ExperimentError> {
        if self.roles.contains_key(amplification::PEOPLE) {
            return Err(ExperimentError::Setting {
                key: format!("roles.{}", amplification::PEOPLE),
                got: "a role".into(),
                expected: "another name: here `people` are those who open the pages of `trimtab serve`",
            });
        }
        Ok(())
    }

    fn check_role(&self, role: &str, user: &str) -> Result<(), ExperimentError> {
        if self.roles.contains_key(role) {
            return Ok(());
        }
        Err(ExperimentError::MissingRole {
            role: role.into(),
            user: user.into(),
        })
    }

    /// The seeds, in order.
    pub fn seeds(&self) -> impl Iterator<Item = u64> {
        (0..u64::from(self.seeds)).map(|i| self.first_seed.wrapping_add(i))
    }

    /// The roles that supervise: `weak` first, then those that methods name.
    pub fn supervisors(&self) -> Vec<&str> {
        let mut roles = vec![Self::WEAK];
        for config in self.weak_to_strong() {
            let role = config.supervisor.0.as_str();
            if !config.supervisor.is_ground_truth() && !roles.contains(&role) {
                roles.push(role);
            }
        }
        roles
    }

    /// The family of its methods; weak-to-strong where there are none.
    pub fn family(&self) -> Family {
        self.method
            .first()
            .map_or(Family::WeakToStrong, MethodConfig::family)
    }

    /// Its weak-to-strong methods.
    pub fn weak_to_strong(&self) -> impl Iterator<Item = &WeakToStrongConfig> {
        self.method.iter().filter_map(|method| match method {
            MethodConfig::WeakToStrong(config) => Some(&**config),
            MethodConfig::ConstitutionalAi(_)
            | MethodConfig::Rlhf(_)
            | MethodConfig::Overoptimisation(_)
            | MethodConfig::Debate(_)
            | MethodConfig::IteratedAmplification(_)
            | MethodConfig::Safeguard(_) => None,
        })
    }

    /// The models that roles are bound to.
    pub fn models(&self) -> BTreeMap<String, ModelConfig> {
        self.roles
            .iter()
            .map(|(name, role)| (name.clone(), role.model.clone()))
            .collect()
    }
}

impl MethodConfig {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        match self {
            Self::WeakToStrong(config) => config.name(),
            Self::ConstitutionalAi(config) => config.name(),
            Self::Rlhf(config) => config.name(),
            Self::Overoptimisation(config) => config.name(),
            Self::Debate(config) => config.name(),
            Self::IteratedAmplification(config) => config.name(),
            Self::Safeguard(config) => config.name(),
        }
    }

    /// Which family it is of.
    pub fn family(&self) -> Family {
        match self {
            Self::WeakToStrong(_) => Family::WeakToStrong,
            Self::ConstitutionalAi(_) => Family::ConstitutionalAi,
            Self::Rlhf(_) | Self::Overoptimisation(_) => Family::Reward,
            Self::Debate(_) => Family::Debate,
            Self::IteratedAmplification(_) => Family::Amplification,
            Self::Safeguard(_) => Family::Safeguard,
        }
    }
}

fn setting(method: usize, error: ConfigError) -> ExperimentError {
    ExperimentError::Setting {
        key: format!("method.{method}.{}", error.key),
        got: error.got,
        expected: error.expected,
    }
}

fn in_range(
    field: &'static str,
    value: f64,
    low: f64,
    high: f64,
    expected: &'static str,
) -> Result<(), ExperimentError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(ExperimentError::OutOfRange {
            field,
            value,
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(toml: &str) -> Experiment {
        toml::from_str(toml).unwrap()
    }

    const SMALL: &str = r#"
        name = "small"
        [data]
        set = "builtin:rotten-tomatoes"
        [roles]
        weak.model = "bag-of-words"
        strong.model = "features:all-MiniLM-L6-v2"
        [[method]]
        kind = "weak-to-strong"
        loss = "confidence"
    "#;

    #[test]
    fn a_small_experiment_is_complete() {
        let experiment = parse(SMALL);
        assert_eq!(experiment.check(), Ok(()));
        assert_eq!(experiment.seeds().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(experiment.supervisors(), ["weak"]);
    }

    const CONSTITUTION: &str = r#"
        name = "c"
        [data]
        set = "prompts.jsonl"
        [roles]
        assistant.model = "openai:x@http://localhost:8000/v1"
        [[method]]
        kind = "constitutional-ai"
    "#;

    #[test]
    fn constitutional_ai_needs_an_assistant_and_no_weak_role() {
        let experiment = parse(CONSTITUTION);
        assert_eq!(experiment.check(), Ok(()));
        assert_eq!(experiment.family(), Family::ConstitutionalAi);
        let mut none = experiment.clone();
        none.roles.clear();
        assert!(matches!(
            none.check().unwrap_err(),
            ExperimentError::MissingRole { role, .. } if role == "assistant"
        ));
        let mut both = experiment;
        both.method.extend(parse(SMALL).method);
        assert!(matches!(
            both.check().unwrap_err(),
            ExperimentError::TwoFamilies { at: 1, .. }
        ));
    }

    #[test]
    fn settings_of_a_method_are_checked_with_their_keys() {
        let key = |line: &str| {
            let experiment = parse(&format!("{CONSTITUTION}\n{line}"));
            experiment.check().unwrap_err().key()
        };
        assert_eq!(
            key("supervised.n-rounds = 0"),
            "method.0.supervised.n-rounds"
        );
        assert_eq!(key("preference.n-pairs = 0"), "method.0.preference.n-pairs");
        assert_eq!(key("stages = [\"tune\"]"), "method.0.stages");
        assert_eq!(
            key("stages = [\"preference\", \"supervised\"]"),
            "method.0.stages"
        );
    }

    #[test]
    fn people_are_experts_without_a_role() {
        let parse = |roles: &str, method: &str| {
            parse(&format!(
                r#"
                name = "p"
                [data]
                set = "builtin:expressions"
                [roles]
                {roles}
                [[method]]
                kind = "iterated-amplification"
                {method}
                "#
            ))
        };
        let assistant = "assistant.model = \"openai:x@http://localhost:8000/v1\"";
        let people = "people.model = \"openai:x@http://localhost:8000/v1\"";
        let both = format!("{assistant}\n{people}");
        let asks_people = parse(assistant, "expert = \"people\"");
        assert_eq!(asks_people.check(), Ok(()));
        let error = parse(&both, "expert = \"people\"").check().unwrap_err();
        assert_eq!(error.key(), "roles.people");
        assert!(
            error
                .to_string()
                .starts_with("`roles.people` is a role, expected another name")
        );
        let error = parse(assistant, "expert = \"assistant\"\nassistant = \"people\"");
        assert_eq!(error.check().unwrap_err().key(), "method.0.assistant");
        let error = parse(assistant, "").check().unwrap_err();
        assert!(matches!(error, ExperimentError::MissingRole { role, .. } if role == "expert"));
    }

    #[test]
    fn names_roles_and_ranges_are_checked() {
        let check = |change: &dyn Fn(&mut Experiment)| {
            let mut experiment = parse(SMALL);
            change(&mut experiment);
            experiment.check().unwrap_err()
        };
        assert_eq!(
            check(&|e| e.name = "../x".into()),
            ExperimentError::Name("../x".into())
        );
        assert!(matches!(
            check(&|e| e.seeds = 0),
            ExperimentError::OutOfRange { field: "seeds", .. }
        ));
        assert!(matches!(
            check(&|e| drop(e.roles.remove("strong"))),
            ExperimentError::MissingRole { role, .. } if role == "strong"
        ));
        assert_eq!(check(&|e| e.method.clear()), ExperimentError::NoMethod);
        assert!(matches!(
            check(&|e| e.method.push(e.method[0].clone())),
            ExperimentError::SameName { again: 1, .. }
        ));
    }
}
