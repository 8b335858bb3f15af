//! One pass of a batch through a classifier, and back.
//!
//! On the processor the transformer is one fused operation with its own way back ([`crate::fused`]); the device records pooling
//! and head only. Adapters are merged for the pass, and get their gradients from those of the maps. Everywhere
//! else the device records all of it.

use burn_tensor::{Gradients as Collected, Tensor, TensorData};

use crate::adamw::Gradients;
use crate::batch::{BatchError, TokenBatch};
use crate::classifier::Classifier;
use crate::fused::{self, Recorded};
use crate::loss_scale::scaled;
use crate::precision::Precision;
use crate::transformer::numbers;

/// A pass that can be gone back, once.
pub(super) struct Pass {
    /// `[n_rows, n_outputs]`.
    logits: Tensor<2>,
    way: Way,
}

/// How a pass is gone back.
enum Way {
    /// The device has recorded all of it.
    Recorded,
    /// The same, of tokens, in products of 16 bits: it may have to be made again.
    Rounded(TokenBatch),
    /// Through the fused part.
    Fused(Box<Trunk>),
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
            let way = match classifier.transformer().precision() {
                Precision::Float32 => Way::Recorded,
                Precision::Float16 | Precision::Bfloat16 => Way::Rounded(batch.clone()),
            };
            let logits = classifier.forward(batch)?;
            return Ok(Self { logits, way });
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
            way: Way::Fused(Box::new(Trunk { recorded, leaf })),
        })
    }

    /// A pass that the device has recorded.
    pub(super) fn recorded(logits: Tensor<2>) -> Self {
        Self {
            logits,
            way: Way::Recorded,
        }
    }

    /// Whether the fused operations have computed it.
    #[cfg(test)]
    pub(super) fn is_fused(&self) -> bool {
        matches!(self.way, Way::Fused(_))
    }

    /// `[n_rows, n_outputs]`, row-major.
    pub(super) fn logits(&self) -> Vec<f32> {
        numbers(&self.logits)
    }

    /// Adds to `gradients` what Σ `slope` ⊙ logits gives every parameter that learns.
    ///
    /// # Errors
    ///
    /// [`BatchError`], as of the pass itself.
    pub(super) fn backward(
        self,
        classifier: &mut Classifier,
        slope: Vec<f32>,
        gradients: &mut Gradients,
    ) -> Result<(), BatchError> {
        match self.way {
            Way::Recorded => gradients.add_all(recorded(classifier, self.logits, slope).0),
            Way::Rounded(batch) => {
                let precision = classifier.transformer().precision();
                let mut made = Some(self.logits);
                let found = scaled(precision, &slope, |scale| {
                    let logits = match made.take() {
                        Some(logits) => logits,
                        None => classifier.forward(&batch)?,
                    };
                    let slope = slope.iter().map(|slope| slope * scale).collect();
                    Ok(recorded(classifier, logits, slope).0)
                })?;
                gradients.add_all(found);
            }
            Way::Fused(fused) => {
                let Trunk {
                    recorded: trunk,
                    leaf,
                } = *fused;
                let (of_head, mut collected) = recorded(classifier, self.logits, slope);
                gradients.add_all(of_head);
                let transformer = classifier.transformer();
                if transformer.is_adapted() {
                    let mut of_maps = Gradients::default();
                    trunk.backward_from(&leaf, &mut collected, &mut of_maps);
                    transformer.to_adapters(of_maps, gradients);
                } else {
                    trunk.backward_from(&leaf, &mut collected, gradients);
                }
            }
        }
        Ok(())
    }
}

/// What the device finds of Σ `slope` ⊙ `logits`: the gradients of parameters, and what else it has collected.
fn recorded(
    classifier: &mut Classifier,
    logits: Tensor<2>,
    slope: Vec<f32>,
) -> (Gradients, Collected) {
    let slope = TensorData::new(slope, logits.dims());
    let slope = Tensor::<2>::from_data(slope, &logits.device().inner());
    let mut collected = (logits * slope).sum().backward();
    let mut gradients = Gradients::default();
    classifier.visit(&mut |name, parameter| gradients.collect(name, &parameter, &mut collected));
    (gradients, collected)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::Value;

    use super::*;
    use crate::adamw::descend;
    use crate::{Checkpoint, Device, Pooling};

    fn list(value: &Value) -> Vec<f64> {
        let numbers = value.as_array().unwrap().iter();
        numbers.map(|x| x.as_f64().unwrap()).collect()
    }

    /// Three steps of plain gradient descent by TRL's `RewardTrainer`, with a reward head of the checkpoint's own: the Bradley–Terry
    /// loss, with a centring term, and with margins.
    #[test]
    fn reward_models_follow_trl() {
        const CENTRING: f64 = 0.01;
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny_llama");
        let golden = std::fs::read_to_string(folder.join("trl.json")).unwrap();
        let golden: Value = serde_json::from_str(&golden).unwrap();
        let lists = |key: &str| golden["batch"][key].as_array().unwrap().iter().map(list);
        let ids = lists("input_ids").flatten().map(|id| id as u32).collect();
        let mask = lists("attention_mask").flatten().map(|m| m > 0.5).collect();
        let batch = TokenBatch::from_mask(8, ids, mask).unwrap();
        for kind in ["plain", "center", "margin"] {
            let expected = &golden["reward"][kind];
            let checkpoint = Checkpoint::open(&folder.join("reward")).unwrap();
            let model = checkpoint.load(&Device::Cpu.open().unwrap()).unwrap();
            let mut classifier = Classifier::with_own_head(model, Pooling::LastToken).unwrap();
            classifier.score = classifier.score.autodiff().require_grad();
            for (step, want) in list(&expected["losses"]).into_iter().enumerate() {
                let pass = Pass::new(&classifier, &batch).unwrap();
                assert!(pass.is_fused());
                let rewards: Vec<f64> = pass.logits().into_iter().map(f64::from).collect();
                if step == 0 {
                    let both = [
                        list(&expected["rewards_chosen"]),
                        list(&expected["rewards_rejected"]),
                    ];
                    for (got, want) in rewards.iter().zip(both.concat()) {
                        assert!((got - want).abs() < 1e-5, "{kind}: {got} {want}");
                    }
                }
                let (mut loss, mut slope) = (0.0, vec![0.0; 8]);
                for pair in 0..4 {
                    let margin = expected["margin"]
                        .get(pair)
                        .map_or(0.0, |m| m.as_f64().unwrap());
                    let (chosen, rejected) = (rewards[pair], rewards[4 + pair]);
                    let odds = (rejected - chosen + margin).exp();
                    loss += odds.ln_1p() / 4.0;
                    let by_difference = -odds / (1.0 + odds) / 4.0;
                    let by_sum = match kind {
                        "center" => CENTRING * 2.0 * (chosen + rejected) / 4.0,
                        _ => 0.0,
                    };
                    loss += by_sum * (chosen + rejected) / 2.0;
                    slope[pair] = (by_sum + by_difference) as f32;
                    slope[4 + pair] = (by_sum - by_difference) as f32;
                }
                assert!(
                    (loss - want).abs() < 1e-5,
                    "{kind}, step {step}: {loss} {want}"
                );
                let mut gradients = Gradients::default();
                pass.backward(&mut classifier, slope, &mut gradients)
                    .unwrap();
                let norm = gradients.norm();
                gradients.scale(1.0 / norm.max(1.0));
                classifier.visit(&mut |name, parameter| {
                    if let Some(gradient) = gradients.take(name) {
                        descend(name, parameter, gradient, 0.05);
                    }
                });
            }
        }
    }
}
