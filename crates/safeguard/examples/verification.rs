//! One trial of verification, for a look at its figures: `cargo run --release -p trimtab-safeguard --example verification [SEED]`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use trimtab_core::Seed;
use trimtab_safeguard::verification::{VerificationConfig, trial};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(0), |seed| seed.parse())?;
    let trial = trial(&VerificationConfig::default(), Seed(seed))?;
    for figure in &trial.figures {
        println!(
            "{}: {:?} → {:?}",
            figure.measure, figure.without.value, figure.with.value
        );
    }
    for cell in &trial.measures {
        println!(
            "{} | {} | {}: {:?}",
            cell.table, cell.row, cell.column, cell.value
        );
    }
    Ok(())
}
