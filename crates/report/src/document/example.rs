//! A document with every kind of cell, for tests.

use super::{
    Axis, Cell, Column, CurvePanel, Curves, Document, Interval, Line, OnAxis, Point, Row, Section,
    SeedLine, Stroke, Table, Unit,
};

pub(super) fn document() -> Document {
    let share = |estimate: f64| Cell::ShareWithin {
        interval: Interval {
            estimate,
            low: estimate - 0.04,
            high: estimate + 0.03,
        },
        by_seed: vec![estimate - 0.02, estimate + 0.02],
    };
    Document {
        name: "constitution".into(),
        run_id: "0123456789abcdef".into(),
        version: "0.1.0".into(),
        sentence: "Constitutional AI on 400 prompts, 2 seeds.".into(),
        notices: vec!["Unfinished: 1 of 2 seeds.".into()],
        sections: vec![
            Section {
                id: "gold".into(),
                title: "Gold after each stage".into(),
                text: "What the world's own grammar says of the replies.".into(),
                table: Table {
                    columns: vec![
                        Column::new("Stage", ""),
                        Column::new("Harmless", "Share of replies without a violation.")
                            .on_axis(OnAxis::Own),
                        Column::new("Helpful", "Share of replies that do what was asked.")
                            .on_axis(OnAxis::Own)
                            .spare(1),
                        Column::new("n", "Replies."),
                    ],
                    rows: vec![
                        Row {
                            name: "initial".into(),
                            cells: vec![share(0.41), share(0.93), Cell::count(400)],
                        },
                        Row {
                            name: "revision 1".into(),
                            cells: vec![share(0.78), share(0.9), Cell::count(1400)],
                        },
                    ],
                },
                curves: None,
            },
            Section {
                id: "outcomes".into(),
                title: "What became of the pairs".into(),
                text: "Every pair is counted.".into(),
                table: Table {
                    columns: vec![
                        Column::new("Outcome", ""),
                        Column::new("Pairs", "How many."),
                        Column::new("Share", "Of all."),
                        Column::new("Order effect", "In logits."),
                        Column::new("Judge", ""),
                    ],
                    rows: vec![
                        Row {
                            name: "decided".into(),
                            cells: vec![
                                Cell::count(90),
                                Cell::share(90, 100),
                                Cell::NumberWithin {
                                    interval: Interval {
                                        estimate: 0.31,
                                        low: 0.2,
                                        high: 0.42,
                                    },
                                    decimals: 2,
                                },
                                Cell::words("organism"),
                            ],
                        },
                        Row {
                            name: "<script>alert(1)</script>\u{1b}[2J".into(),
                            cells: vec![
                                Cell::count(0),
                                Cell::share(0, 0),
                                Cell::absent("too few"),
                                Cell::Number {
                                    value: 1.25,
                                    decimals: 1,
                                },
                            ],
                        },
                    ],
                },
                curves: None,
            },
            over_divergence(),
        ],
        level: 0.95,
        interval_method: "percentile bootstrap over prompts".into(),
    }
}

fn over_divergence() -> Section {
    let points = |ys: [f64; 4]| (ys.into_iter().zip(0..)).map(|(y, x)| Point::new(f64::from(x), y));
    let line = |name: &str, stroke, ys: [f64; 4]| Line {
        name: name.into(),
        stroke,
        points: points(ys).collect(),
        peak: None,
        by_seed: Vec::new(),
    };
    let mut gold = line("gold", Stroke::Solid, [0.0, 0.5, 0.75, 0.25]);
    gold.peak = Some(2);
    gold.points[3].ends = Some([0.125, 0.375]);
    gold.by_seed = vec![SeedLine {
        seed: 7,
        points: points([0.0, 0.5, 1.0, 0.5]).collect(),
    }];
    let axis = |name: &str| Axis {
        name: name.into(),
        unit: Unit::Number,
    };
    Section {
        id: "proxy-and-gold".into(),
        title: "Proxy and gold".into(),
        text: "How far the proxy can be pushed.".into(),
        table: Table {
            columns: vec![Column::new("Method", ""), Column::new("Steps", "How many.")],
            rows: vec![Row {
                name: "ppo".into(),
                cells: vec![Cell::count(3)],
            }],
        },
        curves: Some(Curves {
            caption: "Change since the start; the ring is the peak.".into(),
            x: axis("√KL"),
            y: axis("change"),
            panels: vec![CurvePanel {
                name: "ppo </svg><script>alert(2)</script>".into(),
                lines: vec![gold, line("proxy", Stroke::Dashed, [0.0, 0.5, 1.0, 1.5])],
            }],
        }),
    }
}
