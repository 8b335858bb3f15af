//! Plots as SVG, drawn by hand: dots with intervals, stacked bars, reliability diagrams, lines.
//!
//! Colours are CSS variables with classes (`plot.css`), so one picture serves light and dark; inline
//! it takes them from the page, [`Picture::standalone`] brings its own. Coordinates are rounded to a
//! tenth, so the same numbers give the same bytes. Every picture has a text for those who cannot see
//! it, and is never the only place where a number stands.

mod anatomy;
mod curves;
mod differences;
mod dumbbells;
mod front;
mod gap;
mod gauge;
mod pgr;
mod reliability;
mod rows;
mod shares;
mod training;

use maud::{Markup, PreEscaped, html};
use unicode_width::UnicodeWidthStr;

pub use anatomy::anatomy;
pub use curves::curves;
pub use differences::differences;
pub use dumbbells::dumbbells;
pub use front::fronts;
pub use gap::gap;
pub use gauge::gauge;
pub use pgr::pgr;
pub(crate) use reliability::axis_start;
pub use reliability::reliability;
pub use shares::shares;
pub use training::training;

/// The palette and the marks, shared by the page and standalone pictures.
pub const STYLE: &str = include_str!("svg/plot.css");

/// Which room a picture is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A page: names to the left of the marks.
    Wide,
    /// A phone: names above the marks.
    Narrow,
}

impl Layout {
    /// Width of the picture in CSS pixels, before scaling.
    pub const fn width(self) -> f64 {
        match self {
            Self::Wide => 920.0,
            Self::Narrow => 360.0,
        }
    }
}

/// One drawn plot.
#[derive(Debug, Clone)]
pub struct Picture {
    width: f64,
    height: f64,
    label: String,
    body: Markup,
}

impl Picture {
    /// The plot for an HTML page that holds [`STYLE`].
    pub fn inline(&self) -> Markup {
        html! {
            svg class="plot" role="img" aria-label=(self.label)
                viewBox=(format!("0 0 {} {}", px(self.width), px(self.height)))
                style=(format!("max-width:{}px", px(self.width))) {
                (self.body)
            }
        }
    }

    /// The plot as a file of its own.
    pub fn standalone(&self) -> String {
        html! {
            svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img"
                aria-label=(self.label) width=(px(self.width)) height=(px(self.height))
                viewBox=(format!("0 0 {} {}", px(self.width), px(self.height))) {
                style { (PreEscaped(STYLE)) }
                rect class="paper" width="100%" height="100%" {}
                (self.body)
            }
        }
        .into_string()
    }
}

/// A coordinate with at most one decimal.
fn px(x: f64) -> String {
    let rounded = (x * 10.0).round() / 10.0;
    if rounded == 0.0 || !rounded.is_finite() {
        "0".to_owned()
    } else {
        rounded.to_string()
    }
}

/// A straight line from data to pixels.
#[derive(Debug, Clone, Copy)]
struct Scale {
    domain: (f64, f64),
    range: (f64, f64),
}

impl Scale {
    fn at(self, x: f64) -> f64 {
        let (from, to) = self.domain;
        let share = ((x - from) / (to - from)).clamp(0.0, 1.0);
        let share = if share.is_finite() { share } else { 0.0 };
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    fn holds(self, x: f64) -> bool {
        (self.domain.0..=self.domain.1).contains(&x)
    }
}

/// A little more than the domain, and never nothing.
fn padded((low, high): (f64, f64)) -> (f64, f64) {
    let pad = match high - low {
        span if span > 0.0 => 0.04 * span,
        _ => 0.5,
    };
    (low - pad, high + pad)
}

/// The least room between two labels, top to top.
const APART: f64 = 14.0;

/// Moves heights of labels, from the highest down, apart; none below `lowest`.
fn spread(heights: &mut [f64], lowest: f64) {
    for i in 1..heights.len() {
        heights[i] = heights[i].max(heights[i - 1] + APART);
    }
    // What was pushed too low pushes the others up again.
    let mut lowest = lowest;
    for height in heights.iter_mut().rev() {
        *height = height.min(lowest);
        lowest = *height - APART;
    }
}

/// Round numbers within a domain, at most `n` and a few, and the decimals that they need.
fn ticks(domain: (f64, f64), n: usize) -> (Vec<f64>, usize) {
    let span = domain.1 - domain.0;
    if !(span.is_finite() && span > 0.0) {
        return (Vec::new(), 0);
    }
    let rough = span / n.max(1) as f64;
    let magnitude = rough.log10().floor();
    let power = 10_f64.powf(magnitude);
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|s| *s >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (domain.0 / step - 1e-9).ceil() as i64;
    let last = (domain.1 / step + 1e-9).floor() as i64;
    let decimals = (-(step * 1.0001).log10().floor()).max(0.0) as usize;
    ((first..=last).map(|i| i as f64 * step).collect(), decimals)
}

/// Width of a column of text for a font of size one; right for wide fonts, generous for others.
const GLYPH: f64 = 0.58;

/// About how wide a text is drawn, in pixels; a little generous.
fn text_width(text: &str, size: f64) -> f64 {
    GLYPH * size * text.width() as f64
}

/// How much wider bold text is.
const BOLD: f64 = 1.13;

/// Cuts a text to about `width` pixels.
fn fit_text(text: &str, width: f64, size: f64) -> String {
    crate::text::shorten(text, (width / (GLYPH * size)).floor().max(1.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            ticks((0.0, 1.0), 5).0,
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(
            ticks((0.671, 0.763), 6),
            (vec![0.68, 0.7000000000000001, 0.72, 0.74, 0.76], 2)
        );
        assert_eq!(ticks((-0.3, 1.2), 4).0, [0.0, 0.5, 1.0]);
        assert_eq!(ticks((0.5, 0.5), 4).0, [] as [f64; 0]);
        assert_eq!(ticks((f64::NAN, 1.0), 4).0, [] as [f64; 0]);
    }

    #[test]
    fn labels_keep_their_order_and_their_distance() {
        let mut heights = [10.0, 12.0, 95.0, 99.0];
        spread(&mut heights, 100.0);
        assert_eq!(heights, [10.0, 24.0, 86.0, 100.0]);
        let mut crowded = [90.0, 90.0, 90.0];
        spread(&mut crowded, 100.0);
        assert_eq!(crowded, [72.0, 86.0, 100.0]);
    }

    #[test]
    fn scales_stay_in_their_range() {
        let scale = Scale {
            domain: (0.0, 2.0),
            range: (10.0, 20.0),
        };
        assert_eq!(scale.at(1.0), 15.0);
        assert_eq!(scale.at(9.0), 20.0);
        assert_eq!(scale.at(f64::NAN), 10.0);
        assert_eq!(
            Scale {
                domain: (1.0, 1.0),
                range: (10.0, 20.0)
            }
            .at(1.0),
            10.0
        );
        assert_eq!(px(-0.01), "0");
        assert_eq!(px(12.34), "12.3");
    }
}
