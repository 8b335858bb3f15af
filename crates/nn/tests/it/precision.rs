//! Products in 16 bits: near those of 32, everywhere, and a training in them learns and goes on like any other.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;

use burn_tensor::DType;
use trimtab_core::{BatchObjective, Folders, Seed, Workplace};
use trimtab_nn::train::Order;
use trimtab_nn::{
    Checkpoint, Classifier, GenerationOptions, Keep, LanguageModel, LanguageModelTrainer,
    LoraOptions, Padding, Pooling, Precision, Request, Sampling, ScoreRequest, Session, TokenBatch,
    Tokenizer, TrainError, TrainOptions, Trained, Truncation,
};

use crate::golden::{MODELS, batch, device, flat, folder, json, largest_difference, load, numbers};

/// Formats that the device has, with how far logits may then be off, as a share of the largest. Measured on the processor: 3e-3 and 2e-2.
fn formats() -> Vec<(Precision, f64)> {
    let all = [
        (Precision::Float16, DType::F16, 1e-2),
        (Precision::Bfloat16, DType::BF16, 5e-2),
    ];
    let (there, absent): (Vec<_>, Vec<_>) =
        (all.into_iter()).partition(|(_, kind, _)| device().supports_dtype(*kind));
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    for (precision, ..) in absent {
        eprintln!("SKIPPED: the device has no {}", precision.name());
    }
    (there.into_iter())
        .map(|(precision, _, tolerance)| (precision, tolerance))
        .collect()
}

#[test]
fn hidden_states_and_logits_are_near_those_of_32_bits() {
    for (precision, tolerance) in formats() {
        for name in MODELS {
            let expected = json(&format!("{name}/expected.json"));
            let batch = batch(&expected);
            let transformer = load(name).transformer.with_precision(precision);
            assert_eq!(transformer.precision(), precision);
            let hidden = transformer.forward(&batch, Keep::Last).unwrap().last;
            let (what, got) = match expected.get("logits") {
                Some(_) => ("logits", transformer.logits(hidden).unwrap()),
                None => ("last_hidden_state", hidden),
            };
            assert_eq!(got.dtype(), DType::F32);
            let expected = flat(&expected[what]);
            let size = expected.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
            let largest = largest_difference(&batch, &numbers(&got), &expected) / size;
            println!("{name}: {} differs by {largest:.1e}", precision.name());
            assert!(largest < tolerance, "{name}: {precision:?} {largest:e}");
            // It is not single precision under another name.
            assert!(largest > 2e-5, "{name}: {precision:?} {largest:e}");
        }
    }
}

/// What is remembered in 16 bits says what reading everything again says.
#[test]
fn a_model_that_writes_scores_what_it_wrote_as_it_wrote_it() {
    let n = NonZeroUsize::new(4).unwrap();
    for (precision, tolerance) in formats() {
        for name in ["gpt2", "llama", "qwen3"] {
            let model = load(name).with_precision(precision);
            let writer = LanguageModel::new(&model).unwrap().with_end_of_text([]);
            let requests: Vec<Request> = [vec![3, 1, 4], vec![1, 5]]
                .into_iter()
                .map(|prompt| Request {
                    prompt,
                    seed: Seed(1),
                })
                .collect();
            let options = GenerationOptions {
                sampling: Sampling::GREEDY,
                max_tokens: n,
                ..GenerationOptions::default()
            };
            let definition = writer.definition();
            let (vocabulary, longest) = (definition.vocab_size, definition.max_positions);
            let tokenizer = Tokenizer::open(&folder("chat"), vocabulary.max(320), longest).unwrap();
            let written = writer
                .generate(&tokenizer, &requests, &options, &mut |_| {
                    ControlFlow::Continue(())
                })
                .unwrap();
            for (request, written) in requests.iter().zip(written) {
                assert_eq!(written.ids.len(), 4);
                let request = ScoreRequest {
                    prompt: request.prompt.clone(),
                    continuations: vec![written.ids.clone()],
                };
                let score = |model: &LanguageModel| {
                    let request = std::slice::from_ref(&request);
                    model.score(request, Truncation::Refuse, n).unwrap()[0][0].sum()
                };
                let whole: f64 = written.log_probs.iter().sum();
                let again = score(&writer);
                assert!((whole - again).abs() < tolerance, "{name}: {whole} {again}");
                let single = score(&LanguageModel::new(&load(name)).unwrap());
                assert!(
                    (whole - single).abs() < 4.0 * tolerance,
                    "{name}: {whole} {single}"
                );
            }
        }
    }
}

