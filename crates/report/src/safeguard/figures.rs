//! What an approach is judged by: each figure without and with it, the difference, and whether that helps.

use trimtab_safeguard::{Better, Cost, Figure, Unit};
use trimtab_stats::mean_of_few;

use super::{Tried, decimals, mean_alone};
use crate::document::{Cell, Column, Row, Section, Table, behind};

/// Whether an approach helps, as far as the seeds tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Helps,
    Hurts,
    NoDifferenceShown,
    NoDifference,
    OneSeed,
    Undefined,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Helps => "helps",
            Self::Hurts => "hurts",
            Self::NoDifferenceShown => "unclear",
            Self::NoDifference => "no change",
            Self::OneSeed => "one seed",
            Self::Undefined => "undefined",
        }
    }
}

/// A difference that sums leave by rounding.
const NOTHING: f64 = 1e-9;

/// One figure of all seeds.
struct Paired<'a> {
    figure: &'a Figure,
    without: Vec<Option<f64>>,
    with: Vec<Option<f64>>,
    cost: [Vec<Option<f64>>; 2],
}

impl Tried<'_> {
    /// The figures of all seeds, as the first names them.
    fn paired(&self) -> Vec<Paired<'_>> {
        let first = &self.trials[0].trial.figures;
        (first.iter().enumerate())
            .map(|(at, figure)| {
                let of = |value: &dyn Fn(&Figure) -> Option<f64>| {
                    (self.trials.iter())
                        .map(|seed| seed.trial.figures.get(at).and_then(value))
                        .collect()
                };
                Paired {
                    figure,
                    without: of(&|figure| figure.without.value),
                    with: of(&|figure| figure.with.value),
                    cost: [
                        of(&|figure| Some(figure.cost.without)),
                        of(&|figure| Some(figure.cost.with)),
                    ],
                }
            })
            .collect()
    }
}

impl Paired<'_> {
    /// Differences with less without, where both are defined.
    fn differences(&self) -> Vec<f64> {
        (self.without.iter().zip(&self.with))
            .filter_map(|(without, with)| Some((*with)? - (*without)?))
            .collect()
    }

    fn row(&self, name: String, tried: &Tried<'_>) -> Row {
        let unit = self.figure.unit;
        let [without, with] = [&self.without, &self.with].map(|x| mean_alone(x, unit));
        let (difference, verdict) = self.difference(tried);
        Row {
            name,
            cells: vec![
                without,
                with,
                difference,
                Cell::words(verdict.word()),
                Cell::words(self.cost_in_words()),
            ],
        }
    }

    fn difference(&self, tried: &Tried<'_>) -> (Cell, Verdict) {
        let differences = self.differences();
        // Of shares in points, as papers give them.
        let scale = if self.figure.unit == Unit::Share {
            100.0
        } else {
            1.0
        };
        let scaled: Vec<f64> = differences.iter().map(|x| scale * x).collect();
        let decimals = match self.figure.unit {
            Unit::Share => 1,
            unit => decimals(unit, &scaled),
        };
        match (&scaled[..], mean_of_few(&scaled, tried.level)) {
            ([], _) => (Cell::absent("undefined"), Verdict::Undefined),
            ([value, ..], None) => (
                Cell::Number {
                    value: *value,
                    decimals,
                },
                Verdict::OneSeed,
            ),
            (_, Some(interval)) => {
                let ends = match self.figure.better {
                    Better::Higher => [interval.low, interval.high],
                    Better::Lower => [-interval.high, -interval.low],
                };
                let verdict = if scaled.iter().all(|x| x.abs() < NOTHING) {
                    Verdict::NoDifference
                } else if ends[0] > 0.0 {
                    Verdict::Helps
                } else if ends[1] < 0.0 {
                    Verdict::Hurts
                } else {
                    Verdict::NoDifferenceShown
                };
                (Cell::NumberWithin { interval, decimals }, verdict)
            }
        }
    }

    fn mean_cost(&self) -> [f64; 2] {
        self.cost.each_ref().map(|costs| {
            let there: Vec<f64> = costs.iter().flatten().copied().collect();
            there.iter().sum::<f64>() / there.len().max(1) as f64
        })
    }

    fn cost_in_words(&self) -> String {
        let [without, with] = self.mean_cost().map(amount);
        format!("{without} → {with}")
    }

    fn arms(&self) -> String {
        let figure = self.figure;
        format!(
            "without: {}; with: {}",
            figure.without.name, figure.with.name
        )
    }
}

