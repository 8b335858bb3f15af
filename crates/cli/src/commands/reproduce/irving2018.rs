//! `trimtab reproduce irving2018`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trimtab_evidence::{Exactness, JudgeOptions, Reward, SearchOptions};
use trimtab_report::evidence::describe;
use trimtab_run::evidence::{EvidenceConfig, EvidenceError, Reproduction, reproduce};

use crate::commands::data::mnist_folder;
use crate::commands::format::{Format, publish};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of MNIST [default: where `trimtab data pull mnist` puts it]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Test images, from the first
    #[arg(long, value_name = "N", default_value_t = 200)]
    images: usize,
    /// Rollouts a move; the paper has 10,000
    #[arg(long, value_name = "N", default_value_t = SearchOptions::default().rollouts)]
    rollouts: u32,
    /// The constant of exploration
    #[arg(long, value_name = "C", default_value_t = SearchOptions::default().exploration)]
    exploration: f32,
    /// What a rollout brings home
    #[arg(long, value_enum, default_value_t = Rewards::Sign)]
    reward: Rewards,
    /// Pixels that are revealed
    #[arg(long, value_enum, default_value_t = Pixels::Both)]
    pixels: Pixels,
    /// Also solve every game exactly
    #[arg(long)]
    exact: bool,
    /// Also play search against perfect opponents, to see what it gives away
    #[arg(long)]
    against_perfect: bool,
    /// Games of each kind, with searches that differ by their luck; the paper has 3
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: usize,
    /// The seed of judge and games
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Steps of the judge's training
    #[arg(long, value_name = "N", default_value_t = JudgeOptions::default().steps)]
    judge_steps: usize,
    /// Units of the judge's hidden layers
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = JudgeOptions::default().hidden)]
    judge_hidden: Vec<usize>,
    /// The folder of results [default: runs/irving2018]
    #[arg(
        long,
        value_name = "DIR",
        default_value = "runs/irving2018",
        hide_default_value = true
    )]
    out: PathBuf,
    /// Images at a time [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// No progress: only errors, and what is printed
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Pixels {
    /// The paper's 6
    #[value(name = "6")]
    Six,
    /// Its 4
    #[value(name = "4")]
    Four,
    /// Both, a judge each
    Both,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rewards {
    /// 1 for a win, −1 for a loss
    Sign,
    /// More for a clearer win
    Margin,
}

fn failure(error: EvidenceError) -> Failure {
    let hint = error.hint();
    Failure::other(error, hint)
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let environment = Environment::read();
    let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let judges = environment
        .data_folder()
        .map(|folder| folder.join("judges"));
    let pixels = match arguments.pixels {
        Pixels::Six => vec![6],
        Pixels::Four => vec![4],
        Pixels::Both => vec![6, 4],
    };
    let asked = Reproduction {
        config: EvidenceConfig {
            judge: JudgeOptions {
                hidden: arguments.judge_hidden,
                steps: arguments.judge_steps,
                ..JudgeOptions::default()
            },
            search: SearchOptions {
                rollouts: arguments.rollouts,
                exploration: arguments.exploration,
                reward: match arguments.reward {
                    Rewards::Sign => Reward::Sign,
                    Rewards::Margin => Reward::Margin,
                },
            },
            seeds: arguments.seeds,
            exactness: match (arguments.exact, arguments.against_perfect) {
                (_, true) => Exactness::AgainstPerfect,
                (true, false) => Exactness::Solved,
                (false, false) => Exactness::Searched,
            },
            seed: arguments.seed,
        },
        data: mnist_folder(arguments.data)?,
        judges: judges.unwrap_or_else(|| arguments.out.join("judges")),
        out: arguments.out,
        images: arguments.images,
        pixels,
        threads: arguments.jobs.map_or(n_processors, NonZeroUsize::get),
    };
    let mut progress = Progress::new(arguments.quiet);
    let result = reproduce(&asked, &mut |event| progress.observe(event));
    progress.finish();
    let folder = result.map_err(failure)?;
    let document = describe(&folder, &asked.pixels, asked.images).map_err(failure)?;
    publish(&document, &folder, arguments.format, arguments.quiet)
}
