//! Sections `ppo` and `grpo`.

use std::num::NonZeroUsize;

use serde::Deserialize;
use trimtab_reward::{
    AdaptiveKl, Aggregation, BaselineState, Gae, GroupAdvantage, GrpoConfig, KlControl,
    KlController, KlEstimator, KlPenalty, PolicyObjective, RatioClip, RatioLevel, ReplyAdvantage,
    ReplyValues, RewardScale, SampledReply, ValueClip, VarianceDivisor, WhitenedMean,
    token_rewards, whiten,
};

use crate::golden::{check, check_all, read};

#[derive(Deserialize)]
struct Inputs {
    logp: Vec<Vec<f64>>,
    ref_logp: Vec<Vec<f64>>,
    new_logp: Vec<Vec<f64>>,
    value: Vec<Vec<f64>>,
    new_value: Vec<Vec<f64>>,
    mask: Vec<Vec<f64>>,
    score: Vec<f64>,
}

#[derive(Deserialize)]
struct Case {
    kl_coef: f64,
    gamma: f64,
    lam: f64,
    cliprange: f64,
    cliprange_value: f64,
    vf_coef: f64,
    kl_estimator: KlEstimator,
    whiten_rewards: bool,
    whiten_advantages: bool,
    per_token_kl: Vec<Vec<f64>>,
    kl_per_sequence: Vec<f64>,
    rewards: Vec<Vec<f64>>,
    advantages_raw: Vec<Vec<f64>>,
    returns: Vec<Vec<f64>>,
    advantages: Vec<Vec<f64>>,
    ratio: Vec<Vec<f64>>,
    pg_loss: f64,
    vf_loss: f64,
    loss: f64,
    pg_clipfrac: f64,
    vf_clipfrac: f64,
    approxkl_half_sq_masked: f64,
    approxkl_half_sq_all: f64,
}

/// Without padding.
fn inputs() -> Inputs {
    let mut inputs: Inputs = read("/ppo/inputs");
    let mask = inputs.mask.clone();
    for rows in [
        &mut inputs.logp,
        &mut inputs.ref_logp,
        &mut inputs.new_logp,
        &mut inputs.value,
        &mut inputs.new_value,
    ] {
        *rows = cut(rows, &mask);
    }
    inputs
}

/// What the mask leaves of padded rows.
fn cut(rows: &[Vec<f64>], mask: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let cut = |(row, mask): (&Vec<f64>, &Vec<f64>)| {
        let kept = row.iter().zip(mask).filter(|(_, mask)| **mask == 1.0);
        kept.map(|(x, _)| *x).collect()
    };
    rows.iter().zip(mask).map(cut).collect()
}

#[test]
fn ppo_is_as_in_the_reference() {
    let inputs = inputs();
    let cases: Vec<Case> = read("/ppo/cases");
    assert_eq!(cases.len(), 3);
    for case in &cases {
        check_ppo(&inputs, case);
    }
}

fn check_ppo(inputs: &Inputs, case: &Case) {
    let expect = |what: &str, got: &[Vec<f64>], expected: &[Vec<f64>]| {
        for (got, expected) in got.iter().zip(cut(expected, &inputs.mask)) {
            check_all(what, got, &expected);
        }
    };
    let samples = 0..inputs.score.len();
    let of_tokens =
        |of: &dyn Fn(f64, f64) -> f64, a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let row =
                |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| of(*a, *b)).collect();
            a.iter().zip(b).map(row).collect()
        };
    let estimator = case.kl_estimator;
    let divergence = of_tokens(
        &|p, q| estimator.value(p - q),
        &inputs.logp,
        &inputs.ref_logp,
    );
    expect("kl", &divergence, &case.per_token_kl);
    let sums: Vec<f64> = divergence.iter().map(|row| row.iter().sum()).collect();
    check_all("kl a sequence", &sums, &case.kl_per_sequence);

    let rewards = |sample: usize| {
        let (log_probs, reference) = (&inputs.logp[sample], &inputs.ref_logp[sample]);
        let score = inputs.score[sample];
        token_rewards(sample, log_probs, reference, score, case.kl_coef, estimator).expect("finite")
    };
    let mut rewards: Vec<Vec<f64>> = samples.clone().map(rewards).collect();
    if case.whiten_rewards {
        let divisor = VarianceDivisor::CountLessOne;
        whiten(&mut rewards, WhitenedMean::Kept, divisor).expect("several");
    }
    expect("rewards", &rewards, &case.rewards);

    let gae = Gae {
        gamma: case.gamma,
        lambda: case.lam,
    };
    let of_sample = |sample: usize| {
        let got = gae.advantages(sample, &rewards[sample], &inputs.value[sample]);
        let got = got.expect("finite");
        (got.advantages, got.returns)
    };
    let (mut advantages, returns): (Vec<_>, Vec<_>) = samples.clone().map(of_sample).unzip();
    expect("raw advantages", &advantages, &case.advantages_raw);
    expect("returns", &returns, &case.returns);
    if case.whiten_advantages {
        let divisor = VarianceDivisor::CountLessOne;
        whiten(&mut advantages, WhitenedMean::Removed, divisor).expect("several");
    }
    expect("advantages", &advantages, &case.advantages);
    let ratios = of_tokens(&|n, o| (n - o).exp(), &inputs.new_logp, &inputs.logp);
    expect("ratios", &ratios, &case.ratio);

    let reply = |sample: usize| SampledReply {
        new: &inputs.new_logp[sample],
        old: &inputs.logp[sample],
        reference: None,
        advantage: ReplyAdvantage::Tokens(&advantages[sample]),
    };
    let objective = PolicyObjective {
        clip: RatioClip {
            low: case.cliprange,
            ..RatioClip::default()
        },
        ..PolicyObjective::default()
    };
    let replies: Vec<SampledReply<'_>> = samples.clone().map(reply).collect();
    let policy = objective.evaluate(&replies).expect("finite");
    check("policy loss", policy.loss, case.pg_loss);
    check("clip share", policy.clip_share, case.pg_clipfrac);
    let step = policy.step_divergence;
    check("step", step, case.approxkl_half_sq_masked);
    // The same sum over 15 places, padding counted, instead of 12.
    check("step", step * 12.0 / 15.0, case.approxkl_half_sq_all);

    let values = |sample: usize| ReplyValues {
        new: &inputs.new_value[sample],
        old: &inputs.value[sample],
        returns: &returns[sample],
    };
    let clip = ValueClip {
        range: case.cliprange_value,
    };
    let value = clip
        .evaluate(&samples.map(values).collect::<Vec<_>>())
        .expect("finite");
    check("value loss", value.loss, case.vf_loss);
    check("clip share", value.clip_share, case.vf_clipfrac);
    check("loss", policy.loss + case.vf_coef * value.loss, case.loss);
}

