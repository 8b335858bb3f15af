//! Lines over common axes, a small picture for each panel: dashes tell two lines apart as colours do, thin lines are single
//! seeds, and a ring is the peak.

use maud::{Markup, html};

use super::{BOLD, Layout, Picture, Scale, fit_text, padded, px, spread, text_width, ticks};
use crate::document::{CurvePanel, Curves, Line, Point, Stroke};
use crate::text;

const TITLE: f64 = 24.0;
const LEFT: f64 = 50.0;
const FOOT: f64 = 38.0;
const FONT: f64 = 12.5;

/// One picture a panel, all on the same axes; none where there is no point.
pub fn curves(curves: &Curves, layout: Layout) -> Vec<Picture> {
    let Some([x, y]) = curves.domains() else {
        return Vec::new();
    };
    let (width, height) = match layout {
        Layout::Wide if curves.panels.len() <= 2 => (440.0, 240.0),
        Layout::Wide => (300.0, 190.0),
        Layout::Narrow => (layout.width(), 210.0),
    };
    let names = (curves.panels.iter().flat_map(|panel| &panel.lines))
        .filter(|line| line.stroke != Stroke::Band)
        .map(|line| text_width(&text::name(&line.name), FONT))
        .fold(0.0, f64::max)
        .min(width / 3.0);
    let frame = Frame {
        curves,
        x: Scale {
            domain: padded(x),
            range: (LEFT, width - names - 10.0),
        },
        y: Scale {
            domain: padded(y),
            range: (TITLE + height, TITLE),
        },
    };
    (curves.panels.iter())
        .map(|panel| Picture {
            width,
            height: TITLE + height + FOOT,
            label: label(curves, panel),
            body: frame.draw(panel),
        })
        .collect()
}

struct Frame<'a> {
    curves: &'a Curves,
    x: Scale,
    y: Scale,
}

