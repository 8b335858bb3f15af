//! Beliefs over rounds, as a small picture with the numbers in its text.

use std::fmt::Write as _;

use maud::{Markup, html};

/// One judge's beliefs in A: after how many rounds, and how probable.
pub(super) struct Line {
    pub(super) judge: String,
    pub(super) beliefs: Vec<(u32, f64)>,
}

const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 64.0;
const MARGIN: f64 = 6.0;

/// The picture; nothing where no judge said anything on the way.
pub(super) fn beliefs(lines: &[Line]) -> Markup {
    let most = (lines.iter())
        .flat_map(|line| line.beliefs.iter().map(|(rounds, _)| *rounds))
        .max()
        .unwrap_or(0)
        .max(1);
    let place = |(rounds, p): (u32, f64)| {
        let x = MARGIN + f64::from(rounds) / f64::from(most) * (WIDTH - 2.0 * MARGIN);
        let y = MARGIN + (1.0 - p) * (HEIGHT - 2.0 * MARGIN);
        (x, y)
    };
    html! {
        @for line in lines.iter().filter(|line| !line.beliefs.is_empty()) {
            @let points: Vec<(f64, f64)> = line.beliefs.iter().copied().map(place).collect();
            figure class="beliefs" {
                svg class="belief-plot" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(label(line)) {
                    line class="half" x1=(MARGIN) x2=(WIDTH - MARGIN) y1=(HEIGHT / 2.0) y2=(HEIGHT / 2.0) {}
                    polyline points=(coordinates(&points)) {}
                    @for (x, y) in &points {
                        circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3" {}
                    }
                }
                figcaption { (label(line)) }
            }
        }
    }
}

fn label(line: &Line) -> String {
    let steps: Vec<String> = (line.beliefs.iter())
        .map(|(_, p)| format!("{:.0} %", 100.0 * p))
        .collect();
    format!("{}: A {}", line.judge, steps.join(" → "))
}

fn coordinates(points: &[(f64, f64)]) -> String {
    points.iter().fold(String::new(), |mut out, (x, y)| {
        // Writing to a string cannot fail.
        write!(out, "{x:.1},{y:.1} ").unwrap_or_default();
        out
    })
}
