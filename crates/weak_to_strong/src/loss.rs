//! Weak-to-strong losses: how a student learns from labels that are partly wrong.
//!
//! Every loss of the family answers two questions from the current logits, held fixed, and from how
//! far training is: which soft target does each row get, and how much does it weigh? One differentiable
//! surrogate then follows, most often cross-entropy. So there are two phases:
//!
//! 1. [`Loss::targets`] decides: logits, weak labels and [`Progress`] in, [`Targets`] out. No gradient.
//! 2. [`Targets::value_and_gradient`] is an ordinary function of the logits. [`Targets::block`] is the
//!    same over some of the rows, for solvers that stream a data set.
//!
//! Notation: row `i` of `n`, answer `j` of `C`; logits `z`, student `p = softmax z`, weak label `y`,
//! target `t`, row weight `w`; `onehot a` puts everything on the likeliest answer of `a` (the first of
//! several); `[·]` is 1 where true. All are means over the full `n`, whatever the weights sum to.
//!
//! ```text
//! CE(z, t) = -(1/n) Σ_i w_i Σ_j t_ij log p_ij          ∂CE/∂z_ij = w_i (p_ij - t_ij) / n
//! ```
//!
//! | `kind` | target, weight, added term | source | where it differs |
//! |---|---|---|---|
//! | `naive` | `t = y`, or `onehot y` | Burns et al. 2023, §4.2 | nowhere |
//! | `confidence-weighted` | `t = onehot y`, `w = max_j y_j` | the founding post's snippet | a margin measure and soft labels too |
//! | `entropy` | `t = y`, added `-coefficient · H(p)` | the founding post's snippet | the sign is the user's |
//! | `confidence` | `t = (1-c) y + c h`, `h` the hardened student | Burns et al. 2023, §4.3.2 and A.4 | presets follow four sources |
//! | `adaptive-confidence` | `confidence` with `c_i = p_i[onehot y] / (p_i[onehot y] + max p_i)` | RAVEN, 2025 | one supervisor |
//! | `adapt-conf` | `(1-a) T² KL(y^(1/T) ‖ p^(1/T)) + a CE(z, onehot p)` | Vision Superalignment, arXiv:2402.03749 | no ground-truth term |
//! | `product` | `t ∝ p^β y^α` | openai/weak-to-strong | nowhere |
//! | `window` | `t = y`, `w = [max p < 1/2 + radius]` | EleutherAI/w2s | `C > 2` too |
//! | `kl` | `t = y`, added `-H(y)` | EleutherAI/w2s | nowhere |
//! | `balanced` | `t = softmax(log y - mean log y)` | EleutherAI/w2s | mean over the data set by default |
//! | `evidential` | Dirichlet likelihood of `γ onehot p + (1-γ) onehot y` | arXiv:2406.03199, as RAVEN has it | one supervisor |
//! | `eleuther-entropy` | `t = (1-c) y + c p` | EleutherAI/w2s | the aux term has no gradient; kept for parity |
//!
//! Shapes: logits and gradients `[n, C]` f32, labels `[n, C]` f64 rows that sum to one, row-major. A
//! reward model's margin `r` with soft label `y` is the row of logits `[0, r]`: its binary cross-entropy
//! is `naive`. No loss reads ground truth.
//!
//! Parity: `tests/it/loss_parity.rs` against `tests/golden/w2s_reference*.json`, values and gradients.

mod adapt_conf;
mod adaptive_confidence;
mod balanced;
mod batch;
mod confidence;
mod confidence_weighted;
mod eleuther_entropy;
mod entropy;
mod evidential;
mod gamma;
mod kl;
mod labels;
mod logistic;
mod naive;
mod name;
mod number_or;
mod product;
mod quantile;
mod targets;
mod warm_up;
mod window;

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, MapAccess};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use adapt_conf::AdaptConfConfig;
pub use balanced::{BalancedConfig, Mean};
pub use confidence::{ConfidenceConfig, ConfidenceRecipe, Hardening, Preset, Prior};
pub use confidence_weighted::{ConfidenceMeasure, ConfidenceWeightedConfig};
pub use eleuther_entropy::EleutherEntropyConfig;
pub use entropy::EntropyConfig;
pub use evidential::EvidentialConfig;
pub use labels::{BatchLabels, LabelStatistics, Labels};
pub use naive::NaiveConfig;
pub use number_or::NumberOr;
pub use product::ProductConfig;
pub use targets::{Block, Targets};
pub use warm_up::WarmUp;
pub use window::{Median, WindowConfig};

use batch::Batch;
use confidence::Threshold;

