//! Six training runs of openai/weak-to-strong, step by step; gradients; micro-batches.
//!
//! `w2s_gpt2/trace.json` records what that code, unmodified, did with the GPT-2 beside it (torch 2.15.0,
//! transformers 4.49.0): per step loss, learning rate and logits, at the end predictions and weights. Its set-up: Adam
//! without decay, a head at zero, no shuffling, targets decided on the whole batch. It counts tokens
//! that are not 0 to find the last one; so rows are cut to that length here, which for a causal model is the same.

use serde_json::Value;
use std::path::PathBuf;
use std::sync::Mutex;

use trimtab_core::{BatchObjective, Folders, Schedule, Seed, TrainingStep, Workplace};
use trimtab_nn::train::{EarlyStopping, Order};
use trimtab_nn::{
    Classifier, LinearMap, LoraOptions, OptionError, Padding, Pooling, Session, TokenBatch,
    TrainError, TrainOptions, Trained, Training,
};

use crate::golden::{flat, json, load, numbers};

/// The losses of the runs, as `weak_to_strong/loss.py` has them.
#[derive(Clone, Copy)]
enum Kind {
    CrossEntropy,
    Confidence,
    Product,
}

struct Soft {
    kind: Kind,
    /// `[n, 2]`.
    labels: Vec<[f64; 2]>,
    /// Logits of every step.
    seen: Vec<Vec<f32>>,
}

fn softmax(z: &[f32]) -> [f64; 2] {
    let p = 1.0 / (1.0 + (f64::from(z[0]) - f64::from(z[1])).exp());
    [1.0 - p, p]
}

/// With linear interpolation.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = share * (values.len() - 1) as f64;
    let (low, high) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

impl Soft {
    fn targets(&self, y: &[[f64; 2]], p: &[[f64; 2]], progress: f64) -> Vec<[f64; 2]> {
        let n = y.len() as f64;
        match self.kind {
            Kind::CrossEntropy => y.to_vec(),
            Kind::Product => (y.iter().zip(p))
                .map(|(y, p)| {
                    let both = [y[0] * p[0], y[1] * p[1]];
                    both.map(|t| t / (both[0] + both[1]))
                })
                .collect(),
            Kind::Confidence => {
                let share = 0.5 * if progress > 0.1 { 1.0 } else { progress };
                let prior = y.iter().map(|y| y[1]).sum::<f64>() / n;
                let threshold = quantile(p.iter().map(|p| p[0]).collect(), prior);
                let mix = |y: f64, is_hard: bool| (1.0 - share) * y + share * f64::from(is_hard);
                (y.iter().zip(p))
                    .map(|(y, p)| [mix(y[0], p[0] >= threshold), mix(y[1], p[0] < threshold)])
                    .collect()
            }
        }
    }
}

impl BatchObjective for Soft {
    fn evaluate(
        &mut self,
        rows: &[usize],
        step: usize,
        n_steps: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        self.seen.push(logits.to_vec());
        let y: Vec<[f64; 2]> = rows.iter().map(|&row| self.labels[row]).collect();
        let p: Vec<[f64; 2]> = logits.chunks_exact(2).map(softmax).collect();
        let targets = self.targets(&y, &p, step as f64 / n_steps as f64);
        let n = rows.len() as f64;
        let mut loss = 0.0;
        for ((t, p), g) in targets.iter().zip(&p).zip(gradient.chunks_exact_mut(2)) {
            for j in 0..2 {
                loss -= t[j] * p[j].ln() / n;
                g[j] = ((p[j] * (t[0] + t[1]) - t[j]) / n) as f32;
            }
        }
        loss
    }
}

fn rows(samples: &Value) -> Vec<Vec<u32>> {
    let samples = samples.as_array().unwrap().iter();
    let mut rows: Vec<Vec<u32>> = samples
        .map(|sample| {
            flat(&sample["input_ids"])
                .into_iter()
                .map(|id| id as u32)
                .collect()
        })
        .collect();
    for row in &mut rows {
        row.truncate(row.iter().filter(|&&id| id != 0).count());
    }
    rows
}

