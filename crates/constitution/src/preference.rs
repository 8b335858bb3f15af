//! The preference stage: pairs of replies are sampled from a model, judged under principles, and become preference pairs.
//!
//! Paper: Bai et al. 2022, arXiv:2212.08073, section 4.1; settings of the founding post.
//!
//! ```text
//! for each prompt x, n pairs:   y_1, y_2 ~ M(x)
//!                               p = judge(x, y_1, y_2)          judge.rs
//!                               (x, better, worse, max(p, 1 − p))
//! ```
//!
//! In: prompts, the tuned model, a judge. Out: samples, labels, and [`PreferencePair`]s of those that are decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::{Ask, ChatModel, Message, PromptRow, Request};
use trimtab_core::{PreferencePair, Seed};

use crate::file::Constitution;
use crate::judge::{JudgeConfig, ReplyPair, judge};
use crate::labelled::{LabelledPair, PairOutcome};
use crate::supervised::{StageError, distinct};
use trimtab_core::chat::{CallSettings, Said};
use trimtab_core::chat::{OnProgress, ask_rows};
use trimtab_core::setting::{ConfigError, Sampling, require};

/// What the preference stage does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PreferenceConfig {
    /// Pairs of replies for each prompt; at least 1.
    pub n_pairs: u32,
    /// The temperature of replies, from 0 to 2; at 0 the two of a pair are the same.
    pub temperature: f64,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
    /// How pairs are judged.
    pub judge: JudgeConfig,
    /// What becomes of pairs whose two orders disagree.
    pub inconsistent: Keep,
    /// What becomes of ties.
    pub ties: Ties,
}

impl Default for PreferenceConfig {
    fn default() -> Self {
        Self {
            n_pairs: 4,
            temperature: 0.9,
            max_tokens: 512,
            judge: JudgeConfig::default(),
            inconsistent: Keep::default(),
            ties: Ties::default(),
        }
    }
}

/// What becomes of pairs whose two orders disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// They are kept, with the label that both orders make.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

/// What becomes of ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ties {
    /// They are left out.
    #[default]
    Drop,
    /// They are kept, with their label: one half or near it.
    Keep,
}

impl PreferenceConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("n-pairs", self.n_pairs, self.n_pairs > 0, "at least 1")?;
        self.sampling().check("")?;
        self.judge.check().map_err(|error| error.within("judge"))
    }

    fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
        }
    }
}

/// Two samples for one prompt, whatever came of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SampledPair {
    /// `PROMPT/p1` is the first pair of that prompt.
    pub id: String,
    /// What was asked.
    pub prompt: Vec<Message>,
    /// What came of it.
    pub said: [Said; 2],
    /// How each was sampled.
    pub settings: [CallSettings; 2],
}

impl SampledPair {
    /// The pair, where both are texts.
    pub fn pair(&self) -> Option<ReplyPair> {
        let [first, second] = &self.said;
        Some(ReplyPair {
            id: self.id.clone(),
            prompt: self.prompt.clone(),
            replies: [first.text()?.to_owned(), second.text()?.to_owned()],
        })
    }
}

/// All that the stage made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preferences {
    /// Every pair of samples.
    pub sampled: Vec<SampledPair>,
    /// Labels of those pairs whose two samples are texts.
    pub labelled: Vec<LabelledPair>,
}

/// Runs the whole stage.
///
/// # Errors
///
/// [`StageError`]; what the models answered before is lost unless they keep it.
pub fn run(
    config: &PreferenceConfig,
    constitution: &Constitution,
    models: Models<'_>,
    prompts: &[PromptRow],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Preferences, StageError> {
    config.check()?;
    let sampled = sample(config, models.policy, prompts, seed, &mut *on_progress)?;
    let pairs: Vec<ReplyPair> = sampled.iter().filter_map(SampledPair::pair).collect();
    let labelled = judge(
        &config.judge,
        constitution,
        models.judge,
        &pairs,
        seed.child("judge"),
        on_progress,
    )?;
    Ok(Preferences { sampled, labelled })
}

/// Who is asked.
#[derive(Clone, Copy)]
pub struct Models<'a> {
    /// The model that replies.
    pub policy: &'a dyn ChatModel,
    /// The model that judges; the same, if you like.
    pub judge: &'a dyn ChatModel,
}

/// Samples the pairs of every prompt, in the order of prompts.
///
/// # Errors
///
/// As for [`run`].
pub fn sample(
    config: &PreferenceConfig,
    policy: &dyn ChatModel,
    prompts: &[PromptRow],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<SampledPair>, StageError> {
    config.check()?;
    distinct(prompts.iter().map(|row| row.id.as_str()))?;
    let slots: Vec<(&PromptRow, u32)> = (prompts.iter())
        .flat_map(|row| (0..2 * config.n_pairs).map(move |sample_idx| (row, sample_idx)))
        .collect();
    let settings = |row: &PromptRow, sample_idx: u32| {
        let seed = seed.child(&row.id).child(&format!("sample {sample_idx}"));
        config.sampling().seeded(seed)
    };
    let request = |&(row, sample_idx): &(&PromptRow, u32)| {
        let settings = settings(row, sample_idx);
        Request {
            messages: row.prompt.clone(),
            ask: Ask::Reply(settings.generation()),
            sample_idx,
            seed: Seed(settings.seed),
        }
    };
    let outcomes = ask_rows(policy, "samples", &slots, request, on_progress)?;
    let mut said = outcomes.into_iter().map(Said::from);
    let mut sampled = Vec::with_capacity(slots.len() / 2);
    for of_pair in slots.chunks_exact(2) {
        let (row, sample_idx) = of_pair[0];
        let (Some(first), Some(second)) = (said.next(), said.next()) else {
            break;
        };
        sampled.push(SampledPair {
            id: format!("{}/p{}", row.id, sample_idx / 2 + 1),
            prompt: row.prompt.clone(),
            said: [first, second],
            settings: [settings(row, sample_idx), settings(row, sample_idx + 1)],
        });
    }
    Ok(sampled)
}

/// The preference pair of `labelled`, where its outcome becomes one.
pub fn preference_pair(
    labelled: &LabelledPair,
    inconsistent: Keep,
    ties: Ties,
) -> Option<PreferencePair> {
    let p = labelled.p?;
    let kept = match labelled.outcome {
        PairOutcome::Decided => true,
        PairOutcome::Inconsistent => inconsistent == Keep::Keep && (p != 0.5 || ties == Ties::Keep),
        PairOutcome::Tie => ties == Ties::Keep,
        PairOutcome::Identical
        | PairOutcome::Unparsed
        | PairOutcome::Refused
        | PairOutcome::TooLong
        | PairOutcome::Failed => false,
    };
    if !kept {
        return None;
    }
    let [first, second] = &labelled.replies;
    let (chosen, rejected) = if p >= 0.5 {
        (first, second)
    } else {
        (second, first)
    };
    Some(PreferencePair {
        id: labelled.id.clone(),
        prompt: labelled.prompt.clone(),
        chosen: chosen.clone(),
        rejected: rejected.clone(),
        p_chosen: p.max(1.0 - p),
        judge: labelled.judge.clone(),
    })
}
