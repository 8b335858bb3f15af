//! The over-optimisation laboratory on its synthetic world: what a single reward does to gold, and what helps.
//!
//! ```text
//! cargo run --release -p trimtab-reward --example overoptimisation -- [seeds] [visible | hidden-from-rewards | hidden]
//! ```

use std::io::Write;
use std::time::Instant;

use trimtab_core::Seed;
use trimtab_reward::{
    ArmVerdict, OveroptimisationConfig, SyntheticWorld, SyntheticWorldConfig, Visibility,
    judge_arms, overoptimise,
};
use trimtab_stats::Interval;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seeds: u64 = arguments.next().map_or(Ok(20), |n| n.parse())?;
    let visibility = match arguments.next().as_deref() {
        None | Some("visible") => Visibility::Visible,
        Some("hidden-from-rewards") => Visibility::HiddenFromRewards,
        Some("hidden") => Visibility::Hidden,
        Some(other) => return Err(format!("no such visibility: {other}").into()),
    };
    let config = OveroptimisationConfig::default();
    let world = SyntheticWorld::new(SyntheticWorldConfig {
        visibility,
        ..SyntheticWorldConfig::default()
    })?;
    let start = Instant::now();
    let mut points = Vec::new();
    for seed in 0..seeds {
        points.extend(overoptimise(&world, &config, Seed(seed))?);
    }
    let seconds = start.elapsed().as_secs_f64();
    let report = judge_arms(&points, &config)?;

    let mut out = std::io::stdout().lock();
    write!(out, "{:<34}", "gold at n =")?;
    for n in &config.sizes {
        write!(out, "{n:>7}")?;
    }
    writeln!(out, "   fall  end less single's")?;
    for arm in &report.arms {
        write_arm(&mut out, arm)?;
    }
    writeln!(out, "\n{seeds} seeds, {seconds:.1} s; {}", report.finding)?;
    Ok(())
}

fn write_arm(out: &mut impl Write, verdict: &ArmVerdict) -> Result<(), Failure> {
    write!(out, "{:<34}", verdict.arm.to_string())?;
    for point in &verdict.curve {
        write!(out, "{:>7.2}", point.gold.estimate)?;
    }
    write!(out, "{:>7.2}", verdict.fall.estimate)?;
    if let Some(against) = &verdict.against_single {
        let Interval {
            estimate,
            low,
            high,
        } = against.end;
        write!(
            out,
            "  {estimate:+.2} [{low:+.2}, {high:+.2}] {}",
            against.effect
        )?;
    }
    writeln!(out)?;
    Ok(())
}
