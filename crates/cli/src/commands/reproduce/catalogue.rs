//! The papers whose experiments can be run again: what each is, how long it takes, and where our figures are.
//!
//! Figures stand in `docs/reproductions.md` under the name of the entry; tests hold the two together.

use std::fmt::Write as _;

/// One paper's experiment.
pub(super) struct Entry {
    /// What it is called on the command line, and its anchor in `docs/reproductions.md`.
    pub(super) name: &'static str,
    /// The paper, in short.
    pub(super) paper: &'static str,
    /// What is run.
    pub(super) what: &'static str,
    /// How long that took on two cores.
    pub(super) takes: &'static str,
    /// How it is run.
    pub(super) by: By,
}

/// What runs an experiment.
pub(super) enum By {
    /// An experiment file.
    File(Example),
    /// Code of its own.
    Code,
}

/// An experiment file that comes with this program.
#[derive(Clone, Copy)]
pub(super) struct Example {
    /// The name of the entry.
    pub(super) name: &'static str,
    /// Where it is in the repository.
    pub(super) path: &'static str,
    /// What is in it.
    pub(super) text: &'static str,
    /// What the program must have been built with.
    pub(super) build: Build,
}

/// What a program was built with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// Nothing beyond the ordinary.
    Plain,
    /// Transformers: the cargo feature `networks`.
    Networks,
}

macro_rules! example {
    ($name:literal, $file:literal, $build:ident) => {
        Example {
            name: $name,
            path: concat!("examples/", $file),
            text: include_str!(concat!("../../../../../examples/", $file)),
            build: Build::$build,
        }
    };
}

pub(super) const BURNS_2023: Example = example!("burns2023", "w2s-tasks.toml", Plain);
pub(super) const BAI_2022: Example = example!("bai2022", "constitutional-ai.toml", Networks);
pub(super) const LEE_2023: Example = example!("lee2023", "rlaif.toml", Networks);
pub(super) const GAO_2022: Example = example!("gao2022", "overoptimisation.toml", Plain);
pub(super) const COSTE_2024: Example = example!("coste2024", "reward-hacking.toml", Networks);

/// All of them, a family after the other.
pub(super) const ENTRIES: [Entry; 8] = [
    Entry {
        name: BURNS_2023.name,
        paper: "Burns et al. 2023",
        what: "sentences, chess and reward modelling: PGR under five losses",
        takes: "25 seconds",
        by: By::File(BURNS_2023),
    },
    Entry {
        name: BAI_2022.name,
        paper: "Bai et al. 2022",
        what: "critique, revision and tuning of a small model with known gold",
        takes: "4 minutes",
        by: By::File(BAI_2022),
    },
    Entry {
        name: LEE_2023.name,
        paper: "Lee et al. 2023",
        what: "RLAIF beside RLHF, by DPO and PPO, on the same small model",
        takes: "10 minutes",
        by: By::File(LEE_2023),
    },
    Entry {
        name: GAO_2022.name,
        paper: "Gao et al. 2022",
        what: "best of n under reward models, until gold falls",
        takes: "a minute",
        by: By::File(GAO_2022),
    },
    Entry {
        name: COSTE_2024.name,
        paper: "Coste et al. 2024",
        what: "a policy pushed against one reward model, and against five",
        takes: "20 minutes",
        by: By::File(COSTE_2024),
    },
    Entry {
        name: "irving2018",
        paper: "Irving, Christiano and Amodei 2018",
        what: "debate over the pixels of MNIST; `trimtab data pull mnist` first",
        takes: "4 minutes",
        by: By::Code,
    },
    Entry {
        name: "nyu2023",
        paper: "Michael et al. 2023",
        what: "human debates and consultancies, from the released judgements",
        takes: "a second",
        by: By::Code,
    },
    Entry {
        name: "christiano2018",
        paper: "Christiano, Shlegeris and Amodei 2018",
        what: "an algorithmic task, learnt from an expert who sees no instance",
        takes: "33 minutes",
        by: By::Code,
    },
];

/// The list, as it is printed: within 80 columns.
pub(super) fn list() -> String {
    let mut text = String::from(
        "Experiments of papers, to be run again; times are those of two cores.\n\
         Our figures beside theirs: docs/reproductions.md#NAME\n",
    );
    let mut any_networks = false;
    for Entry {
        name,
        paper,
        what,
        takes,
        by,
    } in &ENTRIES
    {
        let mut command = format!("trimtab reproduce {name}");
        let mut mark = "";
        if let By::File(example) = by {
            if example.build == Build::Networks {
                mark = " *";
                any_networks = true;
            }
            command = format!("{command:28}  {}", example.path);
        }
        let indent = "";
        write!(
            text,
            "\n{name:16}{paper:44}{takes:>12}{mark}\n{indent:16}{what}\n{indent:16}{command}\n"
        )
        .expect("a string takes any text");
    }
    if any_networks {
        text += "\n* in a build with `--features networks`\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn document(name: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::fs::read_to_string(root.join(name)).unwrap()
    }

    #[test]
    fn the_list_fits_a_terminal() {
        let list = list();
        for line in list.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        insta::assert_snapshot!(list);
    }

    /// A paper in the list is traced in docs/papers.md, and has figures under its name, with the command and the time, in
    /// docs/reproductions.md.
    #[test]
    fn documents_know_every_entry() {
        let (papers, figures) = (
            document("docs/papers.md"),
            document("docs/reproductions.md"),
        );
        for Entry {
            name, paper, takes, ..
        } in &ENTRIES
        {
            let command = format!("trimtab reproduce {name}");
            assert!(papers.contains(&command), "docs/papers.md: {command}");
            assert!(papers.contains(paper), "docs/papers.md: {paper}");
            let anchor = format!("<a id=\"{name}\"></a>");
            let section = (figures.split_once(&anchor))
                .unwrap_or_else(|| panic!("docs/reproductions.md: {anchor}"))
                .1;
            let section = section.split("<a id=").next().unwrap_or_default();
            for part in [&command, *paper, *takes] {
                assert!(
                    section.contains(part),
                    "docs/reproductions.md, {name}: {part}"
                );
            }
        }
    }
}
