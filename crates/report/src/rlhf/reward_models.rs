//! How good the reward models are: on pairs that they did not learn, by label and by gold, beside what the shorter reply would
//! say; whether their probabilities are what they say; and by which reply is longer.

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use trimtab_organism::Principle;
use trimtab_organism::critic::{Choice, better};
use trimtab_reward::{BradleyTerry, RewardPair, retained_accuracy, reward_calibration};
use trimtab_run::rlhf::{PairPrediction, RewardFit};
use trimtab_run::{FolderError, RowFolder};
use trimtab_stats::{Clusters, Interval, clustered_share};

use super::methods::{Method, shared};
use super::replies::{asked, words};
use super::{How, mean};
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};
use crate::prompt_numbers::PromptNumbers;

/// Bins of a calibration error.
const BINS: NonZeroUsize = NonZeroUsize::new(10).expect("not zero");

/// A reward model under all its seeds.
pub(super) struct Model {
    pub(super) name: String,
    has_gold: bool,
    fits: Vec<RewardFit>,
    pairs: Vec<Pair>,
}

/// A pair that it did not learn.
struct Pair {
    prompt: usize,
    /// In log-odds of the chosen reply.
    margin: f64,
    p_chosen: f64,
    uncertainty: Option<f64>,
    /// Words of the chosen reply less those of the other.
    longer_by: i64,
    /// Whether the chosen reply is the better one by gold, where gold is known and tells them apart.
    chosen_is_better: Option<bool>,
}

