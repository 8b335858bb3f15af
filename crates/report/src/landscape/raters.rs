//! Raters: how far they agree, how often each is right, and whether a model agrees with people as people do.

use trimtab_core::{RaterKind, Scale};
use trimtab_run::landscape::{Landscape, RatedDomain, Reference};
use trimtab_stats::{Coefficient, MOST_OF_A_WEAKER_JUDGE, PairAgreement, Undefined, Weights};

use crate::document::{Cell, Column, Row, Section, Table};
use crate::number;

/// The most raters of a domain that are listed.
const MOST_RATERS: usize = 8;

fn scale(scale: Scale) -> &'static str {
    match scale {
        Scale::Nominal => "nominal",
        Scale::Ordinal => "ordinal",
        Scale::Interval => "interval",
        Scale::Ratio => "ratio",
    }
}

fn weights(weights: Weights) -> &'static str {
    match weights {
        Weights::Identity => "unweighted",
        Weights::Linear => "linear",
        Weights::Quadratic => "quadratic",
        Weights::Ordinal => "ordinal",
        Weights::Ratio => "ratio",
    }
}

fn coefficient(of: Coefficient) -> String {
    match of {
        Coefficient::PerCent => "per cent".into(),
        Coefficient::Cohen(of) => format!("Cohen's kappa, {}", weights(of)),
        Coefficient::MeanCohen(of) => format!("mean Cohen's kappa, {}", weights(of)),
        Coefficient::Scott => "Scott's pi".into(),
        Coefficient::Fleiss => "Fleiss' kappa".into(),
        Coefficient::Krippendorff(of) => format!("Krippendorff's alpha, {}", scale(of)),
        Coefficient::Gwet(Weights::Identity) => "Gwet's AC1".into(),
        Coefficient::Gwet(of) => format!("Gwet's AC2, {}", weights(of)),
    }
}

/// A row a domain and coefficient.
pub(super) fn agreement(landscape: &Landscape) -> Option<Section> {
    let rows = landscape.raters.iter().flat_map(|of| {
        let nothing =
            (of.agreement.iter()).all(|(_, found)| matches!(found, Err(Undefined::NothingPaired)));
        if nothing && !of.agreement.is_empty() {
            return vec![Row {
                name: format!("{}: all", of.name),
                cells: vec![
                    Cell::absent(short(Undefined::NothingPaired)),
                    Cell::absent(""),
                ],
            }];
        }
        let rows = of.agreement.iter().map(|(which, found)| Row {
            name: format!("{}: {}", of.name, coefficient(*which)),
            cells: match found {
                Ok(estimate) => vec![
                    Cell::NumberWithin {
                        interval: estimate.interval,
                        decimals: 3,
                    },
                    (estimate.standard_error).map_or_else(
                        || Cell::absent(""),
                        |value| Cell::Number { value, decimals: 3 },
                    ),
                ],
                Err(why) => vec![Cell::absent(short(*why)), Cell::absent("")],
            },
        });
        rows.collect::<Vec<Row>>()
    });
    let rows: Vec<Row> = rows.collect();
    (!rows.is_empty()).then(|| Section {
        id: "agreement".into(),
        title: "Agreement of people".into(),
        text: "1 is full agreement; but for per cent, 0 is what chance would bring. Kappas and alpha fall where one answer is rare, however \
               well people agree: read Gwet's beside them."
            .into(),
        table: Table {
            columns: vec![
                Column::new("Domain: coefficient", ""),
                Column::new("Agreement", "The coefficient; its interval draws items again, with all their ratings."),
                Column::new("Error", "Its standard error, linearised, where one is known.").spare(0),
            ],
            rows,
        },
        curves: None,
    })
}

fn short(why: Undefined) -> &'static str {
    match why {
        Undefined::NothingPaired => "no item has two ratings",
        Undefined::Constant => "one answer throughout",
        Undefined::NotTwoRaters { .. } => "of two raters only",
        Undefined::Unbalanced { .. } => "unbalanced: use Krippendorff's",
        Undefined::NoResample => "too few items differ",
    }
}

