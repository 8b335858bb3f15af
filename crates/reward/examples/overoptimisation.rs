//! The over-optimisation laboratory on its synthetic world: what a single reward does to gold, by best of n and by a policy, and what
//! helps.
//!
//! ```text
//! cargo run --release -p trimtab-reward --example overoptimisation -- [seeds] [visible | hidden-from-rewards | hidden]
//! ```

use std::io::Write;
use std::time::Instant;

use trimtab_core::Seed;
use trimtab_reward::{
    ArmVerdict, GaoForm, OveroptimisationConfig, SyntheticWorld, SyntheticWorldConfig, Visibility,
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

    let mut out = std::io::stdout().lock();
    for form in [GaoForm::BestOfN, GaoForm::Reinforcement] {
        let report = judge_arms(&points, form, &config)?;
        let name = match form {
            GaoForm::BestOfN => "gold of the best of",
            GaoForm::Reinforcement => "gold after so many steps",
        };
        write!(out, "{name:<34}")?;
        for point in &report.arms[0].curve {
            write!(out, "{:>7}", point.push.amount())?;
        }
        writeln!(out, "   fall  end less single's")?;
        for arm in &report.arms {
            write_arm(&mut out, arm)?;
        }
        writeln!(out, "\n{}\n", report.finding)?;
    }
    writeln!(out, "{seeds} seeds, {seconds:.1} s")?;
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
    if let Some(fit) = &verdict.gao {
        write!(out, "  {:?}", fit.advice())?;
    }
    write!(out, "\n{:<34}", "  KL")?;
    for point in &verdict.curve {
        write!(out, "{:>7.2}", point.kl)?;
    }
    writeln!(out)?;
    Ok(())
}
