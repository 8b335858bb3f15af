//! What each training did: where its numbers began and where they ended, means over seeds.

use trimtab_reward::Iteration;
use trimtab_run::FolderError;
use trimtab_run::rlhf::{StepRow, StoppedEarly};

use super::methods::{Method, shared};
use super::{How, mean};
use crate::document::{Cell, Column, Row, Section, Table};

/// One policy's training under all its seeds.
pub(super) struct Trained {
    name: String,
    /// First and last row of each seed.
    ends: Vec<[StepRow; 2]>,
    stopped: Vec<(u64, StoppedEarly)>,
}

/// Every training once.
pub(super) fn read(methods: &[Method<'_>], how: How<'_>) -> Result<Vec<Trained>, FolderError> {
    let mut all = Vec::new();
    for stage in shared(methods, |stages| stages.policy.as_deref()) {
        let mut trained = Trained {
            name: stage.name(),
            ends: Vec::new(),
            stopped: Vec::new(),
        };
        for (seed, folder) in stage.folders(how.run) {
            let mut ends: Option<[StepRow; 2]> = None;
            folder.for_each("steps.jsonl", |row: StepRow| {
                let first = ends.map_or(row, |[first, _]| first);
                ends = Some([first, row]);
            })?;
            trained.ends.extend(ends);
            let stopped: Option<StoppedEarly> = folder.document("stopped.json")?;
            trained
                .stopped
                .extend(stopped.map(|stopped| (seed, stopped)));
        }
        all.push(trained);
    }
    Ok(all)
}

/// One number of an iteration that trainings are told by.
struct Quantity {
    name: &'static str,
    meaning: &'static str,
    of: fn(&Iteration) -> Option<f64>,
    written: Written,
    /// In which order a narrow terminal spares it.
    spare: u8,
}

enum Written {
    /// The last, in so many decimals.
    Last(usize),
    /// The first and the last.
    FirstAndLast(usize),
    /// The last, in per cent.
    LastShare,
}

const QUANTITIES: [Quantity; 12] = [
    Quantity {
        name: "KL",
        meaning: "Divergence from the reference policy at the end, in nats a reply.",
        of: |row| row.kl,
        written: Written::Last(2),
        spare: 0,
    },
    Quantity {
        name: "Reward",
        meaning: "By the reward model, before anything is taken from it, at the start and at the end.",
        of: |row| row.reward,
        written: Written::FirstAndLast(2),
        spare: 1,
    },
    Quantity {
        name: "Accuracy",
        meaning: "Of direct preference losses: share of pairs whose chosen reply gained more probability than the other, at the end.",
        of: |row| row.accuracy,
        written: Written::LastShare,
        spare: 2,
    },
    Quantity {
        name: "Margin",
        meaning: "Of direct preference losses: the mean implicit reward of the chosen reply less the other's, at the end.",
        of: |row| row.margin,
        written: Written::Last(2),
        spare: 5,
    },
    Quantity {
        name: "Entropy",
        meaning: "In nats a token, at the start and at the end.",
        of: |row| row.entropy,
        written: Written::FirstAndLast(2),
        spare: 6,
    },
    Quantity {
        name: "Length",
        meaning: "Tokens a reply, at the start and at the end.",
        of: |row| row.length,
        written: Written::FirstAndLast(1),
        spare: 4,
    },
    Quantity {
        name: "Clipped",
        meaning: "Share of tokens whose probability ratio was clipped, at the end.",
        of: |row| row.clip_share,
        written: Written::LastShare,
        spare: 7,
    },
    Quantity {
        name: "Unfinished",
        meaning: "Share of replies that did not come to an end, at the end of training.",
        of: |row| row.unfinished,
        written: Written::LastShare,
        spare: 8,
    },
    Quantity {
        name: "Violating",
        meaning: "Share of replies that violated a limit, at the end of training.",
        of: |row| row.violating,
        written: Written::LastShare,
        spare: 3,
    },
    Quantity {
        name: "Price",
        meaning: "What a violation costs, in units of reward, at the end.",
        of: |row| row.price,
        written: Written::Last(2),
        spare: 9,
    },
    Quantity {
        name: "KL weight",
        meaning: "The weight of the divergence in the reward, at the end.",
        of: |row| row.kl_coefficient,
        written: Written::Last(3),
        spare: 10,
    },
    Quantity {
        name: "Gradient",
        meaning: "Its norm at the end, a mean over steps.",
        of: |row| row.gradient_norm,
        written: Written::Last(2),
        spare: 11,
    },
];

impl Trained {
    fn cell(&self, quantity: &Quantity) -> Cell {
        let at = |end: usize| {
            mean(
                self.ends
                    .iter()
                    .filter_map(|ends| (quantity.of)(&ends[end].measured)),
            )
        };
        let (Some(first), Some(last)) = (at(0), at(1)) else {
            return at(1).map_or_else(|| Cell::absent(""), |last| quantity.written.last(last));
        };
        match quantity.written {
            Written::FirstAndLast(decimals) => Cell::words(format!(
                "{} → {}",
                crate::number::fixed(first, decimals),
                crate::number::fixed(last, decimals)
            )),
            _ => quantity.written.last(last),
        }
    }
}

impl Written {
    fn last(&self, value: f64) -> Cell {
        match *self {
            Self::Last(decimals) | Self::FirstAndLast(decimals) => Cell::Number { value, decimals },
            Self::LastShare => Cell::Share { share: value },
        }
    }
}

pub(super) fn section(trainings: &[Trained]) -> Option<Section> {
    let trained: Vec<&Trained> = trainings.iter().filter(|t| !t.ends.is_empty()).collect();
    let measured = |quantity: &&Quantity| {
        let ends = trained.iter().flat_map(|trained| &trained.ends);
        ends.into_iter()
            .any(|ends| (quantity.of)(&ends[1].measured).is_some())
    };
    let quantities: Vec<&Quantity> = QUANTITIES.iter().filter(measured).collect();
    if trained.is_empty() {
        return None;
    }
    let mut columns = vec![
        Column::new("Method", ""),
        Column::new("Iterations", "Of the longest seed."),
    ];
    let column = |q: &&Quantity| Column::new(q.name, q.meaning).spare(q.spare);
    columns.extend(quantities.iter().map(column));
    let rows = trained.iter().map(|trained| {
        let n = trained.ends.iter().map(|ends| ends[1].step).max();
        let mut cells = vec![Cell::count(n.unwrap_or(0))];
        cells.extend(quantities.iter().map(|quantity| trained.cell(quantity)));
        Row {
            name: trained.name.clone(),
            cells,
        }
    });
    Some(Section {
        id: "training".into(),
        title: "Training".into(),
        text: "What each training measured of itself, means over seeds.".into(),
        table: Table {
            columns,
            rows: rows.collect(),
        },
        curves: None,
    })
}

pub(super) fn notices(trainings: &[Trained]) -> Vec<String> {
    let of = |trained: &Trained| {
        let each = trained.stopped.iter().map(|(seed, stopped)| {
            format!(
                "{} stopped at iteration {} under seed {seed}: {} nats from the reference policy, of {} allowed; what is shown is its last good state",
                trained.name,
                stopped.iteration,
                crate::number::fixed(stopped.kl, 1),
                crate::number::fixed(stopped.most_kl, 1),
            )
        });
        each.collect::<Vec<_>>()
    };
    trainings.iter().flat_map(of).collect()
}
