//! The arithmetic of labels against `tests/golden/ai_labels.json`.

use serde_json::Value;
use trimtab_constitution::label::{
    Combine, OrderEffect, combined, expected_score, flips, mean, probability_of_first,
};
use trimtab_stats::sigmoid;

fn golden() -> Value {
    let text = include_str!("../golden/ai_labels.json");
    serde_json::from_str::<Value>(text).unwrap()["ai_labels"].take()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn near(got: f64, expected: &Value) {
    let expected = number(expected);
    assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
}

#[test]
fn single_comparisons_and_ensembles() {
    let golden = golden();
    let pairs = golden["logprob_pairs_A_B_per_principle"]
        .as_array()
        .unwrap();
    let log_probs: Vec<[f64; 2]> = (pairs.iter())
        .map(|pair| [number(&pair[0]), number(&pair[1])])
        .collect();
    for (log_probs, expected) in log_probs
        .iter()
        .zip(golden["p_A_per_principle"].as_array().unwrap())
    {
        near(probability_of_first(*log_probs), expected);
    }
    let log_odds: Vec<f64> = log_probs.iter().map(|[a, b]| a - b).collect();
    near(
        combined(&log_odds, Combine::MeanProbability).unwrap(),
        &golden["mean_prob"],
    );
    near(
        combined(&log_odds, Combine::MeanLogOdds).unwrap(),
        &golden["mean_logit"],
    );
}

#[test]
fn both_orders() {
    let golden = golden();
    let cases = golden["two_pass"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let of = |order: &str| [number(&case[order]["log1"]), number(&case[order]["log2"])];
        let p_first = probability_of_first(of("first"));
        // In the swapped pass option 1 is the second reply.
        let p_swapped = 1.0 - probability_of_first(of("swapped"));
        near(p_first, &case["p_first"]);
        near(p_swapped, &case["p_first_from_swapped"]);
        near(mean(&[p_first, p_swapped]).unwrap(), &case["averaged"]);
        assert_eq!(
            flips(p_first, p_swapped),
            case["position_bias_flip"].as_bool().unwrap()
        );
    }
    let [first, swapped] = ["first", "swapped"]
        .map(|order| number(&cases[0][order]["log1"]) - number(&cases[0][order]["log2"]));
    let effect = OrderEffect::of(first, -swapped);
    let expected = &golden["order_effect_logit"];
    near(effect.preference, &expected["s"]);
    near(effect.order, &expected["b"]);
    near(effect.probability(), &expected["debiased_p"]);
    near(
        combined(&[first, -swapped], Combine::MeanLogOdds).unwrap(),
        &expected["debiased_p"],
    );
}

#[test]
fn clamping() {
    for case in golden()["cot_clamp_40_60"].as_array().unwrap() {
        near(number(&case["p"]).clamp(0.4, 0.6), &case["clamped"]);
    }
}

#[test]
fn mass() {
    let golden = &golden()["normalised_mass_example"];
    let [a, b] = ["logp_A", "logp_B"].map(|key| number(&golden[key]));
    near(sigmoid(a - b), &golden["p_A"]);
    near(a.exp() + b.exp(), &golden["option_mass"]);
}

#[test]
fn direct_scores() {
    let golden = &golden()["d_rlaif"];
    let log_probs: Vec<f64> = golden["logprobs_1_to_10"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    let [score, reward] = expected_score(&log_probs).unwrap();
    near(score, &golden["expected"]);
    near(reward, &golden["normalised_to_pm1"]);
}
