//! Auxiliary confidence loss: the student may trust itself where it disagrees with its supervisor.
//!
//! Paper: Burns et al. 2023, arXiv:2312.09390, section 4.3.2 and appendix A.4.
//!
//! ```text
//! L = CE(z, t)      t = (1-c) y + c h      c = aux-coefficient · warm-up
//! h_i = [ p_i0 ≥ τ, p_i0 < τ ]             τ = quantile of p_0 at the prior probability of answer 1
//! ```
//!
//! So the share of rows hardened to answer 1 equals the prior. Ties, and `p_0 = τ`, go to answer 0.
//!
//! | preset | aux-coefficient | warm-up | prior | τ over | labels |
//! |---|---|---|---|---|---|
//! | `paper` | .5 (.75 for its largest students) | linear, 20 % | ½ (its tasks are balanced) | batch | soft |
//! | `openai` | .5 | the bare fraction up to 10 %, then 1 | mean weak label of the batch | batch | soft |
//! | `eleuther` | .5 | linear, 100 steps | as openai; ½ for one row | last 32 predictions | soft |
//! | `raven` | .5 | linear, 20 % | none: h = onehot p | – | soft |
//!
//! Differs from the sources: quantiles need two answers, so with more every preset takes `h = onehot p`,
//! as RAVEN does; EleutherAI's buffer is bounded here and never sees evaluation batches. A batch of one
//! row has τ = p_0, so h is always answer 0: do not use `batch` quantiles with batches of one.
//! Parity: openai `logconf`, `logconf_hard_labels`; EleutherAI/w2s `logconf` and its buffer sequence;
//! RAVEN `logconf`. No code of the paper's own setting is public, so `paper` has none.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, argmax, softmax};
use super::labels::mean;
use super::quantile::quantile;
use super::{
    BatchLabels, LabelStatistics, LossError, NumberOr, Progress, Targets, WarmUp, require,
};

const KIND: &str = "confidence";

/// Auxiliary confidence loss: a preset, and what to change in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfidenceConfig {
    /// Whose version of the loss.
    pub preset: Preset,
    /// Largest share of the target that is the student's own, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux_coefficient: Option<f64>,
    /// How that share grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// What the student's probability is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardening: Option<Hardening>,
    /// Share of rows to harden to answer 1: `"batch"`, `"dataset"`, or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior: Option<NumberOr<Prior>>,
    /// How much of the weak labels is used. `"balanced"` labels imply a prior of 1/2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BatchLabels>,
}

/// Whose version of the confidence loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Burns et al. 2023, as the text has it.
    #[default]
    Paper,
    /// openai/weak-to-strong, whose warm-up jumps.
    Openai,
    /// EleutherAI/w2s, with a buffer of predictions.
    Eleuther,
    /// RAVEN, for any number of answers.
    Raven,
}

/// How the student's prediction becomes a hard answer: `"batch"`, `"arg-max"` or `{ buffer = 32 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hardening {
    /// Threshold at a quantile of the batch.
    Batch,
    /// Threshold at a quantile of this many latest predictions, those of the batch among them.
    Buffer(NonZeroUsize),
    /// The likeliest answer.
    ArgMax,
}

/// Where the share of answer 1 comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prior {
    /// The batch's mean weak label; 1/2 for a batch of one row.
    Batch,
    /// The mean weak label of the whole training set.
    Dataset,
}

/// A confidence loss with nothing left open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceRecipe {
    /// Largest share of the target that is the student's own.
    pub aux_coefficient: f64,
    /// How that share grows.
    pub warm_up: WarmUp,
    /// What the student's probability is compared with.
    pub hardening: Hardening,
    /// Share of rows to harden to answer 1.
    pub prior: NumberOr<Prior>,
    /// How much of the weak labels is used.
    pub labels: BatchLabels,
}

/// EleutherAI/w2s keeps this many predictions.
const ELEUTHER_BUFFER: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not zero");

impl Preset {
    /// What the preset stands for.
    pub fn recipe(self) -> ConfidenceRecipe {
        let openai = ConfidenceRecipe {
            aux_coefficient: 0.5,
            warm_up: WarmUp::Jump(0.1),
            hardening: Hardening::Batch,
            prior: NumberOr::Word(Prior::Batch),
            labels: BatchLabels::Soft,
        };
        match self {
            Self::Openai => openai,
            Self::Paper => ConfidenceRecipe {
                warm_up: WarmUp::Linear(0.2),
                prior: NumberOr::Number(0.5),
                ..openai
            },
            Self::Eleuther => ConfidenceRecipe {
                warm_up: WarmUp::LinearSteps(100),
                hardening: Hardening::Buffer(ELEUTHER_BUFFER),
                ..openai
            },
            Self::Raven => ConfidenceRecipe {
                warm_up: WarmUp::Linear(0.2),
                hardening: Hardening::ArgMax,
                ..openai
            },
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Openai => "openai",
            Self::Eleuther => "eleuther",
            Self::Raven => "raven",
        }
    }
}