#[test]
fn the_adaptive_coefficient_is_as_in_the_reference() {
    let control = KlControl::Adaptive(AdaptiveKl {
        initial: read("/ppo/adaptive_kl/init"),
        target: read("/ppo/adaptive_kl/target"),
        horizon: read("/ppo/adaptive_kl/horizon"),
    });
    assert_eq!(control, KlControl::Adaptive(AdaptiveKl::default()));
    let mut controller = KlController::new(control).unwrap();
    let observed: Vec<(f64, usize)> = read("/ppo/adaptive_kl/observed");
    let after: Vec<f64> = read("/ppo/adaptive_kl/beta_after");
    for ((divergence, n), expected) in observed.into_iter().zip(after) {
        check("β", controller.update(divergence, n).unwrap(), expected);
    }
}

#[test]
fn group_advantages_are_as_in_the_reference() {
    let rewards: Vec<f64> = read("/grpo/inputs/rewards");
    let groups: Vec<Vec<f64>> = rewards
        .chunks(read("/grpo/inputs/group"))
        .map(<[f64]>::to_vec)
        .collect();
    let grpo = |scale| GroupAdvantage::Grpo(GrpoConfig { scale });
    for (name, rule) in [
        ("adv_group", grpo(RewardScale::Group)),
        ("adv_none", grpo(RewardScale::None)),
        ("adv_batch", grpo(RewardScale::Batch)),
        ("rloo_adv", GroupAdvantage::Rloo {}),
    ] {
        let got = rule
            .advantages(&groups, &mut BaselineState::default())
            .unwrap();
        let expected: Vec<Vec<f64>> = read(&format!("/grpo/{name}"));
        for (got, expected) in got.iter().zip(&expected) {
            check_all(name, got, expected);
        }
        if name == "rloo_adv" {
            let baselines: Vec<Vec<f64>> = read("/grpo/rloo_baseline");
            for ((group, got), baseline) in groups.iter().zip(&got).zip(&baselines) {
                let implied: Vec<f64> = group.iter().zip(got).map(|(r, a)| r - a).collect();
                check_all("baseline", &implied, baseline);
            }
        }
    }
}

#[test]
fn aggregations_are_as_in_the_reference() {
    let inputs = inputs();
    let advantages: Vec<f64> = read("/grpo/loss/advantages");
    let reply = |sample: usize| SampledReply {
        new: &inputs.new_logp[sample],
        old: &inputs.logp[sample],
        reference: Some(&inputs.ref_logp[sample]),
        advantage: ReplyAdvantage::Reply(advantages[sample]),
    };
    let replies: Vec<SampledReply<'_>> = (0..advantages.len()).map(reply).collect();
    let penalty = KlPenalty {
        coefficient: read("/grpo/loss/beta"),
        estimator: KlEstimator::K3,
    };
    let max_length: NonZeroUsize = read("/grpo/loss/max_completion_length");
    let clip = RatioClip {
        low: read("/grpo/loss/epsilon"),
        ..RatioClip::default()
    };
    let evaluate = |aggregation, ratio, penalty| {
        let objective = PolicyObjective {
            clip,
            ratio,
            aggregation,
            penalty,
        };
        objective.evaluate(&replies).unwrap()
    };
    for (name, aggregation) in [
        ("grpo", Aggregation::SequenceMean {}),
        ("bnpo", Aggregation::TokenMean {}),
        ("dr_grpo", Aggregation::DrGrpo { max_length }),
        ("dapo_single_process", Aggregation::Dapo {}),
    ] {
        let got = evaluate(aggregation, RatioLevel::Token, Some(penalty));
        check(name, got.loss, read(&format!("/grpo/loss/{name}")));
    }
    let got = evaluate(Aggregation::SequenceMean {}, RatioLevel::Sequence, None);
    check("gspo", got.loss, read("/grpo/loss/gspo_beta0"));

    let expected: Vec<Vec<f64>> = read("/grpo/loss/k3_per_token");
    for ((new, reference), expected) in inputs
        .new_logp
        .iter()
        .zip(&inputs.ref_logp)
        .zip(cut(&expected, &inputs.mask))
    {
        let k3: Vec<f64> = new
            .iter()
            .zip(reference)
            .map(|(n, r)| KlEstimator::K3.value(n - r))
            .collect();
        check_all("k3", &k3, &expected);
    }
}
