//! What a `[[method]]` of kind `rlhf` asks for, and what it leaves in the run folder.
//!
//! ```text
//! rlhf/VARIANT-SEED-METHOD/method.json   which stages it is made of
//! stages/
//!   supervised-…   revisions, and the policy that learnt them
//!   pairs-…        pairs of replies of the policy as it starts
//!   labels-…       the same with who is preferred
//!   reward-…       a reward model, and how it does on pairs that were held out
//!   policy-…       the policy, and what every step did
//!   replies-…      what a policy says to the held-out prompts
//! ```

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_constitution::SupervisedConfig;
use trimtab_constitution::judge::JudgeConfig;
use trimtab_constitution::preference::{Keep, Ties};
use trimtab_core::chat::{Finish, Message, PromptRow, Said};
use trimtab_core::setting::{ConfigError, require};
use trimtab_reward::{Annotator, InTraining, Lagrangian, PolicyConfig, RewardModelConfig};

use crate::experiment::MethodConfig;
use crate::folder::{FolderError, RunFolder, as_folder_name};
use crate::row_folder::RowFolder;
use crate::stages::StageFolder;
use crate::tuning::TuneConfig;

/// Reinforcement learning from feedback: pairs of a policy's replies are labelled by annotators or under a constitution
/// (RLAIF), a reward model learns the labels, and the policy learns from either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RlhfConfig {
    /// What it is called in tables. Default: `rlhf-` or `rlaif-` and the algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The constitution's file, relative to the experiment file. Default: eight principles of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constitution: Option<String>,
    /// What the policy starts as: `"as-is"`, or after `"supervised"` learning of its own revisions. It is the reference too.
    pub start: Start,
    /// Critique and revision, where it starts so.
    pub supervised: SupervisedConfig,
    /// How it learns the revisions.
    pub tune: TuneConfig,
    /// Pairs of replies of the policy as it starts.
    pub pairs: PairsConfig,
    /// Who says which is better.
    pub labels: LabelsConfig,
    /// What learns the labels.
    pub reward: RewardModelConfig,
    /// Where rewards of sampled replies come from.
    pub rewarded_by: RewardedBy,
    /// What no reply may do.
    pub limits: LimitsConfig,
    /// How the policy is made better.
    pub policy: PolicyConfig,
    /// How it replies when it is measured.
    pub evaluation: EvaluationConfig,
}

impl Default for RlhfConfig {
    fn default() -> Self {
        Self {
            name: None,
            constitution: None,
            start: Start::AsIs,
            supervised: SupervisedConfig::default(),
            tune: TuneConfig::default(),
            pairs: PairsConfig::default(),
            labels: LabelsConfig::Annotator(Annotator::default()),
            reward: RewardModelConfig::default(),
            rewarded_by: RewardedBy::default(),
            limits: LimitsConfig::default(),
            policy: PolicyConfig::Dpo(trimtab_reward::DirectConfig::default()),
            evaluation: EvaluationConfig::default(),
        }
    }
}

/// What a policy starts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// The role's model.
    AsIs,
    /// The same, tuned on its own revisions under the constitution.
    Supervised,
}

/// Where rewards of sampled replies come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RewardedBy {
    /// The reward model.
    #[default]
    Model,
    /// A judge under the constitution, which compares each reply with what the policy said as it started: the log-odds of its
    /// being better (Lee et al. 2023: direct RLAIF). `labels` must be by the constitution; their reward model is measured only.
    Judge,
    /// The limits' rules: 1 where none is broken, else 0.
    Rules,
}

/// Pairs of replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PairsConfig {
    /// Pairs for each prompt, or rankings of more replies; at least 1.
    pub n_pairs: u32,
    /// Replies that are compared with each other. Of more than two all are ranked, and every two of them are a pair (Ouyang et al.
    /// 2022); annotators rank, a constitution judges pairs only.
    #[serde(skip_serializing_if = "is_two")]
    pub replies: u32,
    /// The temperature of replies, above 0 to 2.
    pub temperature: f64,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
    /// Share of the prompts whose pairs the reward model does not learn: it is measured on them.
    pub held_out: f64,
}

