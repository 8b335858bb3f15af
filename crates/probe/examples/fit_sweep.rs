//! Fits many label sets on the same features, as a sweep does, and says what that took.
//!
//! ```text
//! cargo run --release -p trimtab-probe --example fit_sweep -- \
//!     FEATURES.f16 DIM ROWS.u32 LABELS.u8 L2 TOLERANCE REPEATS OUT.f32
//! ```
//!
//! In, all little-endian: half-precision features `[n_all, DIM]`; the numbers of the rows to learn
//! from, `[n]`; hard labels 0 and 1, `[k, n]`. Out: weights and bias of every fit, `[k, DIM + 1]`, and
//! a line of JSON. Reading the files is not timed; everything else is: the preconditioner, the
//! objectives and the fits. The time is that of the fastest of REPEATS sweeps.
//!
//! `bench/probe_fits.sh` compares it with scikit-learn.

use std::error::Error;
use std::fs;

use cpu_time::ProcessTime;
use half::f16;
use trimtab_core::{AnswerSet, FeatureTable, Question, Rows, SampleId};
use trimtab_probe::{
    Dense, Objective, Preconditioner, SoftCrossEntropy, Solution, SolverOptions, solve,
};

#[expect(clippy::print_stdout, reason = "this is what an example is for")]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [features, dim, rows, labels, l2, tolerance, repeats, out] = &args[..] else {
        return Err(
            "usage: FEATURES.f16 DIM ROWS.u32 LABELS.u8 L2 TOLERANCE REPEATS OUT.f32".into(),
        );
    };
    let table = table(&fs::read(features)?, dim.parse()?)?;
    let questions = questions(&fs::read(rows)?)?;
    let labels = fs::read(labels)?;
    let labels: Vec<&[u8]> = labels.chunks_exact(questions.len()).collect();
    let rows = table.rows(&questions)?;
    let l2: f64 = l2.parse()?;
    let options = SolverOptions {
        tolerance: tolerance.parse()?,
        ..SolverOptions::default()
    };

    let (mut cpu_secs, mut solutions) = (f64::INFINITY, Vec::new());
    for _ in 0..repeats.parse()? {
        let clock = ProcessTime::now();
        solutions = sweep(&rows, &labels, l2, &options);
        cpu_secs = cpu_secs.min(clock.elapsed().as_secs_f64());
    }
    let weights: Vec<u8> = solutions
        .iter()
        .flat_map(|solution| &solution.weights[..=rows.dim()])
        .flat_map(|weight| weight.to_le_bytes())
        .collect();
    fs::write(out, weights)?;
    let n_fits = solutions.len();
    let n_iterations: usize = solutions.iter().map(|solution| solution.n_iterations).sum();
    let n_converged = solutions
        .iter()
        .filter(|solution| solution.converged)
        .count();
    println!(
        r#"{{"cpu_secs": {cpu_secs}, "n_fits": {n_fits}, "n_iterations": {n_iterations}, "n_converged": {n_converged}}}"#
    );
    Ok(())
}

fn sweep(rows: &Rows<'_>, labels: &[&[u8]], l2: f64, options: &SolverOptions) -> Vec<Solution> {
    let design = Dense::new(rows);
    let preconditioner = Preconditioner::dense(&design, l2);
    let weights = vec![1.0; rows.len()];
    let mut objectives: Vec<SoftCrossEntropy> = labels
        .iter()
        .map(|labels| {
            let right = |&label: &u8| [f64::from(1 - label), f64::from(label)];
            let targets: Vec<f64> = labels.iter().flat_map(right).collect();
            SoftCrossEntropy::new(2, &targets, &weights)
        })
        .collect();
    let mut objectives: Vec<&mut dyn Objective> = objectives
        .iter_mut()
        .map(|objective| objective as &mut dyn Objective)
        .collect();
    solve(&design, &mut objectives, &preconditioner, options)
}

fn id(row: usize) -> SampleId {
    SampleId::new(&row.to_string())
}

fn table(bytes: &[u8], dim: usize) -> Result<FeatureTable, Box<dyn Error>> {
    let (values, _) = bytes.as_chunks::<2>();
    let values: Vec<f16> = values.iter().copied().map(f16::from_le_bytes).collect();
    let ids: Vec<SampleId> = (0..values.len() / dim).map(id).collect();
    Ok(FeatureTable::from_f16(&ids, dim, values)?)
}

fn questions(bytes: &[u8]) -> Result<Vec<Question>, Box<dyn Error>> {
    let answers = AnswerSet::new(&["0", "1"])?;
    let (rows, _) = bytes.as_chunks::<4>();
    Ok(rows
        .iter()
        .map(|&row| Question {
            id: id(u32::from_le_bytes(row) as usize),
            text: "".into(),
            answers: answers.clone(),
            candidates: None,
        })
        .collect())
}
