//! Values and gradients against the reference implementations: every entry of `tests/golden/*.json`.

use serde_json::Value;
use trimtab_weak_to_strong::loss::{LabelStatistics, Loss, LossConfig, Progress, Targets};

const TOLERANCE: f64 = 1e-6;

const OPENAI_AND_ELEUTHER: &str = include_str!("../golden/w2s_reference.json");
const FOLLOW_UPS: &str = include_str!("../golden/w2s_reference_followups.json");

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn cases(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Config from JSON text, as an experiment file would hold it.
fn config(json: &str) -> LossConfig {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// Logits and soft labels.
struct Data {
    logits: Vec<f32>,
    labels: Vec<f64>,
    n_answers: usize,
}

impl Data {
    fn new(logits: &Value, labels: Vec<f64>) -> Self {
        let n_answers = cases(&logits[0]).len();
        let logits = numbers(logits).into_iter().map(|z| z as f32).collect();
        Self {
            logits,
            labels,
            n_answers,
        }
    }

    fn binary(logits: &Value, p1: &[f64]) -> Self {
        Self::new(logits, p1.iter().flat_map(|p1| [1.0 - p1, *p1]).collect())
    }

    fn loss(&self, config: &LossConfig) -> Loss {
        Loss::new(config, &LabelStatistics::of(&self.labels, self.n_answers)).unwrap()
    }

    /// Value and gradient must be those of `case`, which holds `loss` and `grad`.
    fn check(&self, config: &LossConfig, progress: Progress, case: &Value) {
        self.check_next(&mut self.loss(config), progress, case);
    }

    /// The same for a loss that has seen batches before.
    fn check_next(&self, loss: &mut Loss, progress: Progress, case: &Value) {
        let (value, gradient) = self.evaluate(loss, progress);
        let what = format!("{} at {progress:?}", loss.config().describe());
        check_value(&what, value, number(&case["loss"]), TOLERANCE);
        check_gradient(&what, &gradient, &numbers(&case["grad"]));
    }

    fn evaluate(&self, loss: &mut Loss, progress: Progress) -> (f64, Vec<f32>) {
        let mut targets = Targets::new();
        loss.targets(&self.logits, &self.labels, progress, &mut targets);
        let mut gradient = vec![0.0; self.logits.len()];
        (
            targets.value_and_gradient(&self.logits, &mut gradient),
            gradient,
        )
    }
}

fn check_value(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() < tolerance,
        "{what}: {value}, expected {expected}"
    );
}

fn check_gradient(what: &str, gradient: &[f32], expected: &[f64]) {
    assert_eq!(gradient.len(), expected.len(), "{what}");
    for (i, (got, expected)) in gradient.iter().zip(expected).enumerate() {
        let difference = (f64::from(*got) - expected).abs();
        assert!(
            difference < TOLERANCE,
            "{what}, gradient {i}: {got}, expected {expected}"
        );
    }
}

/// The step of a training of 100 000 steps.
fn at(fraction: f64) -> Progress {
    Progress {
        step: (fraction * 1e5).round() as usize,
        n_steps: 100_000,
    }
}

const START: Progress = Progress {
    step: 0,
    n_steps: 1,
};

#[test]
fn openai() {
    let golden = golden(OPENAI_AND_ELEUTHER);
    for set in ["A", "B", "C_ties"] {
        let golden = &golden["openai"][set];
        let data = Data::binary(&golden["logits"], &numbers(&golden["p1"]));
        data.check(&config(r#""naive""#), START, &golden["xent_soft"]);
        data.check(
            &config(r#"{"kind":"naive","labels":"hard"}"#),
            START,
            &golden["xent_hard"],
        );
        data.check(&config(r#""product""#), START, &golden["product_a1_b1"]);
        let product = config(r#"{"kind":"product","alpha":0.5,"beta":2}"#);
        data.check(&product, START, &golden["product_a0.5_b2"]);
        let cases_logconf = cases(&golden["logconf"]);
        assert_eq!(cases_logconf.len(), 16);
        for case in cases_logconf {
            let logconf = config(&format!(
                r#"{{"kind":"confidence","preset":"openai","aux-coefficient":{},"warm-up":{{"jump":{}}}}}"#,
                case["aux_coef"], case["warmup_frac"],
            ));
            data.check(&logconf, at(number(&case["step_frac"])), case);
        }
        for case in cases(&golden["logconf_hard_labels"]) {
            let logconf = r#"{"kind":"confidence","preset":"openai","labels":"hard"}"#;
            data.check(&config(logconf), at(number(&case["step_frac"])), case);
        }
    }
}

#[test]
fn openai_defaults_are_the_preset() {
    let golden = golden(OPENAI_AND_ELEUTHER);
    let golden = &golden["openai"]["A"];
    let data = Data::binary(&golden["logits"], &numbers(&golden["p1"]));
    for case in &cases(&golden["logconf"])[..8] {
        let logconf = config(r#"{"kind":"confidence","preset":"openai"}"#);
        data.check(&logconf, at(number(&case["step_frac"])), case);
    }
}

#[test]
fn eleuther() {
    let golden = golden(OPENAI_AND_ELEUTHER);
    for set in ["A", "B"] {
        let inputs = &golden["openai"][set];
        let data = Data::binary(&inputs["logits"], &numbers(&inputs["p1"]));
        let golden = &golden["eleuther_w2s"][set];
        data.check(&config(r#""naive""#), START, &golden["xent"]);
        data.check(&config(r#""kl""#), START, &golden["kl"]);
        for case in cases(&golden["window"]) {
            let window = config(&format!(
                r#"{{"kind":"window","radius":{}}}"#,
                case["radius"]
            ));
            data.check(&window, START, case);
        }
        for (name, loss) in [
            ("logconf", r#""kind":"confidence","preset":"eleuther""#),
            ("entropy", r#""kind":"eleuther-entropy""#),
        ] {
            let cases = cases(&golden[name]);
            assert_eq!(cases.len(), 8);
            for case in cases {
                let balanced = case["balance_batch"].as_bool().unwrap();
                let loss = config(&format!(
                    r#"{{{loss},"aux-coefficient":{},"warm-up":{{"linear-steps":{}}},"labels":"{}"}}"#,
                    case["aux_coef"],
                    case["warmup_steps"],
                    if balanced { "balanced" } else { "soft" },
                ));
                let step = number(&case["step"]) as usize;
                data.check(
                    &loss,
                    Progress {
                        step,
                        n_steps: 1000,
                    },
                    case,
                );
                if balanced && step == 0 {
                    data.check(
                        &config(r#"{"kind":"balanced","mean":"batch"}"#),
                        START,
                        case,
                    );
                    data.check(&config(r#""balanced""#), START, case);
                }
            }
        }
    }
}

#[test]
fn eleuther_buffer_in_batches_of_one() {
    let golden = golden(OPENAI_AND_ELEUTHER);
    let inputs = &golden["openai"]["A"];
    let buffered = r#"{"kind":"confidence","preset":"eleuther","hardening":{"buffer":4}}"#;
    let rows: Vec<Data> = cases(&inputs["logits"])
        .iter()
        .zip(numbers(&inputs["p1"]))
        .map(|(z, p1)| Data::binary(&Value::from(vec![z.clone()]), &[p1]))
        .collect();
    let mut loss = rows[0].loss(&config(buffered));
    let steps = cases(&golden["eleuther_w2s"]["mb1_buffer_sequence_buffer_size_4"]);
    assert_eq!(steps.len(), rows.len());
    for (row, case) in rows.iter().zip(steps) {
        let progress = Progress {
            step: 100,
            n_steps: 1000,
        };
        row.check_next(&mut loss, progress, case);
    }
}

#[test]
fn raven() {
    let golden = golden(FOLLOW_UPS);
    let data = Data::new(&golden["logits"], numbers(&golden["weak_probs"]));
    data.check(&config(r#""naive""#), START, &golden["raven_xent_soft"]);
    for case in cases(&golden["raven_logconf"]) {
        let logconf = config(r#"{"kind":"confidence","preset":"raven"}"#);
        data.check(&logconf, at(number(&case["step_frac"])), case);
    }
    data.check(
        &config(r#""adaptive-confidence""#),
        START,
        &golden["raven_adapt_logconf"],
    );
    for case in cases(&golden["raven_edl"]) {
        data.check(
            &config(r#""evidential""#),
            at(number(&case["step_frac"])),
            case,
        );
    }
}

#[test]
fn adapt_conf() {
    let golden = golden(FOLLOW_UPS);
    let teacher = numbers(&golden["teacher_logits"]);
    let labels = teacher.chunks_exact(3).flat_map(|z| {
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        z.iter().map(move |z| z.exp() / sum)
    });
    let data = Data::new(&golden["logits"], labels.collect());
    for case in cases(&golden["adaptconf_kd"]) {
        let adapt_conf = config(&format!(
            r#"{{"kind":"adapt-conf","temperature":{},"threshold":{}}}"#,
            case["T"], case["threshold"],
        ));
        let [step, n_steps] = ["epoch", "total_epochs"].map(|key| number(&case[key]) as usize);
        let (value, gradient) =
            data.evaluate(&mut data.loss(&adapt_conf), Progress { step, n_steps });
        let what = format!("adapt-conf {} {} at {step}", case["T"], case["threshold"]);
        // The reference multiplies an f32 divergence by T²: its own rounding is T² / 2^24.
        let rounding = number(&case["T"]).powi(2) * 2.0_f64.powi(-24);
        let expected = number(&case["loss_kd"]) + number(&case["loss_align"]);
        check_value(&what, value, expected, TOLERANCE.max(rounding));
        check_gradient(&what, &gradient, &numbers(&case["grad"]));
    }
}

#[test]
fn deception_reward_model() {
    let golden = &golden(FOLLOW_UPS)["deception_reward_model"];
    let margins = numbers(&golden["margin_chosen_minus_rejected"]);
    let logits: Vec<Value> = margins
        .iter()
        .map(|&margin| Value::from(vec![0.0, margin]))
        .collect();
    let data = Data::binary(&Value::from(logits), &numbers(&golden["soft_label"]));
    let (value, _) = data.evaluate(&mut data.loss(&config(r#""naive""#)), START);
    check_value("reward model", value, number(&golden["bce"]), TOLERANCE);
}