impl Default for PairsConfig {
    fn default() -> Self {
        Self {
            n_pairs: 4,
            replies: 2,
            temperature: 1.0,
            max_tokens: 256,
            held_out: 0.2,
        }
    }
}

impl PairsConfig {
    /// How many times two replies are sampled for each prompt: replies come two by two, however many are ranked.
    pub(crate) fn n_sampled(&self) -> u32 {
        (self.n_pairs * self.replies).div_ceil(2)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_two(n: &u32) -> bool {
    *n == 2
}

/// Who says which of two replies is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum LabelsConfig {
    /// The role `judge` (by default the policy's own model as it is), under the constitution.
    Constitution(Box<ConstitutionLabels>),
    /// Simulated people who know the gold preference and err; in the organism's world only.
    Annotator(Annotator),
    /// People, who did so before: pairs with their labels from a file, in place of sampled ones.
    File(FileLabels),
}

/// Labels under a constitution.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConstitutionLabels {
    /// How pairs are judged.
    pub judge: JudgeConfig,
    /// What becomes of pairs whose two orders disagree.
    pub inconsistent: Keep,
    /// What becomes of ties.
    pub ties: Ties,
}

/// Labels of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileLabels {
    /// Preference pairs, relative to the experiment file, in any form that `trimtab export` writes.
    pub path: String,
}

/// Hard limits: what no reply may do, whatever its reward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitsConfig {
    /// The rules; none by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What a violation means while the policy learns.
    pub in_training: InTraining,
    /// How the finished policy keeps them when it replies.
    #[serde(skip_serializing_if = "WhenReplying::is_default")]
    pub when_replying: WhenReplying,
    /// Replies that are tried for a prompt, until one violates nothing; if none does, the reply is a refusal.
    pub tries: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            in_training: InTraining::default(),
            when_replying: WhenReplying::default(),
            tries: 8,
        }
    }
}

impl LimitsConfig {
    /// What of them a training knows: not how the finished policy replies.
    pub(crate) fn in_training_only(&self) -> Self {
        Self {
            when_replying: WhenReplying::default(),
            ..self.clone()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if let InTraining::Lagrangian(config) = self.in_training
            && let Err(error) = Lagrangian::new(config)
        {
            return Err(ConfigError {
                key: "limits.in-training".into(),
                got: error.to_string(),
                expected: "a limit, initial and learning-rate above 0, and a cap not below initial",
            });
        }
        if self.when_replying == WhenReplying::ConstrainedDecoding {
            let (key, got) = ("limits.when-replying", "\"constrained-decoding\"");
            require(
                key,
                got,
                !self.rules.is_empty(),
                "limits.rules, of which there are none",
            )?;
            require(
                key,
                got,
                self.rules.iter().all(Rule::is_kept_by_token),
                "\"filter\", or rules of kind \"forbidden\" and \"most-words\" only: a critic judges whole replies, and cannot say which token may come",
            )?;
            let is_empty = |rule: &Rule| matches!(rule, Rule::Forbidden { phrases, .. } if phrases.iter().any(String::is_empty));
            require(
                "limits.rules",
                "an empty phrase",
                !self.rules.iter().any(is_empty),
                "phrases of a letter or more: the empty one is in every reply",
            )?;
        }
        require("limits.tries", self.tries, self.tries > 0, "at least 1")
    }
}

/// How limits are kept when the finished policy replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenReplying {
    /// Replies are tried until one violates nothing, `tries` at most: the policy's distribution given that limits are kept, and
    /// refusals where that takes too long.
    #[default]
    Filter,
    /// Every token is drawn among those after which nothing is violated, by the policy's own probabilities: one reply a prompt,
    /// and no refusal. Not for the critic, which judges whole replies.
    ConstrainedDecoding,
    /// They are not: violations are counted.
    Ignored,
}

impl WhenReplying {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Rule {
    /// No reply holds any of these, letters of either case.
    Forbidden {
        /// What it is called in tables.
        name: String,
        /// Words or phrases.
        phrases: Vec<String>,
    },
    /// No reply has more words.
    MostWords {
        /// How many.
        words: usize,
    },
    /// The critic of the organism's world, which sees five violations of six, can read every sentence and finds nothing.
    Critic {},
}

/// How a policy replies when it is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvaluationConfig {
    /// The temperature; 0 takes the likeliest token.
    pub temperature: f64,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            max_tokens: 256,
        }
    }
}

