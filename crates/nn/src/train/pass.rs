//! One pass of a batch through a classifier, and back.
//!
//! On the processor the transformer is one fused operation with its own way back ([`crate::fused`]); the device records pooling
//! and head only. Adapters are merged for the pass, and get their gradients from those of the maps. Everywhere
//! else the device records all of it.

use burn_tensor::{Tensor, TensorData};

use crate::adamw::Gradients;
use crate::batch::{BatchError, TokenBatch};
use crate::classifier::Classifier;
use crate::fused::{self, Recorded};
use crate::transformer::numbers;

/// A pass that can be gone back, once.
pub(super) struct Pass {
    /// `[n_rows, n_outputs]`.
    logits: Tensor<2>,
    trunk: Option<Trunk>,
}

/// The fused part of a pass.
struct Trunk {
    recorded: Recorded,
    /// Hidden states, as the device sees them.
    leaf: Tensor<3>,
}

impl Pass {
    /// Passes tokens through `classifier`, recording what is needed to go back.
    pub(super) fn new(classifier: &Classifier, batch: &TokenBatch) -> Result<Self, BatchError> {
        if !fused::can_train(classifier.transformer()) {
            return Ok(Self::recorded(classifier.forward(batch)?));
        }
        let recorded = if classifier.transformer().is_adapted() {
            let mut merged = classifier.transformer().clone();
            merged.merge_adapters();
            Recorded::new(&merged, batch.clone())?
        } else {
            Recorded::new(classifier.transformer(), batch.clone())?
        };
        let leaf = recorded.leaf();
        Ok(Self {
            logits: classifier.on_hidden(leaf.clone(), batch),
            trunk: Some(Trunk { recorded, leaf }),
        })
    }

    /// A pass that the device has recorded.
    pub(super) fn recorded(logits: Tensor<2>) -> Self {
        Self {
            logits,
            trunk: None,
        }
    }

    /// Whether the fused operations have computed it.
    #[cfg(test)]
    pub(super) fn is_fused(&self) -> bool {
        self.trunk.is_some()
    }

    /// `[n_rows, n_outputs]`, row-major.
    pub(super) fn logits(&self) -> Vec<f32> {
        numbers(&self.logits)
    }

    /// Adds to `gradients` what Σ `slope` ⊙ logits gives every parameter that learns.
    pub(super) fn backward(
        self,
        classifier: &mut Classifier,
        slope: Vec<f32>,
        gradients: &mut Gradients,
    ) {
        let slope = TensorData::new(slope, self.logits.dims());
        let slope = Tensor::<2>::from_data(slope, &self.logits.device().inner());
        let mut collected = (self.logits * slope).sum().backward();
        classifier
            .visit(&mut |name, parameter| gradients.collect(name, &parameter, &mut collected));
        let Some(Trunk { recorded, leaf }) = self.trunk else {
            return;
        };
        let transformer = classifier.transformer();
        if transformer.is_adapted() {
            let mut of_maps = Gradients::default();
            recorded.backward_from(&leaf, &mut collected, &mut of_maps);
            transformer.to_adapters(of_maps, gradients);
        } else {
            recorded.backward_from(&leaf, &mut collected, gradients);
        }
    }
}
