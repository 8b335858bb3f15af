//! The same tables in GitHub-flavoured Markdown; headers link to the glossary at the end.

use std::fmt::Write as _;

use crate::glossary::{Entry, Metric};
use crate::number;
use crate::summary::{
    Comparison, MethodSummary, ModelSummary, PgrEstimate, Summary, VariantSummary,
};
use crate::{ranking, text};

/// The whole report.
pub fn render(summary: &Summary) -> String {
    let mut page = Page(String::new());
    page.line(&format!("# {}", name(&summary.name)));
    page.line("");
    page.line(&escape(&text::sentence(&summary.sentence)));
    for variant in &summary.variants {
        page.variant(variant);
    }
    page.line("");
    page.line("## Glossary");
    page.line("");
    for metric in Metric::ALL.into_iter().filter(|&m| m != Metric::PValue) {
        page.entry(metric);
    }
    page.line("");
    page.line("## Identity");
    page.line("");
    page.line(&format!(
        "- run {}, Trimtab {}",
        name(&summary.run_id),
        name(&summary.version)
    ));
    page.line(&format!(
        "- {} {}: {}",
        number::percent_whole(summary.level),
        link(Metric::Interval, "intervals"),
        escape(&text::sentence(&summary.interval_method)),
    ));
    page.line(&format!(
        "- {} of processor time",
        number::duration(summary.cpu_secs)
    ));
    page.0
}

/// Two runs side by side.
pub fn render_comparison(comparison: &Comparison) -> String {
    let mut page = Page(String::new());
    let [first, second] = comparison.runs.each_ref().map(|run| name(run));
    page.line(&format!("# {first} and {second}"));
    page.line("");
    page.line(&format!(
        "Differences are the second run ({second}) minus the first ({first})."
    ));
    for rows in comparison.rows.chunk_by(|a, b| a.variant == b.variant) {
        page.line("");
        page.line(&format!("## {}", name(&rows[0].variant)));
        page.line("");
        page.row(&[
            "Method".to_owned(),
            "First".to_owned(),
            "Second".to_owned(),
            "Difference (points)".to_owned(),
            link(Metric::PValue, "p"),
            "Pairs".to_owned(),
        ]);
        page.line("|:--|--:|--:|--:|--:|--:|");
        for row in rows {
            page.row(&[
                name(&row.method),
                number::percent(row.accuracy[0]),
                number::percent(row.accuracy[1]),
                format!(
                    "{} {}",
                    number::signed(100.0 * row.difference.estimate, 1),
                    number::points_ends(row.difference)
                ),
                escape(&number::p_value(row.p_value)),
                number::count(row.n_pairs),
            ]);
        }
    }
    if !comparison.unmatched.is_empty() {
        page.line("");
        page.line("Only in one of the two:");
        page.line("");
        for unmatched in &comparison.unmatched {
            page.line(&format!("- {}", name(unmatched)));
        }
    }
    let Entry {
        anchor, definition, ..
    } = Metric::PValue.entry();
    page.line("");
    page.line(&format!(
        "<a id=\"{anchor}\"></a>**p** is the {}",
        lowercase_first(definition)
    ));
    page.0
}

#[derive(Default)]
pub(crate) struct Page(String);

impl Page {
    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    pub(crate) fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    fn entry(&mut self, metric: Metric) {
        let Entry {
            anchor,
            name,
            definition,
            formula,
        } = metric.entry();
        let formula = formula.map_or_else(String::new, |f| format!(" `{f}`"));
        self.line(&format!(
            "- <a id=\"{anchor}\"></a>**{name}.** {definition}{formula}"
        ));
    }

    fn variant(&mut self, variant: &VariantSummary) {
        self.line("");
        self.line(&format!("## {}", name(&variant.name)));
        self.line("");
        let mut about = format!(
            "{} + {} training items, {} test items; {} finished",
            number::count(variant.splits.weak_train),
            number::count(variant.splits.student_train),
            number::count(variant.splits.test),
            text::plural(variant.seeds.len(), "seed", "seeds"),
        );
        if variant.seeds.len() < variant.n_seeds_planned {
            write!(about, " of {} (**unfinished**)", variant.n_seeds_planned)
                .expect("a string takes every byte");
        }
        self.line(&format!("{about}."));
        if variant.seeds.is_empty() {
            return;
        }
        self.line(&format!(
            "Weak supervisor: {}. Ceiling: {}. {}: {} {}. {}: {} points {}.",
            name(&variant.weak.model),
            name(&variant.ceiling.model),
            link(Metric::WeakLabelAccuracy, "Weak labels right"),
            number::percent(variant.weak_label_accuracy.estimate),
            number::percent_ends(variant.weak_label_accuracy),
            link(Metric::Gap, "Gap"),
            number::fixed(100.0 * variant.gap.estimate, 1),
            number::points_ends(variant.gap),
        ));
        self.line("");
        self.table(variant);
        self.line("");
        if let Some(best) = ranking::best(variant) {
            self.line(&format!(
                "Bold: {}, the highest test accuracy without ground truth of the student's half. \
                 It was picked on the test split, which flatters it a little.",
                name(&best.name),
            ));
        }
        if variant.methods.iter().any(|m| m.uses_ground_truth) {
            self.line(&format!(
                "{}: looks at ground truth of the student's half; a reference, not weak-to-strong.",
                link(Metric::GroundTruth, "†"),
            ));
        }
        if variant
            .methods
            .iter()
            .any(|m| matches!(m.pgr, PgrEstimate::NoGap { .. }))
        {
            self.line(
                "No gap: the interval of ceiling − weak reaches zero, so there is nothing to recover.",
            );
        }
    }

