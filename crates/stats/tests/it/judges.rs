//! Parity with SciPy, scikit-learn, statsmodels and `ai_labels`: `tests/golden/judges.json`, made by `judges.py` beside
//! it.

use std::num::NonZeroUsize;

use serde::Deserialize;
use trimtab_core::{AnswerIdx, Seed};
use trimtab_stats::{
    BothOrders, Clusters, Consistency, HumanAgreement, Interval, Lengths, Level, OrderEffect,
    Preferred, Resampler, Said, Slope, Temperature, Verbosity, clustered_share,
    comparisons_for_difference, comparisons_for_half_width, elo_difference, win_rate,
};

#[derive(Deserialize)]
struct Golden {
    tolerance: f64,
    kappa: Vec<Agreed>,
    verbosity: Vec<Lengthy>,
    temperature: Vec<Tempered>,
    clustered_share: Vec<Clustered>,
    half_width: Vec<Precise>,
    difference: Vec<Apart>,
    ai_labels: AiLabels,
}

#[derive(Deserialize)]
struct Agreed {
    judge: Vec<usize>,
    human: Vec<usize>,
    agreement: f64,
    kappa: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Lengthy {
    first: Vec<usize>,
    second: Vec<usize>,
    prompt: Vec<usize>,
    prefers_first: Vec<bool>,
    intercept: [f64; 3],
    slope: [f64; 3],
}

#[derive(Deserialize)]
struct Tempered {
    log_odds: Vec<f64>,
    a_is_better: Vec<bool>,
    prompt: Vec<usize>,
    inverse: [f64; 3],
}

#[derive(Deserialize)]
struct Clustered {
    so: Vec<bool>,
    prompt: Vec<usize>,
    share: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Precise {
    accuracy: f64,
    half_width: f64,
    level: f64,
    n: u64,
}

#[derive(Deserialize)]
struct Apart {
    difference: f64,
    discordant: f64,
    level: f64,
    power: f64,
    n: u64,
}

#[derive(Deserialize)]
struct AiLabels {
    two_pass: Vec<TwoPass>,
    order_effect_logit: OrderLogit,
    cohen_kappa: CohenKappa,
    elo_from_winrate: Vec<Elo>,
}

#[derive(Deserialize)]
struct TwoPass {
    first: Pass,
    swapped: Pass,
    position_bias_flip: bool,
}

#[derive(Deserialize)]
struct Pass {
    log1: f64,
    log2: f64,
}

#[derive(Deserialize)]
struct OrderLogit {
    s: f64,
    b: f64,
    debiased_p: f64,
}

#[derive(Deserialize)]
struct CohenKappa {
    a: Vec<usize>,
    b: Vec<usize>,
    agreement: f64,
    kappa: f64,
}

#[derive(Deserialize)]
struct Elo {
    elo_diff: f64,
    winrate: f64,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("../golden/judges.json")).expect("as judges.py writes it")
    }

    #[track_caller]
    fn check(&self, got: f64, expected: f64) {
        assert!(
            (got - expected).abs() <= self.tolerance,
            "{got}, expected {expected}"
        );
    }

    #[track_caller]
    fn check_interval(&self, got: Interval, expected: [f64; 3]) {
        self.check(got.estimate, expected[0]);
        self.check(got.low, expected[1]);
        self.check(got.high, expected[2]);
    }
}

fn agreement(judge: &[usize], human: &[usize]) -> HumanAgreement {
    let judge: Vec<_> = judge.iter().map(|a| Some(AnswerIdx(*a))).collect();
    let human: Vec<_> = human.iter().map(|a| AnswerIdx(*a)).collect();
    let clusters = Clusters::singletons(human.len());
    HumanAgreement::new(&judge, &human, &clusters, Level::default()).expect("there are items")
}

#[test]
fn kappa_with_its_interval() {
    let golden = Golden::read();
    for case in &golden.kappa {
        let got = agreement(&case.judge, &case.human);
        golden.check(got.agreement.estimate, case.agreement);
        golden.check_interval(got.kappa.unwrap(), [case.kappa, case.low, case.high]);
    }
    let case = &golden.ai_labels.cohen_kappa;
    let got = agreement(&case.a, &case.b);
    golden.check(got.agreement.estimate, case.agreement);
    golden.check(got.kappa.unwrap().estimate, case.kappa);
}

