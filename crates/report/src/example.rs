//! A run as a report meets it: two data sets with every loss, one without a gap and with hostile
//! names, failures, unfinished seeds. Made by arithmetic, so it is the same everywhere.

use crate::summary::{
    Agreement, Anatomy, CalibrationBin, Comparison, ComparisonRow, Interval, MethodSummary,
    ModelSummary, PgrEstimate, SplitSizes, Summary, VariantSummary,
};

/// Name, description, whether ground truth is used, PGR on the first and on the second data set.
const METHODS: [(&str, &str, bool, f64, f64); 18] = [
    (
        "naive (soft)",
        "cross-entropy with the weak probabilities",
        false,
        0.24,
        0.66,
    ),
    (
        "naive (hard)",
        "cross-entropy with the weak labels, rounded",
        false,
        0.17,
        0.58,
    ),
    (
        "confidence-weighted",
        "each item's loss is multiplied by the weak label's confidence",
        false,
        0.33,
        0.70,
    ),
    (
        "entropy +0.1",
        "adds 0.1 × entropy to the loss: rewards confidence",
        false,
        0.29,
        0.68,
    ),
    (
        "entropy −0.1",
        "adds −0.1 × entropy: rewards doubt",
        false,
        0.19,
        0.61,
    ),
    (
        "confidence (paper)",
        "auxiliary confidence loss, linear warm-up",
        false,
        0.48,
        0.78,
    ),
    (
        "confidence (openai)",
        "auxiliary confidence loss, warm-up as in openai/weak-to-strong",
        false,
        0.46,
        0.77,
    ),
    ("product", "product loss of Burns et al.", false, 0.22, 0.63),
    (
        "window",
        "trains on items whose weak label lies outside a window",
        false,
        0.31,
        0.71,
    ),
    (
        "kl",
        "KL divergence from the weak to the student distribution",
        false,
        0.24,
        0.66,
    ),
    (
        "balanced",
        "naive with classes weighted to equal shares",
        false,
        0.25,
        0.64,
    ),
    (
        "bootstrapped through 2 intermediate students",
        "naive; each student supervises the next, larger one",
        false,
        0.37,
        0.73,
    ),
    (
        "early stop on weak labels",
        "naive, stopped where weak validation loss is least",
        false,
        0.28,
        0.69,
    ),
    (
        "early stop on ground truth",
        "naive, stopped where true validation accuracy is best",
        true,
        0.41,
        0.82,
    ),
    (
        "drop the 20% most doubtful labels",
        "naive on the rest",
        false,
        0.35,
        0.72,
    ),
    (
        "relabel the doubtful fifth with own guesses",
        "two rounds",
        false,
        0.39,
        0.75,
    ),
    (
        "ensemble of 5 supervisors",
        "mean of five bags of words, then naive",
        false,
        0.44,
        0.74,
    ),
    (
        "MLP student",
        "naive with one hidden layer of 256",
        false,
        -0.07,
        0.52,
    ),
];

fn around(estimate: f64, half: f64) -> Interval {
    Interval {
        estimate,
        low: estimate - half,
        high: estimate + 0.9 * half,
    }
}

/// A number in [0, 1) that depends on `i` only.
fn noise(i: usize) -> f64 {
    (i as f64 * 0.618_033_988_75 + 0.21).fract()
}

fn model(model: &str, accuracy: f64, half: f64, n_seeds: usize, tilt: f64) -> ModelSummary {
    let calibration: Vec<CalibrationBin> = (0..10)
        .map(|bin| {
            let from = f64::from(bin) / 10.0;
            let confidence = from + 0.05;
            let n = if bin < 5 {
                0
            } else {
                (1500.0 * accuracy.powi(9 - bin)) as usize
            };
            let accuracy = (confidence - tilt * (confidence - 0.5)).clamp(0.0, 1.0);
            CalibrationBin {
                from,
                to: from + 0.1,
                n,
                confidence,
                accuracy,
            }
        })
        .collect();
    ModelSummary {
        model: model.to_owned(),
        accuracy: around(accuracy, half),
        accuracy_by_seed: (0..n_seeds)
            .map(|s| accuracy + 1.6 * half * (noise(s + (accuracy * 1e4) as usize) - 0.5))
            .collect(),
        auroc: Some(0.5 + 0.72 * (accuracy - 0.5) + 0.13),
        brier: 1.04 * (1.0 - accuracy) + 0.09,
        ece: 0.16 * tilt.abs() + 0.008,
        calibration,
        n_failed: 0,
        cpu_secs: 0.84,
    }
}

