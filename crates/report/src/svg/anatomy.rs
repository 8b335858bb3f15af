//! Label-noise anatomy: what became of the supervisor's right and wrong labels.
//!
//! Every bar is all test items. A line divides what the supervisor gets right (left of it) from what
//! it gets wrong. The blue part is what the student gets right, so its length is the accuracy: from
//! the left, new errors, kept, corrected, inherited. Hatched: the ceiling is wrong there too.

use maud::{Markup, html};

use super::gap::method_label;
use super::{BOLD, Layout, Picture, Scale, fit_text, px, text_width};
use crate::number;
use crate::summary::{Anatomy, MethodSummary, VariantSummary};
use crate::{ranking, text};

const FONT: f64 = 12.5;
const LEGEND: [(&str, &str); 4] = [
    ("new-errors", "new errors"),
    ("kept", "kept right"),
    ("corrected", "corrected"),
    ("inherited", "inherited"),
];

/// The share of each kind for every method, highest accuracy first. `id` makes the hatching's
/// identifier unique within the page.
pub fn anatomy(variant: &VariantSummary, layout: Layout, id: &str) -> Picture {
    let methods = ranking::by_accuracy(variant);
    let best = ranking::best(variant).map(|m| m.name.as_str());
    let frame = Frame::new(&methods, layout);
    let bottom = frame.row_top(methods.len());
    let divide = methods
        .first()
        .map_or(0.0, |m| shares(&m.anatomy).supervisor_right);
    let hatch = format!("hatch-{id}");
    let body = html! {
        defs {
            pattern id=(hatch) width="5" height="5" patternUnits="userSpaceOnUse"
                patternTransform="rotate(45)" {
                line class="hatch" x1="0" x2="0" y1="0" y2="5" {}
            }
        }
        (legend(&frame, &hatch))
        (headings(&frame, divide))
        @for (row, method) in methods.iter().enumerate() {
            (frame.row(row, method, best == Some(method.name.as_str()), &hatch))
        }
        @for (from, to) in frame.dividers(methods.len()) {
            line class="reference supervisor" x1=(px(frame.scale.at(divide)))
                x2=(px(frame.scale.at(divide))) y1=(px(from)) y2=(px(to)) {}
        }
    };
    let label = format!(
        "Test items of {} by who is right, for {}; the supervisor is right on {}.",
        text::name(&variant.name),
        text::plural(methods.len(), "method", "methods"),
        number::percent(divide),
    );
    Picture {
        width: layout.width(),
        height: bottom + 6.0,
        label,
        body,
    }
}

/// Shares of all items.
struct Shares {
    supervisor_right: f64,
    /// For each kind of [`LEGEND`]: where the ceiling is right, and where it is wrong.
    kinds: [[f64; 2]; 4],
}

fn shares(anatomy: &Anatomy) -> Shares {
    let Anatomy {
        all_right,
        ceiling_wrong,
        student_wrong,
        supervisor_only,
        corrected,
        student_only,
        inherited,
        all_wrong,
    } = *anatomy;
    let counts = [
        [student_wrong, supervisor_only],
        [all_right, ceiling_wrong],
        [corrected, student_only],
        [inherited, all_wrong],
    ];
    let n = counts.iter().flatten().sum::<usize>().max(1) as f64;
    let kinds = counts.map(|pair| pair.map(|count| count as f64 / n));
    Shares {
        supervisor_right: kinds[0][0] + kinds[0][1] + kinds[1][0] + kinds[1][1],
        kinds,
    }
}

struct Frame {
    layout: Layout,
    row_height: f64,
    bar_height: f64,
    top: f64,
    names: f64,
    scale: Scale,
}

impl Frame {
    fn new(methods: &[&MethodSummary], layout: Layout) -> Self {
        let widest = methods
            .iter()
            .map(|m| text_width(&method_label(m), FONT))
            .fold(80.0, f64::max);
        match layout {
            Layout::Wide => {
                let names = widest.min(320.0) + 14.0;
                let range = (names, layout.width() - 136.0);
                let scale = Scale {
                    domain: (0.0, 1.0),
                    range,
                };
                Self {
                    layout,
                    row_height: 23.0,
                    bar_height: 17.0,
                    top: 66.0,
                    names,
                    scale,
                }
            }
            Layout::Narrow => {
                let scale = Scale {
                    domain: (0.0, 1.0),
                    range: (0.0, layout.width()),
                };
                Self {
                    layout,
                    row_height: 40.0,
                    bar_height: 18.0,
                    top: 96.0,
                    names: 0.0,
                    scale,
                }
            }
        }
    }

    fn row_top(&self, row: usize) -> f64 {
        self.top + row as f64 * self.row_height
    }

    /// Where the line goes that divides right labels from wrong ones: down all bars, or over each
    /// one, so that it crosses no words.
    fn dividers(&self, n_rows: usize) -> Vec<(f64, f64)> {
        match self.layout {
            Layout::Wide => vec![(self.top - 8.0, self.row_top(n_rows))],
            Layout::Narrow => (0..n_rows)
                .map(|r| (self.row_top(r) + 16.0, self.row_top(r) + 38.0))
                .collect(),
        }
    }

