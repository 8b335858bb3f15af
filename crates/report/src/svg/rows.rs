//! The common frame: methods as rows, one or more panels of dots with intervals beside them.

use maud::{Markup, html};

use super::{BOLD, Layout, Picture, Scale, fit_text, px, text_width, ticks};
use crate::summary::Interval;

const FONT: f64 = 12.5;
const SMALL: f64 = 11.0;

/// A plot with a row for each method.
pub(super) struct RowPlot {
    /// The plot in words.
    pub(super) label: String,
    /// Names, top to bottom.
    pub(super) rows: Vec<Name>,
    /// Left to right; exactly one in a narrow layout.
    pub(super) panels: Vec<Panel>,
}

/// The name of a row.
pub(super) struct Name {
    pub(super) text: String,
    pub(super) is_best: bool,
}

/// One set of axes.
pub(super) struct Panel {
    pub(super) title: Option<String>,
    pub(super) axis: String,
    /// What the axis covers, before padding.
    pub(super) domain: (f64, f64),
    pub(super) tick_label: fn(f64, usize) -> String,
    pub(super) references: Vec<Reference>,
    /// One for each row.
    pub(super) marks: Vec<Mark>,
}

/// A vertical line, with a shaded interval where there is one.
pub(super) struct Reference {
    pub(super) interval: Interval,
    pub(super) class: &'static str,
    pub(super) label: String,
}

/// What stands in one row of one panel.
pub(super) enum Mark {
    /// Estimate, interval and single seeds.
    Dot {
        interval: Interval,
        seeds: Vec<f64>,
        /// Drawn hollow: not a weak-to-strong result.
        hollow: bool,
        /// The estimate in figures.
        value: String,
        /// Shown when pointed at.
        hint: String,
    },
    /// Two dots and the line between them, a name each.
    Pair {
        /// Left to right in the legend, not on the axis.
        ends: [Option<End>; 2],
        /// What is between them, in figures.
        value: String,
        /// Shown when pointed at.
        hint: String,
    },
    /// Words in place of a mark.
    Words(&'static str),
    /// Nothing was measured.
    Nothing,
}

/// One end of a pair.
pub(super) struct End {
    pub(super) estimate: f64,
    /// Its interval, where it was measured.
    pub(super) interval: Option<Interval>,
    pub(super) class: &'static str,
}

/// Where things stand.
struct Frame {
    layout: Layout,
    row_height: f64,
    top: f64,
    names: f64,
    panel: f64,
    values: f64,
}

impl Frame {
    fn new(plot: &RowPlot, layout: Layout) -> Self {
        let title = if plot.panels.iter().any(|p| p.title.is_some()) {
            22.0
        } else {
            0.0
        };
        let references = if plot.panels.iter().all(|p| p.references.is_empty()) {
            0.0
        } else {
            20.0
        };
        let widest = plot
            .rows
            .iter()
            .map(|r| text_width(&r.text, FONT))
            .fold(80.0, f64::max);
        match layout {
            Layout::Wide => {
                let names = widest.min(320.0) + 14.0;
                let each = (layout.width() - names) / plot.panels.len().max(1) as f64;
                let values = 58.0;
                let top = title + references + 4.0;
                Self {
                    layout,
                    row_height: 22.0,
                    top,
                    names,
                    panel: each - values,
                    values,
                }
            }
            Layout::Narrow => Self {
                layout,
                row_height: 38.0,
                // Two reference labels do not fit beside one another on a phone.
                top: title + 1.8 * references + 2.0,
                names: 0.0,
                panel: layout.width() - 16.0,
                values: 0.0,
            },
        }
    }

    fn row_top(&self, row: usize) -> f64 {
        self.top + row as f64 * self.row_height
    }

    /// Where bands, grid and reference lines go: down the whole panel, or under each name, so that
    /// nothing is drawn behind words.
    fn strips(&self, n_rows: usize, bottom: f64) -> Vec<(f64, f64)> {
        match self.layout {
            Layout::Wide => vec![(self.top, bottom)],
            Layout::Narrow => (0..n_rows)
                .map(|r| (self.row_top(r) + 17.0, self.row_top(r) + 36.0))
                .collect(),
        }
    }

