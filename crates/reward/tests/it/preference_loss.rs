//! Sections `dpo`, `orpo`, `simpo`, `cpo` and `kto`.

use serde::Deserialize;
use serde_json::Value;
use trimtab_reward::{
    BatchLoss, CompletionLogProbs, CpoConfig, DpoConfig, FlipRate, IpoConfig, KtoConfig,
    NoisyDpoConfig, OrpoConfig, PairLogProbs, PreferenceLoss, SimpoConfig,
};

use crate::golden::{check, check_all, read};

#[derive(Deserialize)]
struct Inputs {
    chosen_logps: Vec<f64>,
    rejected_logps: Vec<f64>,
    ref_chosen_logps: Vec<f64>,
    ref_rejected_logps: Vec<f64>,
    chosen_len: Vec<usize>,
    rejected_len: Vec<usize>,
}

#[derive(Deserialize)]
struct Case {
    beta: f64,
    label_smoothing: f64,
}

fn pairs(label: impl Fn(usize) -> f64) -> Vec<PairLogProbs> {
    let inputs: Inputs = read("/dpo/inputs");
    let pair = |i: usize| PairLogProbs {
        chosen: CompletionLogProbs {
            policy: inputs.chosen_logps[i],
            reference: Some(inputs.ref_chosen_logps[i]),
            n_tokens: inputs.chosen_len[i],
        },
        rejected: CompletionLogProbs {
            policy: inputs.rejected_logps[i],
            reference: Some(inputs.ref_rejected_logps[i]),
            n_tokens: inputs.rejected_len[i],
        },
        p_chosen: label(i),
    };
    (0..inputs.chosen_len.len()).map(pair).collect()
}

fn losses(loss: &BatchLoss) -> Vec<f64> {
    loss.pairs.iter().map(|pair| pair.loss).collect()
}

#[test]
fn the_family_of_dpo_is_as_in_the_reference() {
    let cases: Vec<Case> = read("/dpo/cases");
    assert_eq!(cases.len(), 3);
    for (index, case) in cases.into_iter().enumerate() {
        let Case {
            beta,
            label_smoothing,
        } = case;
        let flip_rate = FlipRate::new(label_smoothing).unwrap();
        let (plain, noisy) = (DpoConfig { beta }, NoisyDpoConfig { beta, flip_rate });
        let ipo = IpoConfig { tau: beta };
        for (name, loss) in [
            ("sigmoid", PreferenceLoss::Dpo(plain)),
            ("cdpo", PreferenceLoss::Cdpo(noisy)),
            ("robust", PreferenceLoss::RobustDpo(noisy)),
            ("hinge", PreferenceLoss::Hinge(plain)),
            ("ipo_sum", PreferenceLoss::Ipo(ipo)),
            ("ipo_mean", PreferenceLoss::IpoMean(ipo)),
        ] {
            let at = |key: &str| format!("/dpo/cases/{index}/{key}/{name}");
            let got = loss.evaluate(&pairs(|_| 1.0)).unwrap();
            check_all(name, &losses(&got), &read::<Vec<f64>>(&at("per_example")));
            check(name, got.loss, read(&at("mean")));
            // The reference has no slopes for `ipo_mean`.
            let slopes: Value = read(&format!("/dpo/cases/{index}/grad_mean_wrt_chosen_logp"));
            if let Some(expected) = slopes.get(name) {
                let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
                let by_chosen: Vec<f64> = got.pairs.iter().map(|pair| pair.d_chosen).collect();
                check_all(name, &by_chosen, &expected);
                let by_rejected: Vec<f64> = got.pairs.iter().map(|pair| -pair.d_rejected).collect();
                check_all(name, &by_rejected, &expected);
            } else {
                assert_eq!(name, "ipo_mean");
            }
        }
    }
}

#[test]
fn metrics_are_as_in_the_reference() {
    let cases: Vec<Case> = read("/dpo/cases");
    for (index, case) in cases.into_iter().enumerate() {
        let loss = PreferenceLoss::Dpo(DpoConfig { beta: case.beta });
        let got = loss.metrics(&pairs(|_| 1.0)).unwrap();
        let at = |key: &str| format!("/dpo/cases/{index}/metrics/{key}");
        let mean = |key: &str| {
            let all: Vec<f64> = read(&at(key));
            all.iter().sum::<f64>() / all.len() as f64
        };
        check("chosen", got.chosen_reward, mean("rewards_chosen"));
        check("rejected", got.rejected_reward, mean("rewards_rejected"));
        check("margins", got.margin, mean("margins"));
        let rewards = loss.implicit_rewards(&pairs(|_| 1.0)).unwrap();
        let (chosen, rejected): (Vec<f64>, Vec<f64>) = rewards.into_iter().unzip();
        check_all("chosen", &chosen, &read::<Vec<f64>>(&at("rewards_chosen")));
        check_all(
            "rejected",
            &rejected,
            &read::<Vec<f64>>(&at("rewards_rejected")),
        );
        check("accuracy", got.accuracy, read(&at("accuracy_half_ties")));
        let strict = got.accuracy - 0.5 * got.n_ties as f64 / 6.0;
        check("strict", strict, read(&at("accuracy_strict")));
        if index == 0 {
            let trl = |key: &str| read::<Vec<f64>>(&format!("/dpo/trl_metric_names/{key}"))[0];
            check("chosen", got.chosen_reward, trl("rewards~1chosen"));
            check("rejected", got.rejected_reward, trl("rewards~1rejected"));
            check("margins", got.margin, trl("rewards~1margins"));
            check("logps", got.chosen_log_prob, trl("logps~1chosen"));
            check("logps", got.rejected_log_prob, trl("logps~1rejected"));
            check("accuracies", strict, trl("rewards~1accuracies"));
        }
    }
}

