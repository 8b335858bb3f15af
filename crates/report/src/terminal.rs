//! A run as text for a terminal: one table for each variant, floor first, ceiling last.
//!
//! Nothing is told by colour alone; names from data can neither move the cursor nor break a table.

pub(crate) mod table;

use anstyle::{AnsiColor, Style};

use crate::number;
use crate::summary::{Comparison, Interval, MethodSummary, ModelSummary, Summary, VariantSummary};
use crate::text;
use table::{Align, Column, Row, Table, paint};

/// Narrower terminals get lines of this width all the same.
const MIN_WIDTH: usize = 40;

/// Width of the picture of floor, student and ceiling, where there is room for it.
const BAR: std::ops::RangeInclusive<usize> = 12..=24;

/// Names are given this much room before there is a picture.
const NAME_COLUMN: usize = 28;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BEST: Style = AnsiColor::Green.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();

/// The whole report, within `width` columns.
pub fn render(summary: &Summary, width: usize, colour: bool) -> String {
    let mut page = Page {
        width: width.max(MIN_WIDTH),
        colour,
        out: String::new(),
    };
    page.paragraph(&text::name(&summary.name), BOLD);
    page.paragraph(&text::sentence(&summary.sentence), Style::new());
    for variant in &summary.variants {
        page.blank();
        page.variant(variant, summary.level);
    }
    page.blank();
    page.notes(summary);
    page.out
}

/// Two runs side by side, one table for each variant, within `width` columns.
pub fn render_comparison(comparison: &Comparison, width: usize, colour: bool) -> String {
    let mut page = Page {
        width: width.max(MIN_WIDTH),
        colour,
        out: String::new(),
    };
    let [first, second] = comparison.runs.each_ref().map(|run| text::name(run));
    page.paragraph(&format!("first   {first}"), BOLD);
    page.paragraph(&format!("second  {second}"), BOLD);
    for rows in comparison.rows.chunk_by(|a, b| a.variant == b.variant) {
        page.blank();
        page.paragraph(&text::name(&rows[0].variant), BOLD);
        let table = Table {
            columns: vec![
                Column {
                    header: "method".into(),
                    align: Align::Left,
                    spare: None,
                },
                Column {
                    header: "first".into(),
                    align: Align::Right,
                    spare: Some(1),
                },
                Column {
                    header: "second".into(),
                    align: Align::Right,
                    spare: Some(2),
                },
                Column {
                    header: "second − first,\npoints".into(),
                    align: Align::Right,
                    spare: None,
                },
                Column {
                    header: "p".into(),
                    align: Align::Right,
                    spare: None,
                },
                Column {
                    header: "pairs".into(),
                    align: Align::Right,
                    spare: Some(3),
                },
            ],
            rows: rows
                .iter()
                .map(|row| Row {
                    cells: vec![
                        text::name(&row.method),
                        number::percent(row.accuracy[0]),
                        number::percent(row.accuracy[1]),
                        points(row.difference),
                        number::p_value(row.p_value),
                        number::count(row.n_pairs),
                    ],
                    style: if row.difference.low > 0.0 || row.difference.high < 0.0 {
                        BOLD
                    } else {
                        Style::new()
                    },
                })
                .collect(),
            rules: Vec::new(),
        };
        page.out.push_str(&table.render(page.width, colour));
    }
    page.blank();
    if !comparison.unmatched.is_empty() {
        page.paragraph("only in one of the two:", WARNING);
        for name in &comparison.unmatched {
            page.paragraph(&format!("  {}", text::name(name)), Style::new());
        }
    }
    page.paragraph(
        "Differences are paired over items and seeds; p is two-sided, by permutation, and not \
         corrected for the number of rows.",
        DIM,
    );
    page.out
}

/// Text under way.
struct Page {
    width: usize,
    colour: bool,
    out: String,
}

impl Page {
    fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Wrapped text; a first line that starts with spaces indents the rest.
    fn paragraph(&mut self, text: &str, style: Style) {
        let indent = text.len() - text.trim_start_matches(' ').len();
        for line in text::wrap(text, self.width.saturating_sub(indent)) {
            let line = format!("{}{line}", " ".repeat(indent));
            paint(&line, style, self.colour, &mut self.out);
            self.out.push('\n');
        }
    }

