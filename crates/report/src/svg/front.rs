//! Gain against cost, a point for each row with its interval, and the Pareto front through those that nothing beats: a picture
//! for each column of costs in which rows differ.

use maud::{Markup, html};
use trimtab_stats::pareto_front;

use super::{Layout, Picture, Scale, padded, px, spread, text_width, ticks};
use crate::document::{Cell, Column, OnAxis, Section};
use crate::summary::Interval;
use crate::{number, text};

const TOP: f64 = 10.0;
const LEFT: f64 = 50.0;
const FOOT: f64 = 38.0;
const FONT: f64 = 12.5;

/// One row.
struct Point {
    name: String,
    cost: f64,
    gain: Interval,
    is_on_front: bool,
}

/// The pictures of a section; none where it has no such columns.
pub fn fronts(section: &Section, layout: Layout) -> Vec<Picture> {
    let columns = &section.table.columns;
    let Some(gain) = columns
        .iter()
        .position(|column| column.on_axis == Some(OnAxis::Gain))
    else {
        return Vec::new();
    };
    (columns.iter().enumerate())
        .filter(|(_, column)| column.on_axis == Some(OnAxis::Cost))
        .filter_map(|(cost, column)| {
            let points = points(section, cost, gain);
            let first = points.first()?.cost;
            let differ = points.iter().any(|point| point.cost != first);
            differ.then(|| draw(&points, column, &columns[gain], layout))
        })
        .collect()
}

fn points(section: &Section, cost: usize, gain: usize) -> Vec<Point> {
    let rows = section.table.rows.iter();
    let mut points: Vec<Point> = rows
        .filter_map(|row| {
            Some(Point {
                name: text::name(&row.name),
                cost: amount(row.cells.get(cost - 1)?)?,
                gain: share(row.cells.get(gain - 1)?)?,
                is_on_front: false,
            })
        })
        .collect();
    let places: Vec<(f64, f64)> = (points.iter())
        .map(|point| (point.cost, point.gain.estimate))
        .collect();
    for (point, is_on_front) in points.iter_mut().zip(pareto_front(&places)) {
        point.is_on_front = is_on_front;
    }
    points.sort_by(|a, b| b.gain.estimate.total_cmp(&a.gain.estimate));
    points
}

fn amount(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number { value, .. } => Some(*value),
        Cell::Count { n } => Some(*n as f64),
        _ => None,
    }
}

fn share(cell: &Cell) -> Option<Interval> {
    match cell {
        Cell::ShareWithin { interval, .. } => Some(*interval),
        Cell::Share { share } => Some(Interval {
            estimate: *share,
            low: *share,
            high: *share,
        }),
        _ => None,
    }
}

/// Points from the best down.
fn draw(points: &[Point], cost: &Column, gain: &Column, layout: Layout) -> Picture {
    let (width, height) = match layout {
        Layout::Wide => (440.0, 250.0),
        Layout::Narrow => (layout.width(), 230.0),
    };
    let names = (points.iter())
        .map(|point| text_width(&point.name, FONT))
        .fold(0.0, f64::max)
        .min(0.4 * width);
    let (left, right, bottom) = (LEFT, width - names - 16.0, TOP + height);
    let x = Scale {
        domain: padded(range(points.iter().map(|point| point.cost))),
        range: (left, right),
    };
    let ends = |point: &Point| [point.gain.low, point.gain.estimate, point.gain.high];
    let y = Scale {
        domain: padded(range(points.iter().flat_map(ends))),
        range: (bottom, TOP),
    };
    let mut heights: Vec<f64> = (points.iter())
        .map(|point| y.at(point.gain.estimate))
        .collect();
    spread(&mut heights, bottom);
    let marks = points.iter().zip(heights).map(|(point, height)| {
        let (at, mean) = (x.at(point.cost), y.at(point.gain.estimate));
        let hollow = if point.is_on_front { "" } else { " hollow" };
        html! {
            line class="leader" x1=(px(at)) y1=(px(mean)) x2=(px(right + 4.0)) y2=(px(height)) {}
            line class="whisker student" x1=(px(at)) x2=(px(at)) y1=(px(y.at(point.gain.low))) y2=(px(y.at(point.gain.high))) {}
            circle class={ "dot" (hollow) } cx=(px(at)) cy=(px(mean)) r="4" {
                title { (said(point, cost, gain)) }
            }
            text class={ "tick" (if point.is_on_front { " best" } else { "" }) } x=(px(right + 7.0)) y=(px(height + 4.0)) {
                (super::fit_text(&point.name, names, FONT))
            }
        }
    });
    let body = html! {
        rect class="frame" x=(px(left)) y=(px(TOP)) width=(px(right - left)) height=(px(height)) {}
        (axes(x, y, cost, gain))
        polyline class="curve student" points=(staircase(points, x, y)) {}
        @for mark in marks { (mark) }
    };
    let told: Vec<String> = points.iter().map(|point| said(point, cost, gain)).collect();
    Picture {
        width,
        height: TOP + height + FOOT,
        label: format!("{}.", told.join("; ")),
        body,
    }
}

