//! Laws that every loss keeps, on random batches.

use proptest::prelude::*;
use trimtab_weak_to_strong::loss::{LabelStatistics, Loss, LossConfig, Progress, Targets};

const MIDDLE: Progress = Progress {
    step: 60,
    n_steps: 100,
};

/// Every kind, with the variants that take other paths.
fn losses() -> Vec<LossConfig> {
    let variants = [
        r#"{"kind":"naive","labels":"hard"}"#,
        r#"{"kind":"confidence-weighted","measure":"margin","labels":"soft"}"#,
        r#"{"kind":"entropy","coefficient":-0.7}"#,
        r#"{"kind":"entropy","coefficient":3,"labels":"hard"}"#,
        r#"{"kind":"confidence","preset":"openai"}"#,
        r#"{"kind":"confidence","preset":"eleuther","labels":"balanced"}"#,
        r#"{"kind":"confidence","preset":"raven","aux-coefficient":1,"warm-up":"none"}"#,
        r#"{"kind":"confidence","prior":"dataset"}"#,
        r#"{"kind":"adapt-conf","temperature":4,"threshold":2}"#,
        r#"{"kind":"product","alpha":0,"beta":2}"#,
        r#"{"kind":"window","radius":"median"}"#,
        r#"{"kind":"window","radius":0.51}"#,
        r#"{"kind":"balanced","mean":"batch"}"#,
        r#"{"kind":"evidential","gamma":0.9}"#,
    ];
    let names = LossConfig::KINDS.iter().map(|kind| format!("\"{kind}\""));
    let variants = variants.iter().map(|&variant| variant.to_owned());
    names.chain(variants).map(|json| parse(&json)).collect()
}