    fn variant(&mut self, variant: &VariantSummary, level: f64) {
        self.paragraph(&text::name(&variant.name), BOLD);
        let splits = variant.splits;
        let answers: Vec<String> = variant
            .answers
            .iter()
            .take(12)
            .map(|a| text::name(a))
            .collect();
        self.paragraph(
            &format!(
                "{}{}; {} + {} training items, {} test items; {}",
                answers.join(", "),
                if variant.answers.len() > answers.len() {
                    ", …"
                } else {
                    ""
                },
                number::count(splits.weak_train),
                number::count(splits.student_train),
                number::count(splits.test),
                text::plural(variant.seeds.len(), "seed", "seeds"),
            ),
            DIM,
        );
        if variant.seeds.len() < variant.n_seeds_planned {
            self.paragraph(
                &format!(
                    "unfinished: {} of {} so far; run the same file again to finish",
                    variant.seeds.len(),
                    text::plural(variant.n_seeds_planned, "seed", "seeds"),
                ),
                WARNING,
            );
        }
        if variant.seeds.is_empty() {
            return;
        }
        self.paragraph(
            &format!(
                "weak labels {} right; ceiling − weak = {} points",
                number::percent(variant.weak_label_accuracy.estimate),
                points(variant.gap),
            ),
            DIM,
        );
        let table = variant_table(variant, level, self.width);
        self.out.push_str(&table.render(self.width, self.colour));
        if let Some(failures) = failures(variant) {
            self.paragraph(
                &format!("failed judgements, counted as wrong: {failures}"),
                WARNING,
            );
        }
    }

    /// What the marks and columns mean.
    fn notes(&mut self, summary: &Summary) {
        let mut has_dagger = false;
        let mut has_no_gap = false;
        for method in summary.variants.iter().flat_map(|v| &v.methods) {
            has_dagger |= method.uses_ground_truth;
            has_no_gap |= matches!(method.pgr, crate::summary::PgrEstimate::NoGap { .. });
        }
        if has_dagger {
            self.paragraph(
                "† looks at ground truth of the student's half: a reference, not weak-to-strong",
                Style::new(),
            );
        }
        if has_no_gap {
            self.paragraph(
                "no gap: the interval of ceiling − weak reaches zero, so there is nothing to recover",
                Style::new(),
            );
        }
        let level = number::percent_whole(summary.level);
        self.paragraph(
            &format!(
                "± half of the {level} interval · PGR = (student − weak) / (ceiling − weak) · \
                 imit.: the student's agreement with the supervisor where that is wrong · CPU: \
                 processor seconds over all seeds",
            ),
            DIM,
        );
        self.paragraph(
            &format!(
                "Intervals: {} · run {} · trimtab {} · {} of processor time",
                text::sentence(&summary.interval_method),
                text::name(&summary.run_id),
                text::name(&summary.version),
                number::duration(summary.cpu_secs),
            ),
            DIM,
        );
    }
}

fn variant_table(variant: &VariantSummary, level: f64, width: usize) -> Table {
    let pgr_header: &'static str = if (level - 0.95).abs() < 1e-9 {
        "PGR [95%]"
    } else if (level - 0.99).abs() < 1e-9 {
        "PGR [99%]"
    } else if (level - 0.9).abs() < 1e-9 {
        "PGR [90%]"
    } else {
        "PGR [interval]"
    };
    let mut columns = vec![
        Column {
            header: "".into(),
            align: Align::Left,
            spare: None,
        },
        Column {
            header: "accuracy".into(),
            align: Align::Right,
            spare: None,
        },
        Column {
            header: pgr_header.into(),
            align: Align::Right,
            spare: None,
        },
        Column {
            header: "AUROC".into(),
            align: Align::Right,
            spare: Some(3),
        },
        Column {
            header: "ECE".into(),
            align: Align::Right,
            spare: Some(4),
        },
        Column {
            header: "errors\nimit.".into(),
            align: Align::Right,
            spare: Some(1),
        },
        Column {
            header: "CPU\ns".into(),
            align: Align::Right,
            spare: Some(2),
        },
    ];
    let best = crate::ranking::best(variant).map(|m| m.name.as_str());
    let mut rows = vec![model_row("weak floor", &variant.weak)];
    rows.extend(
        variant
            .methods
            .iter()
            .map(|m| method_row(m, best == Some(m.name.as_str()))),
    );
    rows.push(model_row("ceiling", &variant.ceiling));

    let plain = Table {
        columns: columns.clone(),
        rows: rows.clone(),
        rules: Vec::new(),
    };
    let room = width.saturating_sub(plain.natural_width(NAME_COLUMN) + 2);
    if room >= *BAR.start() {
        let bar = Bar::new(variant, room.min(*BAR.end()));
        columns.insert(
            2,
            Column {
                header: "floor–ceiling".into(),
                align: Align::Left,
                spare: Some(5),
            },
        );
        let n = rows.len();
        for (i, row) in rows.iter_mut().enumerate() {
            let mark = match i {
                0 => bar.draw(None),
                i if i + 1 == n => bar.draw(None),
                i => bar.draw(Some(&variant.methods[i - 1])),
            };
            row.cells.insert(2, mark);
        }
    }
    let rules = vec![1, rows.len() - 1];
    Table {
        columns,
        rows,
        rules,
    }
}

fn model_row(role: &str, model: &ModelSummary) -> Row {
    Row {
        cells: vec![
            role.to_owned(),
            number::percent_half_width(model.accuracy),
            String::new(),
            model
                .auroc
                .map_or_else(|| number::NONE.to_owned(), |x| number::compact(x, 3)),
            number::percent(model.ece),
            String::new(),
            number::seconds(model.cpu_secs),
        ],
        style: BOLD,
    }
}

