//! `trimtab activations CHECKPOINT TEXTS.jsonl --out FOLDER`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use trimtab_data::Locations;
use trimtab_run::extraction::{
    Extracted, ExtractionConfig, ExtractionError, Layers, Tokens, TooLong, extract,
};

use crate::environment::Environment;
use crate::failure::{Failure, note, print};

/// Between lines of progress.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A Hugging Face directory, or hf:owner/name
    checkpoint: String,
    /// JSON Lines: "text" and "label" (true or false), and perhaps "group", "pair", "id", and "span", the characters that it is about
    texts: PathBuf,
    /// The folder to write: activations.safetensors, and spans.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Whose states: all, or some as 0,3,6; 0 is the embeddings, 1 the first block
    #[arg(long, default_value = "all", value_parser = layers)]
    layers: Layers,
    /// Which tokens' states, of the text or of its span
    #[arg(long, value_enum, default_value = "last")]
    tokens: Which,
    /// What becomes of a text that is longer than the model sees
    #[arg(long, value_enum, default_value = "refuse")]
    too_long: Fate,
    /// Where it is computed: cpu, or what was compiled in (vulkan, cuda, metal, wgpu)
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Texts at a time
    #[arg(long, default_value = "16", value_name = "N")]
    batch_size: std::num::NonZeroUsize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// The last one's
    Last,
    /// The mean of all
    Mean,
    /// Each one's
    All,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Fate {
    /// It is an error
    Refuse,
    /// Its beginning is kept
    KeepStart,
    /// Its end is kept
    KeepEnd,
}

fn layers(text: &str) -> Result<Layers, String> {
    if text == "all" {
        return Ok(Layers::All);
    }
    let numbers = text
        .split(',')
        .map(|number| number.trim().parse())
        .collect();
    let numbers: Result<Vec<usize>, _> = numbers;
    (numbers.map(Layers::These)).map_err(|_| "all, or numbers: 0,3,6".into())
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = Environment::read();
    let locations = Locations {
        hub: environment.hub(),
        ..Locations::new("")
    };
    let config = ExtractionConfig {
        checkpoint: arguments.checkpoint.clone(),
        texts: arguments.texts.display().to_string(),
        out: arguments.out.clone(),
        layers: arguments.layers.clone(),
        tokens: match arguments.tokens {
            Which::Last => Tokens::Last,
            Which::Mean => Tokens::Mean,
            Which::All => Tokens::All,
        },
        too_long: match arguments.too_long {
            Fate::Refuse => TooLong::Refuse,
            Fate::KeepStart => TooLong::KeepStart,
            Fate::KeepEnd => TooLong::KeepEnd,
        },
        device: arguments.device.clone(),
        batch_size: arguments.batch_size.get(),
    };
    let mut last = Instant::now();
    let extracted = extract(&config, &locations, &mut |done, of| {
        if last.elapsed() >= INTERVAL {
            last = Instant::now();
            // Progress is a courtesy: a closed stderr must not end the work.
            drop(note(&format!("{done}/{of} texts")));
        }
    });
    let extracted = extracted.map_err(failed)?;
    print(&summary(&extracted, arguments))
}

fn failed(error: ExtractionError) -> Failure {
    let hint = error.hint();
    Failure::other(error, hint)
}

fn summary(extracted: &Extracted, arguments: &Arguments) -> String {
    let Extracted {
        n_spans,
        n_rows,
        layers,
        width,
        n_cut,
    } = extracted;
    let names: Vec<String> = layers.iter().map(usize::to_string).collect();
    let cut = match n_cut {
        0 => String::new(),
        n => format!("texts that were longer than the model sees, and were cut: {n}\n"),
    };
    format!(
        "{}: {n_spans} spans, {n_rows} rows of {width} numbers in layers {}\n{cut}",
        arguments.out.display(),
        names.join(", ")
    )
}
