//! Supervisors that are made of others: `[supervisor.NAME]` tables, which methods name as they name roles.
//!
//! A debate judged by a weak model, a game of evidence, a constitution: each turns questions into judgements, seeing only what it
//! may see, and a student learns from those as from any weak supervisor. Combinations are made of others again, to any depth:
//!
//! ```toml
//! [supervisor.panel]
//! kind = "ensemble"
//! of = ["debate", { kind = "cascade", of = ["weak", "amplified"] }]
//! ```

mod assemble;
mod part;
mod taught_once;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_amplify::language::AmplifiedSupervisorConfig;
use trimtab_combine::{Choice, Combine, Diversity, Escalation, Guarantee};
use trimtab_constitution::JudgeConfig;
use trimtab_constitution::statements::Statements;
use trimtab_core::setting::{ConfigError, require};
use trimtab_debate::{DebateConfig, PEOPLE};
use trimtab_evidence::{Shown, TextEvidenceConfig};
use trimtab_safeguard::extrapolation::heads::HeadsConfig;
use trimtab_safeguard::verification::CertifiedJudgeConfig;

pub(crate) use assemble::{Workshop, of_role, students};
pub use part::Part;

use crate::execute::RunError;
use crate::experiment::Experiment;

/// A supervisor that is made of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SupervisorConfig {
    /// Two players argue the two labels of a text and reveal pieces of it; a judge that learnt on the weak half sees those alone.
    TextEvidence(TextEvidenceConfig),
    /// Models debate, and one judges.
    Debate(Box<DebateConfig>),
    /// A model judges pairs of replies under a constitution.
    Constitution(Box<ConstitutionSupervisorConfig>),
    /// A model judges after questions were decomposed, and parts of them answered, with another's help.
    Amplified(Box<AmplifiedSupervisorConfig>),
    /// A model that understands texts judges them by the statements of principles that they are near to.
    Principles(PrinciplesConfig),
    /// Annotators compare answers, as RLHF asks them: choices, by what a judge believes.
    Preferences(PreferencesConfig),
    /// Several judge, and their probabilities become one.
    Ensemble(EnsembleConfig),
    /// Cheap first; what it is not sure of goes to the next, with a bound on the risk.
    Cascade(CascadeConfig),
    /// Each learns from the judgements of the one before, on samples of its own (bootstrapping).
    Chain(ChainConfig),
    /// Several judge; where they do not agree, one above them is asked.
    Panel(PanelConfig),
    /// Of several, those are chosen whose errors have least in common.
    Diverse(DiverseConfig),
    /// A head on frozen features, which speaks only where no small change of them turns its verdict.
    Certified(CertifiedJudgeConfig),
    /// Heads on frozen features that agree on the weak half and disagree elsewhere; another is asked which is meant (DivDis).
    DisagreeingHeads(DisagreeingHeadsConfig),
}

/// Which of the known answers to scalable oversight a supervisor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approach {
    /// A student learns from a weak supervisor's labels.
    WeakToStrong,
    /// A student learns from preferences of annotators.
    Rlhf,
    /// A student learns from a model's judgements under principles.
    ConstitutionalAi,
    /// A student learns from judged debates.
    Debate,
    /// A student learns from an amplified judge.
    Amplification,
    /// A student learns from a combination of those.
    Combination,
}

impl Approach {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::WeakToStrong => "weak-to-strong",
            Self::Rlhf => "RLHF",
            Self::ConstitutionalAi => "constitutional AI",
            Self::Debate => "debate",
            Self::Amplification => "amplification",
            Self::Combination => "combination",
        }
    }
}

/// A model that judges pairs of replies under a constitution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConstitutionSupervisorConfig {
    /// The constitution's file, relative to the experiment file. Default: eight principles of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constitution: Option<String>,
    /// The role that judges.
    pub judge: String,
    /// How it judges.
    pub judging: JudgeConfig,
}

impl Default for ConstitutionSupervisorConfig {
    fn default() -> Self {
        Self {
            constitution: None,
            judge: Experiment::JUDGE.into(),
            judging: JudgeConfig::default(),
        }
    }
}

/// Statements of principles, and what is compared with them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrinciplesConfig {
    /// A file of statements and their features (JSON Lines; `scripts/data/make_statements.py` writes it), relative to the experiment
    /// file. Default: eight principles of film reviews, as all-MiniLM-L6-v2 sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<String>,
    /// Which features of the data. Default: the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
}

impl PrinciplesConfig {
    fn statements(&self, base: &Path) -> Result<Statements, RunError> {
        let Some(file) = &self.statements else {
            return Ok(Statements::film_reviews());
        };
        let path = base.join(file);
        let text = std::fs::read_to_string(&path).map_err(|source| RunError::StatementsFile {
            path: path.clone(),
            source,
        })?;
        Statements::parse(&text).map_err(|source| RunError::Statements { path, source })
    }
}