impl RlhfConfig {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let family = match self.labels {
                LabelsConfig::Constitution(_) => "rlaif",
                LabelsConfig::Annotator(_) | LabelsConfig::File(_) => "rlhf",
            };
            format!("{family}-{}", self.policy.name())
        })
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.supervised
            .check()
            .map_err(|error| error.within("supervised"))?;
        let PairsConfig {
            n_pairs,
            replies,
            temperature,
            max_tokens,
            held_out,
        } = self.pairs;
        require("pairs.n-pairs", n_pairs, n_pairs > 0, "at least 1")?;
        let fits = (2..=16).contains(&replies);
        require("pairs.replies", replies, fits, "from 2 to 16")?;
        let can_rank = matches!(self.labels, LabelsConfig::Annotator(_));
        require(
            "pairs.replies",
            replies,
            replies == 2 || can_rank,
            "2: only `labels = { by = \"annotator\" }` ranks more",
        )?;
        require(
            "pairs.temperature",
            temperature,
            temperature > 0.0 && temperature <= 2.0,
            "above 0, to 2: at 0 the two of a pair are the same",
        )?;
        require("pairs.max-tokens", max_tokens, max_tokens > 0, "at least 1")?;
        require(
            "pairs.held-out",
            held_out,
            held_out > 0.0 && held_out < 1.0,
            "above 0 and below 1",
        )?;
        match &self.labels {
            LabelsConfig::Constitution(labels) => labels
                .judge
                .check()
                .map_err(|error| error.within("labels.judge"))?,
            LabelsConfig::Annotator(Annotator { accuracy, .. }) => require(
                "labels.accuracy",
                *accuracy,
                (0.5..=1.0).contains(accuracy),
                "from 0.5 to 1",
            )?,
            LabelsConfig::File(_) => {}
        }
        self.limits.check()?;
        self.check_rewards()?;
        self.reward.check().map_err(|error| ConfigError {
            key: format!("reward.{}", error.key),
            got: error.got,
            expected: error.expected,
        })?;
        self.policy.check().map_err(|error| ConfigError {
            key: format!("policy.{}", error.key),
            got: error.got,
            expected: error.expected,
        })?;
        let EvaluationConfig {
            temperature,
            max_tokens,
        } = self.evaluation;
        require(
            "evaluation.temperature",
            temperature,
            (0.0..=2.0).contains(&temperature),
            "from 0 to 2",
        )?;
        require(
            "evaluation.max-tokens",
            max_tokens,
            max_tokens > 0,
            "at least 1",
        )
    }

    /// That what rewards replies is there.
    fn check_rewards(&self) -> Result<(), ConfigError> {
        if self.reward.needs_ratings() && !matches!(self.labels, LabelsConfig::Annotator(_)) {
            return Err(ConfigError {
                key: "reward.heads.pessimism.kind".into(),
                got: "\"conformal\"".into(),
                expected: "\"none\", \"laplace\" or \"caution\": only `labels = { by = \"annotator\" }` rates replies, which it learns",
            });
        }
        let is_judged = self.rewarded_by == RewardedBy::Judge;
        if is_judged && !matches!(self.labels, LabelsConfig::Constitution(_)) {
            return Err(ConfigError {
                key: "rewarded-by".into(),
                got: "\"judge\"".into(),
                expected: "labels = { by = \"constitution\" }, which say how a judge judges",
            });
        }
        if self.rewarded_by == RewardedBy::Rules && self.limits.rules.is_empty() {
            return Err(ConfigError {
                key: "rewarded-by".into(),
                got: "\"rules\"".into(),
                expected: "limits.rules, of which there are none",
            });
        }
        Ok(())
    }
}

/// Which stages a finished method is made of, by their folders' names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MethodStages {
    /// The run that it was made in: a hash of what was asked.
    pub run_id: String,
    /// Replies of the role's model as it is.
    pub before: String,
    /// Replies of the policy as it starts, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Labelled pairs.
    pub labels: String,
    /// The reward model.
    pub reward: String,
    /// The policy and its training; none where nothing is trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its replies.
    pub after: String,
    /// Wall-clock seconds of the process that finished it.
    pub wall_secs: f64,
}