fn parse(json: &str) -> LossConfig {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// Logits and soft labels.
#[derive(Debug, Clone)]
struct Data {
    logits: Vec<f32>,
    labels: Vec<f64>,
    n_answers: usize,
}

/// Batches of 1 to 40 rows, 2 to 5 answers. Logits keep off 0, where evidence has a kink.
fn data() -> impl Strategy<Value = Data> {
    (1..40_usize, 2..6_usize).prop_flat_map(|(n_rows, n_answers)| {
        let logit = prop_oneof![0.02..6.0_f32, -6.0..-0.02_f32];
        let logits = prop::collection::vec(logit, n_rows * n_answers);
        let share = prop_oneof![1 => Just(0.0), 9 => 0.001..1.0_f64];
        let labels = prop::collection::vec(share, n_rows * n_answers);
        (logits, labels).prop_map(move |(logits, mut labels)| {
            for y in labels.chunks_exact_mut(n_answers) {
                y[0] += 0.001;
                let sum: f64 = y.iter().sum();
                for y in y {
                    *y /= sum;
                }
            }
            Data {
                logits,
                labels,
                n_answers,
            }
        })
    })
}

impl Data {
    fn n_rows(&self) -> usize {
        self.logits.len() / self.n_answers
    }

    fn targets(&self, config: &LossConfig, progress: Progress) -> Targets {
        let statistics = LabelStatistics::of(&self.labels, self.n_answers);
        let mut targets = Targets::new();
        let mut loss = Loss::new(config, &statistics).unwrap();
        loss.targets(&self.logits, &self.labels, progress, &mut targets);
        targets
    }

    fn evaluate(&self, config: &LossConfig, progress: Progress) -> (f64, Vec<f32>) {
        value_and_gradient(&self.targets(config, progress), &self.logits)
    }

    fn hard(&self) -> Self {
        let mut hard = self.clone();
        for y in hard.labels.chunks_exact_mut(self.n_answers) {
            let largest = y.iter().copied().fold(0.0, f64::max);
            let answer = y.iter().position(|&y| y == largest).unwrap();
            y.fill(0.0);
            y[answer] = 1.0;
        }
        hard
    }
}

fn value_and_gradient(targets: &Targets, logits: &[f32]) -> (f64, Vec<f32>) {
    let mut gradient = vec![f32::NAN; logits.len()];
    let value = targets.value_and_gradient(logits, &mut gradient);
    (value, gradient)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn gradients_equal_central_differences(data in data(), at in 0..1000_usize) {
        let at = at % data.logits.len();
        for config in losses() {
            let targets = data.targets(&config, MIDDLE);
            let (_, gradient) = value_and_gradient(&targets, &data.logits);
            let moved = |by: f32| {
                let mut logits = data.logits.clone();
                logits[at] += by;
                (value_and_gradient(&targets, &logits).0, f64::from(logits[at]))
            };
            let ((above, z_above), (below, z_below)) = (moved(1e-3), moved(-1e-3));
            let slope = (above - below) / (z_above - z_below);
            let got = f64::from(gradient[at]);
            prop_assert!((got - slope).abs() < 3e-6, "{}: {got}, differences {slope}", config.describe());
        }
    }

    #[test]
    fn targets_are_distributions_and_weights_not_negative(data in data(), step in 0..=100_usize) {
        for config in losses() {
            let targets = data.targets(&config, Progress { step, n_steps: 100 });
            for t in targets.labels().chunks_exact(data.n_answers) {
                prop_assert!((t.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{}: {t:?}", config.describe());
                prop_assert!(t.iter().all(|t| (0.0..=1.0 + 1e-12).contains(t)));
            }
            prop_assert!(targets.weights().is_none_or(|w| w.len() == data.n_rows()));
            prop_assert!(targets.weights().is_none_or(|w| w.iter().all(|w| *w >= 0.0)));
        }
    }

    #[test]
    fn blocks_sum_to_the_whole(data in data(), size in 1..20_usize) {
        for config in losses() {
            let targets = data.targets(&config, MIDDLE);
            let (whole, whole_gradient) = value_and_gradient(&targets, &data.logits);
            let mut sum = 0.0;
            let mut gradient = vec![f32::NAN; data.logits.len()];
            for start in (0..data.n_rows()).step_by(size) {
                let end = (start + size).min(data.n_rows());
                let numbers = start * data.n_answers..end * data.n_answers;
                sum += targets
                    .block(start..end)
                    .value_and_gradient(&data.logits[numbers.clone()], &mut gradient[numbers]);
            }
            prop_assert!((sum - whole).abs() < 1e-12, "{}: {sum}, whole {whole}", config.describe());
            prop_assert_eq!(&gradient, &whole_gradient, "{}", config.describe());
        }
    }

    #[test]
    fn hard_is_soft_on_one_hot_labels(data in data()) {
        let hard = data.evaluate(&parse(r#"{"kind":"naive","labels":"hard"}"#), MIDDLE);
        prop_assert_eq!(hard, data.hard().evaluate(&parse(r#""naive""#), MIDDLE));
    }

    #[test]
    fn kl_trains_as_naive_does(data in data()) {
        let (kl, kl_gradient) = data.evaluate(&parse(r#""kl""#), MIDDLE);
        let (naive, gradient) = data.evaluate(&parse(r#""naive""#), MIDDLE);
        prop_assert_eq!(kl_gradient, gradient);
        prop_assert!(kl >= -1e-12 && kl <= naive);
    }

    #[test]
    fn without_its_own_share_confidence_is_naive(data in data()) {
        let naive = data.evaluate(&LossConfig::default(), MIDDLE);
        for preset in ["paper", "openai", "eleuther", "raven"] {
            let off = format!(r#"{{"kind":"confidence","preset":"{preset}","aux-coefficient":0}}"#);
            prop_assert_eq!(data.evaluate(&parse(&off), MIDDLE), naive.clone());
            let unstarted = format!(r#"{{"kind":"confidence","preset":"{preset}"}}"#);
            let start = Progress { step: 0, n_steps: 100 };
            prop_assert_eq!(data.evaluate(&parse(&unstarted), start), naive.clone());
        }
    }

    #[test]
    fn a_wide_window_and_no_entropy_are_naive(data in data()) {
        let (value, gradient) = data.evaluate(&LossConfig::default(), MIDDLE);
        for same in [r#"{"kind":"window","radius":0.51}"#, r#"{"kind":"entropy","coefficient":0}"#] {
            prop_assert_eq!(data.evaluate(&parse(same), MIDDLE), (value, gradient.clone()));
        }
    }

    #[test]
    fn confidence_weights_scale_rows(data in data()) {
        let (_, plain) = data.evaluate(&parse(r#"{"kind":"naive","labels":"hard"}"#), MIDDLE);
        let (_, weighted) = data.evaluate(&parse(r#""confidence-weighted""#), MIDDLE);
        for (i, y) in data.labels.chunks_exact(data.n_answers).enumerate() {
            let confidence = y.iter().copied().fold(0.0, f64::max) as f32;
            for j in i * data.n_answers..(i + 1) * data.n_answers {
                prop_assert!((weighted[j] - confidence * plain[j]).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn eleuther_entropy_only_shrinks_the_naive_gradient(data in data()) {
        let all = Progress { step: 100, n_steps: 100 };
        let (_, entropy) = data.evaluate(&parse(r#""eleuther-entropy""#), all);
        let (_, naive) = data.evaluate(&LossConfig::default(), all);
        for (entropy, naive) in entropy.iter().zip(naive) {
            prop_assert!((entropy - 0.5 * naive).abs() < 1e-6);
        }
    }

    #[test]
    fn two_answers_are_three_of_which_one_is_impossible(data in data()) {
        prop_assume!(data.n_answers == 2);
        let wide = Data {
            logits: data.logits.chunks_exact(2).flat_map(|z| [z[0], z[1], -1e4]).collect(),
            labels: data.labels.chunks_exact(2).flat_map(|y| [y[0], y[1], 0.0]).collect(),
            n_answers: 3,
        };
        for json in [r#""naive""#, r#""confidence-weighted""#, r#""entropy""#, r#""kl""#, r#""product""#] {
            let (narrow, _) = data.evaluate(&parse(json), MIDDLE);
            let (wide, _) = wide.evaluate(&parse(json), MIDDLE);
            prop_assert!((narrow - wide).abs() < 1e-12, "{json}: {narrow}, {wide}");
        }
    }

    #[test]
    fn convex_where_it_says_so(t in 0.0..1.0_f64, coefficient in -1.0..0.0_f64, d in -12.0..12.0_f32) {
        let config = parse(&format!(r#"{{"kind":"entropy","coefficient":{coefficient}}}"#));
        prop_assert!(config.is_convex(2));
        let data = Data { logits: vec![0.0, d], labels: vec![1.0 - t, t], n_answers: 2 };
        let targets = data.targets(&config, MIDDLE);
        let [low, mid, high] = [d - 0.5, d, d + 0.5].map(|d| value_and_gradient(&targets, &[0.0, d]).0);
        prop_assert!(low + high - 2.0 * mid > -1e-9);
    }
}

#[test]
fn rewarding_entropy_pulls_towards_even_odds_and_penalising_away() {
    let data = Data {
        logits: vec![0.0, 1.0],
        labels: vec![0.3, 0.7],
        n_answers: 2,
    };
    let slope = |coefficient: f64| {
        let config = parse(&format!(
            r#"{{"kind":"entropy","coefficient":{coefficient}}}"#
        ));
        data.evaluate(&config, MIDDLE).1[1]
    };
    assert!(
        slope(0.1) > slope(0.0),
        "rewarded entropy lowers the larger logit"
    );
    assert!(slope(-0.1) < slope(0.0), "penalised entropy raises it");
}

#[test]
fn one_row_and_equal_logits_have_finite_losses() {
    for n_answers in [2, 3] {
        for n_rows in [1, 4] {
            let data = Data {
                logits: vec![0.0; n_rows * n_answers],
                labels: vec![1.0 / n_answers as f64; n_rows * n_answers],
                n_answers,
            };
            for config in losses() {
                let (value, gradient) = data.evaluate(&config, MIDDLE);
                assert!(value.is_finite(), "{}", config.describe());
                assert!(
                    gradient.iter().all(|g| g.is_finite()),
                    "{}",
                    config.describe()
                );
            }
        }
    }
}

#[test]
fn a_closed_window_is_zero() {
    let data = Data {
        logits: vec![-9.0, 9.0],
        labels: vec![0.5, 0.5],
        n_answers: 2,
    };
    assert_eq!(
        data.evaluate(&parse(r#""window""#), MIDDLE),
        (0.0, vec![0.0, 0.0])
    );
}

#[test]
fn large_logits_stay_finite_and_broken_ones_show() {
    for n_answers in [2, 3] {
        let labels = vec![1.0 / n_answers as f64; n_answers];
        let mut logits = vec![-1e30; n_answers];
        logits[0] = 1e30;
        let data = Data {
            logits,
            labels,
            n_answers,
        };
        for config in losses() {
            let targets = data.targets(&config, MIDDLE);
            let (value, gradient) = value_and_gradient(&targets, &data.logits);
            assert!(value.is_finite(), "{}", config.describe());
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{}",
                config.describe()
            );
            for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut logits = data.logits.clone();
                logits[0] = broken;
                let (value, _) = value_and_gradient(&targets, &logits);
                assert!(
                    !value.is_finite(),
                    "{} with {broken}: {value}",
                    config.describe()
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "expected logits and labels [n, 2], got 4 and 2 numbers")]
fn shapes_that_disagree_are_a_bug() {
    let mut loss = Loss::new(&LossConfig::default(), &LabelStatistics::of(&[0.5, 0.5], 2)).unwrap();
    loss.targets(&[0.0; 4], &[0.5; 2], MIDDLE, &mut Targets::new());
}