    /// The height at which a row's mark is drawn.
    fn mark(&self, row: usize) -> f64 {
        let middle = match self.layout {
            Layout::Wide => 0.5,
            Layout::Narrow => 0.7,
        };
        self.row_top(row) + middle * self.row_height
    }
}

impl RowPlot {
    pub(super) fn draw(&self, layout: Layout) -> Picture {
        let frame = Frame::new(self, layout);
        let bottom = frame.row_top(self.rows.len()) + 4.0;
        let body = html! {
            @for (p, panel) in self.panels.iter().enumerate() {
                (panel.back(&frame, p, bottom))
            }
            @for (r, name) in self.rows.iter().enumerate() { (name.draw(&frame, r)) }
            @for (p, panel) in self.panels.iter().enumerate() { (panel.front(&frame, p)) }
        };
        Picture {
            width: layout.width(),
            height: bottom + 40.0,
            label: self.label.clone(),
            body,
        }
    }
}

impl Name {
    fn draw(&self, frame: &Frame, row: usize) -> Markup {
        let (x, y, room, anchor) = match frame.layout {
            Layout::Wide => (
                frame.names - 12.0,
                frame.mark(row) + 4.2,
                frame.names - 12.0,
                "end",
            ),
            Layout::Narrow => (
                0.0,
                frame.row_top(row) + 13.0,
                frame.layout.width() - 52.0,
                "start",
            ),
        };
        let class = if self.is_best { "name best" } else { "name" };
        html! {
            text class=(class) x=(px(x)) y=(px(y)) text-anchor=(anchor) {
                (fit_text(&self.text, if self.is_best { room / BOLD } else { room }, FONT))
            }
        }
    }
}

impl Panel {
    fn scale(&self, frame: &Frame, index: usize) -> Scale {
        let (low, high) = self.domain;
        let pad = 0.03 * (high - low);
        let left = match frame.layout {
            Layout::Wide => frame.names + index as f64 * (frame.panel + frame.values),
            Layout::Narrow => 8.0,
        };
        Scale {
            domain: (low - pad, high + pad),
            range: (left, left + frame.panel),
        }
    }

    /// Grid, axis, bands and reference lines.
    fn back(&self, frame: &Frame, index: usize, bottom: f64) -> Markup {
        let scale = self.scale(frame, index);
        let (left, right) = scale.range;
        let wanted = (frame.panel / 56.0).floor().clamp(2.0, 8.0) as usize;
        let (at, decimals) = ticks(scale.domain, wanted);
        let strips = frame.strips(self.marks.len(), bottom);
        let lines = strips.iter().flat_map(|&(from, to)| {
            at.iter()
                .map(move |t| format!("M{} {}V{}", px(scale.at(*t)), px(from), px(to)))
        });
        let grid = lines.collect::<Vec<_>>().concat();
        let rows = (0..self.marks.len()).map(|row| px(frame.mark(row)));
        let leaders = rows
            .map(|y| format!("M{} {y}H{}", px(left), px(right)))
            .collect::<Vec<_>>()
            .concat();
        html! {
            @if let Some(title) = &self.title {
                text class="title" x=(px(left)) y="13" {
                    (fit_text(title, right - left + frame.values - 8.0, FONT))
                }
            }
            @for &(from, to) in &strips {
                @for reference in &self.references { (reference.band(scale, from, to)) }
            }
            path class="grid" d=(grid) {}
            path class="grid row" d=(leaders) {}
            @for tick in &at {
                text class="tick" x=(px(scale.at(*tick))) y=(px(bottom + 15.0))
                    text-anchor="middle" { ((self.tick_label)(*tick, decimals)) }
            }
            line class="axis" x1=(px(left)) x2=(px(right)) y1=(px(bottom)) y2=(px(bottom)) {}
            text class="axis-title" x=(px(f64::midpoint(left, right))) y=(px(bottom + 33.0))
                text-anchor="middle" { (self.axis) }
            @for (from, to) in strips {
                @for reference in &self.references { (reference.line(scale, from, to)) }
            }
            (self.reference_labels(frame, scale))
        }
    }

    /// The names of the reference lines, above them, out of one another's way.
    fn reference_labels(&self, frame: &Frame, scale: Scale) -> Markup {
        let (left, right) = scale.range;
        let edge = match frame.layout {
            Layout::Wide => right + frame.values,
            Layout::Narrow => frame.layout.width(),
        };
        let mut shown: Vec<&Reference> = self
            .references
            .iter()
            .filter(|r| r.interval.estimate.is_finite())
            .collect();
        shown.sort_by(|a, b| a.interval.estimate.total_cmp(&b.interval.estimate));
        let at = |r: &Reference| scale.at(r.interval.estimate);
        let width = |r: &Reference| text_width(&r.label, SMALL);
        let both_fit_between = match shown.as_slice() {
            [a, b] => at(b) - at(a) > width(a) + width(b) + 16.0,
            _ => false,
        };
        let n = shown.len();
        let placed: Vec<(f64, &str, f64)> = shown
            .iter()
            .enumerate()
            .map(|(i, reference)| {
                let (x, width) = (at(reference), width(reference));
                let room_left = x - if frame.layout == Layout::Wide {
                    0.0
                } else {
                    left - 8.0
                };
                let outward_left = i == 0 && n > 1 && room_left >= width;
                let ends_here = if both_fit_between {
                    i > 0
                } else {
                    outward_left || x + width > edge
                };
                let above = frame.layout == Layout::Narrow && n > 1 && i == 0 && !both_fit_between;
                let y = frame.top - if above { 20.0 } else { 6.0 };
                if ends_here {
                    (x + 3.0, "end", y)
                } else {
                    (x - 3.0, "start", y)
                }
            })
            .collect();
        html! {
            @for (reference, (x, anchor, y)) in shown.iter().zip(placed) {
                text class={ "reference-label " (reference.class) } x=(px(x)) y=(px(y))
                    text-anchor=(anchor) { (reference.label) }
            }
        }
    }