/// Annotators, and what they believe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PreferencesConfig {
    /// Whose beliefs they have.
    pub of: Part,
    /// How they choose.
    #[serde(default)]
    pub choice: Choice,
    /// How many annotators look at each question.
    #[serde(default = "one")]
    pub votes: u32,
}

fn one() -> u32 {
    1
}

/// Several judges as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnsembleConfig {
    /// Who judges.
    pub of: Vec<Part>,
    /// How their probabilities become one.
    #[serde(default)]
    pub combine: Combine,
}

/// Judges that are asked in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CascadeConfig {
    /// Who is asked, the cheapest first.
    pub of: Vec<Part>,
    /// What is promised of the answers.
    #[serde(default)]
    pub guarantee: Guarantee,
}

/// Judges each of which teaches the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChainConfig {
    /// Who learns, the first from ground truth of the weak half.
    pub of: Vec<Part>,
}

/// Judges, and one above them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PanelConfig {
    /// Who judges first.
    pub of: Vec<Part>,
    /// Who is asked where they do not agree.
    pub above: Part,
    /// When that is.
    #[serde(default)]
    pub escalation: Escalation,
}

/// Judges to choose from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiverseConfig {
    /// Whom to choose from.
    pub of: Vec<Part>,
    /// How many are chosen, and by what.
    #[serde(default)]
    pub diversity: Diversity,
}

/// Heads that disagree, and who is asked about the most disputed questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DisagreeingHeadsConfig {
    /// Who is asked.
    pub of: Part,
    /// Which features of the data. Default: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
    /// Heads, and how many questions are asked to pick one.
    #[serde(default)]
    pub heads: HeadsConfig,
}