/// Cross-entropy of the soft labels of `w2s_gpt2/trace.json`; it may give up at a step, as a process that is killed does.
struct Soft {
    labels: Vec<Vec<f64>>,
    /// What the loss is multiplied by.
    weight: f64,
    killed_at: Option<usize>,
}

impl BatchObjective for Soft {
    fn evaluate(
        &mut self,
        rows: &[usize],
        step: usize,
        _: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        let mut loss = 0.0;
        let each = self.weight / rows.len() as f64;
        for (i, &row) in rows.iter().enumerate() {
            let z = [logits[2 * i], logits[2 * i + 1]].map(f64::from);
            let sum = z[0].exp() + z[1].exp();
            for answer in 0..2 {
                let (p, y) = (z[answer].exp() / sum, self.labels[row][answer]);
                loss -= each * y * p.ln();
                gradient[2 * i + answer] = (each * (p - y)) as f32;
            }
        }
        match self.killed_at {
            Some(at) if at == step => f64::NAN,
            _ => loss,
        }
    }
}

fn lesson(weight: f64, killed_at: Option<usize>) -> (Vec<Vec<u32>>, Soft) {
    let trace = json("w2s_gpt2/trace.json");
    let samples = trace["train"].as_array().unwrap();
    let row = |sample: &serde_json::Value| {
        let ids = flat(&sample["input_ids"]).into_iter();
        ids.map(|id| id as u32).filter(|&id| id != 0).collect()
    };
    let labels = (samples.iter())
        .map(|sample| flat(&sample["soft_label"]))
        .collect();
    let soft = Soft {
        labels,
        weight,
        killed_at,
    };
    (samples.iter().map(row).collect(), soft)
}

/// The losses of a training, and the head that comes of it.
fn learn(
    precision: Precision,
    trained: Trained,
    (rows, mut soft): (Vec<Vec<u32>>, Soft),
    folder: Option<PathBuf>,
) -> Result<(Vec<f64>, Vec<f32>), TrainError> {
    let model = load("w2s_gpt2").with_precision(precision);
    let mut classifier = Classifier::new(model, Pooling::LastToken, 2);
    let options = TrainOptions {
        trained,
        lora: LoraOptions {
            rank: 4,
            ..LoraOptions::default()
        },
        epochs: 3,
        batch_size: 12,
        micro_batch_size: 5,
        learning_rate: 2e-3,
        epsilon: 1e-20,
        order: Order::AsGiven,
        save_every_secs: 0.0,
        ..TrainOptions::default()
    };
    let losses = Mutex::new(Vec::new());
    let on_step = |_: &str, step: &trimtab_core::TrainingStep| {
        losses.lock().unwrap().push(step.loss);
    };
    let folders = folder.map(|state| Folders {
        models: state.join("models"),
        state,
    });
    let session = Session {
        workplace: &Workplace::new(&on_step, folders),
        ..Session::plain()
    };
    classifier.train(&rows, &mut soft, &options, Seed(5), session)?;
    Ok((losses.into_inner().unwrap(), classifier.head()))
}

