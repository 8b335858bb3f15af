//! How long a training step takes, and what is learnt: powers of a permutation, by depth (bits of the exponent).
//!
//! ```text
//! cargo run --release -p trimtab-pointer --example step [KEY=VALUE …]
//! ```
//!
//! As it is: 32 permutations of 8 a step, 16 questions each, exponents of 3 bits; width 64, 4 heads, MLP of 128, 2 encoder and
//! 2 answer layers. The keys are in [`Settings`].
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::{Duration, Instant};

use trimtab_core::{Seed, SplitMix64};
use trimtab_pointer::{
    AdamConfig, Answers, Batch, Encoded, Layers, Network, Pointers, Rows, Shape, Trainer,
};

/// What can be set on the command line.
#[derive(Debug, Clone, Copy)]
struct Settings {
    n: usize,
    bits: usize,
    encoder: usize,
    answer: usize,
    width: usize,
    heads: usize,
    mlp: usize,
    contexts: usize,
    pointers: usize,
    shared: usize,
    steps: usize,
    every: usize,
    seed: usize,
    /// The learning rate, in thousandths.
    rate: f64,
}

impl Settings {
    fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let mut s = Self {
            n: 8,
            bits: 3,
            encoder: 2,
            answer: 2,
            width: 64,
            heads: 4,
            mlp: 128,
            contexts: 32,
            pointers: 0,
            shared: 0,
            steps: 4000,
            every: 500,
            seed: 0,
            rate: 1.0,
        };
        for argument in std::env::args().skip(1) {
            let (key, value) = argument.split_once('=').ok_or("KEY=VALUE")?;
            let whole = match key {
                "n" => &mut s.n,
                "bits" => &mut s.bits,
                "encoder" => &mut s.encoder,
                "answer" => &mut s.answer,
                "width" => &mut s.width,
                "heads" => &mut s.heads,
                "mlp" => &mut s.mlp,
                "contexts" => &mut s.contexts,
                "pointers" => &mut s.pointers,
                "shared" => &mut s.shared,
                "steps" => &mut s.steps,
                "every" => &mut s.every,
                "seed" => &mut s.seed,
                "rate" => {
                    s.rate = value.parse()?;
                    continue;
                }
                _ => return Err(format!("no key `{key}`").into()),
            };
            *whole = value.parse()?;
        }
        Ok(s)
    }
}

struct Made {
    facts: Rows,
    questions: Rows,
    targets: Vec<u8>,
    depths: Vec<usize>,
}

/// Powers of at most `depth` bits, the depth drawn first.
fn make(stream: &mut SplitMix64, s: Settings, n_contexts: usize, depth: usize) -> Made {
    let mut made = Made {
        facts: Rows::new(2),
        questions: Rows::new(1 + s.bits),
        targets: Vec::new(),
        depths: Vec::new(),
    };
    for _ in 0..n_contexts {
        let mut image: Vec<usize> = (0..s.n).collect();
        stream.shuffle(&mut image);
        made.facts.open();
        for (x, &y) in image.iter().enumerate() {
            made.facts.push(&[x as u8, y as u8]);
        }
        made.questions.open();
        for _ in 0..16 {
            let depth = 1 + stream.below(depth);
            let lead = 1 << (depth - 1);
            let (x, k) = (stream.below(s.n), lead + stream.below(lead));
            let mut row = vec![x as u8];
            row.extend((0..s.bits).map(|bit| (k >> bit & 1) as u8));
            made.questions.push(&row);
            made.targets.push((0..k).fold(x, |x, _| image[x]) as u8);
            made.depths.push(depth);
        }
    }
    made
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let s = Settings::read()?;
    let shape = Shape {
        symbols: s.n,
        fact_fields: 2,
        question_fields: 1 + s.bits,
        outputs: 1,
        width: s.width,
        heads: s.heads,
        mlp_width: s.mlp,
        encoder_layers: s.encoder,
        answer_layers: s.answer,
        layers: match s.shared {
            0 => Layers::Own,
            _ => Layers::Shared,
        },
        pointers: match s.pointers {
            0 => Pointers::None,
            _ => Pointers::Fields,
        },
    };
    let seed = Seed(s.seed as u64);
    let mut network = Network::new(shape, seed)?;
    println!("parameters {}", network.parameters().len());
    let mut teacher = network.clone();
    let mut trainer = Trainer::new(
        &network,
        AdamConfig {
            learning_rate: s.rate * 1e-3,
            ..AdamConfig::default()
        },
    )?;
    let mut stream = seed.child("powers").stream();
    let weights = vec![1.0; s.contexts * 16];
    let (mut training, mut averaging, mut depth, mut passed) =
        (Duration::ZERO, Duration::ZERO, 1, 0.0);
    let (mut encoded, mut answers) = (Encoded::default(), Answers::default());
    for step in 1..=s.steps {
        let made = make(&mut stream, s, s.contexts, depth);
        let batch = Batch {
            facts: &made.facts,
            questions: &made.questions,
            targets: &made.targets,
            weights: &weights,
        };
        let start = Instant::now();
        let report = trainer.step(&mut network, batch)?;
        training += start.elapsed();
        let start = Instant::now();
        teacher.average(&network, 0.99);
        averaging += start.elapsed();
        passed = 0.95 * passed + 0.05 * report.n_right as f64 / report.n_targets as f64;
        if depth < s.bits && passed > 0.85 {
            (depth, passed) = (depth + 1, 0.0);
            println!("{step}: depth {depth}");
        }
        if step % s.every == 0 {
            let made = make(&mut stream, s, 200, s.bits);
            let start = Instant::now();
            network.encode(&made.facts, &mut encoded)?;
            network.answer(&encoded, &made.questions, &mut answers)?;
            let answering = start.elapsed();
            let mut right = vec![(0_usize, 0_usize); s.bits];
            for (i, &depth) in made.depths.iter().enumerate() {
                right[depth - 1].0 += 1;
                right[depth - 1].1 += usize::from(answers.best(i, 0) == made.targets[i]);
            }
            let right: Vec<f64> = (right.iter())
                .map(|&(n, right)| (right as f64 / n as f64 * 1e3).round() / 1e3)
                .collect();
            println!(
                "{step}: {:.2} ms a step, {:.2} of averaging, {:.2} an answer to 3,200; loss {:.3}; {right:?}",
                training.as_secs_f64() * 1e3 / step as f64,
                averaging.as_secs_f64() * 1e3 / step as f64,
                answering.as_secs_f64() * 1e3,
                report.loss,
            );
        }
    }
    Ok(())
}
