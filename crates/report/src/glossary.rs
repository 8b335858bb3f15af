//! Every metric of a report in one line, with its formula and the anchor that tables link to.
//!
//! The whole of it stands at the end of an HTML or Markdown report.

/// Something a report measures or names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Share of right answers.
    Accuracy,
    /// The range beside an estimate.
    Interval,
    /// The weak supervisor's accuracy.
    WeakFloor,
    /// The strong model trained on ground truth.
    Ceiling,
    /// The strong model trained on weak labels.
    Student,
    /// Performance gap recovered.
    Pgr,
    /// Ceiling minus weak.
    Gap,
    /// Student minus weak.
    Gain,
    /// Accuracy of the labels that the student learns from.
    WeakLabelAccuracy,
    /// Area under the ROC curve.
    Auroc,
    /// Brier score.
    Brier,
    /// Expected calibration error.
    Ece,
    /// Confidence against accuracy.
    Reliability,
    /// How often the student says what the supervisor says.
    Agreement,
    /// The same where the supervisor is right.
    AgreementOnRight,
    /// The same where the supervisor is wrong.
    ErrorsImitated,
    /// Supervisor wrong, student right.
    Corrected,
    /// Supervisor wrong, student wrong.
    Inherited,
    /// Supervisor right, student wrong.
    NewErrors,
    /// Judgements without an answer.
    Failed,
    /// Processor time.
    CpuSeconds,
    /// The mark † in tables.
    GroundTruth,
    /// A comparison's p-value.
    PValue,
}

/// What a report says about one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Fragment identifier of its line: `metric-pgr`.
    pub anchor: &'static str,
    /// Its name in full.
    pub name: &'static str,
    /// One line, without the name.
    pub definition: &'static str,
    /// The formula, where there is one to write.
    pub formula: Option<&'static str>,
}

impl Metric {
    /// All of them, in the order of the glossary.
    pub const ALL: [Self; 23] = [
        Self::Accuracy,
        Self::Interval,
        Self::WeakFloor,
        Self::Student,
        Self::Ceiling,
        Self::Gap,
        Self::Gain,
        Self::Pgr,
        Self::WeakLabelAccuracy,
        Self::Auroc,
        Self::Brier,
        Self::Ece,
        Self::Reliability,
        Self::Agreement,
        Self::AgreementOnRight,
        Self::ErrorsImitated,
        Self::Corrected,
        Self::Inherited,
        Self::NewErrors,
        Self::Failed,
        Self::CpuSeconds,
        Self::GroundTruth,
        Self::PValue,
    ];