fn labels(samples: &Value) -> Vec<[f64; 2]> {
    let samples = samples.as_array().unwrap().iter();
    samples
        .map(|sample| flat(&sample["soft_label"]).try_into().unwrap())
        .collect()
}

/// Trains, and gives the steps that it took.
fn train(
    classifier: &mut Classifier,
    rows: &[Vec<u32>],
    objective: &mut Soft,
    options: &TrainOptions,
    seed: Seed,
) -> Result<(Training, Vec<TrainingStep>), TrainError> {
    train_in(None, None, classifier, rows, objective, options, seed)
}

fn folders(state: PathBuf) -> Folders {
    let models = state.join("models");
    Folders { state, models }
}

/// The same with a folder for its state, and early stopping.
fn train_in(
    folder: Option<PathBuf>,
    stopping: Option<EarlyStopping<'_>>,
    classifier: &mut Classifier,
    rows: &[Vec<u32>],
    objective: &mut Soft,
    options: &TrainOptions,
    seed: Seed,
) -> Result<(Training, Vec<TrainingStep>), TrainError> {
    let steps = Mutex::new(Vec::new());
    let on_step = |_: &str, step: &TrainingStep| steps.lock().unwrap().push(*step);
    let session = Session {
        workplace: &Workplace::new(&on_step, folder.map(folders)),
        stopping,
        ..Session::plain()
    };
    let training = classifier.train(rows, objective, options, seed, session)?;
    Ok((training, steps.into_inner().unwrap()))
}

fn classifier() -> Classifier {
    Classifier::new(load("w2s_gpt2"), Pooling::LastToken, 2)
}

fn follow(name: &str, kind: Kind, trained: Trained, schedule: Schedule) {
    let trace = json("w2s_gpt2/trace.json");
    let run = &trace["runs"][name];
    let number = |key: &str| run[key].as_u64().unwrap() as usize;
    let options = TrainOptions {
        trained,
        epochs: number("epochs"),
        batch_size: number("batch"),
        micro_batch_size: number("minibatch"),
        learning_rate: run["lr"].as_f64().unwrap(),
        schedule,
        order: Order::AsGiven,
        ..TrainOptions::default()
    };
    let mut objective = Soft {
        kind,
        labels: labels(&trace["train"]),
        seen: Vec::new(),
    };
    let mut classifier = classifier();
    let rows_train = rows(&trace["train"]);
    let (training, steps) = train(
        &mut classifier,
        &rows_train,
        &mut objective,
        &options,
        Seed(0),
    )
    .unwrap();
    let expected = run["steps"].as_array().unwrap();
    assert_eq!(
        (training.n_steps, steps.len(), expected.len()),
        (12, 12, 12)
    );

    let mut largest = [0.0_f64; 5];
    let mut compare = |at: usize, got: &[f32], expected: &[f64]| {
        assert_eq!(got.len(), expected.len());
        for (&got, expected) in got.iter().zip(expected) {
            largest[at] = largest[at].max((f64::from(got) - expected).abs());
        }
    };
    for ((step, logits), expected) in steps.iter().zip(&objective.seen).zip(expected) {
        let rate = expected["lr"].as_f64().unwrap();
        assert!((step.learning_rate - rate).abs() < 1e-9, "{name}: {rate}");
        compare(0, &[step.loss as f32], &flat(&expected["loss"]));
        compare(1, logits, &flat(&expected["logits"]));
    }
    let predicted = classifier.predict(&rows(&trace["test"]), 5).unwrap();
    let expected = run["eval"].as_array().unwrap().iter();
    let expected: Vec<f64> = expected
        .flat_map(|sample| flat(&sample["logits"]))
        .collect();
    compare(2, &predicted, &expected);
    let head = classifier.head();
    let by_answer: Vec<f32> = (0..2)
        .flat_map(|answer| head.iter().skip(answer).step_by(2).copied())
        .collect();
    compare(3, &by_answer, &flat(&run["score_weight_final"]));
    let (tokens, _) = classifier
        .model()
        .transformer
        .parameter("embed.tokens")
        .unwrap();
    compare(4, &tokens[5 * 32..6 * 32], &flat(&run["wte_row5_final"]));
    let [loss, logits, predicted, head, embedding] = largest;
    // Measured: losses within 2e-7, the rest within 1e-6.
    assert!(loss < 1e-5, "{name}: losses differ by {loss:e}");
    for (what, largest) in [
        ("logits", logits),
        ("predictions", predicted),
        ("head", head),
        ("embedding", embedding),
    ] {
        assert!(largest < 1e-5, "{name}: {what} differ by {largest:e}");
    }
}

