//! Policies by the slopes of their tokens: three steps of TRL's `DPOTrainer` (`tests/golden/tiny_llama/trl.json`), the
//! plain composition against the fused operations, supervised tuning as a special case, and going on from a kept state.
//!
//! Losses are one line each, and live here: the crate knows none of them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use proptest::prelude::*;
use serde_json::Value;
use trimtab_core::{Schedule, Seed, Workplace};
use trimtab_nn::train::Order;
use trimtab_nn::{
    Model, ModelConfig, Operations, Optimiser, PolicyError, PolicyOptions, PolicyTrainer, Threads,
    TokenReading, TokenSlopes, TrainError, TrainOptions, TuningRow, ValueHead,
};

use crate::golden::{MODELS, device, flat, json, load};

fn with(mut model: Model, operations: Operations, n: usize) -> Model {
    let threads = Threads(NonZeroUsize::new(n).unwrap());
    model.transformer = model.transformer.with_operations(operations, threads);
    model
}

fn sgd() -> PolicyOptions {
    PolicyOptions {
        optimiser: Optimiser::Sgd,
        ..PolicyOptions::default()
    }
}

fn references(rows: &[TuningRow]) -> Vec<&TuningRow> {
    rows.iter().collect()
}

/// The pairs of the golden file: all chosen rows, then all rejected.
fn pairs(golden: &Value) -> Vec<TuningRow> {
    let batch = &golden["batch"];
    let lists = |key: &str| batch[key].as_array().unwrap().iter().map(flat);
    (lists("input_ids").zip(lists("attention_mask")))
        .zip(lists("completion_mask"))
        .map(|((ids, mask), completion)| {
            let n = mask.iter().sum::<f64>() as usize;
            TuningRow {
                ids: ids[..n].iter().map(|&id| id as u32).collect(),
                n_given: n - completion.iter().sum::<f64>() as usize,
            }
        })
        .collect()
}

fn sums(readings: &[TokenReading]) -> Vec<f64> {
    let sum = |reading: &TokenReading| reading.log_probs.iter().sum();
    readings.iter().map(sum).collect()
}