fn anatomy(n: f64, weak: f64, student: f64, ceiling: f64) -> Anatomy {
    let of = |share: f64| (share * n).round() as usize;
    let new_errors = 0.42 * (1.0 - student) * weak;
    let corrected = (student - weak + new_errors).max(0.004);
    let inherited = (1.0 - weak - corrected).max(0.0);
    let kept = weak - new_errors;
    Anatomy {
        all_right: of(kept * ceiling.powf(0.35)),
        ceiling_wrong: of(kept * (1.0 - ceiling.powf(0.35))),
        student_wrong: of(new_errors * 0.4),
        supervisor_only: of(new_errors * 0.6),
        corrected: of(corrected * 0.82),
        student_only: of(corrected * 0.18),
        inherited: of(inherited * 0.38),
        all_wrong: of(inherited * 0.62),
    }
}

struct DataSet<'a> {
    name: &'a str,
    answers: [&'a str; 2],
    weak: f64,
    ceiling: f64,
    half: f64,
    n_seeds: usize,
    n_test: usize,
}

impl DataSet<'_> {
    fn variant(&self, pgr_of: impl Fn(usize) -> f64) -> VariantSummary {
        let gap = self.ceiling - self.weak;
        let methods = METHODS
            .iter()
            .enumerate()
            .map(|(i, &(name, description, uses_ground_truth, ..))| {
                let pgr = pgr_of(i);
                let accuracy = self.weak + pgr * gap;
                let n = (self.n_seeds * self.n_test) as f64;
                let anatomy = anatomy(n, self.weak, accuracy, self.ceiling);
                let wrong = anatomy.corrected
                    + anatomy.student_only
                    + anatomy.inherited
                    + anatomy.all_wrong;
                let on_wrong = (anatomy.inherited + anatomy.all_wrong) as f64 / wrong as f64;
                let on_right =
                    (anatomy.all_right + anatomy.ceiling_wrong) as f64 / (n - wrong as f64);
                let student = ModelSummary {
                    cpu_secs: 0.11 + 3.0 * noise(i).powi(4) + if i == 17 { 41.0 } else { 0.0 },
                    ..model(
                        "linear probe on all-MiniLM-L6-v2",
                        accuracy,
                        self.half,
                        self.n_seeds,
                        0.5 - noise(i),
                    )
                };
                MethodSummary {
                    name: name.to_owned(),
                    description: description.to_owned(),
                    uses_ground_truth,
                    student,
                    pgr: PgrEstimate::Recovered {
                        interval: around(pgr, 0.9 * self.half / gap),
                    },
                    gain: around(accuracy - self.weak, 0.8 * self.half),
                    agreement: Agreement {
                        overall: on_right * self.weak + on_wrong * (1.0 - self.weak),
                        on_right: Some(on_right),
                        on_wrong: Some(on_wrong),
                    },
                    anatomy,
                }
            })
            .collect();
        VariantSummary {
            name: self.name.to_owned(),
            answers: self.answers.map(str::to_owned).to_vec(),
            seeds: (0..self.n_seeds as u64).collect(),
            n_seeds_planned: self.n_seeds,
            splits: SplitSizes {
                weak_train: 2 * self.n_test,
                student_train: 2 * self.n_test,
                test: self.n_test,
            },
            weak: model("bag-of-words", self.weak, self.half, self.n_seeds, 0.45),
            ceiling: model(
                "linear probe on all-MiniLM-L6-v2",
                self.ceiling,
                self.half,
                self.n_seeds,
                -0.05,
            ),
            weak_label_accuracy: around(self.weak - 0.003, 0.7 * self.half),
            gap: around(gap, 0.9 * self.half),
            methods,
            training: Vec::new(),
        }
    }
}