/// A cost as a reader sees it.
fn amount(x: f64) -> String {
    if x.fract() == 0.0 || x >= 1000.0 {
        crate::number::count(x.round() as usize)
    } else {
        crate::number::fixed(x, 1)
    }
}

fn columns(first: &str) -> Vec<Column> {
    vec![
        Column::new(first, ""),
        Column::new(
            "Without",
            "What comes of it without the approach; the mean over seeds.",
        ),
        Column::new(
            "With",
            "What comes of it with the approach, under the same seeds.",
        ),
        Column::new(
            "Difference",
            "With less without, seed by seed; of shares in points.",
        ),
        Column::new(
            "Verdict",
            "Helps or hurts where the interval of the difference leaves 0 out; else unclear.",
        ),
        Column::new("Cost", "Without → with; what is counted is said above.").spare(1),
    ]
}

/// What all figures cost, where that is the same.
fn one_cost<'a>(paired: &[Paired<'a>]) -> Option<&'a Cost> {
    let first = paired.first()?;
    let is_same = |figure: &Paired<'_>| {
        figure.figure.cost.of == first.figure.cost.of && figure.mean_cost() == first.mean_cost()
    };
    paired.iter().all(is_same).then_some(&first.figure.cost)
}

/// One approach: every figure it is judged by.
pub(super) fn section(tried: &Tried<'_>) -> Section {
    let paired = tried.paired();
    let mut table = Table {
        columns: columns("Figure"),
        rows: (paired.iter())
            .map(|figure| figure.row(figure.figure.measure.clone(), tried))
            .collect(),
    };
    if one_cost(&paired).is_some() {
        table.columns.pop();
        for row in &mut table.rows {
            row.cells.pop();
        }
    }
    Section {
        id: behind(&tried.name),
        title: tried.name.clone(),
        text: text(tried, &paired),
        table,
        curves: None,
    }
}

/// What is asked, what stands on both sides, what is counted, and that it does not help, where it does not.
fn text(tried: &Tried<'_>, paired: &[Paired<'_>]) -> String {
    let mut sentences = vec![format!("{}?", tried.config.approach.question())];
    let arms: Vec<String> = paired.iter().map(Paired::arms).collect();
    sentences.extend(arms.first().map(|arms| format!("{}.", capitalised(arms))));
    // Only what stands beside other sides than the headline says so.
    for (figure, other) in paired
        .iter()
        .zip(&arms)
        .filter(|(_, other)| **other != arms[0])
    {
        sentences.push(format!("{}: {other}.", capitalised(&figure.figure.measure)));
    }
    if let Some(cost) = one_cost(paired) {
        let words = paired[0].cost_in_words();
        sentences.push(format!("Cost in {}: {words}.", cost.of));
    } else {
        let mut counted: Vec<&str> = (paired.iter())
            .map(|figure| &*figure.figure.cost.of)
            .collect();
        counted.dedup();
        sentences.push(format!("Cost is counted in {}.", counted.join("; ")));
    }
    for figure in paired {
        let (n, of) = (figure.differences().len(), tried.trials.len());
        if n < of {
            let measure = capitalised(&figure.figure.measure);
            sentences.push(format!("{measure} is defined under {n} of {of} seeds."));
        }
    }
    if let Some(headline) = paired.first() {
        let (_, verdict) = headline.difference(tried);
        if verdict != Verdict::Helps {
            let word = verdict.word();
            sentences.push(format!(
                "It does not help here, by the first figure: {word}."
            ));
        }
    }
    sentences.join(" ")
}

/// Every approach's headline, one a row.
pub(super) fn overview(tried: &[Tried<'_>]) -> Section {
    let rows = tried.iter().filter_map(|tried| {
        let paired = tried.paired();
        let headline = paired.first()?;
        Some(headline.row(tried.name.clone(), tried))
    });
    Section {
        id: "approaches".into(),
        title: "Approaches".into(),
        text: "Each approach's headline figure; what it is stands in its own section.".into(),
        table: Table {
            columns: columns("Approach"),
            rows: rows.collect(),
        },
        curves: None,
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
