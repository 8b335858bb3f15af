//! Parity with NumPy, SciPy and scikit-learn: `tests/golden/stats.json`, made by `stats.py` beside it.

mod judges;
mod panel;
mod raters;

use std::num::NonZeroUsize;

use serde::Deserialize;
use trimtab_core::{Accuracy, AnswerIdx, Distribution};
use trimtab_stats::{
    Binning, Level, Reliability, accuracy, auroc, brier, sign_flip_p_value, wilson,
};

#[derive(Deserialize)]
struct Golden {
    tolerance: f64,
    auroc: Vec<Scored>,
    judgements: Vec<Judgements>,
    wilson: Vec<Wilson>,
    p_values: Vec<PValue>,
}

#[derive(Deserialize)]
struct Scored {
    scores: Vec<f64>,
    positive: Vec<bool>,
    auroc: f64,
}

#[derive(Deserialize)]
struct Judgements {
    probabilities: Vec<Vec<f64>>,
    truth: Vec<usize>,
    accuracy: f64,
    brier: f64,
    ece_10: f64,
    ece_15: f64,
}

#[derive(Deserialize)]
struct Wilson {
    n_right: usize,
    n: usize,
    level: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct PValue {
    differences: Vec<i64>,
    p_value: f64,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("../golden/stats.json")).expect("as stats.py writes it")
    }

    #[track_caller]
    fn check(&self, got: f64, expected: f64) {
        assert!(
            (got - expected).abs() <= self.tolerance,
            "{got}, expected {expected}"
        );
    }
}

#[test]
fn auroc_with_ties() {
    let golden = Golden::read();
    for case in &golden.auroc {
        golden.check(auroc(&case.scores, &case.positive).unwrap(), case.auroc);
    }
}

#[test]
fn accuracy_brier_and_calibration() {
    let golden = Golden::read();
    for case in &golden.judgements {
        let said = case
            .probabilities
            .iter()
            .map(|p| Distribution::new(p).unwrap());
        let said: Vec<_> = said.collect();
        let judged: Vec<_> = said.iter().map(Some).collect();
        let predicted: Vec<_> = said.iter().map(|d| Some(d.answer())).collect();
        let truth: Vec<_> = case.truth.iter().copied().map(AnswerIdx).collect();

        golden.check(
            accuracy(&predicted, &truth).map(Accuracy::get).unwrap(),
            case.accuracy,
        );
        golden.check(brier(&judged, &truth).unwrap().mean, case.brier);
        for (n_bins, expected) in [(10, case.ece_10), (15, case.ece_15)] {
            let binning = Binning::EqualWidth(NonZeroUsize::new(n_bins).unwrap());
            let reliability = Reliability::new(&judged, &truth, binning);
            golden.check(reliability.ece().unwrap(), expected);
        }
    }
}

#[test]
fn wilson_intervals() {
    let golden = Golden::read();
    for case in &golden.wilson {
        let level = Level::new(case.level).unwrap();
        let interval = wilson(case.n_right, case.n, level).unwrap();
        golden.check(interval.low, case.low);
        golden.check(interval.high, case.high);
    }
}

#[test]
fn sign_flip_and_mcnemar_p_values() {
    let golden = Golden::read();
    for case in &golden.p_values {
        golden.check(sign_flip_p_value(&case.differences), case.p_value);
    }
}
