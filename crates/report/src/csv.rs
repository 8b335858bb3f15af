//! One long tidy table: a row for each metric of each model, with every digit.
//!
//! RFC 4180: a header, commas, CRLF, quotes where needed. Columns: `variant`, `method`, `role`
//! (`weak`, `student`, `ceiling` or `data`), `metric`, `estimate`, `low`, `high`, `n_seeds`.
//! Fractions stay fractions; an absent value is an empty field, and so is PGR where there is no gap.
//!
//! A name that a spreadsheet would take for a formula (it starts with `=`, `+`, `-`, `@`) gets an
//! apostrophe in front, and characters that do not print are written out as `\u{…}`. Reliability
//! bins and single seeds are in the JSON only.

use crate::summary::{Comparison, Interval, MethodSummary, ModelSummary, PgrEstimate, Summary};
use crate::text;

/// The table of a run.
pub fn render(summary: &Summary) -> String {
    let mut table = Table::new(&[
        "variant", "method", "role", "metric", "estimate", "low", "high", "n_seeds",
    ]);
    for variant in &summary.variants {
        let mut rows = Rows {
            table: &mut table,
            variant: name(&variant.name),
            method: String::new(),
            role: "data",
            n_seeds: variant.seeds.len().to_string(),
        };
        rows.interval("weak_label_accuracy", variant.weak_label_accuracy);
        rows.interval("gap", variant.gap);
        rows.count("n_weak_train", variant.splits.weak_train);
        rows.count("n_student_train", variant.splits.student_train);
        rows.count("n_test", variant.splits.test);
        rows.count("n_seeds_planned", variant.n_seeds_planned);

        rows.of("weak", "weak").model(&variant.weak);
        for method in &variant.methods {
            rows.of("student", &method.name).method(method);
        }
        rows.of("ceiling", "ceiling").model(&variant.ceiling);
    }
    table.finish()
}

/// The table of a comparison: one row for each method that both runs have.
pub fn render_comparison(comparison: &Comparison) -> String {
    let mut table = Table::new(&[
        "variant",
        "method",
        "first_run",
        "second_run",
        "first_accuracy",
        "second_accuracy",
        "difference",
        "low",
        "high",
        "p_value",
        "n_pairs",
    ]);
    for row in &comparison.rows {
        table.row(&[
            &name(&row.variant),
            &name(&row.method),
            &name(&comparison.runs[0]),
            &name(&comparison.runs[1]),
            &digits(row.accuracy[0]),
            &digits(row.accuracy[1]),
            &digits(row.difference.estimate),
            &digits(row.difference.low),
            &digits(row.difference.high),
            &digits(row.p_value),
            &row.n_pairs.to_string(),
        ]);
    }
    table.finish()
}

/// Rows that share variant, method and role.
struct Rows<'a> {
    table: &'a mut Table,
    variant: String,
    method: String,
    role: &'static str,
    n_seeds: String,
}

impl Rows<'_> {
    fn of(&mut self, role: &'static str, method: &str) -> &mut Self {
        self.role = role;
        self.method = name(method);
        self
    }

    fn method(&mut self, method: &MethodSummary) {
        self.model(&method.student);
        match method.pgr {
            PgrEstimate::Recovered { interval } => self.interval("pgr", interval),
            PgrEstimate::NoGap { .. } => self.row("pgr", None, None),
        }
        self.interval("gain", method.gain);
        self.row("agreement", Some(method.agreement.overall), None);
        self.row("agreement_on_right", method.agreement.on_right, None);
        self.row("errors_imitated", method.agreement.on_wrong, None);
        self.count("uses_ground_truth", usize::from(method.uses_ground_truth));
        let anatomy = &method.anatomy;
        self.count("items_all_right", anatomy.all_right);
        self.count("items_ceiling_wrong", anatomy.ceiling_wrong);
        self.count("items_student_wrong", anatomy.student_wrong);
        self.count("items_supervisor_only", anatomy.supervisor_only);
        self.count("items_corrected", anatomy.corrected);
        self.count("items_student_only", anatomy.student_only);
        self.count("items_inherited", anatomy.inherited);
        self.count("items_all_wrong", anatomy.all_wrong);
    }

    fn model(&mut self, model: &ModelSummary) {
        self.interval("accuracy", model.accuracy);
        self.row("auroc", model.auroc, None);
        self.row("brier", Some(model.brier), None);
        self.row("ece", Some(model.ece), None);
        self.count("n_failed", model.n_failed);
        self.row("cpu_secs", Some(model.cpu_secs), None);
    }

    fn interval(&mut self, metric: &str, interval: Interval) {
        self.row(
            metric,
            Some(interval.estimate),
            Some((interval.low, interval.high)),
        );
    }

    fn count(&mut self, metric: &str, n: usize) {
        self.row(metric, Some(n as f64), None);
    }

    fn row(&mut self, metric: &str, estimate: Option<f64>, ends: Option<(f64, f64)>) {
        let [estimate, low, high] = [estimate, ends.map(|e| e.0), ends.map(|e| e.1)]
            .map(|x| x.map_or_else(String::new, digits));
        self.table.row(&[
            &self.variant,
            &self.method,
            self.role,
            metric,
            &estimate,
            &low,
            &high,
            &self.n_seeds,
        ]);
    }
}

/// The shortest digits that read back as the same number; empty where there is none.
pub(crate) fn digits(x: f64) -> String {
    if x.is_finite() {
        x.to_string()
    } else {
        String::new()
    }
}

pub(crate) fn name(raw: &str) -> String {
    let shown = text::name(raw);
    if shown.starts_with(['=', '+', '-', '@']) {
        format!("'{shown}")
    } else {
        shown
    }
}

pub(crate) struct Table(::csv::Writer<Vec<u8>>);

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        let writer = ::csv::WriterBuilder::new()
            .terminator(::csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let mut table = Self(writer);
        table.row(header);
        table
    }

    pub(crate) fn row(&mut self, fields: &[&str]) {
        self.0
            .write_record(fields)
            .expect("rows are as long as the header, and memory takes them");
    }

    pub(crate) fn finish(self) -> String {
        let bytes = self.0.into_inner().expect("memory takes every byte");
        String::from_utf8(bytes).expect("only text was written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_run_as_a_long_table() {
        let mut summary = example::summary();
        for variant in &mut summary.variants {
            variant.methods.drain(1..2);
            variant.methods.truncate(2);
        }
        summary.variants.remove(1);
        insta::assert_snapshot!(render(&summary).replace("\r\n", "\n"));
    }

    #[test]
    fn a_comparison_as_a_table() {
        insta::assert_snapshot!(render_comparison(&example::comparison()).replace("\r\n", "\n"));
    }

    #[test]
    fn the_table_reads_back_and_no_cell_is_a_formula() {
        let text = render(&example::summary());
        assert!(text.lines().all(|l| !l.contains('\r')), "a bare CR");
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let mut n = 0;
        for record in reader.records() {
            let record = record.unwrap();
            assert_eq!(record.len(), 8);
            assert!(!record[0].starts_with(['=', '@']) && !record[1].starts_with(['=', '@']));
            n += 1;
        }
        let per_variant = 6 + 2 * 6;
        assert_eq!(n, 3 * per_variant + (18 + 18 + 4) * 20);
    }
}
