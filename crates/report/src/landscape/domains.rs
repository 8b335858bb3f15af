//! Domains: their figures, and whether people can supervise there.

use trimtab_core::Scale;
use trimtab_landscape::{Domain, Figure, Origin};
use trimtab_run::landscape::Landscape;
use trimtab_stats::Coefficient;

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

/// What kind of figures these are, and where they are from.
fn origin(origin: &Origin) -> [&str; 2] {
    match origin {
        Origin::Illustrative => ["illustrative", "the founding post"],
        Origin::Stated { source } => ["stated", source],
        Origin::Measured { source } => ["measured", source],
    }
}

/// Krippendorff's alpha for names, which every panel can have.
fn agreement(landscape: &Landscape, domain: &str) -> Cell {
    let rated = landscape.raters.iter().find(|of| of.name == domain);
    let alpha = rated.and_then(|of| {
        (of.agreement.iter()).find(|(of, _)| *of == Coefficient::Krippendorff(Scale::Nominal))
    });
    match alpha {
        Some((_, Ok(estimate))) => Cell::NumberWithin {
            interval: estimate.interval,
            decimals: 2,
        },
        _ => Cell::absent(""),
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
        curves: None,
    })
}

/// Whether people can supervise, by how much, and whose figures these are.
pub(super) fn supervision(landscape: &Landscape) -> Option<Section> {
    let threshold = landscape.config.threshold;
    let row = |domain: &Domain| {
        let verdict = domain.supervisable(threshold);
        let n = domain.human_accuracy.and_then(|figure| figure.n());
        let [kind, source] = origin(&domain.origin);
        Row {
            name: domain.name.clone(),
            cells: vec![
                verdict.map_or_else(
                    || Cell::absent("not known"),
                    |verdict| Cell::words(verdict.word()),
                ),
                n.map_or_else(|| Cell::absent(""), Cell::count),
                agreement(landscape, &domain.name),
                Cell::words(kind),
                Cell::words(source),
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
                Column::new("Judgements", "Judgements behind people's accuracy.").spare(1),
                Column::new(
                    "Agreement",
                    "How far people agree beyond chance: Krippendorff's alpha for names, 0 is chance and 1 is full agreement.",
                ),
                Column::new("Figures", "Whether they were measured here, stated by somebody, or are an illustration."),
                Column::new("Source", "Where they are from.").spare(2),
            ],
            rows: landscape.domains.iter().map(row).collect(),
        },
        curves: None,
    })
}