#[test]
fn soft_labels_and_anchors_are_as_in_the_reference() {
    let beta = read("/dpo/soft_label/beta");
    let p: Vec<f64> = read("/dpo/soft_label/p");
    let dpo = PreferenceLoss::Dpo(DpoConfig { beta });
    let got = dpo.evaluate(&pairs(|i| p[i])).unwrap();
    let expected: Vec<f64> = read("/dpo/soft_label/per_example");
    check_all("soft", &losses(&got), &expected);

    let at_reference = read("/dpo/anchors/loss_at_zero_logratio");
    let mut pair = pairs(|_| 1.0)[0];
    pair.chosen.policy = -13.0;
    pair.rejected.policy = -14.5;
    check(
        "at the reference",
        dpo.evaluate(&[pair]).unwrap().loss,
        at_reference,
    );
    // Where conservative DPO is least, it has no slope.
    let margin: f64 = read("/dpo/anchors/cdpo_optimum_margin_over_beta(eps=0.1)");
    let flip_rate = FlipRate::new(0.1).unwrap();
    pair.chosen.policy = -13.0 + margin / beta;
    let conservative = PreferenceLoss::Cdpo(NoisyDpoConfig { beta, flip_rate });
    let slope = conservative.evaluate(&[pair]).unwrap().pairs[0].d_chosen;
    check("slope", slope, 0.0);
}

#[test]
fn losses_without_a_reference_are_as_in_the_reference() {
    let pairs = pairs(|_| 1.0);
    let lambda = read("/orpo/lambda");
    let orpo = PreferenceLoss::Orpo(OrpoConfig { lambda });
    let got = orpo.evaluate(&pairs).unwrap();
    check("orpo", got.loss, read("/orpo/total"));
    let likelihood: f64 = read("/orpo/nll_token_mean");
    let terms: Vec<f64> = read("/orpo/or_term_per_example");
    // What is left of each pair without its share of the likelihood.
    let n_tokens: usize = pairs.iter().map(|pair| pair.chosen.n_tokens).sum();
    let share = |pair: &PairLogProbs| -pair.chosen.policy * pairs.len() as f64 / n_tokens as f64;
    let ratios = got.pairs.iter().zip(&pairs);
    let ratios: Vec<f64> = ratios.map(|(got, pair)| got.loss - share(pair)).collect();
    check_all("orpo", &ratios, &terms);
    let likelihoods: f64 = pairs.iter().map(share).sum();
    check("likelihood", likelihoods / pairs.len() as f64, likelihood);

    let (beta, gamma) = (read("/simpo/beta"), read("/simpo/gamma"));
    let simpo = PreferenceLoss::Simpo(SimpoConfig { beta, gamma });
    let got = simpo.evaluate(&pairs).unwrap();
    let expected: Vec<f64> = read("/simpo/per_example");
    check_all("simpo", &losses(&got), &expected);
    check("simpo", got.loss, read("/simpo/mean"));

    let cpo = |likelihood_weight| {
        PreferenceLoss::Cpo(CpoConfig {
            beta: read("/cpo/beta"),
            likelihood_weight,
        })
    };
    let got = cpo(read("/cpo/cpo_alpha")).evaluate(&pairs).unwrap();
    check("cpo", got.loss, read("/cpo/total"));
    let expected: Vec<f64> = read("/cpo/pref_per_example");
    let got = cpo(0.0).evaluate(&pairs).unwrap();
    check_all("cpo", &losses(&got), &expected);
}

#[test]
fn kto_is_as_in_the_reference() {
    let policy: Vec<f64> = read("/kto/kl_policy_logps");
    let reference: Vec<f64> = read("/kto/kl_ref_logps");
    let completion = |(policy, reference)| CompletionLogProbs {
        policy,
        reference: Some(reference),
        n_tokens: 1,
    };
    let mismatched: Vec<_> = policy.into_iter().zip(reference).map(completion).collect();
    let beta = read("/kto/beta");
    let kto = |desirable_weight, undesirable_weight| {
        PreferenceLoss::Kto(KtoConfig {
            beta,
            desirable_weight,
            undesirable_weight,
        })
    };
    let (desirable, undesirable) = (
        read("/kto/desirable_weight"),
        read("/kto/undesirable_weight"),
    );
    let evaluate = |loss: PreferenceLoss| {
        loss.evaluate_with_mismatched(&pairs(|_| 1.0), &mismatched)
            .unwrap()
    };
    check(
        "kto",
        evaluate(kto(desirable, undesirable)).loss,
        read("/kto/mean"),
    );
    // Each side alone; a pair is the mean of its sides.
    for (name, loss) in [
        ("chosen_losses", kto(desirable, 0.0)),
        ("rejected_losses", kto(0.0, undesirable)),
    ] {
        let got: Vec<f64> = losses(&evaluate(loss)).iter().map(|l| 2.0 * l).collect();
        check_all(name, &got, &read::<Vec<f64>>(&format!("/kto/{name}")));
    }
}
