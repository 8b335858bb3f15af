//! Section `reward_model`.

use std::num::NonZeroUsize;

use serde::Deserialize;
use trimtab_core::Seed;
use trimtab_reward::{
    AccuracyIntervals, BatchLoss, BradleyTerry, Outcome, RewardPair, TieModel, k_wise,
    reward_accuracy,
};
use trimtab_stats::{Level, Resampler};

use crate::golden::{check, check_all, read};

#[derive(Deserialize)]
struct Inputs {
    chosen: Vec<f64>,
    rejected: Vec<f64>,
    margin: Vec<f64>,
    p: Vec<f64>,
}

fn inputs() -> Inputs {
    read("/reward_model/inputs")
}

/// All pairs, with labels and margins or without.
fn pairs(label: impl Fn(f64) -> f64, margin: impl Fn(f64) -> f64) -> Vec<RewardPair> {
    let inputs = inputs();
    let pair = |i: usize| RewardPair {
        chosen: inputs.chosen[i],
        rejected: inputs.rejected[i],
        p_chosen: label(inputs.p[i]),
        margin: margin(inputs.margin[i]),
    };
    (0..inputs.p.len()).map(pair).collect()
}

fn evaluate(centring: f64, pairs: &[RewardPair]) -> BatchLoss {
    let loss = BradleyTerry {
        centring,
        ..BradleyTerry::default()
    };
    loss.evaluate(pairs).expect("finite pairs")
}

fn slopes(loss: &BatchLoss) -> (Vec<f64>, Vec<f64>) {
    let slopes = loss
        .pairs
        .iter()
        .map(|pair| (pair.d_chosen, pair.d_rejected));
    slopes.unzip()
}

#[test]
fn plain_margin_and_soft_labels_are_as_in_the_reference() {
    for (name, pairs) in [
        ("plain", pairs(|_| 1.0, |_| 0.0)),
        ("margin", pairs(|_| 1.0, |margin| margin)),
        ("soft_label", pairs(|p| p, |_| 0.0)),
    ] {
        let got = evaluate(0.0, &pairs);
        let at = |key: &str| format!("/reward_model/{name}/{key}");
        let losses: Vec<f64> = got.pairs.iter().map(|pair| pair.loss).collect();
        check_all(name, &losses, &read::<Vec<f64>>(&at("per_example")));
        check(name, got.loss, read(&at("mean")));
        let (by_chosen, by_rejected) = slopes(&got);
        let expected: Vec<f64> = read(&at("grad_chosen"));
        check_all(name, &by_chosen, &expected);
        let negative: Vec<f64> = expected.iter().map(|slope| -slope).collect();
        check_all(name, &by_rejected, &negative);
    }
}

#[test]
fn centring_is_as_in_the_reference() {
    let at = |key: &str| format!("/reward_model/center/{key}");
    let coefficient: f64 = read(&at("coefficient"));
    let plain = pairs(|_| 1.0, |_| 0.0);
    let got = evaluate(coefficient, &plain);
    check("loss", got.loss, read(&at("plain_plus_center")));
    check(
        "penalty",
        got.loss - evaluate(0.0, &plain).loss,
        read(&at("penalty")),
    );
    let margin = evaluate(coefficient, &pairs(|_| 1.0, |margin| margin));
    check("margin", margin.loss, read(&at("margin_plus_center")));
    let (by_chosen, by_rejected) = slopes(&got);
    let expected: Vec<f64> = read(&at("grad_chosen_plain_plus_center"));
    check_all("chosen", &by_chosen, &expected);
    let expected: Vec<f64> = read(&at("grad_rejected_plain_plus_center"));
    check_all("rejected", &by_rejected, &expected);
}

#[test]
fn large_differences_are_as_in_the_reference() {
    let differences: Vec<f64> = read("/reward_model/large_diff/d");
    let expected: Vec<f64> = read("/reward_model/large_diff/loss");
    for (d, expected) in differences.into_iter().zip(expected) {
        let pair = RewardPair {
            chosen: d,
            rejected: 0.0,
            p_chosen: 1.0,
            margin: 0.0,
        };
        let got = evaluate(0.0, &[pair]).loss;
        // Relative: 3.7e-44 is not 0.
        assert!(
            (got - expected).abs() <= 1e-12 * expected,
            "{d}: {got} {expected}"
        );
    }
}

#[test]
fn the_ranking_is_as_in_the_reference() {
    let rewards: Vec<f64> = read("/reward_model/ranked_K4/scores_best_to_worst");
    let got = k_wise(&rewards).unwrap();
    check("ranking", got.loss, read("/reward_model/ranked_K4/loss"));
}

#[test]
fn ties_are_as_in_the_reference() {
    let inputs = inputs();
    let theta = read("/reward_model/ties/rao_kupper/theta");
    let nu = read("/reward_model/ties/davidson/nu");
    for (name, model) in [
        ("rao_kupper", TieModel::RaoKupper { theta: Some(theta) }),
        ("davidson", TieModel::Davidson { nu: Some(nu) }),
    ] {
        for (key, outcome) in [
            ("p_chosen", Outcome::First),
            ("p_rejected", Outcome::Second),
            ("p_tie", Outcome::Tie),
        ] {
            let expected: Vec<f64> = read(&format!("/reward_model/ties/{name}/{key}"));
            let sides = inputs.chosen.iter().zip(&inputs.rejected);
            let of_pair = |(&chosen, &rejected): (&f64, &f64)| {
                (-model.loss(chosen, rejected, outcome).unwrap().loss).exp()
            };
            check_all(key, &sides.map(of_pair).collect::<Vec<_>>(), &expected);
        }
    }
}

#[test]
fn metrics_are_as_in_the_reference() {
    let at = |key: &str| read(&format!("/reward_model/metrics/{key}"));
    let Inputs {
        chosen, rejected, ..
    } = inputs();
    let difference = |(chosen, rejected): (f64, f64)| chosen - rejected;
    let differences: Vec<f64> = chosen.into_iter().zip(rejected).map(difference).collect();
    let n = differences.len();
    let intervals = AccuracyIntervals {
        clusters: &(0..n).collect::<Vec<_>>(),
        resampler: Resampler {
            n_resamples: NonZeroUsize::MIN,
            seed: Seed(0),
        },
        level: Level::default(),
    };
    let scored: Vec<Option<f64>> = differences.iter().copied().map(Some).collect();
    let got = reward_accuracy(&scored, &intervals).unwrap();
    let accuracy = got.accuracy.estimate;
    check("accuracy", accuracy, at("accuracy_half_ties"));
    let strict = accuracy - 0.5 * got.n_ties as f64 / n as f64;
    check("strict", strict, at("accuracy_strict"));
    let margin = differences.iter().sum::<f64>() / n as f64;
    check("margin", margin, at("mean_margin"));
}
