//! How long a training step takes, and what is learnt: powers of a permutation of eight, `k` of three bits.
//!
//! ```text
//! cargo run --release -p trimtab-pointer --example step [STEPS] [none|fields]
//! ```
//!
//! 32 permutations of 8, 16 questions each; width 64, 4 heads, MLP of 128, 2 encoder and 2 answer layers.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::{Duration, Instant};

use trimtab_core::{Seed, SplitMix64};
use trimtab_pointer::{
    AdamConfig, Answers, Batch, Encoded, Network, Pointers, Rows, Shape, Trainer,
};

const N: usize = 8;
const BITS: usize = 3;

struct Made {
    facts: Rows,
    questions: Rows,
    targets: Vec<u8>,
    depths: Vec<usize>,
}

/// Powers of at most `depth` bits, the depth drawn first.
fn make(stream: &mut SplitMix64, n_contexts: usize, depth: usize) -> Made {
    let mut made = Made {
        facts: Rows::new(2),
        questions: Rows::new(1 + BITS),
        targets: Vec::new(),
        depths: Vec::new(),
    };
    for _ in 0..n_contexts {
        let mut image: Vec<usize> = (0..N).collect();
        stream.shuffle(&mut image);
        made.facts.open();
        (image.iter().enumerate()).for_each(|(x, &y)| made.facts.push(&[x as u8, y as u8]));
        made.questions.open();
        for _ in 0..16 {
            let depth = 1 + stream.below(depth);
            let lead = 1 << (depth - 1);
            let (x, k) = (stream.below(N), lead + stream.below(lead));
            let mut row = vec![x as u8];
            row.extend((0..BITS).map(|bit| (k >> bit & 1) as u8));
            made.questions.push(&row);
            made.targets.push((0..k).fold(x, |x, _| image[x]) as u8);
            made.depths.push(depth);
        }
    }
    made
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let steps: usize = arguments.next().map_or(Ok(4000), |n| n.parse())?;
    let pointers = match arguments.next().as_deref() {
        Some("fields") => Pointers::Fields,
        _ => Pointers::None,
    };
    let shape = Shape {
        symbols: N,
        fact_fields: 2,
        question_fields: 1 + BITS,
        outputs: 1,
        width: 64,
        heads: 4,
        mlp_width: 128,
        encoder_layers: 2,
        answer_layers: 2,
        pointers,
    };
    let mut network = Network::new(shape, Seed(0))?;
    println!("parameters {}", network.parameters().len());
    let mut teacher = network.clone();
    let mut trainer = Trainer::new(&network, AdamConfig::default())?;
    let mut stream = Seed(0).child("powers").stream();
    let weights = vec![1.0; 32 * 16];
    let (mut training, mut averaging, mut depth, mut passed) =
        (Duration::ZERO, Duration::ZERO, 1, 0.0);
    let (mut encoded, mut answers) = (Encoded::default(), Answers::default());
    for step in 1..=steps {
        let made = make(&mut stream, 32, depth);
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
        if depth < BITS && passed > 0.85 {
            (depth, passed) = (depth + 1, 0.0);
        }
        if step % 500 == 0 {
            let made = make(&mut stream, 200, BITS);
            let start = Instant::now();
            network.encode(&made.facts, &mut encoded)?;
            network.answer(&encoded, &made.questions, &mut answers)?;
            let answering = start.elapsed();
            let mut right = [(0_usize, 0_usize); BITS];
            for (i, &depth) in made.depths.iter().enumerate() {
                right[depth - 1].0 += 1;
                right[depth - 1].1 += usize::from(answers.best(i, 0) == made.targets[i]);
            }
            let right = right.map(|(n, right)| (right as f64 / n as f64 * 1e3).round() / 1e3);
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