#[test]
fn verbosity_slopes_clustered_by_prompt() {
    let golden = Golden::read();
    for case in &golden.verbosity {
        let pairs: Vec<_> = (0..case.first.len())
            .map(|i| Lengths {
                first: case.first[i],
                second: case.second[i],
                preferred: Some(if case.prefers_first[i] {
                    Preferred::First
                } else {
                    Preferred::Second
                }),
            })
            .collect();
        let prompts = Clusters::new(case.prompt.iter().copied());
        let verbosity = Verbosity::new(&pairs, &prompts, Level::default());
        let Slope::Fitted { slope, intercept } = verbosity.slope else {
            panic!("{:?}", verbosity.slope)
        };
        golden.check_interval(slope, case.slope);
        golden.check_interval(intercept, case.intercept);
    }
}

#[test]
fn temperatures() {
    let golden = Golden::read();
    for case in &golden.temperature {
        let prompts = Clusters::new(case.prompt.iter().copied());
        let fit = Temperature::new(
            &case.log_odds,
            &case.a_is_better,
            &prompts,
            Level::default(),
        );
        let Temperature::Fitted { inverse } = fit else {
            panic!("{fit:?}")
        };
        golden.check_interval(inverse, case.inverse);
    }
}

#[test]
fn shares_clustered_by_prompt() {
    let golden = Golden::read();
    for case in &golden.clustered_share {
        let prompts = Clusters::new(case.prompt.iter().copied());
        let share = clustered_share(&case.so, &prompts, Level::default()).unwrap();
        golden.check_interval(share, [case.share, case.low, case.high]);
    }
}

#[test]
fn numbers_of_comparisons() {
    let golden = Golden::read();
    for case in &golden.half_width {
        let level = Level::new(case.level).unwrap();
        let n = comparisons_for_half_width(case.accuracy, case.half_width, level);
        assert_eq!(n, Ok(case.n));
    }
    for case in &golden.difference {
        let level = Level::new(case.level).unwrap();
        let n = comparisons_for_difference(case.difference, case.discordant, level, case.power);
        assert_eq!(n, Ok(case.n));
    }
}

#[test]
fn both_orders_apart_and_together() {
    let golden = Golden::read();
    let said = |pass: &Pass, sign: f64| Said::LogOdds(sign * (pass.log1 - pass.log2));
    let pairs: Vec<_> = (golden.ai_labels.two_pass.iter())
        .map(|case| BothOrders {
            a_first: said(&case.first, 1.0),
            // The reply that stood first stands second here.
            b_first: said(&case.swapped, -1.0),
        })
        .collect();
    for (pair, case) in pairs.iter().zip(&golden.ai_labels.two_pass) {
        let same = pair.consistency() == Some(Consistency::SameReply);
        assert_eq!(same, !case.position_bias_flip);
    }
    let (s, b) = pairs[0].parts().unwrap();
    golden.check(s, golden.ai_labels.order_effect_logit.s);
    golden.check(b, golden.ai_labels.order_effect_logit.b);
    golden.check(
        1.0 / (1.0 + (-s).exp()),
        golden.ai_labels.order_effect_logit.debiased_p,
    );
    let resampler = Resampler {
        n_resamples: NonZeroUsize::new(100).unwrap(),
        seed: Seed(0),
    };
    let prompts = Clusters::singletons(pairs.len());
    let effect = OrderEffect::new(&pairs, &prompts, &resampler, Level::default());
    assert_eq!(effect.flips.unwrap().estimate, 0.5);
    assert_eq!(effect.first_of_flips.unwrap().estimate, 1.0);
    let mean = b.midpoint(pairs[1].parts().unwrap().1);
    golden.check(effect.offset.unwrap().estimate, mean);
}

#[test]
fn elo_points() {
    let golden = Golden::read();
    for case in &golden.ai_labels.elo_from_winrate {
        golden.check(elo_difference(case.winrate).unwrap(), case.elo_diff);
        golden.check(win_rate(case.elo_diff), case.winrate);
    }
}
