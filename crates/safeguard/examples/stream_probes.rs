//! Probes on an activations file that need not fit in memory; `bench/probes.sh` measures it.
//!
//!     stream_probes make FOLDER N_TOKENS WIDTH      writes activations.safetensors (bf16, one layer) and spans.jsonl
//!     stream_probes fit FOLDER                      fits all probes on them
#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use trimtab_core::Seed;
use trimtab_data::Activations;
use trimtab_safeguard::deception::activations::{
    ActivationsConfig, ActivationsInput, Baseline, Layer, trial_on,
};

/// Tokens a span.
const SPAN: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [what, folder, n_tokens, width] if what == "make" => {
            make(Path::new(folder), n_tokens.parse()?, width.parse()?)
        }
        [what, folder] if what == "fit" => fit(Path::new(folder)),
        _ => Err("stream_probes make FOLDER N_TOKENS WIDTH, or stream_probes fit FOLDER".into()),
    }
}

/// A quarter of the spans are controls; of the others, in two groups, every second is positive: half a deviation up in the
/// first eight features.
fn make(folder: &Path, n_tokens: usize, width: usize) -> Result<(), Box<dyn Error>> {
    let mut tensors = BufWriter::new(File::create(folder.join("activations.safetensors"))?);
    let header = format!(
        r#"{{"layer.0":{{"dtype":"BF16","shape":[{n_tokens},{width}],"data_offsets":[0,{}]}}}}"#,
        2 * n_tokens * width
    );
    tensors.write_all(&(header.len() as u64).to_le_bytes())?;
    tensors.write_all(header.as_bytes())?;
    let mut spans = BufWriter::new(File::create(folder.join("spans.jsonl"))?);
    let mut stream = Seed(0).child("activations").stream();
    for (at, start) in (0..n_tokens).step_by(SPAN).enumerate() {
        let end = n_tokens.min(start + SPAN);
        let group = ["a", "b", "a", "control"][at % 4];
        let positive = group != "control" && (at / 4) % 2 == 0;
        writeln!(
            spans,
            r#"{{"id": "{at}", "start": {start}, "end": {end}, "label": {positive}, "group": "{group}"}}"#
        )?;
        for _ in start..end {
            for feature in 0..width {
                let shift = if positive && feature < 8 { 0.5 } else { 0.0 };
                // A sum of three uniform numbers is normal enough, and faster to make.
                let sum: f64 = (0..3).map(|_| stream.next_f64()).sum();
                let value = (2.0 * sum - 3.0 + shift) as f32;
                tensors.write_all(&((value.to_bits() >> 16) as u16).to_le_bytes())?;
            }
        }
    }
    tensors.flush()?;
    spans.flush()?;
    Ok(())
}

fn fit(folder: &Path) -> Result<(), Box<dyn Error>> {
    let activations = Activations::open(
        &folder.join("activations.safetensors"),
        &folder.join("spans.jsonl"),
    )?;
    let layers: Vec<Layer<'_>> = (activations.layers.iter())
        .map(|layer| Layer {
            name: &layer.name,
            rows: layer,
        })
        .collect();
    let input = ActivationsInput {
        layers: &layers,
        spans: &activations.spans,
        baseline: Baseline::Texts,
    };
    let config = ActivationsConfig {
        train_groups: vec!["a".into()],
        eval_groups: vec!["b".into()],
        ..ActivationsConfig::default()
    };
    let trial = trial_on(&config, &input, Seed(0))?;
    for measure in &trial.measures {
        let value = (measure.value).map_or("-".to_owned(), |value| format!("{value:.3}"));
        println!(
            "{} | {} | {}: {value}",
            measure.table, measure.row, measure.column
        );
    }
    Ok(())
}
