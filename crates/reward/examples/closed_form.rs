//! How far PPO, GRPO and RLOO come to the optimum that is known in closed form: `cargo run -p trimtab-reward --example closed_form`.

use std::io::Write;

use trimtab_core::Seed;
use trimtab_reward::{TabularAlgorithm, TabularPolicy, TabularTraining, drawn_problem};

const N_TOKENS: usize = 4;
const LENGTH: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let problem = drawn_problem(N_TOKENS, LENGTH, 0.5, Seed(1))?;
    let optimum = problem.optimum();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "64 texts of 3 tokens out of 4, beta 0.5; distance from the optimum of E[reward] - beta KL"
    )?;
    writeln!(
        out,
        "{:<16} {:>12} {:>12} {:>12}",
        "", "KL, nats", "total var.", "value gap"
    )?;
    let mut row = |name: &str, policy: &TabularPolicy| {
        let distance = policy.distance(&problem, &optimum);
        writeln!(
            out,
            "{name:<16} {:>12.2e} {:>12.2e} {:>12.2e}",
            distance.divergence, distance.total_variation, distance.value_gap
        )
    };
    let start = TabularPolicy::of_distribution(N_TOKENS, LENGTH, problem.reference())?;
    row("start", &start)?;
    for (name, algorithm) in [
        ("ppo", TabularAlgorithm::Ppo),
        ("grpo", TabularAlgorithm::Grpo),
        ("rloo", TabularAlgorithm::Rloo),
        ("grpo-published", TabularAlgorithm::GrpoPublished),
    ] {
        row(
            name,
            &TabularTraining::new(algorithm).run(N_TOKENS, LENGTH, &problem)?,
        )?;
    }
    Ok(())
}
