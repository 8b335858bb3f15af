//! The supervised stage: reply, then rounds of critique and revision under principles.
//!
//! Paper: Bai et al. 2022, arXiv:2212.08073, section 3.1; settings of the founding post.
//!
//! ```text
//! r_0 ~ M(x)
//! for k = 1 … n:   i_k drawn from the principles, each k on its own
//!                  c_k ~ M(x, r_{k-1}, critique request of i_k)
//!                  r_k ~ M(x, r_{k-1}, critique request, c_k, revision request of i_k)
//! ```
//!
//! A round sees the prompt and the last revision only: earlier critiques are dropped, as in the paper. With
//! `critique = "skip"` a revision is asked for at once.
//!
//! In: prompts, a constitution, a model that chats. Out: one [`Dialogue`] a prompt, with every step, whatever came of it.
//! A step that gives no text ends its dialogue, and is counted; what was revised before that stands.
//!
//! Differs from the paper: prompts as chat messages; temperatures and lengths of the founding post, where the paper samples
//! at temperature 1. The founding post takes principles in turn; with its three rounds, those past the third would never be
//! used, so that drawing is the default here, as in the paper.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::chat::{Ask, ChatModel, Message, ModelError, PromptRow, Request, Usage};

use crate::file::{Constitution, ConstitutionError};
use crate::hygiene::{self, Blemish, HygieneCounts, Prefaces};
use crate::messages::{
    CritiqueStep, Prompts, critique_messages, example_messages, revision_messages,
};
use crate::principle::Principle;
use trimtab_core::chat::{CallSettings, Said};
use trimtab_core::chat::{OnProgress, ask_rows};
use trimtab_core::setting::{ConfigError, Sampling, require};

/// What the supervised stage does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SupervisedConfig {
    /// Rounds of critique and revision; at least 1.
    pub n_rounds: u32,
    /// Which principle a round is under.
    pub principles: RoundPrinciples,
    /// Whether a revision comes after a critique: `"ask"` or `"skip"`.
    pub critique: CritiqueStep,
    /// Whether the constitution's examples go in front.
    pub examples: Examples,
    /// What happens to "Sure, here is a revised reply:".
    pub prefaces: Prefaces,
    /// The temperature of first replies, from 0 to 2; 0 takes the likeliest token.
    pub reply_temperature: f64,
    /// The longest first reply, in tokens.
    pub reply_max_tokens: u32,
    /// The temperature of critiques.
    pub critique_temperature: f64,
    /// The longest critique, in tokens.
    pub critique_max_tokens: u32,
    /// The temperature of revisions.
    pub revision_temperature: f64,
    /// The longest revision, in tokens.
    pub revision_max_tokens: u32,
    /// Which revisions become training rows.
    pub revisions: Revisions,
    /// Revisions with these blemishes become no training rows.
    pub leave_out: Vec<Blemish>,
}

impl Default for SupervisedConfig {
    fn default() -> Self {
        Self {
            n_rounds: 3,
            principles: RoundPrinciples::default(),
            critique: CritiqueStep::default(),
            examples: Examples::default(),
            prefaces: Prefaces::default(),
            reply_temperature: 0.8,
            reply_max_tokens: 512,
            critique_temperature: 0.3,
            critique_max_tokens: 256,
            revision_temperature: 0.3,
            revision_max_tokens: 512,
            revisions: Revisions::default(),
            leave_out: vec![Blemish::Confused, Blemish::Cut],
        }
    }
}

impl SupervisedConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("n-rounds", self.n_rounds, self.n_rounds > 0, "at least 1")?;
        for kind in [StepKind::Reply, StepKind::Critique, StepKind::Revision] {
            self.sampling(kind).check(&format!("{}-", kind.name()))?;
        }
        Ok(())
    }

    fn sampling(&self, kind: StepKind) -> Sampling {
        let (temperature, max_tokens) = match kind {
            StepKind::Reply => (self.reply_temperature, self.reply_max_tokens),
            StepKind::Critique => (self.critique_temperature, self.critique_max_tokens),
            StepKind::Revision => (self.revision_temperature, self.revision_max_tokens),
        };
        Sampling {
            temperature,
            max_tokens,
        }
    }
}