impl ConfidenceConfig {
    /// The preset with this config's changes.
    pub fn recipe(&self) -> ConfidenceRecipe {
        let preset = self.preset.recipe();
        ConfidenceRecipe {
            aux_coefficient: self.aux_coefficient.unwrap_or(preset.aux_coefficient),
            warm_up: self.warm_up.unwrap_or(preset.warm_up),
            hardening: self.hardening.unwrap_or(preset.hardening),
            prior: self.prior.unwrap_or(preset.prior),
            labels: self.labels.unwrap_or(preset.labels),
        }
    }

    pub(super) fn check(&self) -> Result<(), LossError> {
        let recipe = self.recipe();
        let share = |field, value: f64| {
            require(
                (0.0..=1.0).contains(&value),
                (KIND, field),
                value,
                "a share from 0 to 1",
            )
        };
        share("aux-coefficient", recipe.aux_coefficient)?;
        if let NumberOr::Number(prior) = recipe.prior {
            share("prior", prior)?;
        }
        recipe.warm_up.check(KIND)
    }

    pub(super) fn describe(&self) -> String {
        let ConfidenceRecipe {
            aux_coefficient,
            warm_up,
            hardening,
            prior,
            labels,
        } = self.recipe();
        let mut parts = vec![format!("α {aux_coefficient}"), warm_up.describe()];
        if self.hardening.is_some() {
            parts.push(match hardening {
                Hardening::Batch => "batch threshold".to_owned(),
                Hardening::Buffer(size) => format!("threshold over {size}"),
                Hardening::ArgMax => "arg-max".to_owned(),
            });
        }
        if self.prior.is_some() {
            parts.push(match prior {
                NumberOr::Number(prior) => format!("prior {prior}"),
                NumberOr::Word(Prior::Batch) => "batch prior".to_owned(),
                NumberOr::Word(Prior::Dataset) => "data-set prior".to_owned(),
            });
        }
        if self.labels.is_some() {
            parts.push(format!("{} labels", labels.word()));
        }
        format!(
            "confidence, {} preset ({})",
            self.preset.word(),
            parts.join(", ")
        )
    }
}

/// What the threshold remembers, and memory to use again.
#[derive(Debug, Clone, Default)]
pub(super) struct Threshold {
    recent: VecDeque<f32>,
    values: Vec<f32>,
}

pub(super) fn fill(
    recipe: &ConfidenceRecipe,
    batch: Batch<'_>,
    statistics: &LabelStatistics,
    progress: Progress,
    threshold: &mut Threshold,
    out: &mut Targets,
) {
    recipe
        .labels
        .write(batch.labels, batch.n_answers, &mut out.target);
    let share = recipe.aux_coefficient * recipe.warm_up.factor(progress);
    if batch.n_answers > 2 || recipe.hardening == Hardening::ArgMax {
        for ((z, _), t) in batch.rows().zip(out.rows_mut()) {
            mix_answer(t, share, argmax(z));
        }
        return;
    }
    let prior = recipe.prior_of_one(&out.target, statistics);
    let tau = threshold.over(recipe.hardening, batch, prior as f32);
    for ((z, _), t) in batch.rows().zip(out.rows_mut()) {
        mix_answer(t, share, usize::from(p_0(z) < tau));
    }
}

impl ConfidenceRecipe {
    /// The share of answer 1, given the batch's labels `[n, 2]`.
    fn prior_of_one(&self, labels: &[f64], statistics: &LabelStatistics) -> f64 {
        match self.prior {
            _ if self.labels == BatchLabels::Balanced => 0.5,
            NumberOr::Number(prior) => prior,
            NumberOr::Word(Prior::Batch) if labels.len() == 2 => 0.5,
            NumberOr::Word(Prior::Batch) => mean(labels, 2)[1],
            NumberOr::Word(Prior::Dataset) => statistics.mean()[1],
        }
    }
}

