//! Writes greedy continuations and says what they took: our side of `bench/generation.sh`.
//!
//!     generation FOLDER [DEVICE]
//!
//! FOLDER is a checkpoint with a tokenizer. Each line of stdin is a task, answered with one line on stdout:
//! `{"prompts": [[1, 2], …], "n_new": 128, "engine": "fast" or "reference"}` in,
//! `{"cpu_secs": 0.1, "ids": [[3, …], …]}` out. No token ends a text.
#![expect(clippy::print_stdout, reason = "what a benchmark prints is its result")]

use std::error::Error;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use serde::Deserialize;
use serde_json::json;
use trimtab_core::Seed;
use trimtab_nn::{
    Checkpoint, Device, GenerationOptions, LanguageModel, Progress, Request, Sampling, Tokenizer,
};

#[derive(Deserialize)]
struct Task {
    prompts: Vec<Vec<u32>>,
    n_new: usize,
    engine: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("usage: generation FOLDER")?;
    let folder = Path::new(&folder);
    let device: Device = match env::args().nth(2) {
        None => Device::Cpu,
        Some(name) => name.parse()?,
    };
    let model = Checkpoint::open(folder)?.load(&device.open()?)?;
    let fast = LanguageModel::new(&model)?.with_end_of_text([]);
    let reference = LanguageModel::reference(&model)?.with_end_of_text([]);
    let d = fast.definition();
    let tokenizer = Tokenizer::open(folder, d.vocab_size, d.max_positions)?;
    for line in io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let model = match task.engine.as_str() {
            "fast" => &fast,
            _ => &reference,
        };
        let options = GenerationOptions {
            sampling: Sampling::GREEDY,
            max_tokens: task.n_new.try_into()?,
            batch_size: task.prompts.len().try_into()?,
            ..GenerationOptions::default()
        };
        let seed = Seed(0);
        let requests: Vec<Request> = (task.prompts.into_iter())
            .map(|prompt| Request { prompt, seed })
            .collect();
        let mut go_on = |_: Progress<'_>| ControlFlow::Continue(());
        let (wall, cpu) = (Instant::now(), cpu_secs());
        let written = model.generate(&tokenizer, &requests, &options, &mut go_on)?;
        let cpu_secs = match (cpu, cpu_secs()) {
            (Some(start), Some(end)) => end - start,
            _ => wall.elapsed().as_secs_f64(),
        };
        let ids: Vec<_> = written.into_iter().map(|row| row.ids).collect();
        println!("{}", json!({"cpu_secs": cpu_secs, "ids": ids}));
    }
    Ok(())
}

/// Processor time of this thread, where Linux tells it.
fn cpu_secs() -> Option<f64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: u64 = stat.split_whitespace().next()?.parse().ok()?;
    Some(nanos as f64 / 1e9)
}