impl SupervisorConfig {
    /// Its kind, as in TOML.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TextEvidence(_) => "text-evidence",
            Self::Debate(_) => "debate",
            Self::Constitution(_) => "constitution",
            Self::Amplified(_) => "amplified",
            Self::Principles(_) => "principles",
            Self::Preferences(_) => "preferences",
            Self::Ensemble(_) => "ensemble",
            Self::Cascade(_) => "cascade",
            Self::Chain(_) => "chain",
            Self::Panel(_) => "panel",
            Self::Diverse(_) => "diverse",
            Self::Certified(_) => "certified",
            Self::DisagreeingHeads(_) => "disagreeing-heads",
        }
    }

    /// Which approach a student of it follows.
    pub fn approach(&self) -> Approach {
        match self {
            Self::TextEvidence(config) => match config.shown {
                Shown::Debate => Approach::Debate,
                Shown::Parts => Approach::Amplification,
                Shown::Random | Shown::All => Approach::WeakToStrong,
            },
            Self::Debate(_) => Approach::Debate,
            Self::Constitution(_) | Self::Principles(_) => Approach::ConstitutionalAi,
            Self::Amplified(_) => Approach::Amplification,
            Self::Preferences(_) => Approach::Rlhf,
            Self::Certified(_) | Self::DisagreeingHeads(_) => Approach::WeakToStrong,
            Self::Ensemble(_)
            | Self::Cascade(_)
            | Self::Chain(_)
            | Self::Panel(_)
            | Self::Diverse(_) => Approach::Combination,
        }
    }

    /// The roles that somebody has to be bound to, but for those of its parts.
    pub(crate) fn roles(&self) -> Vec<&str> {
        match self {
            Self::TextEvidence(_)
            | Self::Principles(_)
            | Self::Preferences(_)
            | Self::Ensemble(_)
            | Self::Cascade(_)
            | Self::Chain(_)
            | Self::Panel(_)
            | Self::Diverse(_)
            | Self::Certified(_)
            | Self::DisagreeingHeads(_) => Vec::new(),
            Self::Debate(config) => config.roles(),
            Self::Constitution(config) => vec![&config.judge],
            Self::Amplified(config) => config.roles(),
        }
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> Vec<&Part> {
        match self {
            Self::TextEvidence(_)
            | Self::Debate(_)
            | Self::Constitution(_)
            | Self::Amplified(_)
            | Self::Principles(_)
            | Self::Certified(_) => Vec::new(),
            Self::Preferences(PreferencesConfig { of, .. })
            | Self::DisagreeingHeads(DisagreeingHeadsConfig { of, .. }) => vec![of],
            Self::Panel(config) => config.of.iter().chain([&config.above]).collect(),
            Self::Ensemble(EnsembleConfig { of, .. })
            | Self::Cascade(CascadeConfig { of, .. })
            | Self::Chain(ChainConfig { of })
            | Self::Diverse(DiverseConfig { of, .. }) => of.iter().collect(),
        }
    }

    /// Checks what types cannot, but for what its parts are called.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Self::Ensemble(EnsembleConfig { of, .. })
        | Self::Cascade(CascadeConfig { of, .. })
        | Self::Chain(ChainConfig { of })
        | Self::Panel(PanelConfig { of, .. })
        | Self::Diverse(DiverseConfig { of, .. }) = self
        {
            let n = of.len();
            require("of", n, (1..=100).contains(&n), "1 to 100 parts")?;
        }
        match self {
            // Its settings are checked where it learns, before anything is judged.
            Self::TextEvidence(_) | Self::Principles(_) | Self::Ensemble(_) | Self::Chain(_) => {
                Ok(())
            }
            Self::Debate(config) => {
                let expected = "roles: a supervisor answers at once, and people do not";
                require("debater", PEOPLE, !config.asks_people(), expected)?;
                config.check()
            }
            Self::Constitution(config) => {
                (config.judging.check()).map_err(|error| error.within("judging"))
            }
            Self::Amplified(config) => config.check(),
            Self::Preferences(config) => {
                let fits = (1..=1000).contains(&config.votes);
                require("votes", config.votes, fits, "1 to 1000")
            }
            Self::Cascade(config) => {
                (config.guarantee.check()).map_err(|error| error.within("guarantee"))
            }
            Self::Panel(config) => {
                (config.escalation.check()).map_err(|error| error.within("escalation"))
            }
            Self::Diverse(config) => {
                let diversity = &config.diversity;
                (diversity.check()).map_err(|error| error.within("diversity"))?;
                let fits = diversity.size <= config.of.len();
                require(
                    "diversity.size",
                    diversity.size,
                    fits,
                    "no more than `of` has",
                )
            }
            Self::Certified(config) => config.check(),
            Self::DisagreeingHeads(config) => {
                (config.heads.check()).map_err(|error| error.within("heads"))
            }
        }?;
        for (at, part) in self.parts().into_iter().enumerate() {
            if let Part::Table(config) = part {
                let key = match self {
                    Self::Preferences(_) | Self::DisagreeingHeads(_) => "of".to_owned(),
                    Self::Panel(config) if at == config.of.len() => "above".to_owned(),
                    _ => format!("of.{at}"),
                };
                config.check().map_err(|error| error.within(&key))?;
            }
        }
        Ok(())
    }

    /// Hands every name that it or a table within it goes by to `each`: a role's or a supervisor's.
    pub(crate) fn each_name<'c>(&'c self, each: &mut dyn FnMut(&'c str)) {
        if let Self::TextEvidence(TextEvidenceConfig {
            judge: Some(name), ..
        }) = self
        {
            each(name);
        }
        for part in self.parts() {
            match part {
                Part::Named(name) => each(name),
                Part::Table(config) => config.each_name(each),
            }
        }
    }

    /// The names of its parts, and of those of tables within it.
    pub fn part_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for part in self.parts() {
            match part {
                Part::Named(name) => names.push(&**name),
                Part::Table(config) => names.extend(config.part_names()),
            }
        }
        names
    }

    /// Hands itself and every table within it to `each`.
    pub(crate) fn each_table<'c>(&'c self, each: &mut dyn FnMut(&'c Self)) {
        each(self);
        for part in self.parts() {
            if let Part::Table(config) = part {
                config.each_table(each);
            }
        }
    }
}

/// A supervisor that is made of itself: the names, from it to it; none where there is no such.
pub(crate) fn circle(supervisors: &BTreeMap<String, SupervisorConfig>) -> Option<Vec<String>> {
    fn follow<'c>(
        supervisors: &'c BTreeMap<String, SupervisorConfig>,
        path: &mut Vec<&'c str>,
        done: &mut Vec<&'c str>,
    ) -> Option<Vec<String>> {
        let last = *path.last()?;
        let mut names = Vec::new();
        supervisors
            .get(last)?
            .each_name(&mut |name| names.push(name));
        for name in names {
            if let Some(from) = path.iter().position(|before| *before == name) {
                let circle = path[from..].iter().chain([&name]);
                return Some(circle.map(|&name| name.to_owned()).collect());
            }
            if done.contains(&name) {
                continue;
            }
            path.push(name);
            if let Some(circle) = follow(supervisors, path, done) {
                return Some(circle);
            }
            path.pop();
            done.push(name);
        }
        None
    }
    let mut done = Vec::new();
    (supervisors.keys()).find_map(|name| follow(supervisors, &mut vec![name], &mut done))
}