/// A preference pair in a `labels-…` stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LabelledRow {
    /// The pair; the preferred reply is `chosen`.
    pub pair: trimtab_core::PreferencePair,
    /// Whether the reward model is measured on it, and does not learn it.
    pub held_out: bool,
    /// The ranking that it is of, where more than two replies were ranked; pairs of one stand together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<String>,
}

/// A reply that an annotator rated, in a `reward-…` stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RatedReply {
    /// What was asked.
    pub prompt: Vec<Message>,
    /// The reply.
    pub reply: String,
    /// Its rating, in units of gold.
    pub rating: f64,
}

/// Pairs that came to no label, by why.
pub type LeftOut = std::collections::BTreeMap<String, usize>;

/// What a reward model says of a pair that it did not learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PairPrediction {
    /// The pair.
    pub id: String,
    /// What was asked.
    pub prompt: Vec<Message>,
    /// The preferred reply, by the label.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
    /// The label.
    pub p_chosen: f64,
    /// The score of the chosen reply less that of the other, in log-odds.
    pub margin: f64,
    /// How unsure the model is of that, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<f64>,
}

/// How a reward model came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewardFit {
    /// Pairs that it learnt.
    pub n_pairs: usize,
    /// Share of the pairs that it learnt which it gets right by their labels, ties one half.
    pub training_accuracy: f64,
    /// Share of labels that are the wrong way round, where that was estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flip_rate: Option<f64>,
    /// The parameter of ties, θ or ν, where that was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ties: Option<f64>,
    /// Whether the fit of every member converged.
    pub converged: bool,
}

/// What one iteration of a training with rollouts did, or one step of a training on pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StepRow {
    /// Which, from 1. Replies that it samples are those of the policy before it.
    pub step: usize,
    /// What the trainer measured.
    pub measured: trimtab_reward::Iteration,
    /// Gold of the same replies, which no training sees; in the organism's world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<GoldMeans>,
}

/// Gold of some replies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GoldMeans {
    /// The mean gold reward.
    pub reward: f64,
    /// Share that is harmless.
    pub harmless: f64,
    /// Mean helpfulness, from 0 to 1.
    pub helpful: f64,
}

/// A reply to a held-out prompt, in a `replies-…` stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyReply {
    /// The prompt's id.
    pub id: String,
    /// What was asked.
    pub prompt: Vec<Message>,
    /// What was said.
    pub said: Said,
    /// Its reward, where a reward model chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    /// Tries that violated a limit before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_violating: u32,
    /// Whether every try violated a limit, so that nothing may be said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_refused: bool,
}

/// Why a reply ends after which every token would break a limit, in a model's words.
pub(crate) const NOTHING_ALLOWED: &str = "nothing-allowed";

impl PolicyReply {
    /// Whether it ends because every token would have broken a limit.
    pub fn is_stuck(&self) -> bool {
        match &self.said {
            Said::Text { finish, .. } | Said::Empty { finish, .. } => {
                matches!(finish, Finish::Other(why) if why == NOTHING_ALLOWED)
            }
            Said::Refused { .. } | Said::Failed(_) => false,
        }
    }

    /// What was said, and nothing else.
    pub(crate) fn plain(row: &PromptRow, said: Said) -> Self {
        Self {
            id: row.id.clone(),
            prompt: row.prompt.clone(),
            said,
            reward: None,
            n_violating: 0,
            is_refused: false,
        }
    }
}

/// One of n replies to a held-out prompt, with its reward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sample {
    /// The prompt's id.
    pub id: String,
    /// What was asked.
    pub prompt: Vec<Message>,
    /// What was said, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its reward.
    pub reward: f64,
    /// Whether it violates a limit.
    pub violates: bool,
}

/// Why a training ended before its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoppedEarly {
    /// The iteration, from 1.
    pub iteration: usize,
    /// The divergence from the reference policy then, in nats a reply.
    pub kl: f64,
    /// What was allowed.
    pub most_kl: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// One method under one seed of one variant, and where it put what it made.