#[test]
fn cross_entropy_is_followed() {
    follow("xent", Kind::CrossEntropy, Trained::All, Schedule::Cosine);
}

#[test]
fn confidence_loss_is_followed_over_micro_batches() {
    follow("logconf", Kind::Confidence, Trained::All, Schedule::Cosine);
}

#[test]
fn product_loss_is_followed() {
    follow("product", Kind::Product, Trained::All, Schedule::Cosine);
}

#[test]
fn a_linear_probe_is_followed() {
    follow(
        "xent_linear_probe",
        Kind::CrossEntropy,
        Trained::Head,
        Schedule::Cosine,
    );
}

#[test]
fn a_constant_rate_is_followed() {
    follow(
        "xent_constant_lr",
        Kind::CrossEntropy,
        Trained::All,
        Schedule::Constant,
    );
}

#[test]
fn whole_batches_are_followed() {
    follow(
        "xent_lr1e-3_mb8",
        Kind::CrossEntropy,
        Trained::All,
        Schedule::Cosine,
    );
}

fn soft(kind: Kind) -> (Vec<Vec<u32>>, Soft) {
    let trace = json("w2s_gpt2/trace.json");
    let objective = Soft {
        kind,
        labels: labels(&trace["train"]),
        seen: Vec::new(),
    };
    (rows(&trace["train"]), objective)
}

fn trained(options: &TrainOptions, seed: Seed) -> (Vec<f64>, Vec<f32>) {
    let (rows, mut objective) = soft(Kind::Confidence);
    let mut classifier = classifier();
    let (_, steps) = train(&mut classifier, &rows, &mut objective, options, seed).unwrap();
    let losses = steps.iter().map(|step| step.loss).collect();
    (losses, classifier.head())
}

#[test]
fn micro_batches_change_nothing_and_the_seed_changes_the_order() {
    let options = TrainOptions {
        batch_size: 10,
        micro_batch_size: 10,
        learning_rate: 5e-3,
        clip_norm: 0.5,
        weight_decay: 0.1,
        warm_up: 0.2,
        ..TrainOptions::default()
    };
    let (losses, head) = trained(&options, Seed(1));
    assert_eq!(losses.len(), 10);
    let in_parts = TrainOptions {
        micro_batch_size: 3,
        ..options.clone()
    };
    let (other_losses, other_head) = trained(&in_parts, Seed(1));
    for (a, b) in losses.iter().zip(&other_losses) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    for (a, b) in head.iter().zip(&other_head) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    assert_eq!(trained(&options, Seed(1)), (losses.clone(), head));
    assert_ne!(trained(&options, Seed(2)).0, losses);
}