fn assert_near(what: &str, got: f64, want: f64, tolerance: f64) {
    let apart = (got - want).abs();
    assert!(
        apart <= tolerance * want.abs().max(1.0),
        "{what}: {got}, not {want}: {apart:e} apart"
    );
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A loss of the pair's two log-ratios, and its slopes by them.
fn loss(kind: &str, chosen: f64, rejected: f64, lengths: [f64; 2]) -> (f64, [f64; 2]) {
    const BETA: f64 = 0.1;
    const FLIPPED: f64 = 0.1;
    let z = BETA * (chosen - rejected);
    let of_margin = |loss: f64, slope: f64| (loss, [BETA * slope, -BETA * slope]);
    match kind {
        "sigmoid" => of_margin(-sigmoid(z).ln(), -sigmoid(-z)),
        "hinge" => of_margin((1.0 - z).max(0.0), if z < 1.0 { -1.0 } else { 0.0 }),
        "robust" => {
            let n = 1.0 - 2.0 * FLIPPED;
            let loss = (FLIPPED - 1.0) * sigmoid(z).ln() + FLIPPED * sigmoid(-z).ln();
            let slope = (FLIPPED - 1.0) * sigmoid(-z) - FLIPPED * sigmoid(z);
            of_margin(loss / n, slope / n)
        }
        "ipo" => {
            let x = chosen / lengths[0] - rejected / lengths[1] - 1.0 / (2.0 * BETA);
            (x * x, [2.0 * x / lengths[0], -2.0 * x / lengths[1]])
        }
        other => panic!("no loss {other}"),
    }
}

#[test]
fn log_probabilities_equal_trl() {
    let golden = json("tiny_llama/trl.json");
    let rows = pairs(&golden);
    for (folder, key) in [("policy", ""), ("ref", "ref_")] {
        let model = load(&format!("tiny_llama/{folder}"));
        let want: Vec<f64> = ["chosen", "rejected"]
            .iter()
            .flat_map(|side| flat(&golden["batch"][format!("{key}{side}_logps")]))
            .collect();
        for operations in [Operations::Fused, Operations::Plain] {
            let model = with(model.clone(), operations, 1);
            let readings = model.read_tokens(&references(&rows), 1.0, 3).unwrap();
            for (got, want) in sums(&readings).iter().zip(&want) {
                assert_near(folder, *got, *want, 1e-5);
            }
        }
    }
}

#[test]
fn three_steps_of_four_losses_follow_trl() {
    let golden = json("tiny_llama/trl.json");
    let rows = pairs(&golden);
    let reference = load("tiny_llama/ref");
    let reference = sums(&reference.read_tokens(&references(&rows), 1.0, 8).unwrap());
    let n = rows.len() / 2;
    let lengths: Vec<f64> = (rows.iter())
        .map(|row| (row.ids.len() - row.n_given) as f64)
        .collect();
    for operations in [Operations::Fused, Operations::Plain] {
        for kind in ["sigmoid", "ipo", "hinge", "robust"] {
            let policy = with(load("tiny_llama/policy"), operations, 1);
            let mut trainer = PolicyTrainer::new(policy, sgd()).unwrap();
            for (step, want) in flat(&golden["dpo"][kind]).into_iter().enumerate() {
                let mut mean = 0.0;
                let accumulated = trainer.accumulate(&references(&rows), &mut |readings| {
                    let sums = sums(readings);
                    let mut slopes = vec![0.0; 2 * n];
                    for pair in 0..n {
                        let ratio = |i: usize| sums[i] - reference[i];
                        let sides = [lengths[pair], lengths[n + pair]];
                        let (loss, by) = loss(kind, ratio(pair), ratio(n + pair), sides);
                        mean += loss / n as f64;
                        (slopes[pair], slopes[n + pair]) = (by[0] / n as f64, by[1] / n as f64);
                    }
                    let of = |(reading, slope): (&TokenReading, f64)| TokenSlopes {
                        log_probs: vec![slope; reading.log_probs.len()],
                        values: Vec::new(),
                    };
                    Ok::<_, PolicyError>(readings.iter().zip(slopes).map(of).collect())
                });
                accumulated.unwrap();
                assert_near(&format!("{kind}, step {step}"), mean, want, 1e-5);
                trainer.step(0.05, 1.0).unwrap();
            }
        }
    }
}

/// Rows of all lengths, of tokens that every golden model has.
fn rows() -> Vec<TuningRow> {
    let row = |ids: &[u32], n_given| TuningRow {
        ids: ids.to_vec(),
        n_given,
    };
    vec![
        row(&[1, 2, 3, 4, 5, 6], 2),
        row(&[7, 8], 1),
        row(&[9, 3, 3, 1], 4),
        row(&[5, 1, 9, 9, 2, 7, 4, 8], 7),
        row(&[2, 6, 6, 1, 3], 1),
    ]
}

/// Slopes that differ from token to token, of log-probabilities and, with a value head, of values.
fn answer(readings: &[TokenReading]) -> Vec<TokenSlopes> {
    let slope = |row: usize, i: usize| ((3 * row + 5 * i) % 7) as f64 / 7.0 - 0.4;
    let of = |(row, reading): (usize, &TokenReading)| TokenSlopes {
        log_probs: (0..reading.log_probs.len())
            .map(|i| slope(row, i))
            .collect(),
        values: (0..reading.values.len())
            .map(|i| slope(row + 1, i))
            .collect(),
    };
    readings.iter().enumerate().map(of).collect()
}

fn learn(trainer: &mut PolicyTrainer, rows: &[TuningRow]) {
    let accumulated = trainer.accumulate(&references(rows), &mut |readings| {
        Ok::<_, PolicyError>(answer(readings))
    });
    accumulated.unwrap();
}

/// All parameters, by name.
fn parameters(trainer: &PolicyTrainer) -> BTreeMap<&'static str, Vec<f32>> {
    let names = [
        "embed.tokens",
        "layers.0.attention.query.weight",
        "layers.0.attention.output.weight",
        "layers.1.norm1.weight",
        "layers.1.mlp.up.weight",
        "layers.1.mlp.down.weight",
        "norm.weight",
        "head",
    ];
    let transformer = &trainer.model().transformer;
    let mut all: BTreeMap<_, _> = (names.into_iter())
        .filter_map(|name| Some((name, transformer.parameter(name)?.0)))
        .collect();
    assert!(all.len() >= 7);
    all.extend(trainer.value_head().map(|head| ("value", head)));
    all
}