/// Which principle a round is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoundPrinciples {
    /// Each round draws one of all, for each prompt on its own.
    #[default]
    Drawn,
    /// The first round takes the first, and so on, for every prompt.
    InTurn,
}

/// Whether examples go in front of what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Examples {
    /// No.
    #[default]
    Off,
    /// Those of the constitution's file.
    On,
}

/// Which revisions become training rows. First replies and critiques never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Revisions {
    /// Those of every round, as in the paper.
    #[default]
    All,
    /// The last of each dialogue.
    Last,
}

/// Why the stage cannot run, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A key of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The constitution lacks something.
    #[error(transparent)]
    Constitution(#[from] ConstitutionError),
    /// Two rows of one id.
    #[error("two rows are called {id:?}")]
    SameId {
        /// Which id.
        id: String,
    },
    /// Nothing more can be asked.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl StageError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(_) => None,
            Self::Constitution(error) => error.hint(),
            Self::SameId { .. } => Some("give every row an id of its own".into()),
            Self::Model(error) => error.hint.clone(),
        }
    }
}

/// One prompt with all that was said about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dialogue {
    /// The prompt's id.
    pub id: String,
    /// What was asked.
    pub prompt: Vec<Message>,
    /// Reply, critique, revision, critique, revision … as far as it came.
    pub steps: Vec<Step>,
}

/// One step of a dialogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// What was asked for.
    pub kind: StepKind,
    /// The round, from 1; 0 for the first reply.
    pub round: u32,
    /// Under which principle; none for the first reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principle: Option<String>,
    /// The prompt's file, by its SHA-256; none for the first reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_sha256: Option<String>,
    /// How it was sampled.
    pub settings: CallSettings,
    /// What came of it, without its preface where that was taken off.
    pub said: Said,
    /// The preface that was taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preface: Option<String>,
    /// What is wrong with its form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blemishes: Vec<Blemish>,
}

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// The first reply.
    Reply,
    /// What is wrong with it.
    Critique,
    /// A better one.
    Revision,
}

impl StepKind {
    fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Critique => "critique",
            Self::Revision => "revision",
        }
    }
}

impl Dialogue {
    /// The reply of one round: 0 for the first, then revisions.
    pub fn reply(&self, round: u32) -> Option<&str> {
        (self.steps.iter())
            .find(|step| step.round == round && step.kind != StepKind::Critique)
            .and_then(|step| step.said.text())
    }

    /// The last reply that there is, and its round.
    pub fn last_reply(&self) -> Option<(u32, &str)> {
        (self.steps.iter().rev())
            .filter(|step| step.kind != StepKind::Critique)
            .find_map(|step| Some((step.round, step.said.text()?)))
    }

    /// The step that ended it early: it gave no text.
    pub fn ended_by(&self) -> Option<&Step> {
        self.steps.last().filter(|step| step.said.text().is_none())
    }

    /// What all of it cost.
    pub fn usage(&self) -> Usage {
        let each = self.steps.iter().map(|step| step.said.usage());
        each.fold(Usage::default(), |sum, usage| sum + usage)
    }
}