/// Which loss the student minimises: a name (`loss = "confidence"`), or a table with a `kind`
/// (`loss = { kind = "confidence", preset = "openai" }`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    deny_unknown_fields,
    rename_all = "kebab-case",
    remote = "Self"
)]
#[schemars(rename = "LossConfig", transform = allow_name)]
pub enum LossConfig {
    /// Cross-entropy with the weak labels.
    Naive(NaiveConfig),
    /// Cross-entropy, each row scaled by how sure the weak label is.
    ConfidenceWeighted(ConfidenceWeightedConfig),
    /// Cross-entropy minus a signed multiple of the student's entropy.
    Entropy(EntropyConfig),
    /// Auxiliary confidence loss: part of the target is the student's own hardened answer.
    Confidence(ConfidenceConfig),
    /// RAVEN's confidence loss, its coefficient chosen row by row.
    AdaptiveConfidence {},
    /// Adaptive confidence distillation of Vision Superalignment.
    AdaptConf(AdaptConfConfig),
    /// Target proportional to the product of student and weak label.
    Product(ProductConfig),
    /// Cross-entropy on the rows of which the student is not yet sure.
    Window(WindowConfig),
    /// Kullback–Leibler divergence from weak label to student: naive minus a constant.
    Kl {},
    /// Cross-entropy with weak labels shifted to even classes.
    Balanced(BalancedConfig),
    /// Evidential loss: the logits are evidence for a Dirichlet distribution.
    Evidential(EvidentialConfig),
    /// EleutherAI's `entropy` loss, which has no entropy gradient.
    EleutherEntropy(EleutherEntropyConfig),
}

impl LossConfig {
    /// Each `kind`, in the order of the table above.
    pub const KINDS: [&str; 12] = [
        "naive",
        "confidence-weighted",
        "entropy",
        "confidence",
        "adaptive-confidence",
        "adapt-conf",
        "product",
        "window",
        "kl",
        "balanced",
        "evidential",
        "eleuther-entropy",
    ];

    /// The `kind` of this loss, as written in an experiment file.
    pub fn kind(&self) -> &'static str {
        let idx = match self {
            Self::Naive(_) => 0,
            Self::ConfidenceWeighted(_) => 1,
            Self::Entropy(_) => 2,
            Self::Confidence(_) => 3,
            Self::AdaptiveConfidence {} => 4,
            Self::AdaptConf(_) => 5,
            Self::Product(_) => 6,
            Self::Window(_) => 7,
            Self::Kl {} => 8,
            Self::Balanced(_) => 9,
            Self::Evidential(_) => 10,
            Self::EleutherEntropy(_) => 11,
        };
        Self::KINDS[idx]
    }

    /// One line for tables: `confidence, openai preset (α 0.5, warm-up 10 %, jump)`.
    pub fn describe(&self) -> String {
        match self {
            Self::Naive(config) => config.describe(),
            Self::ConfidenceWeighted(config) => config.describe(),
            Self::Entropy(config) => config.describe(),
            Self::Confidence(config) => config.describe(),
            Self::AdaptiveConfidence {} => "adaptive confidence (α by row)".to_owned(),
            Self::AdaptConf(config) => config.describe(),
            Self::Product(config) => config.describe(),
            Self::Window(config) => config.describe(),
            Self::Kl {} => "KL (soft labels)".to_owned(),
            Self::Balanced(config) => config.describe(),
            Self::Evidential(config) => config.describe(),
            Self::EleutherEntropy(config) => config.describe(),
        }
    }

    /// Whether each row keeps its target and weight through training: the loss is then one function
    /// of the logits and may be minimised in one go. The others are staged: targets are decided anew
    /// as the student changes.
    pub fn is_fixed(&self) -> bool {
        match self {
            Self::Naive(_) | Self::ConfidenceWeighted(_) | Self::Entropy(_) | Self::Kl {} => true,
            Self::Balanced(config) => config.mean == Mean::Dataset,
            Self::Confidence(_)
            | Self::AdaptiveConfidence {}
            | Self::AdaptConf(_)
            | Self::Product(_)
            | Self::Window(_)
            | Self::Evidential(_)
            | Self::EleutherEntropy(_) => false,
        }
    }

    /// Whether the loss is fixed and convex in the logits, so that a linear student has one minimum.
    pub fn is_convex(&self, n_answers: usize) -> bool {
        self.is_fixed()
            && match self {
                Self::Entropy(config) => config.is_convex(n_answers),
                _ => true,
            }
    }

    /// Whether the loss reads ground truth. None does: tables mark what would.
    pub fn uses_ground_truth(&self) -> bool {
        false
    }

    /// Checks every number against its range.
    ///
    /// # Errors
    ///
    /// [`LossError::OutOfRange`] names the first field that is not a number in its range.
    pub fn check(&self) -> Result<(), LossError> {
        match self {
            Self::Naive(_)
            | Self::ConfidenceWeighted(_)
            | Self::AdaptiveConfidence {}
            | Self::Kl {}
            | Self::Balanced(_) => Ok(()),
            Self::Entropy(config) => config.check(),
            Self::Confidence(config) => config.check(),
            Self::AdaptConf(config) => config.check(),
            Self::Product(config) => config.check(),
            Self::Window(config) => config.check(),
            Self::Evidential(config) => config.check(),
            Self::EleutherEntropy(config) => config.check(),
        }
    }
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::Naive(NaiveConfig::default())
    }
}

