//! Domains: their figures, and whether people can supervise there.

use trimtab_landscape::{Domain, Figure, Origin};
use trimtab_run::landscape::Landscape;

use crate::document::{Cell, Column, OnAxis, Row, Section, Table};

/// A figure that is a share.
fn share(figure: Option<Figure>) -> Cell {
    match figure {
        None => Cell::absent("not known"),
        Some(Figure::Stated { value }) => Cell::Share { share: value },
        Some(Figure::Measured { interval, .. }) => Cell::share_within(Some(interval)),
    }
}

/// A difference of shares, in points.
pub(super) fn points(figure: Option<Figure>) -> Cell {
    match figure {
        None => Cell::absent("one side only"),
        Some(Figure::Stated { value }) => Cell::Number {
            value: 100.0 * value,
            decimals: 1,
        },
        Some(Figure::Measured { interval, .. }) => Cell::NumberWithin {
            interval: interval.scaled(100.0),
            decimals: 1,
        },
    }
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Illustrative => "illustrative: the founding post".into(),
        Origin::Stated { source } => format!("stated: {source}"),
        Origin::Measured { source } => format!("measured: {source}"),
    }
}

/// Accuracy, capability, gap.
pub(super) fn figures(landscape: &Landscape) -> Option<Section> {
    let threshold = landscape.config.threshold;
    let row = |domain: &Domain| Row {
        name: domain.name.clone(),
        cells: vec![
            share(domain.human_accuracy),
            share(domain.model_capability),
            points(domain.gap),
        ],
    };
    (!landscape.domains.is_empty()).then(|| Section {
        id: "landscape".into(),
        title: "The landscape".into(),
        text: "How often people judge rightly, and how often models are right. Where the gap is above 0, models do better than those who \
               judge them."
            .into(),
        table: Table {
            columns: vec![
                Column::new("Domain", ""),
                Column::new(
                    "Human accuracy",
                    "The share of people's judgements that are right: against a gold label where there is one, else against what \
                     most of the others say.",
                )
                .on_axis(OnAxis::Supervisor { threshold }),
                Column::new("Model capability", "The share of models' answers that are right.")
                    .on_axis(OnAxis::Supervised),
                Column::new(
                    "Gap, points",
                    "Capability less human accuracy, in percentage points; where both answered the same items, the interval draws \
                     them together.",
                ),
            ],
            rows: landscape.domains.iter().map(row).collect(),
        },
        plotted: Vec::new(),
        curves: None,
    })
}

/// Whether people can supervise, by how much, and whose figures these are.
pub(super) fn supervision(landscape: &Landscape) -> Option<Section> {
    let threshold = landscape.config.threshold;
    let row = |domain: &Domain| {
        let verdict = domain.supervisable(threshold);
        let n = domain.human_accuracy.and_then(|figure| figure.n());
        Row {
            name: domain.name.clone(),
            cells: vec![
                verdict.map_or_else(
                    || Cell::absent("not known"),
                    |verdict| Cell::words(verdict.word()),
                ),
                n.map_or_else(|| Cell::absent(""), Cell::count),
                Cell::words(origin(&domain.origin)),
            ],
        }
    };
    (!landscape.domains.is_empty()).then(|| Section {
        id: "supervision".into(),
        title: "Can people supervise?".into(),
        text: format!(
            "Yes where people's accuracy is above {} with the whole of its interval, no where none of the interval is, unclear between.",
            crate::number::percent(threshold)
        ),
        table: Table {
            columns: vec![
                Column::new("Domain", ""),
                Column::new("Supervisable", "Whether people's accuracy is above the threshold."),
                Column::new("Items", "Items behind people's accuracy.").spare(0),
                Column::new("Figures", "Whether they were measured here, stated by somebody, or are an illustration."),
            ],
            rows: landscape.domains.iter().map(row).collect(),
        },
        plotted: Vec::new(),
        curves: None,
    })
}