#[test]
fn fused_operations_equal_the_composition_on_any_number_of_threads() {
    let rows = rows();
    let options = PolicyOptions {
        value_head: ValueHead::Zero,
        temperature: 0.7,
        ..sgd()
    };
    for name in MODELS.into_iter().filter(|&name| name != "bert") {
        let run = |operations, n| {
            let model = with(load(name), operations, n);
            let mut trainer = PolicyTrainer::new(model, options.clone()).unwrap();
            // The second step has a value head that is not zero.
            for _ in 0..2 {
                learn(&mut trainer, &rows);
                trainer.step(0.01, 0.0).unwrap();
            }
            let readings = trainer.read(&references(&rows), 2).unwrap();
            (parameters(&trainer), readings)
        };
        let (fused, plain) = (run(Operations::Fused, 1), run(Operations::Plain, 1));
        assert_eq!(fused, run(Operations::Fused, 3), "{name}");
        for (parameter, numbers) in &fused.0 {
            for (got, want) in numbers.iter().zip(&plain.0[parameter]) {
                let (got, want) = (f64::from(*got), f64::from(*want));
                assert_near(&format!("{name}, {parameter}"), got, want, 1e-5);
            }
        }
        for (got, want) in fused.1.iter().zip(&plain.1) {
            for (got, want) in [
                (&got.log_probs, &want.log_probs),
                (&got.entropies, &want.entropies),
                (&got.values, &want.values),
            ] {
                assert_eq!(got.len(), want.len());
                for (got, want) in got.iter().zip(want) {
                    assert_near(name, *got, *want, 1e-4);
                }
            }
        }
        let lengths: Vec<usize> = fused.1.iter().map(|r| r.values.len()).collect();
        assert_eq!(lengths, [4, 1, 0, 1, 4]);
    }
}

#[test]
fn entropies_are_of_the_softmax_at_the_temperature() {
    let rows = rows();
    let model = load("gpt2");
    let at = |temperature| {
        let readings = model
            .read_tokens(&references(&rows), temperature, 8)
            .unwrap();
        readings[0].entropies[0]
    };
    let most = (model.transformer.definition().vocab_size as f64).ln();
    assert_near("hot", at(1e6), most, 1e-5);
    assert!(at(1.0) < most && at(0.5) < at(1.0) && at(1e-3) < 1e-3);
}

