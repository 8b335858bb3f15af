//! The files in `tests/golden/`.

use std::fs;
use std::path::PathBuf;

use burn_tensor::{Device as BurnDevice, Tensor};
use serde_json::Value;
use trimtab_nn::{Checkpoint, Device, Model, TokenBatch};

/// The folders with an `expected.json` of logits or hidden states.
pub(crate) const MODELS: [&str; 9] = [
    "gpt2",
    "gpt_neox",
    "gpt_neox_sequential",
    "llama",
    "llama_tied_bf16",
    "mistral",
    "qwen2",
    "qwen3",
    "bert",
];

pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

pub(crate) fn json(path: &str) -> Value {
    let path = folder(path);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The processor, or what `TRIMTAB_TEST_DEVICE` names.
pub(crate) fn device() -> BurnDevice {
    let name = std::env::var("TRIMTAB_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
    let device: Device = name.parse().unwrap();
    device.open().unwrap()
}

pub(crate) fn load(name: &str) -> Model {
    let checkpoint = Checkpoint::open(&folder(name)).unwrap();
    checkpoint.load(&device()).unwrap()
}

pub(crate) fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.try_to_vec_as().unwrap()
}

/// Numbers at any depth, in order.
pub(crate) fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

/// The inputs of an `expected.json`.
pub(crate) fn batch(expected: &Value) -> TokenBatch {
    let whole = |key: &str| flat(&expected[key]).into_iter().map(|x| x as u32);
    let n_rows = expected["input_ids"].as_array().unwrap().len();
    let mask = whole("attention_mask").map(|x| x == 1).collect();
    let batch = TokenBatch::from_mask(n_rows, whole("input_ids").collect(), mask).unwrap();
    match expected.get("token_type_ids") {
        Some(_) => batch.with_types(whole("token_type_ids").collect()).unwrap(),
        None => batch,
    }
}

/// The largest difference, padding aside; a row of numbers for every token.
pub(crate) fn largest_difference(batch: &TokenBatch, got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let per_token = got.len() / batch.mask().len();
    let mut largest = 0.0_f64;
    for (i, &is_real) in batch.mask().iter().enumerate() {
        let at = i * per_token..(i + 1) * per_token;
        for (&got, &expected) in got[at.clone()].iter().zip(&expected[at]) {
            assert!(got.is_finite());
            if is_real {
                largest = largest.max((f64::from(got) - expected).abs());
            }
        }
    }
    largest
}