/// Three texts with labels of their own are learnt in forty steps.
#[test]
fn every_architecture_learns() {
    for name in [
        "gpt2",
        "gpt_neox",
        "gpt_neox_sequential",
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "bert",
    ] {
        let ids: Vec<Vec<u32>> = vec![vec![1, 17, 42, 5], vec![66, 3], vec![9, 80, 7]];
        let mut objective = Soft {
            kind: Kind::CrossEntropy,
            labels: vec![[1.0, 0.0], [0.2, 0.8], [0.0, 1.0]],
            seen: Vec::new(),
        };
        let mut classifier = Classifier::new(load(name), Pooling::Mean, 2);
        let options = TrainOptions {
            epochs: 40,
            batch_size: 3,
            learning_rate: 3e-3,
            schedule: Schedule::Constant,
            ..TrainOptions::default()
        };
        let trained = train(&mut classifier, &ids, &mut objective, &options, Seed(0));
        let losses: Vec<f64> = trained.unwrap().1.iter().map(|step| step.loss).collect();
        // The entropy of the soft label is what is left.
        assert!(losses[39] < 0.35 && losses[0] > 0.69, "{name}: {losses:?}");
    }
}

/// Options of a training of eight steps, of each kind.
fn kinds() -> [TrainOptions; 3] {
    [Trained::Head, Trained::Lora, Trained::All].map(|trained| TrainOptions {
        trained,
        batch_size: 12,
        micro_batch_size: 5,
        learning_rate: 5e-3,
        epochs: 2,
        warm_up: 0.25,
        weight_decay: 0.1,
        save_every_secs: 0.0,
        ..TrainOptions::default()
    })
}

/// An objective that gives up at one of the steps, as a process that is killed does.
struct Killed {
    inner: Soft,
    at: usize,
}

impl BatchObjective for Killed {
    fn evaluate(
        &mut self,
        rows: &[usize],
        step: usize,
        n_steps: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        let loss = (self.inner).evaluate(rows, step, n_steps, logits, gradient);
        if step == self.at { f64::NAN } else { loss }
    }
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_bits() {
    for options in kinds() {
        for n_looks in [0, 3] {
            let folder = tempfile::tempdir().unwrap();
            // What early stopping thinks of is the size of the head's first weight.
            let mut score = |classifier: &Classifier| Ok(-f64::from(classifier.head()[0]).abs());
            let mut run = |folder: Option<PathBuf>| {
                let (rows, mut objective) = soft(Kind::Confidence);
                let mut classifier = classifier();
                let stopping = (n_looks > 0).then_some(EarlyStopping {
                    n_looks,
                    score: &mut score,
                });
                let (training, steps) = train_in(
                    folder,
                    stopping,
                    &mut classifier,
                    &rows,
                    &mut objective,
                    &options,
                    Seed(5),
                )
                .unwrap();
                let tokens = classifier.model().transformer.parameter("embed.tokens");
                let query = "layers.1.attention.query.weight";
                let query = classifier.model().transformer.parameter(query);
                (training, steps, classifier.head(), tokens, query)
            };
            let whole = run(None);
            let n_steps = whole.1.len();
            assert!(n_steps >= 8, "{n_steps}");
            let (rows, inner) = soft(Kind::Confidence);
            let mut same = |classifier: &Classifier| Ok(-f64::from(classifier.head()[0]).abs());
            let mut killed = Killed {
                inner,
                at: n_steps / 2 + 1,
            };
            let session = Session {
                workplace: &Workplace::new(&|_, _| {}, Some(folders(folder.path().into()))),
                stopping: (n_looks > 0).then_some(EarlyStopping {
                    n_looks,
                    score: &mut same,
                }),
                ..Session::plain()
            };
            let mut cut = classifier();
            let result = cut.train(&rows, &mut killed, &options, Seed(5), session);
            assert!(matches!(result, Err(TrainError::Diverged { .. })));
            assert_eq!(cut.head(), classifier().head());
            let resumed = run(Some(folder.path().into()));
            assert_eq!(
                resumed.1,
                whole.1[n_steps / 2 + 1..],
                "{:?}",
                options.trained
            );
            assert_eq!(resumed.0, whole.0);
            assert_eq!(resumed.2, whole.2);
            assert_eq!(resumed.3, whole.3);
            assert_eq!(resumed.4, whole.4);
        }
    }
}

#[test]
fn the_state_of_another_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [_, lora, _] = kinds();
    let run = |options: &TrainOptions, seed, rows: &[Vec<u32>]| {
        let (_, mut objective) = soft(Kind::Confidence);
        let folder = Some(folder.path().into());
        let mut classifier = classifier();
        train_in(
            folder,
            None,
            &mut classifier,
            rows,
            &mut objective,
            options,
            seed,
        )
    };
    let (rows, _) = soft(Kind::Confidence);
    run(&lora, Seed(5), &rows).unwrap();
    // How often state is kept has no part in the result.
    let rarely = TrainOptions {
        save_every_secs: 1e6,
        ..lora.clone()
    };
    assert!(run(&rarely, Seed(5), &rows).unwrap().1.is_empty());
    let other = TrainOptions {
        learning_rate: 1e-3,
        ..lora.clone()
    };
    let mut other_rows = rows.clone();
    other_rows[0][0] += 1;
    for result in [
        run(&other, Seed(5), &rows),
        run(&lora, Seed(6), &rows),
        run(&lora, Seed(5), &other_rows),
    ] {
        let error = result.unwrap_err();
        assert!(
            error.to_string().contains("state of another training"),
            "{error}"
        );
        assert!(error.hint().contains("delete the file"));
    }
    let path = folder.path().join("state.safetensors");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = run(&lora, Seed(5), &rows).unwrap_err();
    assert!(matches!(error, TrainError::State(_)), "{error}");
}