    fn row(&self, row: usize, method: &MethodSummary, is_best: bool, hatch: &str) -> Markup {
        let class = if is_best { "name best" } else { "name" };
        let label = method_label(method);
        let size = if is_best { FONT * BOLD } else { FONT };
        let agreement = method.agreement;
        let on_right = agreement
            .on_right
            .map_or_else(|| number::NONE.to_owned(), number::percent_whole);
        let on_wrong = agreement
            .on_wrong
            .map_or_else(|| number::NONE.to_owned(), number::percent_whole);
        let top = self.row_top(row);
        let (bar, text) = match self.layout {
            Layout::Wide => (top + 3.0, top + 3.0 + self.bar_height / 2.0 + 4.3),
            Layout::Narrow => (top + 18.0, top + 12.0),
        };
        html! {
            @match self.layout {
                Layout::Wide => {
                    text class=(class) x=(px(self.names - 12.0)) y=(px(text)) text-anchor="end" {
                        (fit_text(&label, self.names - 12.0, size))
                    }
                    text class="value" x=(px(self.layout.width() - 68.0)) y=(px(text)) text-anchor="end" { (on_right) }
                    text class="value" x=(px(self.layout.width() - 4.0)) y=(px(text)) text-anchor="end" { (on_wrong) }
                }
                Layout::Narrow => {
                    text class=(class) x="0" y=(px(text)) {
                        (fit_text(&label, self.layout.width() - 86.0, size))
                    }
                    text class="value" x=(px(self.layout.width())) y=(px(text)) text-anchor="end" {
                        (on_right) " / " (on_wrong)
                    }
                }
            }
            g {
                title {
                    (label)
                    @for ((_, name), [right, wrong]) in LEGEND.iter().zip(shares(&method.anatomy).kinds) {
                        "; " (name) " " (number::percent(right + wrong)) " (of it ceiling wrong too "
                        (number::percent(wrong)) ")"
                    }
                }
                (self.bar(&method.anatomy, bar, hatch))
            }
        }
    }

    fn bar(&self, anatomy: &Anatomy, y: f64, hatch: &str) -> Markup {
        let mut at = 0.0;
        let mut segments = Vec::new();
        for (kind, pair) in shares(anatomy).kinds.into_iter().enumerate() {
            let from = at;
            at += pair[0] + pair[1];
            // The ceiling's part lies away from the supervisor's dividing line in the first half.
            let wrong = if kind < 2 {
                (from, from + pair[1])
            } else {
                (at - pair[1], at)
            };
            segments.push((LEGEND[kind].0, (from, at), wrong));
        }
        let rect = |(from, to): (f64, f64), class: &str, fill: Option<&str>| {
            let (from, to) = (self.scale.at(from), self.scale.at(to));
            html! {
                @if to > from {
                    rect class=(class) x=(px(from)) width=(px(to - from)) y=(px(y))
                        height=(px(self.bar_height)) fill=[fill] {}
                }
            }
        };
        html! {
            @for &(class, all, wrong) in &segments {
                (rect(all, &format!("part {class}"), None))
                (rect(wrong, "", Some(&format!("url(#{hatch})"))))
            }
            @for &(class, (from, to), _) in &segments {
                @let width = self.scale.at(to) - self.scale.at(from);
                @if width > 23.0 {
                    text class={ "share " (class) }
                        x=(px(f64::midpoint(self.scale.at(from), self.scale.at(to))))
                        y=(px(y + self.bar_height / 2.0 + 4.0)) text-anchor="middle" {
                        (number::percent_whole(to - from))
                    }
                }
            }
        }
    }
}

fn legend(frame: &Frame, hatch: &str) -> Markup {
    let mut items: Vec<(&str, &str, f64, f64)> = Vec::new();
    let (mut x, mut y) = (frame.names, 0.0);
    let all = LEGEND.into_iter().chain([("hatched", "ceiling wrong too")]);
    for (class, name) in all {
        let width = 17.0 + text_width(name, FONT) + 14.0;
        if x + width > frame.layout.width() + 14.0 && x > frame.names {
            x = frame.names;
            y += 20.0;
        }
        items.push((class, name, x, y));
        x += width;
    }
    html! {
        @for (class, name, x, y) in items {
            @if class == "hatched" {
                rect class="swatch" x=(px(x)) y=(px(y + 2.0)) width="12" height="12"
                    fill=(format!("url(#{hatch})")) {}
            } @else {
                rect class={ "part " (class) } x=(px(x)) y=(px(y + 2.0)) width="12" height="12" {}
            }
            text class="name" x=(px(x + 17.0)) y=(px(y + 12.5)) { (name) }
        }
    }
}

fn headings(frame: &Frame, divide: f64) -> Markup {
    let x = frame.scale.at(divide);
    let y = frame.top - 10.0;
    let right = frame.layout.width();
    html! {
        text class="tick" x=(px(x - 6.0)) y=(px(y)) text-anchor="end" {
            "supervisor right " (number::percent(divide))
        }
        text class="tick" x=(px(x + 6.0)) y=(px(y)) { "wrong" }
        @match frame.layout {
            Layout::Wide => {
                text class="tick" x=(px(right - 64.0)) y=(px(y - 15.0)) text-anchor="middle" { "agreement" }
                text class="tick" x=(px(right - 68.0)) y=(px(y)) text-anchor="end" { "on right" }
                text class="tick" x=(px(right - 4.0)) y=(px(y)) text-anchor="end" { "on wrong" }
            }
            Layout::Narrow => {
                text class="tick" x=(px(right)) y=(px(y - 18.0)) text-anchor="end" {
                    "right of each name: agreement on right / wrong labels"
                }
            }
        }
    }
}
