//! Trains a policy by DPO, or a reward model, on pairs of rows, as many steps at a time as it is told to: our side of
//! `bench/preference.sh`.
//!
//! ```text
//! train_preference dpo|reward CHECKPOINT TOKENS PAIRS LEN GIVEN THREADS
//! ```
//!
//! `TOKENS` holds ids, u32 little-endian: pairs of rows of `LEN` ids, chosen before rejected, of which the first `GIVEN` are the
//! prompt. They are cut into batches of `PAIRS` pairs, one after the other and begun anew at the end. The reference of
//! DPO is the checkpoint itself, read once before the first step. Every line on stdin is a number of steps; when they
//! are done, their losses come out as one line of JSON. The bench reads time and memory from /proc, between lines.
#![expect(clippy::print_stdout, reason = "the losses are what it is for")]

use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::sync::Mutex;

use trimtab_core::{BatchObjective, Schedule, Seed, TrainingStep, Workplace};
use trimtab_nn::train::Order;
use trimtab_nn::{
    Checkpoint, Classifier, Device, Model, Operations, PolicyError, PolicyOptions, PolicyTrainer,
    Pooling, Session, Threads, TokenReading, TokenSlopes, TrainOptions, TuningRow,
};

/// As the bench tells TRL.
const RATE: f64 = 1e-3;
const CLIP_NORM: f64 = 1.0;
const BETA: f64 = 0.1;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, folder, tokens, n_pairs, len, n_given, threads] = &arguments[..] else {
        return Err(
            "usage: train_preference dpo|reward CHECKPOINT TOKENS PAIRS LEN GIVEN THREADS".into(),
        );
    };
    let (n_pairs, len): (usize, usize) = (n_pairs.parse()?, len.parse()?);
    let bytes = std::fs::read(tokens)?;
    let ids: Vec<u32> = (bytes.as_chunks().0.iter())
        .map(|&id| u32::from_le_bytes(id))
        .collect();
    let rows: Vec<&[u32]> = ids.chunks_exact(len).collect();
    let mut model = Checkpoint::open(Path::new(folder))?.load(&Device::Cpu.open()?)?;
    let threads = Threads(threads.parse()?);
    model.transformer = (model.transformer).with_operations(Operations::Fused, threads);
    match kind.as_str() {
        "dpo" => dpo(model, &rows, n_pairs, n_given.parse()?),
        "reward" => reward(model, &rows, n_pairs),
        other => Err(format!("{other:?} is neither dpo nor reward").into()),
    }
}

/// −ln σ(x) and its slope.
fn logistic(x: f64) -> [f64; 2] {
    [(-x).exp().ln_1p(), -1.0 / (1.0 + x.exp())]
}

fn dpo(
    model: Model,
    rows: &[&[u32]],
    n_pairs: usize,
    n_given: usize,
) -> Result<(), Box<dyn Error>> {
    let rows: Vec<TuningRow> = (rows.iter())
        .map(|ids| TuningRow {
            ids: ids.to_vec(),
            n_given,
        })
        .collect();
    let all: Vec<&TuningRow> = rows.iter().collect();
    let sum = |reading: &TokenReading| reading.log_probs.iter().sum::<f64>();
    let reference = model.read_tokens(&all, 1.0, 2 * n_pairs)?;
    let reference: Vec<f64> = reference.iter().map(sum).collect();
    let mut trainer = PolicyTrainer::new(model, PolicyOptions::default())?;
    let mut batches = all
        .chunks_exact(2 * n_pairs)
        .zip(reference.chunks_exact(2 * n_pairs))
        .cycle();
    for line in std::io::stdin().lock().lines() {
        let mut losses = Vec::new();
        for (rows, reference) in batches.by_ref().take(line?.trim().parse()?) {
            let mut mean = 0.0;
            trainer.accumulate(rows, &mut |readings| {
                let mut slopes = Vec::with_capacity(readings.len());
                for (pair, reference) in readings.chunks_exact(2).zip(reference.chunks_exact(2)) {
                    let ratio = |i: usize| sum(&pair[i]) - reference[i];
                    let [loss, slope] = logistic(BETA * (ratio(0) - ratio(1)));
                    mean += loss / n_pairs as f64;
                    for (reading, sign) in pair.iter().zip([1.0, -1.0]) {
                        let slope = sign * BETA * slope / n_pairs as f64;
                        slopes.push(TokenSlopes {
                            log_probs: vec![slope; reading.log_probs.len()],
                            values: Vec::new(),
                        });
                    }
                }
                Ok::<_, PolicyError>(slopes)
            })?;
            trainer.step(RATE, CLIP_NORM)?;
            losses.push(mean);
        }
        println!("{}", serde_json::to_string(&losses)?);
    }
    Ok(())
}

/// The Bradley–Terry loss of both sides' rewards.
struct BradleyTerry;

impl BatchObjective for BradleyTerry {
    fn evaluate(
        &mut self,
        rows: &[usize],
        _step: usize,
        _n_steps: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        let n = rows.len() as f64;
        let mut mean = 0.0;
        for (pair, slopes) in logits.chunks_exact(2).zip(gradient.chunks_exact_mut(2)) {
            let [loss, slope] = logistic(f64::from(pair[0]) - f64::from(pair[1]));
            mean += loss / n;
            slopes.copy_from_slice(&[(slope / n) as f32, (-slope / n) as f32]);
        }
        mean
    }
}

/// Steps that were asked for, and the losses of those done.
struct Turn {
    n_left: usize,
    losses: Vec<f64>,
}

impl Turn {
    /// Waits for the next line, answering the last one; the program is over with stdin.
    fn next(&mut self) {
        while self.n_left == 0 {
            let mut line = String::new();
            let n_read = std::io::stdin().lock().read_line(&mut line);
            match (n_read, line.trim().parse()) {
                (Ok(1..), Ok(n)) => self.n_left = n,
                _ => std::process::exit(0),
            }
            if self.n_left == 0 {
                self.answer();
            }
        }
    }

    fn answer(&mut self) {
        println!("{}", serde_json::json!(self.losses));
        self.losses.clear();
    }

    fn done(&mut self, loss: f64) {
        self.losses.push(loss);
        self.n_left -= 1;
        if self.n_left == 0 {
            self.answer();
            self.next();
        }
    }
}

fn reward(model: Model, rows: &[&[u32]], n_pairs: usize) -> Result<(), Box<dyn Error>> {
    let mut classifier = Classifier::with_own_head(model, Pooling::LastToken)?;
    let options = TrainOptions {
        // More than the bench asks for.
        epochs: 1_000_000,
        batch_size: n_pairs,
        micro_batch_size: n_pairs,
        learning_rate: RATE,
        schedule: Schedule::Constant,
        clip_norm: CLIP_NORM,
        order: Order::AsGiven,
        ..TrainOptions::default()
    };
    let turn = Mutex::new(Turn {
        n_left: 0,
        losses: Vec::new(),
    });
    let on_step = |_: &str, step: &TrainingStep| {
        if let Ok(mut turn) = turn.lock() {
            turn.done(step.loss);
        }
    };
    if let Ok(mut turn) = turn.lock() {
        turn.next();
    }
    let workplace = Workplace::new(&on_step, None);
    let session = Session {
        workplace: &workplace,
        rows_per_sample: 2,
        ..Session::plain()
    };
    classifier.train(rows, &mut BradleyTerry, &options, Seed(0), session)?;
    Ok(())
}
