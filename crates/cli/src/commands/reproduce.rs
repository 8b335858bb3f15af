//! `trimtab reproduce PAPER`: a paper's experiment, with its numbers beside ours.

mod christiano2018;
mod irving2018;
mod nyu2023;

use crate::failure::Failure;

/// Which paper.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Supervising strong learners by amplifying weak experts: five algorithmic tasks
    Christiano2018(christiano2018::Arguments),
    /// AI safety via debate: the game of revealed pixels on MNIST
    Irving2018(irving2018::Arguments),
    /// Human debates on short stories, from the released judgements
    Nyu2023(nyu2023::Arguments),
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Christiano2018(arguments) => christiano2018::run(arguments),
        Command::Irving2018(arguments) => irving2018::run(arguments),
        Command::Nyu2023(arguments) => nyu2023::run(&arguments),
    }
}
