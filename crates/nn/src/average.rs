//! The mean of several models' weights: one model, at the cost of one, in place of an ensemble.
//!
//! Paper: WARM (Ramé et al. 2024, arXiv:2401.12187): reward models that were fine-tuned from one beginning, with other seeds, orders
//! or rates, lie in one basin, and the mean of their weights is a better reward under shift than one of them.
//!
//! ```text
//! w = 1/M Σ w_m, number by number, summed in double precision
//! ```
//!
//! In: models of one definition, heads of one shape. Out: a model with the first one's files beside it. That they share a
//! beginning is the caller's business: weights of strangers can be averaged, and mean nothing.

use burn_tensor::{Tensor, TensorData};

use crate::checkpoint::Model;
use crate::classifier::Classifier;
use crate::train::state::set;
use crate::transformer::{Parameter, numbers};

/// Why weights are not averaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AverageError {
    /// There is no model.
    #[error("there are no models to average")]
    Nothing,
    /// A model has another shape or arithmetic than the first.
    #[error("model {model} has another definition than the first")]
    Definition {
        /// Which, from 0.
        model: usize,
    },
    /// A head pools otherwise, or has more or fewer outputs.
    #[error("the head of model {model} has another shape or pooling than the first")]
    Head {
        /// Which, from 0.
        model: usize,
    },
}

impl AverageError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Nothing => "give at least one model",
            Self::Definition { .. } | Self::Head { .. } => {
                "average models that were tuned from one checkpoint"
            }
        }
    }
}

impl Model {
    /// The mean of `models`, on the device of the first.
    ///
    /// # Errors
    ///
    /// [`AverageError`] when there are none, or one differs in its definition.
    pub fn average(models: &[&Self]) -> Result<Self, AverageError> {
        let Some(first) = models.first() else {
            return Err(AverageError::Nothing);
        };
        let definition = first.transformer.definition();
        let other = (models.iter()).position(|m| m.transformer.definition() != definition);
        if let Some(model) = other {
            return Err(AverageError::Definition { model });
        }
        // Model by model, so that only one copy of another's numbers is at hand.
        let mut sums: Vec<Vec<f64>> = Vec::new();
        for model in models {
            let mut i = 0;
            model.transformer.clone().visit(&mut |_, parameter| {
                let (values, _) = parameter.read();
                if i == sums.len() {
                    sums.push(vec![0.0; values.len()]);
                }
                add(&mut sums[i], &values);
                i += 1;
            });
        }
        let mut mean = (*first).clone();
        let mut sums = sums.into_iter();
        mean.transformer.visit(&mut |_, parameter| {
            let values = divided(sums.next().unwrap_or_default(), models.len());
            match parameter {
                Parameter::Vector(tensor) => set(tensor, values),
                Parameter::Matrix(tensor) => set(tensor, values),
            }
        });
        Ok(mean)
    }
}

impl Classifier {
    /// The mean of `classifiers`, heads included, on the device of the first.
    ///
    /// # Errors
    ///
    /// [`AverageError`] when there are none, or one differs in its definition or head.
    pub fn average(classifiers: &[&Self]) -> Result<Self, AverageError> {
        let Some(first) = classifiers.first() else {
            return Err(AverageError::Nothing);
        };
        let is_alike = |other: &&Self| {
            (other.pooling, other.score.dims()) == (first.pooling, first.score.dims())
        };
        if let Some(model) = classifiers.iter().position(|other| !is_alike(other)) {
            return Err(AverageError::Head { model });
        }
        let models: Vec<&Model> = classifiers.iter().map(|c| &c.model).collect();
        let model = Model::average(&models)?;
        let mut sum = vec![0.0; first.score.dims().iter().product()];
        for classifier in classifiers {
            add(&mut sum, &numbers(&classifier.score));
        }
        let data = TensorData::new(divided(sum, classifiers.len()), first.score.dims());
        let score = Tensor::from_data(data, model.transformer.device());
        Ok(Self {
            model,
            pooling: first.pooling,
            score,
        })
    }
}

fn add(sum: &mut [f64], values: &[f32]) {
    for (sum, &x) in sum.iter_mut().zip(values) {
        *sum += f64::from(x);
    }
}

fn divided(sum: Vec<f64>, n: usize) -> Vec<f32> {
    sum.into_iter().map(|x| (x / n as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use trimtab_core::Seed;

    use super::*;
    use crate::{Device, HeadStart, ModelConfig, Pooling};

    fn model(width: usize, seed: u64) -> Model {
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": 12, "initializer_range": 0.3, "hidden_size": width,
            "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 12,
            "max_position_embeddings": 12,
        });
        let config = ModelConfig::parse(&config.to_string()).unwrap();
        Model::new(config, &Device::Cpu.open().unwrap(), Seed(seed))
    }

    fn classifier(n_outputs: usize, seed: u64) -> Classifier {
        let start = HeadStart::Normal { seed: Seed(seed) };
        Classifier::begin(model(8, seed), Pooling::LastToken, n_outputs, start)
    }

    #[test]
    fn every_number_is_the_mean() {
        let three = [1, 2, 3].map(|seed| classifier(2, seed));
        let mean = Classifier::average(&three.each_ref()).unwrap();
        let of = |c: &Classifier, name: &str| match name {
            "score" => c.head(),
            name => c.model().transformer.parameter(name).unwrap().0,
        };
        for name in [
            "score",
            "embed.tokens",
            "layers.0.mlp.up.weight",
            "norm.weight",
        ] {
            let (mean, parts) = (of(&mean, name), three.each_ref().map(|c| of(c, name)));
            assert!(!mean.is_empty());
            for (i, mean) in mean.iter().enumerate() {
                let sum: f32 = parts.iter().map(|part| part[i]).sum();
                assert!((mean - sum / 3.0).abs() < 1e-6, "{name}, {i}");
            }
        }
        let alone = Classifier::average(&[&three[0]]).unwrap();
        assert_eq!(alone.head(), three[0].head());
    }

    #[test]
    fn models_of_other_shapes_are_refused() {
        let (a, b) = (model(8, 1), model(4, 1));
        let error = Model::average(&[&a, &b]).unwrap_err();
        assert_eq!(error, AverageError::Definition { model: 1 });
        assert_eq!(Model::average(&[]).unwrap_err(), AverageError::Nothing);
        let error = Classifier::average(&[&classifier(1, 1), &classifier(2, 1)]).unwrap_err();
        assert_eq!(error, AverageError::Head { model: 1 });
    }
}