#[test]
fn supervised_tuning_is_one_of_its_cases() {
    let rows = rows();
    let n: usize = rows.iter().map(|row| row.ids.len() - row.n_given).sum();
    let options = TrainOptions {
        epochs: 6,
        batch_size: rows.len(),
        micro_batch_size: 2,
        learning_rate: 0.01,
        schedule: Schedule::Constant,
        clip_norm: 0.5,
        order: Order::AsGiven,
        ..TrainOptions::default()
    };
    let tuned = std::sync::Mutex::new(Vec::new());
    let on_step = |_: &str, step: &trimtab_core::TrainingStep| {
        tuned.lock().unwrap().push((step.loss, step.gradient_norm));
    };
    let place = Workplace::new(&on_step, None);
    load("llama")
        .tune(&rows, &options, Seed(0), &place)
        .unwrap();
    let mut trainer = PolicyTrainer::new(load("llama"), PolicyOptions::default()).unwrap();
    for (want, norm) in tuned.into_inner().unwrap() {
        let mut loss = 0.0;
        for part in references(&rows).chunks(3) {
            let accumulated = trainer.accumulate(part, &mut |readings| {
                loss -= sums(readings).iter().sum::<f64>() / n as f64;
                let of = |reading: &TokenReading| TokenSlopes {
                    log_probs: vec![-1.0 / n as f64; reading.log_probs.len()],
                    values: Vec::new(),
                };
                Ok::<_, PolicyError>(readings.iter().map(of).collect())
            });
            accumulated.unwrap();
        }
        assert_near("loss", loss, want, 1e-5);
        let found = trainer.step(options.learning_rate, 0.5).unwrap();
        assert_near("norm", found, norm.unwrap(), 1e-4);
    }
    assert_eq!(trainer.n_steps(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Gradients are linear in the slopes, and add up over micro-batches however they are cut.
    #[test]
    fn gradients_add_up(cut in 0..6_usize, seed in any::<u64>(), share in -2.0..2.0_f64) {
        let (rows, whole) = (rows(), PolicyOptions { value_head: ValueHead::Zero, ..sgd() });
        let mut stream = Seed(seed).stream();
        let slopes: Vec<TokenSlopes> = (rows.iter())
            .map(|row| {
                let mut draw = || (row.n_given..row.ids.len()).map(|_| stream.next_normal()).collect();
                TokenSlopes { log_probs: draw(), values: draw() }
            })
            .collect();
        let scaled = |slopes: &[TokenSlopes], by: f64| -> Vec<TokenSlopes> {
            let scale = |x: &Vec<f64>| x.iter().map(|x| by * x).collect();
            let of = |s: &TokenSlopes| TokenSlopes {
                log_probs: scale(&s.log_probs),
                values: scale(&s.values),
            };
            slopes.iter().map(of).collect()
        };
        let run = |parts: &[(std::ops::Range<usize>, f64)]| {
            let mut trainer = PolicyTrainer::new(load("llama"), whole.clone()).unwrap();
            for (part, by) in parts {
                let some = references(&rows[part.clone()]);
                if !some.is_empty() {
                    let answer = scaled(&slopes[part.clone()], *by);
                    trainer.accumulate(&some, &mut |_| Ok::<_, PolicyError>(answer.clone())).unwrap();
                }
            }
            let norm = trainer.step(1.0, 1.0).unwrap();
            (norm, parameters(&trainer))
        };
        let (norm, once) = run(&[(0..5, 1.0)]);
        let cut = cut.min(5);
        let (other, parts) = run(&[(0..cut, share), (cut..5, 1.0), (0..cut, 1.0 - share)]);
        prop_assert!((norm - other).abs() < 1e-4 * norm, "{} {}", norm, other);
        for (name, numbers) in &once {
            for (a, b) in numbers.iter().zip(&parts[name]) {
                prop_assert!((a - b).abs() < 1e-4, "{}: {} {}", name, a, b);
            }
        }
    }
}

fn small_options(optimiser: Optimiser) -> PolicyOptions {
    PolicyOptions {
        value_head: ValueHead::Zero,
        optimiser,
        ..PolicyOptions::default()
    }
}

fn go_on(trainer: &mut PolicyTrainer, n: usize) {
    for _ in 0..n {
        learn(trainer, &rows());
        trainer.step(0.01, 1.0).unwrap();
    }
}

#[test]
fn what_is_resumed_ends_in_the_same_bits() {
    for optimiser in [Optimiser::default(), Optimiser::Sgd] {
        let there = tempfile::tempdir().unwrap();
        let begin = || PolicyTrainer::new(load("llama"), small_options(optimiser)).unwrap();
        let extra = (0.1_f64 + 0.2, u64::MAX, "α".to_owned());
        let mut whole = begin();
        assert_eq!(
            whole
                .resume::<(f64, u64, String)>(there.path(), b"a")
                .unwrap(),
            None
        );
        go_on(&mut whole, 3);
        whole.keep(there.path(), b"a", &extra).unwrap();
        go_on(&mut whole, 3);

        let mut again = begin();
        assert_eq!(
            again.resume(there.path(), b"a").unwrap(),
            Some(extra.clone())
        );
        assert_eq!(again.n_steps(), 3);
        go_on(&mut again, 3);
        assert_eq!(parameters(&whole), parameters(&again));
        // Back to the last good state, with a gradient under way.
        learn(&mut again, &rows());
        assert_eq!(again.resume(there.path(), b"a").unwrap(), Some(extra));
        go_on(&mut again, 3);
        assert_eq!(parameters(&whole), parameters(&again));
        let read = |trainer: &PolicyTrainer| trainer.read(&references(&rows()), 2).unwrap();
        assert_eq!(read(&whole), read(&again));
    }
}

#[test]
fn going_back_to_the_beginning_forgets_all_steps() {
    let there = tempfile::tempdir().unwrap();
    let options = small_options(Optimiser::default());
    let mut trainer = PolicyTrainer::new(load("llama"), options).unwrap();
    trainer.keep(there.path(), b"a", &()).unwrap();
    let before = parameters(&trainer);
    go_on(&mut trainer, 2);
    let once = parameters(&trainer);
    assert_ne!(before, once);
    assert_eq!(trainer.resume(there.path(), b"a").unwrap(), Some(()));
    assert_eq!(before, parameters(&trainer));
    go_on(&mut trainer, 2);
    assert_eq!(once, parameters(&trainer));
}

#[test]
fn a_state_of_another_training_or_a_damaged_one_is_refused() {
    let there = tempfile::tempdir().unwrap();
    let path = there.path();
    let options = small_options(Optimiser::default());
    let begin = |name: &str, options: &PolicyOptions| {
        PolicyTrainer::new(load(name), options.clone()).unwrap()
    };
    let mut trainer = begin("llama", &options);
    go_on(&mut trainer, 1);
    trainer.keep(path, b"a", &1).unwrap();
    let refused = |mut trainer: PolicyTrainer, identity: &[u8]| {
        let before = parameters(&trainer);
        let error = trainer.resume::<i32>(path, identity).unwrap_err();
        assert_eq!(parameters(&trainer), before);
        error
    };
    let hot = PolicyOptions {
        temperature: 2.0,
        ..options.clone()
    };
    for (trainer, identity) in [
        (begin("llama", &options), &b"b"[..]),
        (begin("mistral", &options), b"a"),
        (begin("llama", &hot), b"a"),
    ] {
        let error = refused(trainer, identity);
        let is_other = matches!(error, PolicyError::State(TrainError::OtherState { .. }));
        assert!(is_other, "{error:?}");
    }
    // What the caller keeps has another shape.
    let mut trainer = begin("llama", &options);
    let error = trainer.resume::<Vec<String>>(path, b"a").unwrap_err();
    assert!(matches!(
        error,
        PolicyError::State(TrainError::OtherState { .. })
    ));
    // A gradient is under way: nothing is written, and what is there stays.
    learn(&mut trainer, &rows());
    assert!(matches!(
        trainer.keep(path, b"a", &2),
        Err(PolicyError::Pending)
    ));
    assert_eq!(
        begin("llama", &options).resume(path, b"a").unwrap(),
        Some(1)
    );

    let file = path.join("state.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let error = refused(begin("llama", &options), b"a");
    assert!(
        matches!(error, PolicyError::State(TrainError::State(_))),
        "{error:?}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let rows = rows();
    let mut trainer = PolicyTrainer::new(load("llama"), small_options(Optimiser::Sgd)).unwrap();
    let before = parameters(&trainer);
    let mut refused = |change: &dyn Fn(&mut Vec<TokenSlopes>)| {
        let accumulated = trainer.accumulate(&references(&rows), &mut |readings| {
            let mut slopes = answer(readings);
            change(&mut slopes);
            Ok::<_, PolicyError>(slopes)
        });
        accumulated.unwrap_err()
    };
    insta::assert_snapshot!(refused(&|slopes| slopes[3].log_probs[0] = f64::NAN),
        @"row 3: the slope by the log-probability of token 0 after those given is NaN");
    insta::assert_snapshot!(refused(&|slopes| slopes[0].values[2] = 1e39),
        @"row 0: the slope by the value of token 2 after those given is 1000000000000000000000000000000000000000");
    insta::assert_snapshot!(refused(&|slopes| slopes[4].log_probs.push(0.0)),
        @"5 slopes by log-probability for 4");
    insta::assert_snapshot!(refused(&|slopes| slopes.truncate(2)), @"2 slopes by rows for 5");
    let own = trainer.accumulate(&references(&rows), &mut |_| Err(PolicyError::Pending));
    assert!(matches!(own, Err(PolicyError::Pending)));
    for (rate, clip_norm) in [(f64::NAN, 1.0), (-1.0, 1.0), (1.0, f64::NAN)] {
        let error = trainer.step(rate, clip_norm).unwrap_err();
        assert!(matches!(error, PolicyError::Option(_)), "{error:?}");
    }
    // Nothing was added.
    assert_eq!(trainer.step(1.0, 0.0).unwrap().to_bits(), 0.0_f64.to_bits());
    assert_eq!(
        (trainer.n_steps(), parameters(&trainer)),
        (0, before.clone())
    );

    // Too large for the gradient to be finite.
    let accumulated = trainer.accumulate(&references(&rows), &mut |readings| {
        let mut slopes = answer(readings);
        slopes[0].log_probs.fill(3e38);
        Ok::<_, PolicyError>(slopes)
    });
    accumulated.unwrap();
    let error = trainer.step(1.0, 1.0).unwrap_err();
    assert!(
        matches!(error, PolicyError::Gradient { n_steps: 0, .. }),
        "{error:?}"
    );
    assert_eq!(parameters(&trainer), before);
    go_on(&mut trainer, 1);
    assert_ne!(parameters(&trainer), before);

    let read = |ids: &[u32], n_given| {
        let ids = ids.to_vec();
        let rows = [rows[0].clone(), TuningRow { ids, n_given }];
        trainer.read(&references(&rows), 1).unwrap_err().to_string()
    };
    insta::assert_snapshot!(read(&[1, 2], 0), @"row 1 has 2 tokens, of which 0 are given");
    insta::assert_snapshot!(read(&[1, 2], 3), @"row 1 has 2 tokens, of which 3 are given");
    insta::assert_snapshot!(read(&[1, 5000], 1), @"tokens of a policy");
    let policy = |name, options| {
        PolicyTrainer::new(load(name), options)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(policy("bert", sgd()), @"a bert model reads in both directions, and is no policy");
    insta::assert_snapshot!(policy("llama_classify", sgd()), @"the checkpoint has no output map from hidden states to tokens");
    let cold = PolicyOptions {
        temperature: 0.0,
        ..sgd()
    };
    insta::assert_snapshot!(policy("llama", cold), @"`temperature` is 0, expected a positive number");
}

#[test]
fn a_policy_that_has_diverged_is_named() {
    let config = serde_json::json!({
        "model_type": "llama", "vocab_size": 12, "initializer_range": 3e38, "hidden_size": 8,
        "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 12,
        "max_position_embeddings": 12,
    });
    let config = ModelConfig::parse(&config.to_string()).unwrap();
    let model = Model::new(config, &device(), Seed(3));
    let error = model.read_tokens(&references(&rows()), 1.0, 8).unwrap_err();
    assert!(
        matches!(error, PolicyError::NotFinite { token: 0, .. }),
        "{error:?}"
    );
}

#[test]
fn options_are_read_and_written() {
    let options = small_options(Optimiser::default());
    let text = serde_json::to_string(&options).unwrap();
    insta::assert_snapshot!(text, @r#"{"value-head":"zero","optimiser":{"adamw":{"betas":[0.9,0.999],"epsilon":1e-8,"weight-decay":0.0}},"temperature":1.0}"#);
    assert_eq!(
        serde_json::from_str::<PolicyOptions>(&text).unwrap(),
        options
    );
    let sgd: PolicyOptions = serde_json::from_str(r#"{"optimiser":"sgd"}"#).unwrap();
    assert_eq!(sgd.optimiser, Optimiser::Sgd);
    assert!(serde_json::from_str::<PolicyOptions>(r#"{"temprature":1.0}"#).is_err());
}
