//! Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685, section 4.1).
//!
//! ```text
//! x W  becomes  x W + (α / r) (x A) B        A: [in, r],  B: [r, out]
//! ```
//!
//! W stays as it is; A and B learn. A starts normal with variance 1/in, B at zero, so that training starts at
//! the given model. (The paper draws A from a normal distribution without naming its variance; `peft` draws uniformly with a
//! third of this one.) Adapters live as long as a training: at its end they are merged, W ← W + (α/r) A B, and what
//! comes out is an ordinary model.

use burn_tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::adamw::{Gradient, Gradients};
use crate::precision::Precision;
use crate::train::OptionError;
use crate::transformer::{Parameter, Transformer, map};

/// What is adapted, and how much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LoraOptions {
    /// The rank r of every change.
    pub rank: usize,
    /// Changes are scaled by α/r.
    pub alpha: f64,
    /// The linear maps that are adapted, in every layer.
    pub targets: Vec<LinearMap>,
}

impl Default for LoraOptions {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            targets: vec![LinearMap::Query, LinearMap::Value],
        }
    }
}

/// A linear map of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinearMap {
    /// To queries.
    Query,
    /// To keys.
    Key,
    /// To values.
    Value,
    /// Out of attention.
    Output,
    /// The gate of a gated MLP.
    Gate,
    /// Into the MLP.
    Up,
    /// Out of the MLP.
    Down,
}

impl LinearMap {
    /// What it is called within a layer.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Query => "attention.query",
            Self::Key => "attention.key",
            Self::Value => "attention.value",
            Self::Output => "attention.output",
            Self::Gate => "mlp.gate",
            Self::Up => "mlp.up",
            Self::Down => "mlp.down",
        }
    }
}

/// The change of one linear map.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    /// A, `[in, r]`.
    pub(crate) down: Tensor<2>,
    /// B, `[r, out]`.
    pub(crate) up: Tensor<2>,
    /// α/r.
    pub(crate) scale: f64,
}

impl Adapter {
    /// `(α/r) (x A) B`.
    pub(crate) fn forward(&self, x: Tensor<3>, precision: Precision) -> Tensor<3> {
        let inner = map(x, self.down.clone(), None, precision);
        map(inner, self.up.clone(), None, precision) * self.scale
    }

    /// `W + (α/r) A B`.
    pub(crate) fn merged(&self, weight: Tensor<2>) -> Tensor<2> {
        weight + self.down.clone().matmul(self.up.clone()) * self.scale
    }

    pub(crate) fn visit(&mut self, here: &str, visit: &mut dyn FnMut(&str, Parameter<'_>)) {
        let (down, up) = (&mut self.down, &mut self.up);
        visit(&format!("{here}{DOWN}"), Parameter::Matrix(down));
        visit(&format!("{here}{UP}"), Parameter::Matrix(up));
    }
}

const DOWN: &str = ".lora-down";
const UP: &str = ".lora-up";

/// Whether a parameter belongs to an adapter.
pub(crate) fn is_adapter(parameter: &str) -> bool {
    parameter.ends_with(DOWN) || parameter.ends_with(UP)
}

impl LoraOptions {
    /// Whether these can adapt anything.
    ///
    /// # Errors
    ///
    /// [`OptionError`] names the option that makes no sense.
    pub fn check(&self) -> Result<(), OptionError> {
        let refuse = |option, value, expected| {
            Err(OptionError {
                option,
                value,
                expected,
            })
        };
        if self.rank == 0 {
            return refuse("lora.rank", 0.0, "1 or more");
        }
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return refuse("lora.alpha", self.alpha, "a positive number");
        }
        if self.targets.is_empty() {
            return refuse("lora.targets", 0.0, "at least one linear map");
        }
        Ok(())
    }
}

impl Transformer {
    /// Gives the maps that `options` name an adapter each.
    ///
    /// # Errors
    ///
    /// [`OptionError`] when the transformer has none of them.
    pub(crate) fn adapt(&mut self, options: &LoraOptions, seed: Seed) -> Result<(), OptionError> {
        let device = self.device().clone();
        let mut n_adapted = 0;
        self.linears(&mut |name, map, linear| {
            if !options.targets.contains(&map) {
                return;
            }
            let [input, output] = linear.weight.dims();
            let mut stream = seed.child(name).stream();
            let deviation = 1.0 / (input as f64).sqrt();
            let down: Vec<f32> = (0..input * options.rank)
                .map(|_| (deviation * stream.next_normal()) as f32)
                .collect();
            let down = TensorData::new(down, [input, options.rank]);
            linear.adapter = Some(Adapter {
                down: Tensor::from_data(down, &device),
                up: Tensor::zeros([options.rank, output], &device),
                scale: options.alpha / options.rank as f64,
            });
            n_adapted += 1;
        });
        if n_adapted > 0 {
            return Ok(());
        }
        Err(OptionError {
            option: "lora.targets",
            value: options.targets.len() as f64,
            expected: "maps that this model has: only gated MLPs have a gate",
        })
    }

    /// Whether any map has an adapter.
    pub(crate) fn is_adapted(&self) -> bool {
        let mut is_adapted = false;
        self.clone()
            .linears(&mut |_, _, linear| is_adapted |= linear.adapter.is_some());
        is_adapted
    }

    /// The gradients of adapters, from those of the maps that they would be merged into:
    /// `∂A = (α/r) ∂W Bᵀ`, `∂B = (α/r) Aᵀ ∂W`. All other gradients are dropped.
    pub(crate) fn to_adapters(&self, mut of_maps: Gradients, gradients: &mut Gradients) {
        self.clone().linears(&mut |name, _, linear| {
            let Some(adapter) = &linear.adapter else {
                return;
            };
            let Some(Gradient::Matrix(weight)) = of_maps.take(&format!("{name}.weight")) else {
                return;
            };
            let (a, b) = (adapter.down.clone().inner(), adapter.up.clone().inner());
            let down = weight.clone().matmul(b.transpose()) * adapter.scale;
            let up = a.transpose().matmul(weight) * adapter.scale;
            gradients.add(&format!("{name}{DOWN}"), Gradient::Matrix(down));
            gradients.add(&format!("{name}{UP}"), Gradient::Matrix(up));
        });
    }

    /// Puts every adapter into its map.
    pub(crate) fn merge_adapters(&mut self) {
        self.linears(&mut |_, _, linear| {
            if let Some(adapter) = linear.adapter.take() {
                linear.weight.inplace(|weight| adapter.merged(weight));
            }
        });
    }
}
