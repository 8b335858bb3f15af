//! What a report says, as plain data: every rendering (terminal, Markdown, CSV, JSON, HTML) draws this.
//!
//! Accuracies and rates are fractions; renderings show them as per cent. Times are seconds.

use serde::Serialize;
pub use trimtab_stats::{Agreement, Anatomy, CalibrationBin, Interval, PgrEstimate};

/// One run, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The experiment's name.
    pub name: String,
    /// The run folder's identity: a hash of the resolved configuration and the data.
    pub run_id: String,
    /// What was run, in one sentence.
    pub sentence: String,
    /// The version of Trimtab that made the numbers.
    pub version: String,
    /// Confidence level of every interval, such as 0.95.
    pub level: f64,
    /// How intervals were made, in one sentence (resamples, what was resampled).
    pub interval_method: String,
    /// One entry for each variant of the experiment: usually a data set.
    pub variants: Vec<VariantSummary>,
    /// Processor seconds of all cells, from the ledger.
    pub cpu_secs: f64,
}

/// One data set under one variant of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantSummary {
    /// Such as `builtin:rotten-tomatoes`, with the swept settings where there are any.
    pub name: String,
    /// Names of the answers, in order.
    pub answers: Vec<String>,
    /// The seeds that are finished.
    pub seeds: Vec<u64>,
    /// How many seeds were asked for; more than `seeds` in an unfinished run.
    pub n_seeds_planned: usize,
    /// Samples in each split.
    pub splits: SplitSizes,
    /// The weak supervisor, on the test split: the floor.
    pub weak: ModelSummary,
    /// The strong model trained on ground truth, on the test split.
    pub ceiling: ModelSummary,
    /// Accuracy of the weak labels on the student's half.
    pub weak_label_accuracy: Interval,
    /// Ceiling minus weak.
    pub gap: Interval,
    /// Every method, in the order of the experiment file.
    pub methods: Vec<MethodSummary>,
    /// What was trained step by step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub training: Vec<TrainingCurve>,
}

/// The loss of one training, by seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingCurve {
    /// What learnt: `ceiling`, `confidence`.
    pub name: String,
    /// What it is: `weak`, `ceiling` or `student`.
    pub class: &'static str,
    /// A curve for each seed.
    pub seeds: Vec<SeedCurve>,
}

/// The loss of one training under one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeedCurve {
    /// The seed.
    pub seed: u64,
    /// Steps in all.
    pub n_steps: usize,
    /// Steps taken, and the mean loss of the batch before the last of them, in nats.
    pub points: Vec<(usize, f64)>,
}

/// Samples in each split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SplitSizes {
    /// The weak supervisor's half.
    pub weak_train: usize,
    /// The student's and the ceiling's half.
    pub student_train: usize,
    /// Held out from everything.
    pub test: usize,
}

/// How one model does on the test split, over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelSummary {
    /// What it is, in a few words: `bag-of-words`, `linear probe on all-MiniLM-L6-v2`.
    pub model: String,
    /// Share of right answers; a failed judgement counts as wrong.
    pub accuracy: Interval,
    /// The same for each seed, in the order of `VariantSummary::seeds`.
    pub accuracy_by_seed: Vec<f64>,
    /// Area under the ROC curve, ties corrected; absent with more than two answers.
    pub auroc: Option<f64>,
    /// Brier score (sum over answers of squared error, mean over items), lower is better.
    pub brier: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// Reliability diagram.
    pub calibration: Vec<CalibrationBin>,
    /// Judgements that failed (unparsed, refused, error), over all seeds.
    pub n_failed: usize,
    /// Processor seconds, training and judging, summed over the seeds.
    pub cpu_secs: f64,
}

/// One method beside the floor and the ceiling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodSummary {
    /// Its name, unique within the variant: `confidence (openai)`.
    pub name: String,
    /// One line: loss, supervisor, student, and what differs from the plain method.
    pub description: String,
    /// Whether ground truth of the student's half was used in any way (an early stop on it, say).
    pub uses_ground_truth: bool,
    /// The student on the test split.
    pub student: ModelSummary,
    /// Performance gap recovered.
    pub pgr: PgrEstimate,
    /// Student minus weak, in accuracy, paired.
    pub gain: Interval,
    /// Agreement with the supervisor on the test split.
    pub agreement: Agreement,
    /// Who is right where: items of the test split over all seeds.
    pub anatomy: Anatomy,
}

/// Two runs, compared item by item where both measured the same method on the same samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Confidence level of every interval, such as 0.95.
    pub level: f64,
    /// How intervals and p-values were made, in one sentence.
    pub method: String,
    /// Names of the two runs; differences are second minus first.
    pub runs: [String; 2],
    /// One row for each method that both have.
    pub rows: Vec<ComparisonRow>,
    /// Methods and variants that only one has, each as `run: variant / method`.
    pub unmatched: Vec<String>,
}

/// One method in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonRow {
    /// The variant.
    pub variant: String,
    /// The method; `weak` and `ceiling` are rows too.
    pub method: String,
    /// Accuracy in each run.
    pub accuracy: [f64; 2],
    /// Second minus first, paired over items and seeds.
    pub difference: Interval,
    /// Two-sided p-value of the paired permutation test.
    pub p_value: f64,
    /// Pairs of (seed, item) compared.
    pub n_pairs: usize,
}
