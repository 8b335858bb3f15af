//! `trimtab reproduce PAPER`: a paper's experiment, with its numbers beside ours; without a paper, the list of them.

mod catalogue;
mod christiano2018;
mod from_file;
mod irving2018;
mod nyu2023;

use clap::Args;

use crate::commands::run::How;
use crate::failure::{Failure, print};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    paper: Option<Paper>,
}

/// Which paper.
#[derive(Debug, clap::Subcommand)]
enum Paper {
    /// Weak-to-strong generalisation: three families of tasks, five losses
    Burns2023(How),
    /// Constitutional AI: critique, revision, tuning, AI labels
    Bai2022(How),
    /// RLAIF beside RLHF
    Lee2023(How),
    /// Over-optimisation of a reward model by best of n
    Gao2022(How),
    /// Over-optimisation by a policy, and ensembles against it
    Coste2024(How),
    /// AI safety via debate: the game of revealed pixels on MNIST
    Irving2018(irving2018::Arguments),
    /// Human debates on short stories, from the released judgements
    Nyu2023(nyu2023::Arguments),
    /// Supervising strong learners by amplifying weak experts: five algorithmic tasks
    Christiano2018(christiano2018::Arguments),
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.paper {
        None => print(&catalogue::list()),
        Some(Paper::Burns2023(how)) => from_file::run(&catalogue::BURNS_2023, how),
        Some(Paper::Bai2022(how)) => from_file::run(&catalogue::BAI_2022, how),
        Some(Paper::Lee2023(how)) => from_file::run(&catalogue::LEE_2023, how),
        Some(Paper::Gao2022(how)) => from_file::run(&catalogue::GAO_2022, how),
        Some(Paper::Coste2024(how)) => from_file::run(&catalogue::COSTE_2024, how),
        Some(Paper::Irving2018(arguments)) => irving2018::run(arguments),
        Some(Paper::Nyu2023(arguments)) => nyu2023::run(&arguments),
        Some(Paper::Christiano2018(arguments)) => christiano2018::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Subcommand as _;

    #[test]
    fn the_list_has_the_names_of_the_command_line() {
        let command = Paper::augment_subcommands(clap::Command::new("reproduce"));
        let names: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        let listed: Vec<&str> = catalogue::ENTRIES.iter().map(|entry| entry.name).collect();
        assert_eq!(names, listed);
    }
}
