//! Lines over a common axis, a panel for each of several things: plain data, drawn by [`crate::svg::curves`] on a page and as
//! one line of blocks for each on a terminal.

use serde::Serialize;

/// Panels with the same axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curves {
    /// What is seen, in a sentence.
    pub caption: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// In reading order.
    pub panels: Vec<CurvePanel>,
}

/// What an axis measures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// What it is called, with its unit.
    pub name: String,
    /// How its numbers are written.
    pub unit: Unit,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// As they are.
    Number,
    /// In per cent.
    Share,
    /// A year: without decimals.
    Year,
}

/// One set of axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurvePanel {
    /// What it is about.
    pub name: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// How it is drawn.
    pub stroke: Stroke,
    /// From the first to the last.
    pub points: Vec<Point>,
    /// Which of them is the highest, where that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak: Option<usize>,
    /// The same under each seed, where the line is a mean over several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_seed: Vec<SeedLine>,
}

/// How a line is drawn; colour and dashes say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stroke {
    /// What matters.
    Solid,
    /// What stands beside it.
    Dashed,
    /// What else stands beside it.
    Dotted,
    /// No line: the area between the ends of its points.
    Band,
    /// No line: its points alone.
    Dots,
}

/// One point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Along.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// The interval of `y`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<[f64; 2]>,
}

/// A line under one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeedLine {
    /// The seed.
    pub seed: u64,
    /// From the first to the last.
    pub points: Vec<Point>,
}

impl Point {
    /// A point without an interval.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, ends: None }
    }
}

impl Unit {
    /// A number as a reader sees it.
    pub(crate) fn shown(self, x: f64, decimals: usize) -> String {
        match self {
            Self::Number => crate::number::fixed(x, decimals),
            Self::Year => crate::number::fixed(x, 0),
            Self::Share => {
                let decimals = decimals.saturating_sub(2);
                format!("{}%", crate::number::fixed(100.0 * x, decimals))
            }
        }
    }
}

impl Line {
    /// Whether it says what `other` says, which may say more: the same points in another panel.
    fn repeats(&self, other: &Self) -> bool {
        let places = |line: &Self| line.points.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>();
        (self.stroke, other.stroke) == (Stroke::Dotted, Stroke::Solid)
            && self.by_seed.is_empty()
            && places(self) == places(other)
    }
}

impl Curves {
    /// The least and the most of either axis over all panels, single seeds and intervals too; `None` without a point.
    pub(crate) fn domains(&self) -> Option<[(f64, f64); 2]> {
        let lines = self.panels.iter().flat_map(|panel| &panel.lines);
        let points = lines.flat_map(|line| {
            let seeds = line.by_seed.iter().flat_map(|seed| &seed.points);
            line.points.iter().chain(seeds)
        });
        let (mut x, mut y) = (None, None);
        for point in points {
            widen(&mut x, point.x);
            for value in [point.y]
                .into_iter()
                .chain(point.ends.into_iter().flatten())
            {
                widen(&mut y, value);
            }
        }
        Some([x?, y?])
    }

    /// Panels and lines, each line once: what stands in a second panel to compare with is left out there.
    pub(super) fn lines(&self) -> Vec<(&CurvePanel, &Line)> {
        let mut lines: Vec<(&CurvePanel, &Line)> = Vec::new();
        for panel in &self.panels {
            for line in &panel.lines {
                let is_known = |(of, known): &(&CurvePanel, &Line)| {
                    of.name != panel.name && line.repeats(known)
                };
                if !lines.iter().any(is_known) {
                    lines.push((panel, line));
                }
            }
        }
        lines
    }

    /// Every line as text: what it is called, its shape as blocks on the common scale, and where it begins and ends.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let Some([_, domain]) = self.domains() else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        let drawn = |(_, line): &(&CurvePanel, &Line)| line.stroke != Stroke::Band;
        for (panel, line) in self.lines().into_iter().filter(drawn) {
            let (Some(first), Some(last)) = (line.points.first(), line.points.last()) else {
                continue;
            };
            let from_to = |unit: Unit, from: f64, to: f64| {
                let are_whole = unit == Unit::Number && [from, to].iter().all(|x| x.fract() == 0.0);
                let decimals = if are_whole { 0 } else { 2 };
                format!(
                    "{} → {}",
                    unit.shown(from, decimals),
                    unit.shown(to, decimals)
                )
            };
            rows.push([
                format!("{}: {}", panel.name, line.name),
                blocks(&line.points, domain),
                from_to(self.y.unit, first.y, last.y),
                from_to(self.x.unit, first.x, last.x),
            ]);
        }
        rows
    }
}

fn widen(domain: &mut Option<(f64, f64)>, x: f64) {
    if x.is_finite() {
        let (low, high) = domain.unwrap_or((x, x));
        *domain = Some((low.min(x), high.max(x)));
    }
}

/// The most blocks of a line.
const N_BLOCKS: usize = 16;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Points in their order, each block the mean of some.
fn blocks(points: &[Point], (low, high): (f64, f64)) -> String {
    let n = points.len().min(N_BLOCKS);
    (0..n)
        .map(|block| {
            let own = &points[block * points.len() / n..(block + 1) * points.len() / n];
            let mean = own.iter().map(|point| point.y).sum::<f64>() / own.len() as f64;
            let share = ((mean - low) / (high - low)).clamp(0.0, 1.0);
            // A flat line, zero over zero, is the lowest block.
            BLOCKS[(share * (BLOCKS.len() - 1) as f64).round() as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_the_shape() {
        let points =
            |ys: &[f64]| -> Vec<Point> { ys.iter().map(|y| Point::new(0.0, *y)).collect() };
        assert_eq!(blocks(&points(&[0.0, 0.5, 1.0]), (0.0, 1.0)), "▁▅█");
        assert_eq!(blocks(&points(&[2.0, 2.0]), (2.0, 2.0)), "▁▁");
        let many: Vec<f64> = (0..160).map(f64::from).collect();
        let shown = blocks(&points(&many), (0.0, 159.0));
        assert_eq!(shown.chars().count(), N_BLOCKS);
        assert!(shown.starts_with('▁') && shown.ends_with('█'));
    }
}
