//! Which numbers weights are written in, and which ones products are computed in.
//!
//! Mixed precision (Micikevicius et al. 2018, arXiv:1710.03740): factors of every large product (linear maps, attention, the output map)
//! are rounded to 16 bits, and so is the product; embeddings, norms, softmaxes, the sums of the residual stream, losses, gradients as they
//! are added up, and the weights that the optimiser moves stay in 32. What only reads keeps maps and remembered keys and values in 16 bits.
//!
//! Differs from the paper: the loss scale is not searched for over steps (`loss_scale`), so that nothing must be remembered
//! to go on where a training was killed.

use burn_tensor::{DType, FloatDType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A format of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Float32,
    /// 16 bits, 11 of them precision: up to 65,504.
    Float16,
    /// 16 bits, 8 of them precision: the range of 32.
    Bfloat16,
}

impl Precision {
    /// As experiment files and `config.json` call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
        }
    }

    /// What tells trainings apart that differ in it; nothing for 32 bits, in which trainings were before there was a choice.
    pub(crate) fn part_of_identity(self) -> &'static str {
        match self {
            Self::Float32 => "",
            Self::Float16 => " float16",
            Self::Bfloat16 => " bfloat16",
        }
    }

    /// Whether it is the one that is taken where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// As the device calls it.
    pub(crate) fn on_device(self) -> FloatDType {
        match self {
            Self::Float32 => FloatDType::F32,
            Self::Float16 => FloatDType::F16,
            Self::Bfloat16 => FloatDType::BF16,
        }
    }

    /// The same numbers, rounded to it; a tensor that is in it already stays as it is.
    pub(crate) fn round<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        if tensor.dtype() == DType::from(self.on_device()) {
            return tensor;
        }
        tensor.cast(self.on_device())
    }
}

/// The same numbers in 32 bits.
pub(crate) fn widened<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    Precision::Float32.round(tensor)
}