#[test]
fn state_that_cannot_be_kept_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let [head, ..] = kinds();
    let (rows, mut objective) = soft(Kind::Confidence);
    let place = Some(folder.path().to_owned());
    train_in(
        place.clone(),
        None,
        &mut classifier(),
        &rows,
        &mut objective,
        &head,
        Seed(5),
    )
    .unwrap();
    let path = folder.path().join("state.safetensors");
    let before = std::fs::read(&path).unwrap();
    // Where the new state would be written there is a folder: as good as a full disk.
    std::fs::create_dir(path.with_extension("new")).unwrap();
    let half = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = train_in(
        place,
        None,
        &mut classifier(),
        &rows,
        &mut objective,
        &head,
        Seed(5),
    );
    assert!(matches!(error, Err(TrainError::KeepState(_))));
    assert_eq!(before, half);
}

#[test]
fn adapters_start_at_the_model_and_change_only_their_targets() {
    let (rows, mut objective) = soft(Kind::CrossEntropy);
    let [_, options, _] = kinds();
    let options = TrainOptions {
        lora: LoraOptions {
            rank: 4,
            alpha: 8.0,
            targets: vec![LinearMap::Key, LinearMap::Up],
        },
        epochs: 30,
        ..options
    };
    let mut learnt = classifier();
    let (_, steps) = train(&mut learnt, &rows, &mut objective, &options, Seed(2)).unwrap();
    // The head starts at zero, so the first loss is that of the model as it was.
    assert!((steps[0].loss - f64::ln(2.0)).abs() < 1e-6);
    let last = steps.last().unwrap();
    assert!(last.loss < steps[0].loss, "{} {}", steps[0].loss, last.loss);
    let parameter = |classifier: &Classifier, name: &str| {
        classifier.model().transformer.parameter(name).unwrap().0
    };
    let before = classifier();
    for name in [
        "embed.tokens",
        "norm.weight",
        "layers.0.attention.query.weight",
    ] {
        assert_eq!(parameter(&learnt, name), parameter(&before, name), "{name}");
    }
    for name in ["layers.0.attention.key.weight", "layers.1.mlp.up.weight"] {
        let (is, was) = (parameter(&learnt, name), parameter(&before, name));
        let change: Vec<f32> = is.iter().zip(&was).map(|(is, was)| is - was).collect();
        assert!(change.iter().any(|x| x.abs() > 1e-5), "{name}");
        let (_, shape) = before.model().transformer.parameter(name).unwrap();
        assert_eq!(rank(change, shape[1], 1e-6), 4, "{name}");
    }
}

