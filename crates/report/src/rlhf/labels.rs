//! What became of the pairs: how many came to a label, how good the labels are, and how sure.

use std::collections::BTreeSet;

use trimtab_organism::Principle;
use trimtab_organism::critic::{Choice, better};
use trimtab_run::FolderError;
use trimtab_run::rlhf::{LabelledRow, LeftOut};
use trimtab_stats::{Clusters, clustered_share};

use super::How;
use super::methods::{Method, Shared, shared};
use super::replies::asked;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::prompt_numbers::PromptNumbers;

/// The labels of some methods under all seeds.
#[derive(Default)]
struct Labels {
    name: String,
    /// Replies that are ranked together: 2 of pairs.
    n_ranked: usize,
    n_learnt: usize,
    n_held_out: usize,
    left_out: LeftOut,
    prompts: Vec<usize>,
    /// Of the pairs that gold tells apart: the prompt, and whether the label says the same.
    by_gold: Vec<(usize, bool)>,
    n_prompts: usize,
    confidence: f64,
    has_gold: bool,
}

impl Labels {
    fn read(stage: &Shared<'_, '_>, how: How<'_>) -> Result<Self, FolderError> {
        let mut prompts = PromptNumbers::default();
        let mut labels = Self {
            name: stage.name(),
            n_ranked: (stage.methods.iter())
                .map(|method| method.config.pairs.replies as usize)
                .max()
                .unwrap_or(2),
            has_gold: stage.methods.iter().any(|method| method.has_gold()),
            ..Self::default()
        };
        for (_, folder) in stage.folders(how.run) {
            let left_out: Option<LeftOut> = folder.document("left-out.json")?;
            for (why, n) in left_out.unwrap_or_default() {
                *labels.left_out.entry(why).or_default() += n;
            }
            folder.for_each("labels.jsonl", |row: LabelledRow| {
                let pair = &row.pair;
                if row.held_out {
                    labels.n_held_out += 1;
                } else {
                    labels.n_learnt += 1;
                }
                labels.confidence += pair.p_chosen;
                let prompt = serde_json::to_string(&pair.prompt).unwrap_or_default();
                let prompt = prompts.of(&prompt);
                labels.prompts.push(prompt);
                if labels.has_gold {
                    let replies = [pair.chosen.as_str(), pair.rejected.as_str()];
                    let choice = better(asked(&pair.prompt), replies, Principle::Overall);
                    labels
                        .by_gold
                        .extend(choice.map(|choice| (prompt, choice == Choice::A)));
                }
            })?;
        }
        labels.n_prompts = prompts.len();
        Ok(labels)
    }

    fn n_labelled(&self) -> usize {
        self.n_learnt + self.n_held_out
    }

    fn n(&self) -> usize {
        self.n_labelled() + self.left_out.values().sum::<usize>()
    }

    fn accuracy(&self, how: How<'_>) -> Cell {
        let right: Vec<bool> = self.by_gold.iter().map(|(_, right)| *right).collect();
        let clusters = Clusters::new(self.by_gold.iter().map(|(prompt, _)| *prompt));
        Cell::share_within(clustered_share(&right, &clusters, how.level))
    }

    /// The largest share of the labelled pairs that is of one prompt.
    fn largest_share(&self) -> Cell {
        let mut counts = vec![0; self.n_prompts];
        for prompt in &self.prompts {
            counts[*prompt] += 1;
        }
        Cell::share(counts.into_iter().max().unwrap_or(0), self.n_labelled())
    }

    fn row(&self, reasons: &BTreeSet<&str>, shown: Shown, how: How<'_>) -> Row {
        let mut cells = vec![
            Cell::count(self.n()),
            Cell::share(self.n_labelled(), self.n()),
        ];
        if shown.rankings {
            cells.insert(0, Cell::count(self.n_ranked));
        }
        if shown.gold {
            cells.push(self.accuracy(how));
        }
        cells.push(match self.n_labelled() {
            0 => Cell::absent("none"),
            n => Cell::Share {
                share: self.confidence / n as f64,
            },
        });
        cells.extend(reasons.iter().map(|reason| {
            let n = self.left_out.get(*reason).copied().unwrap_or(0);
            Cell::share(n, self.n())
        }));
        cells.extend([
            Cell::count(self.n_held_out),
            Cell::count(self.n_prompts),
            self.largest_share(),
        ]);
        Row {
            name: self.name.clone(),
            cells,
        }
    }
}

/// Which columns have anything in them.
#[derive(Clone, Copy)]
struct Shown {
    gold: bool,
    rankings: bool,
}

pub(super) fn section(
    methods: &[Method<'_>],
    how: How<'_>,
) -> Result<Option<Section>, FolderError> {
    let mut all = Vec::new();
    for stage in shared(methods, |stages| Some(&stages.labels)) {
        all.push(Labels::read(&stage, how)?);
    }
    all.retain(|labels| labels.n() > 0);
    if all.is_empty() {
        return Ok(None);
    }
    let shown = Shown {
        gold: all.iter().any(|labels| labels.has_gold),
        rankings: all.iter().any(|labels| labels.n_ranked > 2),
    };
    let reasons: BTreeSet<&str> = (all.iter())
        .flat_map(|labels| labels.left_out.keys().map(String::as_str))
        .collect();
    let mut columns = vec![
        Column::new("Labels of", ""),
        Column::new("Pairs", "How many were made, over all seeds."),
        Column::new("Labelled", "Share that came to a label."),
    ];
    if shown.rankings {
        let meaning = "Replies (K) that are ranked together; every two of them are a pair.";
        columns.insert(1, Column::new("Replies ranked", meaning));
    }
    if shown.gold {
        columns.push(Column::new(
            "Right, by gold",
            "Share of labels that name the better reply, of the pairs that gold tells apart.",
        ));
    }
    columns.push(
        Column::new(
            "Confidence",
            "Mean probability that the label gives to the reply which it prefers; 100% where only choices are known.",
        )
        .spare(3),
    );
    columns.extend(reasons.iter().enumerate().map(|(i, reason)| {
        let spare = u8::try_from(4 + i).unwrap_or(u8::MAX);
        Column::new(
            reason,
            "Share of all pairs that are without a label for this.",
        )
        .spare(spare)
    }));
    columns.extend([
        Column::new(
            "Held out",
            "Labelled pairs on which the reward model is measured.",
        )
        .spare(0),
        Column::new("Prompts", "Of labelled pairs.").spare(1),
        Column::new(
            "Most of one",
            "The largest share of the labelled pairs that is of one prompt.",
        )
        .spare(2),
    ]);
    Ok(Some(Section {
        id: "labels".into(),
        title: "Labels".into(),
        text: "What became of the pairs, and how good their labels are. Every pair is counted."
            .into(),
        table: Table {
            columns,
            rows: all
                .iter()
                .map(|labels| labels.row(&reasons, shown, how))
                .collect(),
        },
        curves: None,
    }))
}