    /// What the glossary says about it.
    #[expect(clippy::too_many_lines, reason = "a flat table of texts")]
    pub const fn entry(self) -> Entry {
        let (anchor, name, definition, formula) = match self {
            Self::Accuracy => (
                "metric-accuracy",
                "Accuracy",
                "Share of test items answered right, over all seeds; a failed judgement counts as wrong.",
                Some("right / items"),
            ),
            Self::Interval => (
                "metric-interval",
                "Interval",
                "Confidence interval of the estimate before it; a run's report names level and method at its end.",
                None,
            ),
            Self::WeakFloor => (
                "metric-weak-floor",
                "Weak floor",
                "Test accuracy of the weak supervisor, which is trained on the ground truth of its own half.",
                None,
            ),
            Self::Student => (
                "metric-student",
                "Student",
                "The strong model trained on the weak supervisor's labels of the student's half, never on its ground truth (but see †).",
                None,
            ),
            Self::Ceiling => (
                "metric-ceiling",
                "Ceiling",
                "Test accuracy of the same strong model trained on the ground truth of the student's half.",
                None,
            ),
            Self::Gap => (
                "metric-gap",
                "Gap",
                "How far the ceiling lies above the weak floor.",
                Some("ceiling − weak"),
            ),
            Self::Gain => (
                "metric-gain",
                "Gain",
                "How far the student lies above the weak floor, in percentage points, paired over items and seeds.",
                Some("student − weak"),
            ),
            Self::Pgr => (
                "metric-pgr",
                "PGR",
                "Performance gap recovered: 0 is the weak floor, 1 the ceiling, values outside are legal; “no gap” where the gap's interval reaches zero.",
                Some("(student − weak) / (ceiling − weak)"),
            ),
            Self::WeakLabelAccuracy => (
                "metric-weak-label-accuracy",
                "Weak-label accuracy",
                "Share of right labels among those that the student learns from, on the student's half.",
                None,
            ),
            Self::Auroc => (
                "metric-auroc",
                "AUROC",
                "Chance that a positive item gets a higher score than a negative one, ties counted half; only with two answers.",
                Some("P(s⁺ > s⁻) + ½ P(s⁺ = s⁻)"),
            ),
            Self::Brier => (
                "metric-brier",
                "Brier score",
                "Squared error of the probabilities, summed over the answers: 0 is perfect, 2 the worst.",
                Some("mean over items of Σₖ (pₖ − yₖ)²"),
            ),
            Self::Ece => (
                "metric-ece",
                "ECE",
                "Expected calibration error: distance between confidence and accuracy, weighted by the judgements in each bin; 0 is perfect.",
                Some("Σ_b (n_b / n) · |accuracy_b − confidence_b|"),
            ),
            Self::Reliability => (
                "metric-reliability",
                "Reliability",
                "Accuracy of judgements against their stated confidence: on the diagonal is calibrated, below it overconfident.",
                None,
            ),
            Self::Agreement => (
                "metric-agreement",
                "Agreement",
                "Share of test items to which student and supervisor give the same answer.",
                Some("same / items"),
            ),
            Self::AgreementOnRight => (
                "metric-agreement-on-right",
                "Agreement on right",
                "Agreement over the items that the supervisor gets right.",
                Some("same and supervisor right / supervisor right"),
            ),
            Self::ErrorsImitated => (
                "metric-errors-imitated",
                "Errors imitated",
                "Agreement over the items that the supervisor gets wrong; lower is better.",
                Some("same and supervisor wrong / supervisor wrong"),
            ),
            Self::Corrected => (
                "metric-corrected",
                "Corrected",
                "Items that the supervisor gets wrong and the student right.",
                None,
            ),
            Self::Inherited => (
                "metric-inherited",
                "Inherited",
                "Items that both the supervisor and the student get wrong.",
                None,
            ),
            Self::NewErrors => (
                "metric-new-errors",
                "New errors",
                "Items that the supervisor gets right and the student wrong.",
                None,
            ),
            Self::Failed => (
                "metric-failed",
                "Failed judgements",
                "Judgements without a usable answer (unparsed, refused, error); they stay in every denominator.",
                None,
            ),
            Self::CpuSeconds => (
                "metric-cpu-seconds",
                "CPU seconds",
                "Processor time of training and judging, summed over the seeds.",
                None,
            ),
            Self::GroundTruth => (
                "metric-ground-truth",
                "† Ground truth",
                "The method looks at ground truth of the student's half (to stop early, say): a reference, not a weak-to-strong result.",
                None,
            ),
            Self::PValue => (
                "metric-p-value",
                "p",
                "Two-sided p-value of a paired permutation test over items and seeds, not corrected for the number of rows.",
                None,
            ),
        };
        Entry {
            anchor,
            name,
            definition,
            formula,
        }
    }

    /// Fragment identifier of its line in the glossary.
    pub const fn anchor(self) -> &'static str {
        self.entry().anchor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_distinct_and_definitions_are_one_line() {
        let anchors: std::collections::BTreeSet<_> =
            Metric::ALL.iter().map(|m| m.anchor()).collect();
        assert_eq!(anchors.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            let Entry {
                anchor, definition, ..
            } = metric.entry();
            assert!(anchor.starts_with("metric-"), "{anchor}");
            assert!(
                !definition.contains('\n') && definition.ends_with('.'),
                "{definition}"
            );
        }
    }
}