fn method_row(method: &MethodSummary, is_best: bool) -> Row {
    let dagger = if method.uses_ground_truth { " †" } else { "" };
    let student = &method.student;
    Row {
        cells: vec![
            format!("{}{dagger}", text::name(&method.name)),
            number::percent_half_width(student.accuracy),
            number::pgr_compact(method.pgr),
            student
                .auroc
                .map_or_else(|| number::NONE.to_owned(), |x| number::compact(x, 3)),
            number::percent(student.ece),
            number::percent_or_none(method.agreement.on_wrong),
            number::seconds(student.cpu_secs),
        ],
        style: if is_best { BEST } else { Style::new() },
    }
}

/// Who failed how often: `weak floor 2, debate 7`.
fn failures(variant: &VariantSummary) -> Option<String> {
    let weak = ("weak floor".to_owned(), variant.weak.n_failed);
    let ceiling = ("ceiling".to_owned(), variant.ceiling.n_failed);
    let methods = variant
        .methods
        .iter()
        .map(|m| (text::name(&m.name), m.student.n_failed));
    let failed: Vec<String> = std::iter::once(weak)
        .chain(methods)
        .chain([ceiling])
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| format!("{name} {}", number::count(n)))
        .collect();
    (!failed.is_empty()).then(|| failed.join(", "))
}

/// A difference of accuracies in percentage points: `+3.1 [+2.0, +4.2]`.
fn points(difference: Interval) -> String {
    format!(
        "{} {}",
        number::signed(100.0 * difference.estimate, 1),
        number::points_ends(difference),
    )
}

/// Floor, student and ceiling on one line of characters: `├───●──┤`.
struct Bar {
    low: f64,
    high: f64,
    weak: f64,
    ceiling: f64,
    width: usize,
}

impl Bar {
    fn new(variant: &VariantSummary, width: usize) -> Self {
        let weak = variant.weak.accuracy.estimate;
        let ceiling = variant.ceiling.accuracy.estimate;
        let students = variant.methods.iter().map(|m| m.student.accuracy.estimate);
        let all = students.chain([weak, ceiling]).filter(|x| x.is_finite());
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        Self {
            low,
            high,
            weak,
            ceiling,
            width,
        }
    }

    fn cell(&self, accuracy: f64) -> usize {
        let share = (accuracy - self.low) / (self.high - self.low);
        let last = self.width - 1;
        if share.is_finite() {
            ((share * last as f64).round() as usize).min(last)
        } else {
            0
        }
    }

    fn draw(&self, method: Option<&MethodSummary>) -> String {
        let (weak, ceiling) = (self.cell(self.weak), self.cell(self.ceiling));
        let mut cells = vec![' '; self.width];
        cells[weak.min(ceiling)..=weak.max(ceiling)].fill('─');
        cells[weak] = if weak <= ceiling { '├' } else { '┤' };
        cells[ceiling] = if weak <= ceiling { '┤' } else { '├' };
        if let Some(method) = method {
            let at = self.cell(method.student.accuracy.estimate);
            cells[at] = if method.uses_ground_truth {
                '○'
            } else {
                '●'
            };
        }
        cells.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::summary::PgrEstimate;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn a_run_on_eighty_columns() {
        insta::assert_snapshot!(render(&example::summary(), 80, false));
    }

    #[test]
    fn a_wide_terminal_gets_the_bar() {
        let mut summary = example::summary();
        summary.variants.truncate(1);
        insta::assert_snapshot!(render(&summary, 118, false));
    }

    #[test]
    fn a_comparison_on_eighty_columns() {
        insta::assert_snapshot!(render_comparison(&example::comparison(), 80, false));
    }

    #[test]
    fn every_line_fits_and_nothing_moves_the_cursor() {
        for width in [40, 50, 60, 72, 80, 100, 120, 200] {
            let pages = [
                render(&example::summary(), width, false),
                render_comparison(&example::comparison(), width, false),
            ];
            for line in pages.iter().flat_map(|page| page.lines()) {
                assert!(line.width() <= width, "{width}: {line}");
                assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
            }
        }
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let plain = render(&example::summary(), 80, false);
        let coloured = render(&example::summary(), 80, true);
        assert!(coloured.contains("\u{1b}[1m\u{1b}[32mconfidence (paper)"));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            stripped.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        assert_eq!(stripped + rest, plain);
    }

    #[test]
    fn empty_and_unfinished_runs_still_render() {
        let mut summary = example::summary();
        summary.variants[0].seeds.clear();
        summary.variants[1].methods.clear();
        let nan = Interval {
            estimate: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
        };
        summary.variants[2].weak.accuracy = nan;
        summary.variants[2].methods[0].pgr = PgrEstimate::Recovered { interval: nan };
        let page = render(&summary, 80, false);
        assert!(page.contains("unfinished: 0 of 5 seeds"), "{page}");
        summary.variants.clear();
        render(&summary, 80, false);
    }
}
