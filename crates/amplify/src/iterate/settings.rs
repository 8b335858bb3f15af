//! Every size and rate of a training, with defaults that suit two processor cores.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_pointer::{AdamConfig, Layers, Pointers, Shape};

use super::curriculum::CurriculumConfig;
use super::label_rate::LabelRateConfig;
use crate::task::{Errs, Task};

/// How a learner is trained on a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainingConfig {
    /// The task and its sizes.
    pub task: Task,
    /// Steps.
    pub steps: u64,
    /// Instances in a step.
    pub contexts: usize,
    /// Questions about each of them.
    pub questions: usize,
    /// The deepest question that is trained on; none for all. Deeper ones are still evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deepest: Option<u32>,
    /// The learner X.
    pub learner: NetworkConfig,
    /// The predictor H′ of the expert.
    pub predictor: NetworkConfig,
    /// Steps of the expert in each of the predictor's steps.
    pub predictor_batch: usize,
    /// Steps over which the teacher X̄ averages the learner.
    pub teacher_horizon: f64,
    /// When instances grow.
    pub curriculum: CurriculumConfig,
    /// How often the expert is asked.
    pub labels: LabelRateConfig,
    /// The latest steps of the expert that its predictor learns from.
    pub replay: usize,
    /// How often the expert errs, from 0 to 1.
    pub expert_error: f64,
    /// What it does then.
    pub expert_errs: Errs,
    /// Steps between evaluations.
    pub evaluate_every: u64,
    /// Instances that nobody is trained on.
    pub held_out_contexts: usize,
    /// Questions about each of them.
    pub held_out_questions: usize,
}

/// A network and how it moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkConfig {
    /// Numbers of a row inside.
    pub width: usize,
    /// Heads of attention; they divide the width.
    pub heads: usize,
    /// Numbers of a row inside an MLP.
    pub mlp_width: usize,
    /// Blocks in which facts attend to each other.
    pub encoder_layers: usize,
    /// Blocks in which a question attends to facts.
    pub answer_layers: usize,
    /// Whether blocks share their parameters.
    pub layers: Layers,
    /// Whether an answer may point.
    pub pointers: Pointers,
    /// The optimiser.
    pub adam: AdamConfig,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            width: 64,
            heads: 4,
            mlp_width: 128,
            encoder_layers: 2,
            answer_layers: 2,
            layers: Layers::Own,
            pointers: Pointers::Fields,
            adam: AdamConfig::default(),
        }
    }
}

impl NetworkConfig {
    /// The sizes of the network, for rows of such numbers of symbols.
    pub(crate) fn shape(
        &self,
        symbols: usize,
        [fact_fields, question_fields, outputs]: [usize; 3],
    ) -> Shape {
        Shape {
            symbols,
            fact_fields,
            question_fields,
            outputs,
            width: self.width,
            heads: self.heads,
            mlp_width: self.mlp_width,
            encoder_layers: self.encoder_layers,
            answer_layers: self.answer_layers,
            layers: self.layers,
            pointers: self.pointers,
        }
    }
}

impl TrainingConfig {
    /// What suits a task.
    pub fn of(task: Task) -> Self {
        Self {
            task,
            steps: 20_000,
            contexts: 32,
            questions: 16,
            deepest: None,
            learner: NetworkConfig::default(),
            predictor: NetworkConfig {
                width: 32,
                mlp_width: 64,
                encoder_layers: 0,
                ..NetworkConfig::default()
            },
            predictor_batch: 64,
            teacher_horizon: 200.0,
            curriculum: CurriculumConfig::default(),
            labels: LabelRateConfig::default(),
            replay: 10_000,
            expert_error: 0.0,
            expert_errs: Errs::Redraws,
            evaluate_every: 500,
            held_out_contexts: 1000,
            held_out_questions: 1,
        }
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.task.check().map_err(|error| error.within("task"))?;
        for (key, n) in [
            ("contexts", self.contexts),
            ("questions", self.questions),
            ("predictor-batch", self.predictor_batch),
            ("replay", self.replay),
            ("held-out-contexts", self.held_out_contexts),
            ("held-out-questions", self.held_out_questions),
        ] {
            require(key, n, n > 0, "at least 1")?;
        }
        require("steps", self.steps, self.steps > 0, "at least 1")?;
        require(
            "evaluate-every",
            self.evaluate_every,
            self.evaluate_every > 0,
            "at least 1",
        )?;
        if let Some(deepest) = self.deepest {
            require(
                "deepest",
                deepest,
                deepest > 0,
                "at least 1: depth 0 is facts",
            )?;
        }
        let horizon = self.teacher_horizon;
        require(
            "teacher-horizon",
            horizon,
            horizon >= 1.0 && horizon.is_finite(),
            "1 or more",
        )?;
        let p = self.expert_error;
        require("expert-error", p, (0.0..=1.0).contains(&p), "from 0 to 1")?;
        let CurriculumConfig {
            threshold, window, ..
        } = self.curriculum;
        require(
            "curriculum.threshold",
            threshold,
            (0.0..1.0).contains(&threshold),
            "from 0 to below 1",
        )?;
        require("curriculum.window", window, window > 0, "at least 1")?;
        let rate = self.labels.rate;
        require(
            "labels.rate",
            rate,
            rate >= 0.0 && rate.is_finite(),
            "0 or more",
        )?;
        require(
            "labels.first",
            self.labels.first,
            self.labels.first > 0,
            "at least 1",
        )?;
        for (key, network) in [("learner", &self.learner), ("predictor", &self.predictor)] {
            (network.shape(2, [1; 3]).check()).map_err(|error| error.within(key))?;
            (network.adam.check()).map_err(|error| error.within("adam").within(key))?;
        }
        Ok(())
    }
}