    fn front(&self, frame: &Frame, index: usize) -> Markup {
        let scale = self.scale(frame, index);
        html! {
            @for (row, mark) in self.marks.iter().enumerate() {
                @match mark {
                    Mark::Nothing => {}
                    Mark::Words(words) => {
                        text class="words" x=(px(f64::midpoint(scale.range.0, scale.range.1)))
                            y=(px(frame.mark(row) + 4.0)) text-anchor="middle" { (words) }
                    }
                    Mark::Pair { ends, value, hint } => {
                        g {
                            title { (hint) }
                            (pair(scale, frame.mark(row), ends))
                            (value_label(frame, scale, row, value))
                        }
                    }
                    Mark::Dot { interval, seeds, hollow, value, hint } => {
                        g {
                            title { (hint) }
                            (dot(scale, frame.mark(row), *interval, seeds, *hollow))
                            (value_label(frame, scale, row, value))
                        }
                    }
                }
            }
        }
    }
}

fn value_label(frame: &Frame, scale: Scale, row: usize, value: &str) -> Markup {
    let (x, y) = match frame.layout {
        Layout::Wide => (scale.range.1 + frame.values - 10.0, frame.mark(row) + 4.2),
        Layout::Narrow => (frame.layout.width(), frame.row_top(row) + 12.0),
    };
    html! { text class="value" x=(px(x)) y=(px(y)) text-anchor="end" { (value) } }
}

/// Two dots and the line between them. Their intervals lie a little above and below it, so that neither hides the other.
fn pair(scale: Scale, y: f64, ends: &[Option<End>; 2]) -> Markup {
    html! {
        @if let [Some(one), Some(other)] = ends {
            line class="link" x1=(px(scale.at(one.estimate))) x2=(px(scale.at(other.estimate))) y1=(px(y)) y2=(px(y)) {}
        }
        @for (end, aside) in ends.iter().zip([-3.5, 3.5]) {
            @if let Some(end) = end {
                @if let Some(interval) = end.interval {
                    line class={ "interval " (end.class) } x1=(px(scale.at(interval.low))) x2=(px(scale.at(interval.high)))
                        y1=(px(y + aside)) y2=(px(y + aside)) {}
                }
                circle class={ "dot " (end.class) @if end.interval.is_none() { " hollow" } } cx=(px(scale.at(end.estimate)))
                    cy=(px(y + aside)) r="4.3" {}
            }
        }
    }
}

/// A dot with its interval; an end outside the axis becomes an arrow head.
fn dot(scale: Scale, y: f64, interval: Interval, seeds: &[f64], hollow: bool) -> Markup {
    let Interval {
        estimate,
        low,
        high,
    } = interval;
    let (from, to) = (scale.at(low), scale.at(high));
    let inside = seeds.iter().filter(|s| scale.holds(**s));
    let ticks = inside.map(|s| format!("M{} {}v9", px(scale.at(*s)), px(y - 4.5)));
    let ticks = ticks.collect::<Vec<_>>().concat();
    html! {
        @if !ticks.is_empty() { path class="seed" d=(ticks) {} }
        @if low.is_finite() && high.is_finite() {
            line class="interval" x1=(px(from)) x2=(px(to)) y1=(px(y)) y2=(px(y)) {}
            @if low < scale.domain.0 {
                path class="arrow" d=(format!("M{} {}l7 -4v8z", px(from), px(y))) {}
            }
            @if high > scale.domain.1 {
                path class="arrow" d=(format!("M{} {}l-7 -4v8z", px(to), px(y))) {}
            }
        }
        @if scale.holds(estimate) {
            circle class=(if hollow { "dot hollow" } else { "dot" }) cx=(px(scale.at(estimate)))
                cy=(px(y)) r="4.3" {}
        }
    }
}

impl Reference {
    fn band(&self, scale: Scale, top: f64, bottom: f64) -> Markup {
        let (from, to) = (scale.at(self.interval.low), scale.at(self.interval.high));
        html! {
            @if to - from > 0.1 {
                rect class={ "band " (self.class) } x=(px(from)) width=(px(to - from)) y=(px(top))
                    height=(px(bottom - top)) {}
            }
        }
    }

    fn line(&self, scale: Scale, top: f64, bottom: f64) -> Markup {
        let x = px(scale.at(self.interval.estimate));
        html! {
            @if scale.holds(self.interval.estimate) {
                line class={ "reference " (self.class) } x1=(x) x2=(x) y1=(px(top - 2.0))
                    y2=(px(bottom)) {}
            }
        }
    }
}

/// The least range that holds every finite number given.
pub(super) fn span(numbers: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (low, high) = numbers
        .into_iter()
        .filter(|x| x.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
    match high - low {
        width if width > 0.0 && width.is_finite() => (low, high),
        0.0 => (low - 0.01, high + 0.01),
        _ => (0.0, 1.0),
    }
}

/// Words for an interval, for hints: `71.3%, interval 70.2% to 72.2%`.
pub(super) fn spoken(interval: Interval, write: impl Fn(f64) -> String) -> String {
    format!(
        "{}, interval {} to {}",
        write(interval.estimate),
        write(interval.low),
        write(interval.high)
    )
}