/// The rank of a matrix, by elimination.
fn rank(mut matrix: Vec<f32>, n_columns: usize, tolerance: f32) -> usize {
    let n_rows = matrix.len() / n_columns;
    let mut rank = 0;
    while rank < n_rows {
        let rest = &matrix[rank * n_columns..];
        let (at, &pivot) = (rest.iter().enumerate())
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
            .unwrap();
        if pivot.abs() < tolerance {
            break;
        }
        let (row, column) = (rank + at / n_columns, at % n_columns);
        for c in 0..n_columns {
            matrix.swap(rank * n_columns + c, row * n_columns + c);
        }
        for other in rank + 1..n_rows {
            let factor = matrix[other * n_columns + column] / pivot;
            for c in 0..n_columns {
                matrix[other * n_columns + c] -= factor * matrix[rank * n_columns + c];
            }
        }
        rank += 1;
    }
    rank
}

#[test]
fn adapters_that_fit_nothing_are_refused() {
    let (rows, mut objective) = soft(Kind::CrossEntropy);
    let mut refused = |lora: LoraOptions| {
        let [_, options, _] = kinds();
        let options = TrainOptions { lora, ..options };
        let result = train(&mut classifier(), &rows, &mut objective, &options, Seed(0));
        result.unwrap_err().to_string()
    };
    let gate = LoraOptions {
        targets: vec![LinearMap::Gate],
        ..LoraOptions::default()
    };
    assert!(refused(gate).contains("only gated MLPs have a gate"));
    let nothing = LoraOptions {
        rank: 0,
        ..LoraOptions::default()
    };
    assert_eq!(refused(nothing), "`lora.rank` is 0, expected 1 or more");
}

/// Two rows a sample, one output: the loss sees both scores side by side, and learns which is which.
#[test]
fn rows_of_one_sample_are_judged_together() {
    let ids: Vec<Vec<u32>> = vec![vec![1, 17], vec![66, 3], vec![9, 80, 7], vec![5, 5, 1]];
    let mut classifier = Classifier::new(load("gpt2"), Pooling::LastToken, 1);
    let mut objective = Soft {
        kind: Kind::CrossEntropy,
        labels: vec![[1.0, 0.0], [0.0, 1.0]],
        seen: Vec::new(),
    };
    let options = TrainOptions {
        epochs: 30,
        batch_size: 2,
        micro_batch_size: 1,
        learning_rate: 3e-3,
        ..TrainOptions::default()
    };
    let session = Session {
        rows_per_sample: 2,
        ..Session::plain()
    };
    let training = classifier.train(&ids, &mut objective, &options, Seed(0), session);
    assert!(training.unwrap().loss < 0.1);
    let scores = classifier.predict(&ids, 4).unwrap();
    assert!(
        scores[0] > scores[1] + 2.0 && scores[3] > scores[2] + 2.0,
        "{scores:?}"
    );
    assert!(objective.seen.iter().all(|logits| logits.len() == 4));
}

#[test]
fn what_cannot_be_trained_is_said() {
    let (rows, mut objective) = soft(Kind::CrossEntropy);
    let mut fails = |rows: &[Vec<u32>], options: TrainOptions| {
        train(&mut classifier(), rows, &mut objective, &options, Seed(0)).unwrap_err()
    };
    let error = fails(&[], TrainOptions::default());
    assert_eq!(
        error.to_string(),
        "nothing to train: 0 rows, 2 epochs, batches of 32"
    );
    let error = fails(
        &rows,
        TrainOptions {
            learning_rate: f64::NAN,
            ..TrainOptions::default()
        },
    );
    assert!(matches!(
        error,
        TrainError::Option(OptionError {
            option: "learning-rate",
            ..
        })
    ));
    let error = fails(
        &rows,
        TrainOptions {
            learning_rate: 1e30,
            ..TrainOptions::default()
        },
    );
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    let error = fails(&[vec![97]], TrainOptions::default());
    assert!(matches!(error, TrainError::Batch(_)), "{error}");
    let too_long = TokenBatch::new(&[vec![1; 65]], Padding::Right).unwrap();
    let error = classifier().forward(&too_long).unwrap_err();
    assert_eq!(error.to_string(), "row 0 has 65 tokens; the model sees 64");
}

