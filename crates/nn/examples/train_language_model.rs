//! Trains a checkpoint on the next token, as many steps at a time as it is told to: our side of `bench/transformers.sh`.
//!
//! ```text
//! train_language_model CHECKPOINT TOKENS BATCH LEN fused|plain THREADS [DEVICE [float32|float16|bfloat16]]
//! ```
//!
//! `TOKENS` holds ids, u32 little-endian, cut into batches of `BATCH` rows of `LEN` one after the other and begun
//! anew at its end. Every line on stdin is a number of steps; when they are done, their losses come out as one
//! line of JSON. The bench reads time and memory from /proc, between lines.
#![expect(clippy::print_stdout, reason = "the losses are what it is for")]

use std::error::Error;
use std::io::BufRead;
use std::path::Path;

use trimtab_nn::{
    Checkpoint, Device, LanguageModelTrainer, Operations, Padding, Precision, Threads, TokenBatch,
};

/// As `torch.optim.AdamW` in the bench.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;
const WEIGHT_DECAY: f64 = 0.01;
const RATE: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        folder,
        tokens,
        n_rows,
        len,
        operations,
        threads,
        device @ ..,
    ] = &arguments[..]
    else {
        return Err(
            "usage: train_language_model CHECKPOINT TOKENS BATCH LEN fused|plain THREADS [DEVICE [PRECISION]]"
                .into(),
        );
    };
    let (device, precision) = match device {
        [] => (Device::Cpu, Precision::Float32),
        [device] => (device.parse()?, Precision::Float32),
        [device, precision, ..] => {
            let precision = serde_json::Value::from(precision.as_str());
            (device.parse()?, serde_json::from_value(precision)?)
        }
    };
    let (n_rows, len): (usize, usize) = (n_rows.parse()?, len.parse()?);
    let operations = match operations.as_str() {
        "fused" => Operations::Fused,
        "plain" => Operations::Plain,
        other => return Err(format!("{other:?} is neither fused nor plain").into()),
    };
    let bytes = std::fs::read(tokens)?;
    let ids: Vec<u32> = (bytes.as_chunks().0.iter())
        .map(|&id| u32::from_le_bytes(id))
        .collect();
    let batches = ids.chunks_exact(n_rows * len).map(|ids| {
        let rows: Vec<&[u32]> = ids.chunks_exact(len).collect();
        TokenBatch::new(&rows, Padding::Right)
    });
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let model = Checkpoint::open(Path::new(folder))?.load(&device.open_in(precision)?)?;
    let transformer = model
        .with_precision(precision)
        .transformer
        .with_operations(operations, Threads(threads.parse()?));
    let mut trainer = LanguageModelTrainer::new(transformer, BETAS, EPSILON, WEIGHT_DECAY);
    let mut batches = batches.iter().cycle();
    for line in std::io::stdin().lock().lines() {
        let mut losses = Vec::new();
        for batch in batches.by_ref().take(line?.trim().parse()?) {
            losses.push(trainer.step(batch.clone(), RATE)?);
        }
        println!("{}", serde_json::to_string(&losses)?);
    }
    Ok(())
}