/// Slopes of any size: without a loss scale those of 1e-8 would be nothing in `float16`, and those of 1e8 infinite. AdamW divides by
/// their size, so that what is learnt is of one size in the end.
#[test]
fn trainings_follow_those_in_32_bits_whatever_the_size_of_the_loss() {
    for (precision, tolerance) in formats() {
        for (trained, weights) in [(Trained::All, &[1e-8, 1e8][..]), (Trained::Lora, &[1.0])] {
            for &weight in weights {
                let (single, head) =
                    learn(Precision::Float32, trained, lesson(weight, None), None).unwrap();
                let (losses, rounded) =
                    learn(precision, trained, lesson(weight, None), None).unwrap();
                assert_eq!(losses.len(), single.len());
                for (got, want) in losses.iter().zip(&single) {
                    let apart = (got - want).abs() / weight;
                    assert!(
                        apart < tolerance,
                        "{precision:?} {trained:?} {weight}: {got} {want}"
                    );
                }
                assert!(single[0] > single[single.len() - 1]);
                assert_ne!(head, rounded);
                // A head that has not learnt is at zero.
                let size = |head: &[f32]| head.iter().map(|x| x.abs()).sum::<f32>();
                let ratio = size(&rounded) / size(&head);
                assert!(
                    (0.8..1.25).contains(&ratio),
                    "{precision:?} {weight}: {ratio}"
                );
            }
        }
    }
}

#[test]
fn a_training_in_16_bits_that_was_killed_goes_on_to_the_same_bits() {
    for (precision, _) in formats() {
        let folder = tempfile::tempdir().unwrap();
        let there = || Some(folder.path().to_owned());
        let (losses, head) = learn(precision, Trained::All, lesson(1.0, None), None).unwrap();
        let half = losses.len() / 2;
        let cut = learn(precision, Trained::All, lesson(1.0, Some(half)), there());
        assert!(matches!(cut, Err(TrainError::Diverged { .. })));
        // It is no training in 32 bits.
        let other = learn(Precision::Float32, Trained::All, lesson(1.0, None), there());
        assert!(matches!(other, Err(TrainError::OtherState { .. })));
        let resumed = learn(precision, Trained::All, lesson(1.0, None), there()).unwrap();
        assert_eq!(resumed, (losses[half..].to_vec(), head));
    }
}

#[test]
fn language_models_learn_in_16_bits() {
    for (precision, tolerance) in formats() {
        let losses = |precision| {
            let transformer = load("llama").transformer.with_precision(precision);
            let mut trainer = LanguageModelTrainer::new(transformer, [0.9, 0.999], 1e-8, 0.0);
            let rows: [&[u32]; 2] = [&[1, 2, 3, 4, 5, 6], &[7, 8, 9]];
            let mut losses = Vec::new();
            for _ in 0..8 {
                let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
                losses.push(trainer.step(batch, 5e-3).unwrap().unwrap());
            }
            losses
        };
        let (single, rounded) = (losses(Precision::Float32), losses(precision));
        for (one, other) in single.iter().zip(&rounded) {
            assert!(
                (one - other).abs() < 2.0 * tolerance,
                "{single:?} {rounded:?}"
            );
        }
        assert!(rounded[7] < 0.8 * rounded[0], "{rounded:?}");
    }
}

#[test]
fn weights_that_are_written_in_16_bits_are_read_again() {
    for precision in [Precision::Float16, Precision::Bfloat16] {
        let there = tempfile::tempdir().unwrap();
        let model = load("llama");
        model.save_as(there.path(), precision).unwrap();
        let config = std::fs::read_to_string(there.path().join("config.json")).unwrap();
        assert!(config.contains(precision.name()), "{config}");
        let again = Checkpoint::open(there.path()).unwrap();
        let again = again.load(&device()).unwrap();
        let name = "layers.0.mlp.up.weight";
        let (before, _) = model.transformer.parameter(name).unwrap();
        let (after, _) = again.transformer.parameter(name).unwrap();
        let bits = match precision {
            Precision::Bfloat16 => 8,
            _ => 11,
        };
        for (x, y) in before.iter().zip(&after) {
            assert!(
                (x - y).abs() <= x.abs() / 2_f32.powi(bits) + 1e-7,
                "{x} {y}"
            );
        }
        assert_ne!(before, after);
    }
}