    fn table(&mut self, variant: &VariantSummary) {
        self.row(&[
            "Method".to_owned(),
            link(Metric::Accuracy, "Accuracy"),
            link(Metric::Gain, "Gain (points)"),
            link(Metric::Pgr, "PGR"),
            link(Metric::Auroc, "AUROC"),
            link(Metric::Brier, "Brier"),
            link(Metric::Ece, "ECE"),
            link(Metric::AgreementOnRight, "Agreement on right"),
            link(Metric::ErrorsImitated, "Errors imitated"),
            link(Metric::Failed, "Failed"),
            link(Metric::CpuSeconds, "CPU s"),
        ]);
        self.line("|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        self.model(&link(Metric::WeakFloor, "Weak floor"), &variant.weak);
        let best = ranking::best(variant).map(|m| m.name.as_str());
        for method in &variant.methods {
            self.method(method, best == Some(method.name.as_str()));
        }
        self.model(&link(Metric::Ceiling, "Ceiling"), &variant.ceiling);
    }

    fn model(&mut self, role: &str, model: &ModelSummary) {
        let nothing = String::new;
        self.row(&[
            role.to_owned(),
            accuracy(model),
            nothing(),
            nothing(),
            number::score_or_none(model.auroc),
            number::fixed(model.brier, 3),
            number::percent(model.ece),
            nothing(),
            nothing(),
            number::count(model.n_failed),
            number::seconds(model.cpu_secs),
        ]);
    }

    fn method(&mut self, method: &MethodSummary, is_best: bool) {
        let student = &method.student;
        let mut label = name(&method.name);
        if is_best {
            label = format!("**{label}**");
        }
        if method.uses_ground_truth {
            label.push_str(" †");
        }
        self.row(&[
            label,
            accuracy(student),
            format!(
                "{} {}",
                number::signed(100.0 * method.gain.estimate, 1),
                number::points_ends(method.gain)
            ),
            number::pgr(method.pgr),
            number::score_or_none(student.auroc),
            number::fixed(student.brier, 3),
            number::percent(student.ece),
            number::percent_or_none(method.agreement.on_right),
            number::percent_or_none(method.agreement.on_wrong),
            number::count(student.n_failed),
            number::seconds(student.cpu_secs),
        ]);
    }
}

fn accuracy(model: &ModelSummary) -> String {
    format!(
        "{} {}",
        number::percent(model.accuracy.estimate),
        number::percent_ends(model.accuracy)
    )
}

fn lowercase_first(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

fn link(metric: Metric, label: &str) -> String {
    format!("[{label}](#{})", metric.anchor())
}

pub(crate) fn name(raw: &str) -> String {
    escape(&text::name(raw))
}

/// Takes the meaning out of every character that has one in Markdown or HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' | '@' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_run_in_markdown() {
        insta::assert_snapshot!(render(&example::summary()));
    }

    #[test]
    fn a_comparison_in_markdown() {
        insta::assert_snapshot!(render_comparison(&example::comparison()));
    }

    #[test]
    fn names_break_neither_tables_nor_html() {
        let page = render(&example::summary());
        assert!(!page.contains("<script>") && !page.contains("<img"));
        for row in page.lines().filter(|l| l.starts_with('|')) {
            let bars = row.replace(r"\|", "").matches('|').count();
            assert_eq!(bars, 12, "{row}");
        }
    }

    #[test]
    fn every_link_has_its_line() {
        for page in [
            render(&example::summary()),
            render_comparison(&example::comparison()),
        ] {
            for target in page
                .split("](#")
                .skip(1)
                .map(|rest| rest.split(')').next().unwrap())
            {
                assert!(page.contains(&format!("<a id=\"{target}\">")), "{target}");
            }
        }
    }
}