/// Raters with the most ratings, a row each.
pub(super) fn raters(landscape: &Landscape) -> Option<Section> {
    let rows = landscape.raters.iter().flat_map(|of| {
        let mut shown: Vec<usize> = (0..of.raters.len()).collect();
        shown.sort_by_key(|&i| std::cmp::Reverse(of.raters[i].n));
        shown.truncate(MOST_RATERS);
        shown.sort_unstable();
        shown.into_iter().map(move |i| {
            let rater = &of.raters[i];
            let kind = match rater.kind {
                RaterKind::Human => "person",
                RaterKind::Model => "model",
            };
            Row {
                name: format!("{}: {}", of.name, rater.name),
                cells: vec![
                    Cell::words(kind),
                    Cell::count(rater.n),
                    Cell::share_within(Some(rater.accuracy)),
                    (rater.dawid_skene)
                        .map_or_else(|| Cell::absent(""), |of| Cell::Share { share: of.accuracy }),
                    (rater.dawid_skene).map_or_else(
                        || Cell::absent(""),
                        |of| Cell::Number {
                            value: of.weight,
                            decimals: 2,
                        },
                    ),
                ],
            }
        })
    });
    let rows: Vec<Row> = rows.collect();
    (!rows.is_empty()).then(|| Section {
        id: "raters".into(),
        title: "Raters".into(),
        text: format!(
            "How often each is right; of a domain the {MOST_RATERS} with the most ratings. {}",
            counts(&landscape.raters)
        ),
        table: Table {
            columns: vec![
                Column::new("Domain: rater", ""),
                Column::new("Kind", "A person or a model.").spare(1),
                Column::new("Ratings", "Ratings that something could be held against."),
                Column::new(
                    "Right",
                    "The share that is the gold label; without one, what most of the other people say, ties in shares.",
                ),
                Column::new(
                    "Dawid–Skene",
                    "How often it says what is true by Dawid and Skene's model, which knows ratings alone and no gold label.",
                ),
                Column::new(
                    "Weight",
                    "By the same model, how much of what is unknown of an item it takes away: 0 for answers that do not depend on the item.",
                )
                .spare(0),
            ],
            rows,
        },
        curves: None,
    })
}

fn counts(raters: &[RatedDomain]) -> String {
    let each = raters.iter().map(|of| {
        let against = match of.reference {
            Reference::Gold => "gold labels",
            Reference::Others => "what most others say",
        };
        format!(
            "{}: {} ratings of {} items by {} raters against {against}, {} of nothing.",
            of.name,
            number::count(of.n_ratings),
            number::count(of.n_items),
            number::count(of.raters.len()),
            number::count(of.n_failed),
        )
    });
    each.collect::<Vec<_>>().join(" ")
}

/// People with people, people with models.
pub(super) fn mixed(landscape: &Landscape) -> Option<Section> {
    let pair = |found: &Result<PairAgreement, Undefined>| match found {
        Ok(pair) => Cell::share_within(Some(pair.agreement)),
        Err(_) => Cell::absent(""),
    };
    let rows = landscape.raters.iter().filter_map(|of| {
        let mixed = of.mixed.as_ref()?;
        Some(Row {
            name: of.name.clone(),
            cells: vec![
                pair(&mixed.human_human),
                pair(&mixed.human_model),
                mixed.difference.map_or_else(
                    || Cell::absent("no item has both"),
                    |interval| Cell::NumberWithin {
                        interval: interval.scaled(100.0),
                        decimals: 1,
                    },
                ),
                pair(&mixed.model_model),
            ],
        })
    });
    let rows: Vec<Row> = rows.collect();
    (!rows.is_empty()).then(|| Section {
        id: "mixed".into(),
        title: "A model among people".into(),
        text: "Whether models agree with people as people agree with each other, over all models of a domain: a difference of 0 is a model \
               that could not be told from a person by its answers."
            .into(),
        table: Table {
            columns: vec![
                Column::new("Domain", ""),
                Column::new("Two people", "The share of pairs of two people's ratings of one item that are equal."),
                Column::new("Person and model", "The share of pairs of a person's and a model's rating that are equal."),
                Column::new("Difference, points", "The second less the first on items that have both, in percentage points."),
                Column::new("Two models", "The share of pairs of two models' ratings that are equal.").spare(0),
            ],
            rows,
        },
        curves: None,
    })
}

/// How many labels of people a model saves, a row each.
pub(super) fn saved(landscape: &Landscape) -> Option<Section> {
    let within = |interval| Cell::share_within(Some(interval));
    let ratio = |value: Option<f64>| match value {
        Some(value) => Cell::Number { value, decimals: 2 },
        None => Cell::absent(""),
    };
    let rows = landscape.raters.iter().filter_map(|of| {
        let saved = of.saved.as_ref()?;
        let mean = &saved.mean;
        Some(Row {
            name: format!("{}: share of \u{201c}{}\u{201d}", of.name, saved.category),
            cells: vec![
                within(mean.classical),
                within(mean.interval),
                ratio(mean.gain),
                ratio(mean.ceiling),
                ratio(mean.correlation),
            ],
        })
    });
    let rows: Vec<Row> = rows.collect();
    (!rows.is_empty()).then(|| Section {
        id: "saved-labels".into(),
        title: "How many labels a judge saves".into(),
        text: format!(
            "People label one item of four, the model all: prediction-powered inference holds however wrong the model is. A judge no more \
             accurate than the model that it judges saves half the labels at most (a gain of {}), however many it gives.",
            number::fixed(MOST_OF_A_WEAKER_JUDGE, 0)
        ),
        table: Table {
            columns: vec![
                Column::new("Domain: what is asked", ""),
                Column::new("People alone", "From the labelled quarter alone.").spare(1),
                Column::new("With the judge", "From the same labels and the model's judgement of every item."),
                Column::new("Gain", "How many times as many labels of people would be needed without the judge."),
                Column::new("At most", "What the gain could be at most with this judge: 1/(1 − ρ²)."),
                Column::new("ρ", "The correlation of people's labels and the judge's.").spare(0),
            ],
            rows,
        },
        curves: None,
    })
}