/// The names a report must survive.
pub(crate) const HOSTILE_DATA_SET: &str = "csv:\"><img src=x onerror=alert(1)>|`x`.csv";
pub(crate) const HOSTILE_METHOD: &str =
    "=HYPERLINK(\"//evil\")<script>alert(1)</script>\u{1b}[31m|\n";

/// The run.
pub(crate) fn summary() -> Summary {
    let mut rotten = DataSet {
        name: "builtin:rotten-tomatoes",
        answers: ["negative", "positive"],
        weak: 0.682,
        ceiling: 0.746,
        half: 0.0105,
        n_seeds: 5,
        n_test: 2132,
    }
    .variant(|i| METHODS[i].3);
    rotten.methods[11].student.n_failed = 7;
    rotten.methods[16].student.n_failed = 1;

    let subjectivity = DataSet {
        name: "builtin:subjectivity",
        answers: ["objective", "subjective"],
        weak: 0.862,
        ceiling: 0.915,
        half: 0.0068,
        n_seeds: 5,
        n_test: 2000,
    }
    .variant(|i| METHODS[i].4);

    let mut hostile = DataSet {
        name: HOSTILE_DATA_SET,
        answers: ["<b>no</b>", "yes"],
        weak: 0.611,
        ceiling: 0.618,
        half: 0.031,
        n_seeds: 2,
        n_test: 150,
    }
    .variant(|i| METHODS[i].3);
    hostile.n_seeds_planned = 5;
    hostile.methods.truncate(4);
    hostile.methods[2].name = HOSTILE_METHOD.to_owned();
    hostile.methods[2].description = "</title><script>alert(2)</script> & <!-- ".to_owned();
    hostile.methods[3].student.auroc = None;
    hostile.methods[3].agreement.on_wrong = None;
    for method in &mut hostile.methods {
        method.pgr = PgrEstimate::NoGap { gap: hostile.gap };
    }
    hostile.weak.n_failed = 2;

    Summary {
        name: "quickstart".to_owned(),
        run_id: "7f3a9c04e1d2b586".to_owned(),
        sentence: "A bag of words supervises a linear probe on frozen all-MiniLM-L6-v2 features: \
                   18 ways to learn from its labels, on three data sets, five seeds each."
            .to_owned(),
        version: "0.1.0".to_owned(),
        level: 0.95,
        interval_method: "percentile bootstrap, 2,000 resamples of items and seeds together, \
                          paired across methods"
            .to_owned(),
        variants: vec![rotten, subjectivity, hostile],
        cpu_secs: 164.2,
    }
}

/// Two runs side by side.
pub(crate) fn comparison() -> Comparison {
    let row = |variant: &str, method: &str, first: f64, second: f64, p_value: f64| ComparisonRow {
        variant: variant.to_owned(),
        method: method.to_owned(),
        accuracy: [first, second],
        difference: around(second - first, 0.011),
        p_value,
        n_pairs: 10_660,
    };
    Comparison {
        level: 0.95,
        method: "paired bootstrap, 2,000 resamples; exact paired permutation test".to_owned(),
        runs: [
            "runs/quickstart".to_owned(),
            "runs/quickstart-\u{1b}[2Jmlp".to_owned(),
        ],
        rows: vec![
            row("builtin:rotten-tomatoes", "weak", 0.682, 0.682, 1.0),
            row(
                "builtin:rotten-tomatoes",
                "naive (soft)",
                0.697,
                0.691,
                0.21,
            ),
            row(
                "builtin:rotten-tomatoes",
                "confidence (paper)",
                0.713,
                0.729,
                0.0004,
            ),
            row("builtin:rotten-tomatoes", "ceiling", 0.746, 0.761, 0.004),
            row(
                "builtin:subjectivity",
                "bootstrapped through 2 intermediate students",
                0.9,
                0.9,
                0.97,
            ),
            row("builtin:subjectivity", HOSTILE_METHOD, 0.862, 0.801, 0.0),
        ],
        unmatched: vec!["runs/quickstart: builtin:subjectivity / kl".to_owned()],
    }
}