impl Serialize for LossConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The inherent function that `remote = "Self"` derives: always a table, every default written.
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for LossConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;

        impl<'de> de::Visitor<'de> for NameOrTable {
            type Value = LossConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a loss name, or a table with `kind`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<LossConfig, E> {
                // Inherent, as above.
                LossConfig::deserialize(MapDeserializer::new([("kind", name)].into_iter()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<LossConfig, A::Error> {
                LossConfig::deserialize(MapAccessDeserializer::new(table))
            }
        }

        deserializer.deserialize_any(NameOrTable)
    }
}

/// Adds the short form, a bare name, to the schema.
fn allow_name(schema: &mut Schema) {
    if let Some(forms) = schema
        .get_mut("oneOf")
        .and_then(|forms| forms.as_array_mut())
    {
        let name = schemars::json_schema!({
            "description": "A loss by name, with its defaults.",
            "type": "string",
            "enum": LossConfig::KINDS,
        });
        forms.insert(0, name.to_value());
    }
}

/// Why a loss cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LossError {
    /// A number of the config makes no sense.
    #[error("loss `{kind}`: `{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// The loss.
        kind: &'static str,
        /// The field, as written in an experiment file.
        field: &'static str,
        /// What it holds.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
}

/// The one place that turns a failed range check into words.
fn require(
    holds: bool,
    (kind, field): (&'static str, &'static str),
    value: f64,
    expected: &'static str,
) -> Result<(), LossError> {
    if holds {
        Ok(())
    } else {
        Err(LossError::OutOfRange {
            kind,
            field,
            value,
            expected,
        })
    }
}

/// Where training is, before this update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Updates done so far.
    pub step: usize,
    /// Updates in the whole training.
    pub n_steps: usize,
}

impl Progress {
    /// `step / n_steps`, in [0, 1]; 0 for an empty training.
    pub fn fraction(self) -> f64 {
        if self.n_steps == 0 {
            0.0
        } else {
            self.step as f64 / self.n_steps as f64
        }
    }
}

/// One training's loss: its config, what it knows of the data set, and what it remembers.
///
/// Make one for each training: some presets keep a buffer of recent predictions.
#[derive(Debug, Clone)]
pub struct Loss {
    config: LossConfig,
    statistics: LabelStatistics,
    threshold: Threshold,
}

impl Loss {
    /// A loss for one training on the labels that `statistics` sums up.
    ///
    /// # Errors
    ///
    /// [`LossError`] when a number of the config is out of range.
    pub fn new(config: &LossConfig, statistics: &LabelStatistics) -> Result<Self, LossError> {
        config.check()?;
        Ok(Self {
            config: config.clone(),
            statistics: statistics.clone(),
            threshold: Threshold::default(),
        })
    }

    /// What this loss was made from.
    pub fn config(&self) -> &LossConfig {
        &self.config
    }

    /// Phase 1: decides targets and weights of one batch. The result replaces what `out` held; its
    /// memory is used again.
    ///
    /// # Panics
    ///
    /// When `logits` and `labels` are not both `[n, n_answers]` with the same n > 0.
    pub fn targets(
        &mut self,
        logits: &[f32],
        labels: &[f64],
        progress: Progress,
        out: &mut Targets,
    ) {
        let Self {
            config,
            statistics,
            threshold,
        } = self;
        let batch = Batch::new(logits, labels, statistics.n_answers());
        out.reset(batch.n_rows(), batch.n_answers);
        match config {
            LossConfig::Naive(config) => naive::fill(config, batch, out),
            LossConfig::ConfidenceWeighted(config) => confidence_weighted::fill(config, batch, out),
            LossConfig::Entropy(config) => entropy::fill(config, batch, out),
            LossConfig::Confidence(config) => {
                confidence::fill(
                    &config.recipe(),
                    batch,
                    statistics,
                    progress,
                    threshold,
                    out,
                );
            }
            LossConfig::AdaptiveConfidence {} => adaptive_confidence::fill(batch, out),
            LossConfig::AdaptConf(config) => adapt_conf::fill(config, batch, progress, out),
            LossConfig::Product(config) => product::fill(config, batch, out),
            LossConfig::Window(config) => window::fill(config, batch, statistics, out),
            LossConfig::Kl {} => kl::fill(batch, out),
            LossConfig::Balanced(config) => balanced::fill(config, batch, statistics, out),
            LossConfig::Evidential(config) => evidential::fill(config, batch, progress, out),
            LossConfig::EleutherEntropy(config) => {
                eleuther_entropy::fill(config, batch, progress, out);
            }
        }
    }
}