#[test]
fn the_last_token_of_every_prefix_is_scored() {
    let (rows, mut objective) = soft(Kind::CrossEntropy);
    let mut classifier = classifier();
    let options = TrainOptions::default();
    train(&mut classifier, &rows, &mut objective, &options, Seed(0)).unwrap();
    let row = &rows[3];
    let batch = TokenBatch::new(std::slice::from_ref(row), Padding::Right).unwrap();
    let everywhere = numbers(&classifier.at_every_token(&batch).unwrap());
    for len in 1..=row.len() {
        let alone = classifier.predict(&[&row[..len]], 1).unwrap();
        for (a, b) in everywhere[(len - 1) * 2..][..2].iter().zip(&alone) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

#[test]
fn features_are_what_the_head_sees() {
    let (rows, _) = soft(Kind::CrossEntropy);
    let classifier = classifier();
    let features = classifier.features(&rows[..5], 2).unwrap();
    assert_eq!(features.len(), 5 * 32);
    let batch = TokenBatch::new(&rows[3..4], Padding::Left).unwrap();
    let hidden = classifier
        .model()
        .transformer
        .forward(&batch, trimtab_nn::Keep::Last)
        .unwrap();
    let alone = numbers(&Pooling::LastToken.pool(hidden.last, &batch));
    for (a, b) in alone.iter().zip(&features[3 * 32..4 * 32]) {
        assert!((a - b).abs() < 1e-5);
    }
}

/// Writes trained models with inputs and outputs, for `check_saved.py` to compare with `transformers`:
/// `TRIMTAB_NN_OUT=FOLDER cargo test -p trimtab-nn -- --ignored`.
#[test]
#[ignore = "writes files; needs TRIMTAB_NN_OUT"]
fn trained_models_are_written() {
    let out = std::path::PathBuf::from(std::env::var_os("TRIMTAB_NN_OUT").unwrap());
    let ids: Vec<Vec<u32>> = vec![vec![1, 17, 42, 5], vec![66, 3, 12, 40], vec![9, 80, 7, 33]];
    let batch = TokenBatch::new(&ids, Padding::Right).unwrap();
    let write = |name: &str, logits: &[f32]| {
        for (file, json) in [
            ("ids.json", serde_json::json!(ids)),
            ("logits.json", serde_json::json!(logits)),
        ] {
            std::fs::write(out.join(name).join(file), json.to_string()).unwrap();
        }
    };
    let options = TrainOptions {
        epochs: 10,
        learning_rate: 3e-3,
        ..TrainOptions::default()
    };
    for name in [
        "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "bert",
    ] {
        let mut objective = Soft {
            kind: Kind::CrossEntropy,
            labels: vec![[1.0, 0.0], [0.2, 0.8], [0.0, 1.0]],
            seen: Vec::new(),
        };
        let mut classifier = Classifier::new(load(name), Pooling::LastToken, 2);
        train(&mut classifier, &ids, &mut objective, &options, Seed(0)).unwrap();
        let model = classifier.model();
        let hidden = model
            .transformer
            .forward(&batch, trimtab_nn::Keep::Last)
            .unwrap()
            .last;
        let folder = format!("{name}-model");
        model.save(&out.join(&folder)).unwrap();
        let logits = model.transformer.logits(hidden.clone()).unwrap_or(hidden);
        write(&folder, &numbers(&logits));
        if name != "bert" {
            let folder = format!("{name}-classifier");
            classifier.save(&out.join(&folder)).unwrap();
            write(&folder, &numbers(&classifier.forward(&batch).unwrap()));
        }
    }
}