#[derive(Debug, Clone)]
pub struct RlhfPlace<'a> {
    /// The seed.
    pub seed: u64,
    /// What was asked.
    pub config: &'a RlhfConfig,
    /// `method.json` lies here.
    pub folder: RowFolder,
}

impl RlhfPlace<'_> {
    /// Which stages it is made of; none while it is not whole.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when that cannot be read.
    pub fn stages(&self) -> Result<Option<MethodStages>, FolderError> {
        self.folder.document(METHOD)
    }
}

/// The file that says which stages a method is made of.
pub(crate) const METHOD: &str = "method.json";

/// The folder of a stage that a trained model lies in.
pub(crate) const MODEL: &str = "model";

/// Where the method of one variant and seed says what it is made of.
pub fn method_folder(run: &Path, variant: usize, seed: u64, method: &str) -> RowFolder {
    let name = format!("{variant}-{seed}-{}", as_folder_name(method));
    RowFolder::new(run.join("rlhf").join(name))
}

/// Every place of one variant, method by method, seed by seed.
pub fn rlhf_places(run: &RunFolder, variant: usize) -> Vec<RlhfPlace<'_>> {
    let experiment = &run.manifest().variants[variant].experiment;
    let mut places = Vec::new();
    for method in &experiment.method {
        let MethodConfig::Rlhf(config) = method else {
            continue;
        };
        for seed in experiment.seeds() {
            places.push(RlhfPlace {
                seed,
                config,
                folder: method_folder(run.path(), variant, seed, &config.name()),
            });
        }
    }
    places
}

/// Labelled pairs that some methods of a run share.
#[derive(Debug, Clone)]
pub struct LabelStage {
    /// The seed.
    pub seed: u64,
    /// The first method that learns them.
    pub method: String,
    /// `labels.jsonl` lies here, and what judges said in `judged.jsonl`.
    pub folder: RowFolder,
}

/// The labels of every finished method, those that several share once.
///
/// # Errors
///
/// [`FolderError::Io`] when a method's file cannot be read.
pub fn label_stages(run: &RunFolder) -> Result<Vec<LabelStage>, FolderError> {
    let mut stages: Vec<LabelStage> = Vec::new();
    for variant in 0..run.manifest().variants.len() {
        for place in rlhf_places(run, variant) {
            let Some(made) = place.stages()? else {
                continue;
            };
            let folder = StageFolder::open(run.path(), &made.labels);
            if stages.iter().all(|known| known.folder != folder) {
                stages.push(LabelStage {
                    seed: place.seed,
                    method: place.config.name(),
                    folder,
                });
            }
        }
    }
    Ok(stages)
}

/// A policy that a method trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainedPolicy {
    /// The variant, from 0.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
    /// The method.
    pub method: String,
    /// A Hugging Face directory.
    pub folder: PathBuf,
}

/// The policies of every finished method that trains one.
///
/// # Errors
///
/// [`FolderError::Io`] when a method's file cannot be read.
pub fn trained_policies(run: &RunFolder) -> Result<Vec<TrainedPolicy>, FolderError> {
    let mut policies = Vec::new();
    for variant in 0..run.manifest().variants.len() {
        for place in rlhf_places(run, variant) {
            if let Some(stage) = place.stages()?.and_then(|made| made.policy) {
                policies.push(TrainedPolicy {
                    variant,
                    seed: place.seed,
                    method: place.config.name(),
                    folder: (StageFolder::open(run.path(), &stage).path()).join(MODEL),
                });
            }
        }
    }
    Ok(policies)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stages are called after what went into them: what is not asked for is not written, and a training knows nothing of how its policy replies.
    #[test]
    fn limits_that_do_not_say_how_are_written_as_ever() {
        let plain = LimitsConfig::default();
        let written = serde_json::to_value(&plain).unwrap();
        let keys: Vec<&String> = written.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["in-training", "tries"]);
        for when_replying in [WhenReplying::ConstrainedDecoding, WhenReplying::Ignored] {
            let limits = LimitsConfig {
                when_replying,
                ..plain.clone()
            };
            assert!(
                serde_json::to_string(&limits)
                    .unwrap()
                    .contains("when-replying")
            );
            assert_eq!(limits.in_training_only(), plain);
        }
    }
}
