//! Sizes of tasks and trainings that go together.
//!
//! | scale | permutation powering | what for |
//! |---|---|---|
//! | tiny | 4 elements, powers of 2 bits | tests: seconds |
//! | small | 8 elements, 3 bits | minutes |
//! | full | 16 elements, 4 bits | two processor cores: within the hour |
//!
//! The paper has 64 elements and 6 bits, networks of 512 and 400,000 steps on machines with graphics cards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_pointer::AdamConfig;

use super::settings::{NetworkConfig, TrainingConfig};
use crate::task::{
    PermutationPowering, SequentialAssignments, ShortestPath, Task, UnionFind, WildcardSum,
};

/// How large everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// For tests.
    Tiny,
    /// Minutes.
    Small,
    /// What two processor cores do within the hour.
    Full,
}

/// Which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// `σ^k(x)`.
    PermutationPowering,
    /// Values of variables that are assigned from each other.
    SequentialAssignments,
    /// Sums over strings that fit a pattern.
    WildcardSum,
    /// Distances and first steps.
    ShortestPath,
    /// Values of variables that are equal.
    UnionFind,
}

impl Scale {
    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Full => "full",
        }
    }

    /// The task at this scale.
    pub fn task(self, kind: TaskKind) -> Task {
        let of = |[tiny, small, full]: [usize; 3]| match self {
            Self::Tiny => tiny,
            Self::Small => small,
            Self::Full => full,
        };
        match kind {
            TaskKind::PermutationPowering => Task::PermutationPowering(PermutationPowering {
                elements: of([4, 8, 16]),
                bits: of([2, 3, 4]),
            }),
            TaskKind::SequentialAssignments => Task::SequentialAssignments(SequentialAssignments {
                variables: of([6, 10, 16]),
                values: of([2, 3, 4]),
            }),
            TaskKind::WildcardSum => Task::WildcardSum(WildcardSum {
                bits: of([2, 3, 5]),
            }),
            TaskKind::ShortestPath => Task::ShortestPath(ShortestPath {
                vertices: of([4, 8, 12]),
                edges_per_vertex: 2,
            }),
            TaskKind::UnionFind => Task::UnionFind(UnionFind {
                variables: of([6, 12, 16]),
                values: of([2, 3, 4]),
            }),
        }
    }

    /// A training on the task.
    pub fn training(self, kind: TaskKind) -> TrainingConfig {
        let full = TrainingConfig::of(self.task(kind));
        let learner = |width, encoder_layers, answer_layers| NetworkConfig {
            width,
            mlp_width: 2 * width,
            encoder_layers,
            answer_layers,
            ..NetworkConfig::default()
        };
        let at_rate = |learning_rate, warm_up, network: NetworkConfig| NetworkConfig {
            adam: AdamConfig {
                learning_rate,
                warm_up,
                ..AdamConfig::default()
            },
            ..network
        };
        let quick = |network| at_rate(3e-3, 50, network);
        match self {
            Self::Tiny => TrainingConfig {
                steps: 400,
                contexts: 16,
                questions: 8,
                learner: quick(learner(32, 1, 2)),
                predictor: quick(NetworkConfig {
                    width: 16,
                    heads: 2,
                    mlp_width: 32,
                    ..full.predictor.clone()
                }),
                evaluate_every: 100,
                held_out_contexts: 300,
                ..full
            },
            Self::Small => TrainingConfig {
                steps: 4_000,
                learner: at_rate(3e-3, 200, learner(48, 2, 2)),
                evaluate_every: 200,
                ..full
            },
            Self::Full => TrainingConfig {
                steps: 24_000,
                learner: at_rate(2e-3, 200, learner(64, 3, 2)),
                ..full
            },
        }
    }
}