impl Threshold {
    fn over(&mut self, hardening: Hardening, batch: Batch<'_>, prior: f32) -> f32 {
        let predictions = batch.rows().map(|(z, _)| p_0(z));
        self.values.clear();
        if let Hardening::Buffer(size) = hardening {
            self.recent.extend(predictions);
            let surplus = self.recent.len().saturating_sub(size.get());
            self.recent.drain(..surplus);
            self.values.extend(&self.recent);
        } else {
            self.values.extend(predictions);
        }
        quantile(&mut self.values, prior)
    }
}

/// The student's probability of answer 0, rounded to f32 as the references have it.
fn p_0(z: &[f32]) -> f32 {
    let mut p = [0.0; 2];
    softmax(z, &mut p);
    p[0] as f32
}

/// `t := (1 - share) t + share · onehot answer`.
pub(super) fn mix_answer(t: &mut [f64], share: f64, answer: usize) {
    for t in t.iter_mut() {
        *t *= 1.0 - share;
    }
    t[answer] += share;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers that rows with these logit differences are hardened to.
    fn hardened(recipe: ConfidenceRecipe, differences: &[f32], p_1: f64) -> Vec<usize> {
        let recipe = ConfidenceRecipe {
            aux_coefficient: 1.0,
            warm_up: WarmUp::None,
            ..recipe
        };
        let logits: Vec<f32> = differences.iter().flat_map(|&d| [0.0, d]).collect();
        let labels = [1.0 - p_1, p_1].repeat(differences.len());
        let mut out = Targets::new();
        out.reset(differences.len(), 2);
        fill(
            &recipe,
            Batch::new(&logits, &labels, 2),
            &LabelStatistics::of(&labels, 2),
            Progress {
                step: 0,
                n_steps: 1,
            },
            &mut Threshold::default(),
            &mut out,
        );
        out.target.chunks_exact(2).map(argmax).collect()
    }

    #[test]
    fn paper_hardens_half_of_the_batch_whatever_the_labels_say() {
        let paper = Preset::Paper.recipe();
        assert_eq!(hardened(paper, &[3.0, 4.0, 5.0, 6.0], 0.1), [0, 0, 1, 1]);
        assert_eq!(hardened(paper, &[-1.0, -2.0, -3.0], 0.9), [1, 0, 0]); // the median itself is answer 0
    }

    #[test]
    fn openai_hardens_the_weak_share_of_answer_one() {
        let openai = Preset::Openai.recipe();
        assert_eq!(
            hardened(openai, &[1.0, 2.0, 3.0, 4.0, 5.0], 0.3),
            [0, 0, 0, 1, 1]
        );
        assert_eq!(
            hardened(openai, &[1.0, 2.0, 3.0, 4.0, 5.0], 0.25),
            [0, 0, 0, 0, 1]
        );
    }

    #[test]
    fn raven_hardens_to_the_likeliest() {
        assert_eq!(
            hardened(Preset::Raven.recipe(), &[-1.0, 2.0, 0.0], 0.9),
            [0, 1, 0]
        );
    }

    #[test]
    fn one_row_or_all_rows_equal_is_answer_zero() {
        for preset in [Preset::Paper, Preset::Openai, Preset::Eleuther] {
            assert_eq!(hardened(preset.recipe(), &[6.0], 0.9), [0], "{preset:?}");
            assert_eq!(
                hardened(preset.recipe(), &[0.0; 4], 0.9),
                [0; 4],
                "{preset:?}"
            );
        }
    }

    #[test]
    fn the_dataset_prior_does_not_look_at_the_batch() {
        let recipe = ConfidenceRecipe {
            prior: NumberOr::Word(Prior::Dataset),
            ..Preset::Openai.recipe()
        };
        let statistics = LabelStatistics::of(&[0.75, 0.25, 0.25, 0.75], 2);
        assert_eq!(recipe.prior_of_one(&[0.9, 0.1, 0.8, 0.2], &statistics), 0.5);
    }

    #[test]
    fn the_buffer_keeps_the_latest() {
        let mut threshold = Threshold::default();
        let size = Hardening::Buffer(NonZeroUsize::new(3).unwrap());
        for logits in [[0.0, 9.0], [0.0, 1.0], [0.0, 2.0], [0.0, 3.0]] {
            threshold.over(size, Batch::new(&logits, &[0.5, 0.5], 2), 0.5);
        }
        assert_eq!(
            Vec::from(threshold.recent),
            [1.0, 2.0, 3.0].map(|d| p_0(&[0.0, d]))
        );
    }
}