impl Frame<'_> {
    fn draw(&self, panel: &CurvePanel) -> Markup {
        let (left, right) = self.x.range;
        let (bottom, top) = self.y.range;
        let title = text::name(&panel.name);
        html! {
            text class="title" x=(px(left)) y="13" {
                (fit_text(&title, self.room() / BOLD, FONT))
            }
            rect class="frame" x=(px(left)) y=(px(top)) width=(px(right - left)) height=(px(bottom - top)) {}
            (self.axes())
            @for (i, line) in panel.lines.iter().enumerate() { (self.line(i, panel.lines.len(), line)) }
            @for (y, line) in self.labels(panel) {
                text class={ "line-label " (class(line.stroke)) } x=(px(right + 6.0)) y=(px(y + 4.0)) {
                    (text::name(&line.name))
                }
            }
        }
    }

    /// From the left end of the frame to the right end of the picture.
    fn room(&self) -> f64 {
        self.x.range.1 + 40.0 - self.x.range.0
    }

    fn axes(&self) -> Markup {
        let (left, right) = self.x.range;
        let (bottom, top) = self.y.range;
        let (along, along_decimals) = ticks(self.x.domain, ((right - left) / 60.0) as usize);
        let (up, up_decimals) = ticks(self.y.domain, ((bottom - top) / 40.0) as usize);
        let [x, y] = [&self.curves.x, &self.curves.y];
        let middle = f64::midpoint(top, bottom);
        html! {
            @for tick in up {
                line class="grid" x1=(px(left)) x2=(px(right)) y1=(px(self.y.at(tick))) y2=(px(self.y.at(tick))) {}
                text class="tick" x=(px(left - 5.0)) y=(px(self.y.at(tick) + 4.0)) text-anchor="end" {
                    (y.unit.shown(tick, up_decimals))
                }
            }
            @if self.y.holds(0.0) {
                line class="reference zero" x1=(px(left)) x2=(px(right)) y1=(px(self.y.at(0.0))) y2=(px(self.y.at(0.0))) {}
            }
            @for tick in along {
                line class="axis" x1=(px(self.x.at(tick))) x2=(px(self.x.at(tick))) y1=(px(bottom)) y2=(px(bottom + 4.0)) {}
                text class="tick" x=(px(self.x.at(tick))) y=(px(bottom + 16.0)) text-anchor="middle" {
                    (x.unit.shown(tick, along_decimals))
                }
            }
            text class="axis-title" x=(px(f64::midpoint(left, right))) y=(px(bottom + 33.0)) text-anchor="middle" {
                (text::name(&x.name))
            }
            text class="axis-title" x="10" y=(px(middle)) text-anchor="middle"
                transform=(format!("rotate(-90 10 {})", px(middle))) { (text::name(&y.name)) }
        }
    }

    /// The line of an index among `n`: lines with intervals stand a little beside one another, so that these do not overlap.
    fn line(&self, index: usize, n: usize, line: &Line) -> Markup {
        let class = class(line.stroke);
        if line.stroke == Stroke::Band {
            return self.band(line);
        }
        let has_ends = line.points.iter().any(|point| point.ends.is_some());
        let aside = if has_ends {
            5.0 * (index as f64 - (n as f64 - 1.0) / 2.0)
        } else {
            0.0
        };
        let at = |point: &Point| self.x.at(point.x) + aside;
        let path = |points: &[Point]| {
            let shown: Vec<String> = (points.iter())
                .map(|point| format!("{},{}", px(at(point)), px(self.y.at(point.y))))
                .collect();
            shown.join(" ")
        };
        html! {
            @for seed in &line.by_seed {
                polyline class={ "curve thin " (class) } points=(path(&seed.points)) {}
            }
            @for point in &line.points {
                @if let Some(ends) = point.ends {
                    line class={ "whisker " (class) } x1=(px(at(point))) x2=(px(at(point)))
                        y1=(px(self.y.at(ends[0]))) y2=(px(self.y.at(ends[1]))) {}
                }
            }
            @if line.stroke != Stroke::Dots {
                polyline class={ "curve " (class) } points=(path(&line.points)) {}
            }
            @if line.stroke == Stroke::Dots || line.points.len() <= 12 {
                @for point in &line.points {
                    circle class={ "point " (class) } cx=(px(at(point))) cy=(px(self.y.at(point.y))) r="2.6" {}
                }
            }
            @if let Some(peak) = line.peak.and_then(|peak| line.points.get(peak)) {
                circle class={ "peak " (class) } cx=(px(at(peak))) cy=(px(self.y.at(peak.y))) r="5" {}
            }
        }
    }

    /// The area between the ends of a line's points: along the lower, and back along the upper.
    fn band(&self, line: &Line) -> Markup {
        let ends = |which: usize| {
            let shown = line.points.iter().filter_map(move |point| {
                let ends = point.ends?;
                Some(format!(
                    "{},{}",
                    px(self.x.at(point.x)),
                    px(self.y.at(ends[which]))
                ))
            });
            shown.collect::<Vec<_>>()
        };
        let (low, high) = (ends(0), ends(1));
        let outline: Vec<String> = low.into_iter().chain(high.into_iter().rev()).collect();
        html! { polygon class={ "fan " (class(line.stroke)) } points=(outline.join(" ")) {} }
    }

    /// Lines with the heights of their names: where they end, and out of one another's way.
    fn labels<'a>(&self, panel: &'a CurvePanel) -> Vec<(f64, &'a Line)> {
        let mut labels: Vec<(f64, &Line)> = (panel.lines.iter())
            .filter(|line| line.stroke != Stroke::Band)
            .filter_map(|line| Some((self.y.at(line.points.last()?.y), line)))
            .collect();
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut heights: Vec<f64> = labels.iter().map(|label| label.0).collect();
        spread(&mut heights, self.y.range.0);
        for (label, height) in labels.iter_mut().zip(heights) {
            label.0 = height;
        }
        labels
    }
}

fn class(stroke: Stroke) -> &'static str {
    match stroke {
        Stroke::Solid | Stroke::Band => "student",
        Stroke::Dashed => "weak dashed",
        Stroke::Dotted => "ceiling dotted",
        Stroke::Dots => "ceiling",
    }
}