/// Every reward model once.
pub(super) fn read(methods: &[Method<'_>], how: How<'_>) -> Result<Vec<Model>, FolderError> {
    (shared(methods, |stages| Some(&stages.reward)).iter())
        .map(|stage| {
            let has_gold = stage.methods.iter().any(|method| method.has_gold());
            Model::read(stage.name(), &stage.folders(how.run), has_gold)
        })
        .collect()
}

impl Model {
    fn read(
        name: String,
        folders: &[(u64, RowFolder)],
        has_gold: bool,
    ) -> Result<Self, FolderError> {
        let mut prompts = PromptNumbers::default();
        let mut model = Self {
            name,
            has_gold,
            fits: Vec::new(),
            pairs: Vec::new(),
        };
        for (_, folder) in folders {
            model.fits.extend(folder.document::<RewardFit>("fit.json")?);
            folder.for_each("predictions.jsonl", |pair: PairPrediction| {
                let prompt = serde_json::to_string(&pair.prompt).unwrap_or_default();
                model.pairs.push(Pair {
                    prompt: prompts.of(&prompt),
                    margin: pair.margin,
                    p_chosen: pair.p_chosen,
                    uncertainty: pair.uncertainty,
                    longer_by: longer_by(&pair),
                    chosen_is_better: has_gold.then(|| chosen_is_better(&pair)).flatten(),
                });
            })?;
        }
        Ok(model)
    }

    fn margins(&self) -> Vec<Option<f64>> {
        self.pairs.iter().map(|pair| Some(pair.margin)).collect()
    }

    /// How often `difference` of a pair says what it should; pairs of which it says nothing are left out.
    fn accuracy(
        &self,
        difference: impl Fn(&Pair) -> Option<f64>,
        how: How<'_>,
    ) -> Option<Interval> {
        let told: Vec<(usize, f64)> = (self.pairs.iter())
            .filter_map(|pair| Some((pair.prompt, right(difference(pair)?))))
            .collect();
        let clusters = Clusters::new(told.iter().map(|(prompt, _)| *prompt));
        let values: Vec<f64> = told.iter().map(|(_, right)| *right).collect();
        // Wilson's where there are no ties: unlike the bootstrap's it has a width where all are right.
        if values.iter().all(|right| *right != 0.5) {
            let right: Vec<bool> = values.iter().map(|right| *right > 0.5).collect();
            return clustered_share(&right, &clusters, how.level);
        }
        let replicates = how.resampler.clustered_mean(&values, &clusters)?;
        Some(replicates.interval(how.level))
    }

    /// How often it prefers the reply that gold prefers, of the pairs that gold tells apart.
    pub(super) fn by_gold(&self, how: How<'_>) -> Option<Interval> {
        let signed = |pair: &Pair| {
            let sign = if pair.chosen_is_better? { 1.0 } else { -1.0 };
            Some(sign * pair.margin)
        };
        self.accuracy(signed, how)
    }

    /// Mean loss in nats a pair.
    fn nats(&self) -> Option<f64> {
        let pairs: Vec<RewardPair> = (self.pairs.iter())
            .map(|pair| RewardPair {
                chosen: pair.margin,
                rejected: 0.0,
                p_chosen: pair.p_chosen,
                margin: 0.0,
            })
            .collect();
        BradleyTerry::default()
            .evaluate(&pairs)
            .ok()
            .map(|batch| batch.loss)
    }

    /// Accuracy by label of the half of the pairs that it is surest of.
    fn surest_half(&self) -> Option<f64> {
        let uncertainty: Option<Vec<f64>> =
            self.pairs.iter().map(|pair| pair.uncertainty).collect();
        let right: Vec<f64> = self.pairs.iter().map(|pair| right(pair.margin)).collect();
        retained_accuracy(&right, &uncertainty?, 0.5)
    }

    fn row(&self, shown: &Shown, how: How<'_>) -> Row {
        let share = |share: Option<f64>| {
            share.map_or_else(|| Cell::absent(""), |share| Cell::Share { share })
        };
        let mut cells = vec![Cell::share_within(
            self.accuracy(|pair| Some(pair.margin), how),
        )];
        if shown.gold {
            cells.push(Cell::share_within(self.by_gold(how)));
        }
        cells.extend([
            share(
                self.accuracy(|pair| Some(-(pair.longer_by as f64)), how)
                    .map(|accuracy| accuracy.estimate),
            ),
            share(mean(self.fits.iter().map(|fit| fit.training_accuracy))),
            share(reward_calibration(&self.margins(), BINS).expected_error),
            self.nats().map_or_else(
                || Cell::absent(""),
                |value| Cell::Number { value, decimals: 3 },
            ),
        ]);
        if shown.uncertainty {
            cells.push(share(self.surest_half()));
        }
        if shown.flip_rate {
            cells.push(share(mean(
                self.fits.iter().filter_map(|fit| fit.flip_rate),
            )));
        }
        if shown.ties {
            let fitted = mean(self.fits.iter().filter_map(|fit| fit.ties));
            cells.push(fitted.map_or_else(
                || Cell::absent(""),
                |value| Cell::Number { value, decimals: 3 },
            ));
        }
        cells.extend([
            Cell::count(self.fits.iter().map(|fit| fit.n_pairs).sum()),
            Cell::count(self.pairs.len()),
        ]);
        if shown.gold {
            let alike = |pair: &&Pair| self.has_gold && pair.chosen_is_better.is_none();
            cells.push(Cell::count(self.pairs.iter().filter(alike).count()));
        }
        Row {
            name: self.name.clone(),
            cells,
        }
    }

    fn by_length(&self, how: How<'_>) -> Row {
        let buckets = [Ordering::Less, Ordering::Equal, Ordering::Greater];
        let is_in = |pair: &Pair, bucket| pair.longer_by.cmp(&0) == bucket;
        let accuracies = buckets.map(|bucket| {
            let margin = |pair: &Pair| is_in(pair, bucket).then_some(pair.margin);
            Cell::share_within(self.accuracy(margin, how))
        });
        let shares = buckets.map(|bucket| {
            let own = self.pairs.iter().filter(|pair| is_in(pair, bucket));
            Cell::share(own.count(), self.pairs.len())
        });
        Row {
            name: self.name.clone(),
            cells: accuracies.into_iter().chain(shares).collect(),
        }
    }
}

/// 1 where a difference is above 0, one half where it is 0.
fn right(difference: f64) -> f64 {
    match difference {
        d if d > 0.0 => 1.0,
        0.0 => 0.5,
        _ => 0.0,
    }
}

fn chosen_is_better(pair: &PairPrediction) -> Option<bool> {
    let replies = [pair.chosen.as_str(), pair.rejected.as_str()];
    better(asked(&pair.prompt), replies, Principle::Overall).map(|choice| choice == Choice::A)
}

/// Words of the chosen reply less those of the other.
fn longer_by(pair: &PairPrediction) -> i64 {
    let [chosen, rejected] =
        [&pair.chosen, &pair.rejected].map(|text| i64::try_from(words(text)).unwrap_or(i64::MAX));
    chosen - rejected
}

/// Which columns have anything in them.
#[expect(clippy::struct_excessive_bools, reason = "one a column")]
struct Shown {
    gold: bool,
    uncertainty: bool,
    flip_rate: bool,
    ties: bool,
}

pub(super) fn sections(models: &[Model], how: How<'_>) -> Vec<Section> {
    let measured: Vec<&Model> = models
        .iter()
        .filter(|model| !model.pairs.is_empty())
        .collect();
    if measured.is_empty() {
        return Vec::new();
    }
    let fits = || measured.iter().flat_map(|model| &model.fits);
    let shown = Shown {
        gold: measured.iter().any(|model| model.has_gold),
        uncertainty: measured.iter().any(|model| model.surest_half().is_some()),
        flip_rate: fits().any(|fit| fit.flip_rate.is_some()),
        ties: fits().any(|fit| fit.ties.is_some()),
    };
    let by_length = vec![
        Column::new("Reward model of", ""),
        Column::new("Chosen is shorter", "Accuracy by label on these pairs."),
        Column::new("As long", "The same of pairs of as many words."),
        Column::new("Chosen is longer", "The same."),
        Column::new("Pairs, shorter", "Share of all.").spare(1),
        Column::new("As long, share", "Share of all.").spare(2),
        Column::new("Pairs, longer", "Share of all.").spare(3),
    ];
    vec![
        Section {
            id: "reward-models".into(),
            title: "Reward models".into(),
            text: "On pairs of prompts that they did not learn from; ties count as one half. Methods with the same reward model share a row.".into(),
            table: Table {
                columns: columns(&shown),
                rows: measured.iter().map(|model| model.row(&shown, how)).collect(),
            },
            curves: None,
        },
        Section {
            id: "reward-by-length".into(),
            title: "Reward models by length".into(),
            text: "A reward model that goes by length is right where the longer reply is the preferred one, and wrong where the shorter one is. Lengths are in words.".into(),
            table: Table {
                columns: by_length,
                rows: measured.iter().map(|model| model.by_length(how)).collect(),
            },
            curves: None,
        },
    ]
}

fn columns(shown: &Shown) -> Vec<Column> {
    let mut columns = vec![
        Column::new("Reward model of", ""),
        Column::new(
            "By label",
            "Share of held-out pairs whose preferred reply, by the label, has the higher reward.",
        )
        .on_axis(OnAxis::Own),
    ];
    if shown.gold {
        columns.push(
            Column::new(
                "By gold",
                "The same by what the world's grammar prefers, of the pairs that it tells apart.",
            )
            .on_axis(OnAxis::Own),
        );
    }
    columns.extend([
        Column::new("Shorter wins", "Share of the pairs whose preferred reply, by the label, is the shorter one.").spare(1),
        Column::new("Training", "Accuracy on the pairs that were learnt, a mean over seeds.").spare(3),
        Column::new("ECE", "How far probabilities are from how often they are right: expected calibration error over ten bins.").spare(2),
        Column::new("NLL", "Mean loss in nats a held-out pair; a coin's is 0.693.").spare(4),
    ]);
    if shown.uncertainty {
        columns.push(
            Column::new(
                "Surest half",
                "Accuracy by label of the half of the pairs that the model is surest of.",
            )
            .spare(5),
        );
    }
    if shown.flip_rate {
        columns.push(
            Column::new(
                "Flip rate",
                "Share of labels that are the wrong way round, as estimated.",
            )
            .spare(6),
        );
    }
    if shown.ties {
        columns.push(
            Column::new(
                "Ties, θ or ν",
                "The parameter of the model of ties, fitted by maximum likelihood; a mean over seeds.",
            )
            .spare(7),
        );
    }
    columns.extend([
        Column::new("Learnt", "Pairs that were learnt, over all seeds.").spare(7),
        Column::new("Held out", "Pairs that were not, over all seeds.").spare(8),
    ]);
    if shown.gold {
        columns.push(
            Column::new(
                "Alike",
                "Held-out pairs that gold does not tell apart; they are in no share by gold.",
            )
            .spare(9),
        );
    }
    columns
}

pub(super) fn notices(models: &[Model]) -> Vec<String> {
    (models.iter())
        .filter_map(|model| {
            let n = model.fits.iter().filter(|fit| !fit.converged).count();
            (n > 0).then(|| {
                format!(
                    "the reward model of {} did not converge under {}",
                    model.name,
                    crate::text::plural(n, "seed", "seeds"),
                )
            })
        })
        .collect()
}
