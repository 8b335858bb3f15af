//! The landscape of oversight as a document: domains and gaps, who can supervise where, projections, forecasts, and how far chains of
//! overseers reach.
//!
//! Every figure says whether it was measured, stated by somebody, or is an illustration.

mod backtests;
mod crossings;
mod domains;
mod forecasts;
mod nested;
mod projections;
mod raters;

use trimtab_landscape::Origin;
use trimtab_run::landscape::Landscape;

use crate::document::{Document, Section};
use crate::{number, text};

/// Describes what was measured. `read_from` is the file, or what stands for one.
pub fn describe(landscape: &Landscape, read_from: &str) -> Document {
    let sections: Vec<Option<Section>> = vec![
        domains::figures(landscape),
        domains::supervision(landscape),
        raters::agreement(landscape),
        raters::raters(landscape),
        raters::mixed(landscape),
        raters::saved(landscape),
        projections::section(landscape),
        forecasts::section(landscape),
        crossings::section(landscape),
        backtests::section(landscape),
        nested::section(landscape),
    ];
    Document {
        name: landscape.name.clone(),
        run_id: landscape.id.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        sentence: sentence(landscape, read_from),
        notices: notices(landscape),
        sections: sections.into_iter().flatten().collect(),
        level: landscape.config.level,
        interval_method: format!(
            "of measured figures Wilson's, or percentiles of {} bootstrap draws of items; of gaps between different items by the method \
             of variance estimates recovery; figures that were only stated have none",
            number::count(landscape.config.resamples.get() as usize)
        ),
    }
}

fn sentence(landscape: &Landscape, read_from: &str) -> String {
    let count = |is: fn(&Origin) -> bool| {
        (landscape.domains.iter())
            .filter(|domain| is(&domain.origin))
            .count()
    };
    let parts = [
        (
            count(|of| matches!(of, Origin::Measured { .. })),
            "measured",
        ),
        (count(|of| matches!(of, Origin::Stated { .. })), "stated"),
        (
            count(|of| matches!(of, Origin::Illustrative)),
            "illustrative",
        ),
    ];
    let parts: Vec<String> = (parts.iter())
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    let n = landscape.domains.len();
    let of = if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    };
    format!(
        "What people can judge and what models can do in {}{of}; from {read_from}.",
        text::plural(n, "domain", "domains")
    )
}

/// What a reader must know first.
fn notices(landscape: &Landscape) -> Vec<String> {
    let mut notices = Vec::new();
    let is_illustrated = (landscape.domains.iter()).any(|of| of.origin == Origin::Illustrative);
    if is_illustrated {
        notices.push(
            "Domains marked as illustrative are the founding post's examples: nobody measured them.".into(),
        );
    }
    for series in &landscape.series {
        if let Some(beyond) = series.beyond_span {
            notices.push(format!(
                "The forecast of {} looks {} years ahead after {} years of scores: more than {} times what was seen. Nothing in the \
                 scores says that the trend goes on for so long.",
                text::name(&series.name),
                number::fixed(beyond.horizon_years, 1),
                number::fixed(beyond.observed_years, 1),
                number::fixed(beyond.factor, 1),
            ));
        }
    }
    notices
}

#[cfg(test)]
mod tests;