/// Runs the stage over all `prompts`: one dialogue each, in their order.
///
/// # Errors
///
/// [`StageError`]; what the model answered before is lost unless the model keeps it.
pub fn run(
    config: &SupervisedConfig,
    constitution: &Constitution,
    model: &dyn ChatModel,
    prompts: &[PromptRow],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<Dialogue>, StageError> {
    config.check()?;
    needs(config, constitution)?;
    distinct(prompts.iter().map(|row| row.id.as_str()))?;
    let mut stage = Stage {
        config,
        constitution,
        model,
        seed,
        examples: match config.examples {
            Examples::Off => Vec::new(),
            Examples::On => example_messages(constitution.examples(), config.critique),
        },
        dialogues: (prompts.iter())
            .map(|row| Dialogue {
                id: row.id.clone(),
                prompt: row.prompt.clone(),
                steps: Vec::new(),
            })
            .collect(),
        on_progress,
    };
    stage.step(StepKind::Reply, 0)?;
    for round in 1..=config.n_rounds {
        if config.critique == CritiqueStep::Ask {
            stage.step(StepKind::Critique, round)?;
        }
        stage.step(StepKind::Revision, round)?;
    }
    Ok(stage.dialogues)
}

/// What is asked under principles must be in the constitution.
fn needs(config: &SupervisedConfig, constitution: &Constitution) -> Result<(), ConstitutionError> {
    if config.critique == CritiqueStep::Ask {
        constitution.require("critique-request", |p| p.critique_request.as_ref())?;
    }
    constitution.require("revision-request", |p| p.revision_request.as_ref())
}

pub(crate) fn distinct<'i>(ids: impl Iterator<Item = &'i str>) -> Result<(), StageError> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(StageError::SameId { id: id.into() });
        }
    }
    Ok(())
}

/// The principle that `round` (from 1) of the prompt called `id` is under.
pub fn principle_of<'c>(
    how: RoundPrinciples,
    constitution: &'c Constitution,
    seed: Seed,
    id: &str,
    round: u32,
) -> &'c Principle {
    let all = constitution.principles();
    let place = match how {
        RoundPrinciples::InTurn => (round as usize - 1) % all.len(),
        RoundPrinciples::Drawn => {
            let seed = seed.child(id).child(&format!("principle {round}"));
            seed.stream().below(all.len())
        }
    };
    &all[place]
}

struct Stage<'a> {
    config: &'a SupervisedConfig,
    constitution: &'a Constitution,
    model: &'a dyn ChatModel,
    seed: Seed,
    examples: Vec<Message>,
    dialogues: Vec<Dialogue>,
    on_progress: OnProgress<'a>,
}

/// What a step is asked under.
struct Asked<'a> {
    dialogue: &'a Dialogue,
    principle: Option<&'a Principle>,
    settings: CallSettings,
}

impl Stage<'_> {
    /// One step of every dialogue that goes on.
    fn step(&mut self, kind: StepKind, round: u32) -> Result<(), StageError> {
        let live: Vec<usize> = (0..self.dialogues.len())
            .filter(|&i| self.dialogues[i].ended_by().is_none())
            .collect();
        let name = match kind {
            StepKind::Reply => kind.name().to_owned(),
            StepKind::Critique | StepKind::Revision => format!("{} {round}", kind.name()),
        };
        let (config, constitution, seed) = (self.config, self.constitution, self.seed);
        let asked = |dialogue: &Dialogue| {
            let principle = (round > 0)
                .then(|| principle_of(config.principles, constitution, seed, &dialogue.id, round));
            (
                principle,
                config
                    .sampling(kind)
                    .seeded(seed.child(&dialogue.id).child(&name)),
            )
        };
        let request = |&i: &usize| {
            let dialogue = &self.dialogues[i];
            let (principle, settings) = asked(dialogue);
            let asked = Asked {
                dialogue,
                principle,
                settings,
            };
            request(kind, round, &self.examples, &asked)
        };
        let outcomes = ask_rows(self.model, &name, &live, request, self.on_progress)?;
        for (i, outcome) in live.into_iter().zip(outcomes) {
            let (principle, settings) = asked(&self.dialogues[i]);
            let step = Step {
                kind,
                round,
                principle: principle.map(|p| p.id.clone()),
                prompt_sha256: prompt_sha256(kind, config.critique),
                settings,
                said: Said::from(outcome),
                preface: None,
                blemishes: Vec::new(),
            };
            let step = examined(step, &self.dialogues[i], config.prefaces);
            self.dialogues[i].steps.push(step);
        }
        Ok(())
    }
}

