//! A reliability diagram: accuracy against confidence, with the judgements in each bin below.

use maud::html;

use super::{BOLD, Picture, Scale, fit_text, px};
use crate::number;
use crate::summary::{CalibrationBin, ModelSummary};

const WIDTH: f64 = 212.0;
const TITLE: f64 = 36.0;
const SIDE: f64 = 156.0;
const LEFT: f64 = 46.0;
const COUNTS: f64 = 34.0;

/// The diagram of one model; both axes start at `from`. `class` colours it: `weak`, `ceiling` or
/// `student`.
pub fn reliability(title: &str, model: &ModelSummary, class: &str, from: f64) -> Picture {
    let bins: Vec<&CalibrationBin> = model.calibration.iter().filter(|b| b.n > 0).collect();
    let most = bins.iter().map(|b| b.n).max().unwrap_or(0);
    let n: usize = bins.iter().map(|b| b.n).sum();
    let x = Scale {
        domain: (from, 1.0),
        range: (LEFT, LEFT + SIDE),
    };
    let y = Scale {
        domain: (from.min(lowest(&bins)), 1.0),
        range: (TITLE + SIDE, TITLE),
    };
    let counts_top = TITLE + SIDE + 8.0;
    let counts_bottom = counts_top + COUNTS;
    let curve: Vec<String> = bins
        .iter()
        .map(|b| format!("{},{}", px(x.at(b.confidence)), px(y.at(b.accuracy))))
        .collect();
    let y_ends = [y.domain.0, f64::midpoint(y.domain.0, 1.0), 1.0];
    let body = html! {
        text class="title" x=(px(LEFT)) y="13" { (fit_text(title, WIDTH - LEFT, BOLD * 12.5)) }
        text class="tick" x=(px(LEFT)) y="28" { "ECE " (number::percent(model.ece)) }
        rect class="frame" x=(px(LEFT)) y=(px(TITLE)) width=(px(SIDE)) height=(px(SIDE)) {}
        @for tick in y_ends {
            line class="grid" x1=(px(LEFT)) x2=(px(LEFT + SIDE)) y1=(px(y.at(tick))) y2=(px(y.at(tick))) {}
            text class="tick" x=(px(LEFT - 5.0)) y=(px(y.at(tick) + 4.0)) text-anchor="end" {
                (number::percent_whole(tick))
            }
        }
        line class="diagonal" x1=(px(x.at(from))) y1=(px(y.at(from))) x2=(px(x.at(1.0)))
            y2=(px(y.at(1.0))) {}
        polyline class={ "curve " (class) } points=(curve.join(" ")) {}
        @for bin in &bins {
            g {
                title {
                    "confidence " (number::percent(bin.confidence)) ", accuracy "
                    (number::percent(bin.accuracy)) ", "
                    (crate::text::plural(bin.n, "judgement", "judgements"))
                }
                circle class={ "point " (class) } cx=(px(x.at(bin.confidence)))
                    cy=(px(y.at(bin.accuracy))) r="3.6" {}
                @let height = COUNTS * bin.n as f64 / most as f64;
                @let (left, right) = (x.at(bin.from), x.at(bin.to));
                rect class={ "count " (class) } x=(px(left + 0.7)) width=(px((right - left - 1.4).max(0.8)))
                    y=(px(counts_bottom - height)) height=(px(height)) {}
            }
        }
        line class="axis" x1=(px(LEFT)) x2=(px(LEFT + SIDE)) y1=(px(counts_bottom)) y2=(px(counts_bottom)) {}
        @for (label, at, anchor) in [
            (number::percent_whole(from), LEFT, "start"),
            ("confidence".to_owned(), LEFT + SIDE / 2.0, "middle"),
            (number::percent_whole(1.0), LEFT + SIDE, "end"),
        ] {
            text class="tick" x=(px(at)) y=(px(counts_bottom + 14.0)) text-anchor=(anchor) { (label) }
        }
        @let middle = TITLE + SIDE / 2.0;
        text class="tick" x="9" y=(px(middle)) text-anchor="middle"
            transform=(format!("rotate(-90 9 {})", px(middle))) { "accuracy" }
        text class="tick" x=(px(LEFT - 5.0)) y=(px(counts_top + 8.0)) text-anchor="end" {
            (short_count(most))
        }
    };
    let points: Vec<String> = bins
        .iter()
        .map(|b| {
            format!(
                "{} at {}",
                number::percent_whole(b.accuracy),
                number::percent_whole(b.confidence)
            )
        })
        .collect();
    let label = format!(
        "Reliability of {title}, {}: accuracy {} confidence.",
        crate::text::plural(n, "judgement", "judgements"),
        points.join(", "),
    );
    Picture {
        width: WIDTH,
        height: counts_bottom + 18.0,
        label,
        body,
    }
}

/// Where the axes of a group of diagrams start: at the lowest confidence any of them uses.
pub(crate) fn axis_start<'a>(models: impl IntoIterator<Item = &'a ModelSummary>) -> f64 {
    let used = models
        .into_iter()
        .flat_map(|m| &m.calibration)
        .filter(|b| b.n > 0);
    used.map(|b| b.from).fold(1.0, f64::min).clamp(0.0, 0.9)
}

/// The lowest accuracy of any bin, rounded down to a tenth.
fn lowest(bins: &[&CalibrationBin]) -> f64 {
    let low = bins
        .iter()
        .map(|b| b.accuracy)
        .filter(|a| a.is_finite())
        .fold(1.0, f64::min);
    (low * 10.0 + 1e-9).floor() / 10.0
}

fn short_count(n: usize) -> String {
    if n < 10_000 {
        number::count(n)
    } else {
        format!("{}k", number::count(n / 1000))
    }
}