/// The front, from the cheapest up: for each cost the best that can be had.
fn staircase(points: &[Point], x: Scale, y: Scale) -> String {
    let mut front: Vec<&Point> = points.iter().filter(|point| point.is_on_front).collect();
    front.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let mut corners: Vec<String> = Vec::new();
    let mut reached = None;
    for point in front {
        let (at, up) = (x.at(point.cost), y.at(point.gain.estimate));
        if let Some(before) = reached {
            corners.push(format!("{},{}", px(at), px(before)));
        }
        corners.push(format!("{},{}", px(at), px(up)));
        reached = Some(up);
    }
    if let Some(up) = reached {
        corners.push(format!("{},{}", px(x.range.1), px(up)));
    }
    corners.join(" ")
}

fn axes(x: Scale, y: Scale, cost: &Column, gain: &Column) -> Markup {
    let ((left, right), (bottom, top)) = (x.range, y.range);
    let (along, along_decimals) = ticks(x.domain, ((right - left) / 60.0) as usize);
    let (up, up_decimals) = ticks(y.domain, ((bottom - top) / 40.0) as usize);
    let middle = f64::midpoint(top, bottom);
    html! {
        @for tick in up {
            line class="grid" x1=(px(left)) x2=(px(right)) y1=(px(y.at(tick))) y2=(px(y.at(tick))) {}
            text class="tick" x=(px(left - 5.0)) y=(px(y.at(tick) + 4.0)) text-anchor="end" {
                (number::fixed(100.0 * tick, up_decimals.saturating_sub(2))) "%"
            }
        }
        @for tick in along.into_iter().filter(|tick| *tick >= 0.0) {
            line class="axis" x1=(px(x.at(tick))) x2=(px(x.at(tick))) y1=(px(bottom)) y2=(px(bottom + 4.0)) {}
            text class="tick" x=(px(x.at(tick))) y=(px(bottom + 16.0)) text-anchor="middle" {
                (number::fixed(tick, along_decimals))
            }
        }
        text class="axis-title" x=(px(f64::midpoint(left, right))) y=(px(bottom + 33.0)) text-anchor="middle" {
            (text::name(&cost.name))
        }
        text class="axis-title" x="10" y=(px(middle)) text-anchor="middle"
            transform=(format!("rotate(-90 10 {})", px(middle))) { (text::name(&gain.name)) }
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    })
}

fn said(point: &Point, cost: &Column, gain: &Column) -> String {
    format!(
        "{}: {} {} at {} {}{}",
        point.name,
        text::name(&gain.name),
        number::percent(point.gain.estimate),
        text::name(&cost.name),
        number::fixed(point.cost, usize::from(point.cost.fract() != 0.0)),
        if point.is_on_front {
            ", on the front"
        } else {
            ""
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Row, Table};

    fn section(rows: &[(&str, f64, f64)]) -> Section {
        let within = |share: f64| {
            Cell::share_within(Some(Interval {
                estimate: share,
                low: share - 0.02,
                high: share + 0.02,
            }))
        };
        Section {
            id: "cost".into(),
            title: "Accuracy against cost".into(),
            text: String::new(),
            table: Table {
                columns: vec![
                    Column::new("Approach", ""),
                    Column::new("Judge calls", "").on_axis(OnAxis::Cost),
                    Column::new("Student", "").on_axis(OnAxis::Gain),
                ],
                rows: (rows.iter())
                    .map(|(name, cost, gain)| Row {
                        name: (*name).into(),
                        cells: vec![
                            Cell::Number {
                                value: *cost,
                                decimals: 0,
                            },
                            within(*gain),
                        ],
                    })
                    .collect(),
            },
            curves: None,
        }
    }

    #[test]
    fn points_the_front_and_what_is_beaten_are_told_apart() {
        let section = section(&[
            ("<free>", 0.0, 0.7),
            ("dear", 2000.0, 0.73),
            ("beaten", 2000.0, 0.68),
        ]);
        for layout in [Layout::Wide, Layout::Narrow] {
            let pictures = fronts(&section, layout);
            assert_eq!(pictures.len(), 1);
            let drawn = pictures[0].standalone();
            assert_eq!(drawn.matches("class=\"dot\"").count(), 2, "{drawn}");
            assert_eq!(drawn.matches("class=\"dot hollow\"").count(), 1);
            for expected in [
                "&lt;free&gt;: Student 70.0% at Judge calls 0, on the front",
                "beaten: Student 68.0% at Judge calls 2000<",
                "class=\"curve student\"",
            ] {
                assert!(drawn.contains(expected), "{expected} in {drawn}");
            }
        }
    }

    #[test]
    fn where_all_cost_the_same_or_nothing_is_marked_there_is_no_picture() {
        let same = section(&[("a", 5.0, 0.7), ("b", 5.0, 0.6)]);
        assert!(fronts(&same, Layout::Wide).is_empty());
        let mut unmarked = section(&[("a", 5.0, 0.7), ("b", 6.0, 0.6)]);
        unmarked.table.columns[2].on_axis = None;
        assert!(fronts(&unmarked, Layout::Wide).is_empty());
    }

    #[test]
    fn the_front_rises_in_steps_to_the_right_end() {
        let points = points(&section(&[("a", 0.0, 0.5), ("b", 10.0, 0.9)]), 1, 2);
        let x = Scale {
            domain: (0.0, 10.0),
            range: (0.0, 100.0),
        };
        let y = Scale {
            domain: (0.0, 1.0),
            range: (100.0, 0.0),
        };
        assert_eq!(staircase(&points, x, y), "0,50 100,50 100,10 100,10");
    }
}