fn prompt_sha256(kind: StepKind, critique: CritiqueStep) -> Option<String> {
    let prompts = Prompts::embedded();
    let prompt = match (kind, critique) {
        (StepKind::Reply, _) => return None,
        (StepKind::Critique, _) => &prompts.critique,
        (StepKind::Revision, CritiqueStep::Ask) => &prompts.revision,
        (StepKind::Revision, CritiqueStep::Skip) => &prompts.revision_only,
    };
    Some(prompt.sha256().to_owned())
}

fn request(kind: StepKind, round: u32, examples: &[Message], asked: &Asked<'_>) -> Request {
    let Asked {
        dialogue,
        principle,
        settings,
    } = asked;
    let before = || {
        let reply = dialogue.reply(round - 1);
        reply.expect("a dialogue without its last reply has ended")
    };
    let messages = match (kind, principle) {
        (StepKind::Reply, _) | (_, None) => dialogue.prompt.clone(),
        (StepKind::Critique, Some(principle)) => {
            critique_messages(examples, &dialogue.prompt, before(), principle)
        }
        (StepKind::Revision, Some(principle)) => {
            let critique = (dialogue.steps.iter())
                .find(|step| step.kind == StepKind::Critique && step.round == round)
                .and_then(|step| step.said.text());
            revision_messages(examples, &dialogue.prompt, before(), principle, critique)
        }
    };
    Request {
        messages,
        ask: Ask::Reply(settings.generation()),
        sample_idx: 0,
        seed: Seed(settings.seed),
    }
}

/// The step with its blemishes, and without its preface where that is taken off.
fn examined(mut step: Step, dialogue: &Dialogue, prefaces: Prefaces) -> Step {
    let Said::Text { text, .. } = &mut step.said else {
        return step;
    };
    match step.kind {
        StepKind::Reply => {}
        StepKind::Critique => {
            let reply = dialogue.reply(step.round - 1).unwrap_or_default();
            step.blemishes = hygiene::of_critique(text, reply);
        }
        StepKind::Revision => {
            let reply = dialogue.reply(step.round - 1).unwrap_or_default();
            let split =
                hygiene::split_preface(text).map(|(p, rest)| (p.to_owned(), rest.to_owned()));
            let bare = split.as_ref().map_or(text.as_str(), |(_, rest)| rest);
            step.blemishes = hygiene::of_revision(bare, reply);
            if let Some((preface, rest)) = split {
                step.blemishes.insert(0, Blemish::Preface);
                if prefaces == Prefaces::Strip {
                    *text = rest;
                    step.preface = Some(preface);
                }
            }
        }
    }
    if step.said.is_cut() {
        step.blemishes.push(Blemish::Cut);
    }
    step
}

/// How often each blemish was found, by round.
pub fn hygiene_counts(dialogues: &[Dialogue]) -> Vec<HygieneCounts> {
    let mut by_round: BTreeMap<u32, HygieneCounts> = BTreeMap::new();
    for step in dialogues.iter().flat_map(|dialogue| &dialogue.steps) {
        let counts = by_round.entry(step.round).or_default();
        counts.round = step.round;
        if step.said.text().is_none() {
            counts.n_without_text += 1;
            continue;
        }
        let (n, found) = match step.kind {
            StepKind::Critique => (&mut counts.n_critiques, &mut counts.in_critiques),
            StepKind::Reply | StepKind::Revision => {
                (&mut counts.n_revisions, &mut counts.in_revisions)
            }
        };
        *n += 1;
        for &blemish in &step.blemishes {
            *found.entry(blemish).or_default() += 1;
        }
    }
    by_round.into_values().collect()
}