fn label(curves: &Curves, panel: &CurvePanel) -> String {
    let lines: Vec<String> = (panel.lines.iter())
        .filter(|line| line.stroke != Stroke::Band)
        .filter_map(|line| {
            let (first, last) = (line.points.first()?, line.points.last()?);
            let shown = |point: &Point| curves.y.unit.shown(point.y, 2);
            let highest = line.peak.and_then(|peak| line.points.get(peak));
            let highest = highest.map_or_else(String::new, |peak| {
                format!(
                    ", highest {} at {}",
                    shown(peak),
                    curves.x.unit.shown(peak.x, 2)
                )
            });
            Some(format!(
                "{} from {} to {}{highest}",
                text::name(&line.name),
                shown(first),
                shown(last)
            ))
        })
        .collect();
    format!(
        "{}: {} over {}: {}.",
        text::name(&panel.name),
        text::name(&curves.y.name),
        text::name(&curves.x.name),
        lines.join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::super::APART;
    use super::*;
    use crate::document::{Axis, Unit};

    fn example(lines: Vec<Line>) -> Curves {
        let axis = |name: &str| Axis {
            name: name.into(),
            unit: Unit::Number,
        };
        Curves {
            caption: String::new(),
            x: axis("√KL"),
            y: axis("change"),
            panels: vec![CurvePanel {
                name: "<ppo>".into(),
                lines,
            }],
        }
    }

    fn line(name: &str, stroke: Stroke, ys: &[f64]) -> Line {
        let points = ys.iter().enumerate().map(|(i, y)| Point::new(i as f64, *y));
        Line {
            name: name.into(),
            stroke,
            points: points.collect(),
            peak: None,
            by_seed: Vec::new(),
        }
    }

    #[test]
    fn a_picture_says_what_it_shows() {
        let mut gold = line("gold", Stroke::Solid, &[0.0, 0.4, 0.1]);
        gold.peak = Some(1);
        let proxy = line("proxy", Stroke::Dashed, &[0.0, 1.0, 1.5]);
        let pictures = curves(&example(vec![gold, proxy]), Layout::Wide);
        let drawn = pictures[0].standalone();
        assert!(drawn.contains(
            "aria-label=\"&lt;ppo&gt;: change over √KL: gold from 0.00 to 0.10, highest 0.40 at 1.00; proxy from 0.00 to 1.50.\""
        ));
        assert_eq!(drawn.matches("<polyline").count(), 2);
        assert_eq!(drawn.matches("class=\"peak student\"").count(), 1);
    }

    #[test]
    fn a_band_is_an_area_without_a_name() {
        let mut band = line("half of the ways", Stroke::Band, &[0.5, 0.6]);
        band.points[0].ends = Some([0.4, 0.6]);
        band.points[1].ends = Some([0.3, 0.9]);
        let middle = line("median", Stroke::Solid, &[0.5, 0.6]);
        let drawn = curves(&example(vec![band, middle]), Layout::Narrow)[0].standalone();
        assert_eq!(drawn.matches("<polygon class=\"fan student\"").count(), 1);
        let outline = drawn
            .split("<polygon")
            .nth(1)
            .unwrap()
            .split("points=\"")
            .nth(1)
            .unwrap();
        assert_eq!(outline.split('"').next().unwrap().split(' ').count(), 4);
        assert!(!drawn.contains("half of the ways") && drawn.contains(">median<"));
    }

    #[test]
    fn names_of_lines_that_end_together_stand_apart() {
        let lines = vec![
            line("a", Stroke::Solid, &[0.0, 0.0]),
            line("b", Stroke::Dashed, &[1.0, 0.0]),
        ];
        let drawn = curves(&example(lines), Layout::Narrow)[0].standalone();
        let heights: Vec<f64> = (drawn.split("class=\"line-label ").skip(1))
            .map(|rest| {
                let y = rest.split(" y=\"").nth(1).unwrap();
                y.split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(heights.len(), 2);
        assert!((heights[0] - heights[1]).abs() >= APART, "{heights:?}");
    }

    #[test]
    fn nothing_to_draw_is_no_picture_and_one_point_is_one() {
        assert!(curves(&example(Vec::new()), Layout::Wide).is_empty());
        let one = curves(
            &example(vec![line("a", Stroke::Solid, &[3.0])]),
            Layout::Wide,
        );
        assert!(!one[0].standalone().contains("NaN"));
    }
}
