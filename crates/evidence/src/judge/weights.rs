//! A judge as a file of safetensors, to be trained once and read by anything.
//!
//! | tensor | shape |
//! |---|---|
//! | `embedding` | `[features, units]` |
//! | `bias` | `[units]` |
//! | `layer.N.weights` | `[inputs, outputs]` |
//! | `layer.N.bias` | `[outputs]` |

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use super::kernel::padded;
use super::{Aligned, Dense, Judge};

/// Why bytes are no judge.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// They are no safetensors.
    #[error("not a file of safetensors: {0}")]
    Format(#[from] SafeTensorError),
    /// A tensor has another type or shape.
    #[error("tensor `{name}` is {got}, not {expected}")]
    Shape {
        /// Which tensor.
        name: String,
        /// What it is.
        got: String,
        /// What it should be.
        expected: String,
    },
    /// A number is not finite.
    #[error("tensor `{name}` holds a number that is not finite")]
    NotFinite {
        /// Which tensor.
        name: String,
    },
}

impl WeightsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "delete the file, and the judge is trained again"
    }
}

impl Judge {
    /// The judge as the bytes of a file.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Format`] when there are too many numbers for the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = vec![
            (
                "embedding".into(),
                vec![self.n_features(), self.units],
                unpadded(&self.embedding, self.units),
            ),
            (
                "bias".into(),
                vec![self.units],
                unpadded(&self.bias, self.units),
            ),
        ];
        for (at, layer) in self.layers.iter().enumerate() {
            let [_, outputs] = layer.shape;
            tensors.push((
                format!("layer.{at}.weights"),
                layer.shape.to_vec(),
                unpadded(&layer.weights, outputs),
            ));
            tensors.push((
                format!("layer.{at}.bias"),
                vec![outputs],
                unpadded(&layer.bias, outputs),
            ));
        }
        let mut views = BTreeMap::new();
        for (name, shape, bytes) in &tensors {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)?;
            views.insert(name.clone(), view);
        }
        Ok(safetensors::serialize(views, None)?)
    }

    /// The judge that bytes are.
    ///
    /// # Errors
    ///
    /// [`WeightsError`] when they are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes)?;
        let (shape, embedding) = read(&file, "embedding", &[None, None])?;
        let units = shape[1];
        let (_, bias) = read(&file, "bias", &[Some(units)])?;
        let (mut layers, mut inputs) = (Vec::new(), units);
        while file
            .tensor(&format!("layer.{}.weights", layers.len()))
            .is_ok()
        {
            let name = format!("layer.{}.weights", layers.len());
            let (shape, weights) = read(&file, &name, &[Some(inputs), None])?;
            let outputs = shape[1];
            let name = format!("layer.{}.bias", layers.len());
            let (_, bias) = read(&file, &name, &[Some(outputs)])?;
            layers.push(Dense {
                shape: [inputs, outputs],
                weights,
                bias,
            });
            inputs = outputs;
        }
        Ok(Self {
            n_labels: inputs,
            units,
            embedding,
            bias,
            layers,
        })
    }
}

/// Rows without their padding, little-endian.
fn unpadded(values: &[f32], columns: usize) -> Vec<u8> {
    let rows = values.chunks_exact(padded(columns));
    rows.flat_map(|row| row[..columns].iter().flat_map(|x| x.to_le_bytes()))
        .collect()
}

/// Shape and padded rows of a tensor whose shape is known where it is `Some`.
fn read(
    file: &SafeTensors<'_>,
    name: &str,
    expected: &[Option<usize>],
) -> Result<(Vec<usize>, Aligned), WeightsError> {
    let tensor = file.tensor(name)?;
    let shape = tensor.shape().to_vec();
    let fits = shape.len() == expected.len()
        && !shape.contains(&0)
        && shape
            .iter()
            .zip(expected)
            .all(|(n, e)| e.is_none_or(|e| e == *n));
    if tensor.dtype() != Dtype::F32 || !fits {
        let sides = expected
            .iter()
            .map(|n| n.map_or("any".into(), |n| n.to_string()));
        return Err(WeightsError::Shape {
            name: name.into(),
            got: format!("{:?} {shape:?}", tensor.dtype()),
            expected: format!("F32 [{}]", sides.collect::<Vec<_>>().join(", ")),
        });
    }
    let columns = shape[shape.len() - 1];
    let mut values = Vec::new();
    for row in tensor.data().chunks_exact(4 * columns) {
        let start = values.len();
        values.extend(
            row.as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes)),
        );
        values.resize(start + padded(columns), 0.0);
    }
    if values.iter().any(|x| !x.is_finite()) {
        return Err(WeightsError::NotFinite { name: name.into() });
    }
    Ok((shape, Aligned::from(&values[..])))
}
