//! Generation and scoring against `transformers` (`tests/golden/generation.json`), and the processor's own
//! forward pass against the plain one.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_core::Seed;
use trimtab_nn::sampling::process;
use trimtab_nn::{
    Checkpoint, Device, Finish, GenerateError, Generated, GenerationOptions, LanguageModel, Model,
    ModelConfig, Progress, Request, Sampling, ScoreRequest, Tokenizer, Truncation,
};

use crate::golden::{device, flat, folder, json as golden_json, load};

/// Log-probabilities here are of order 1 to 10; measured differences are below 2e-6.
const TOLERANCE: f64 = 1e-5;

const MODELS: [&str; 9] = [
    "gpt2",
    "gpt_neox",
    "gpt_neox_sequential",
    "llama",
    "llama_tied_bf16",
    "mistral",
    "mistral_window",
    "qwen2",
    "qwen3",
];

fn n(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// A golden model; `mistral_window` is `mistral` with another configuration.
fn golden(name: &str, expected: &Value) -> Model {
    let Some(window) = expected.get("sliding_window") else {
        return load(name);
    };
    let there = tempfile::tempdir().unwrap();
    let from = folder("mistral");
    let weights = "model.safetensors";
    fs::copy(from.join(weights), there.path().join(weights)).unwrap();
    let mut config = golden_json("mistral/config.json");
    config["sliding_window"] = window.clone();
    fs::write(there.path().join("config.json"), config.to_string()).unwrap();
    let checkpoint = Checkpoint::open(there.path()).unwrap();
    checkpoint.load(&device()).unwrap()
}

/// The processor's forward pass, and the plain one.
fn engines(model: &Model) -> [LanguageModel; 2] {
    let fast = LanguageModel::new(model).unwrap();
    [fast, LanguageModel::reference(model).unwrap()]
}

/// A tokenizer whose token i is the word `wi`, for `n` tokens.
fn words(n: usize) -> Tokenizer {
    let vocab: serde_json::Map<_, _> = (0..n).map(|i| (format!("w{i}"), i.into())).collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    });
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join("tokenizer.json"), file.to_string()).unwrap();
    Tokenizer::open(there.path(), n, 64).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    flat(value).into_iter().map(|x| x as u32).collect()
}

fn requests(prompts: &[Vec<u32>]) -> Vec<Request> {
    let request = |(i, prompt): (usize, &Vec<u32>)| Request {
        prompt: prompt.clone(),
        seed: Seed(9).child(&i.to_string()),
    };
    prompts.iter().enumerate().map(request).collect()
}

fn generate(
    model: &LanguageModel,
    tokenizer: &Tokenizer,
    prompts: &[Vec<u32>],
    options: &GenerationOptions,
) -> Vec<Generated> {
    let mut go_on = |_: Progress<'_>| ControlFlow::Continue(());
    (model.generate(tokenizer, &requests(prompts), options, &mut go_on)).unwrap()
}

#[test]
fn logits_are_processed_as_transformers_does() {
    let golden = golden_json("generation.json");
    let golden = &golden["processors"];
    let logits: Vec<f32> = flat(&golden["logits"])
        .into_iter()
        .map(|x| x as f32)
        .collect();
    let seen: BTreeSet<u32> = ids(&golden["seen"]).into_iter().collect();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let number = |key: &str| case.get(key).map_or(1.0, |x| x.as_f64().unwrap());
        let sampling = Sampling {
            temperature: number("temperature"),
            top_k: (case.get("top_k")).map(|k| n(k.as_u64().unwrap() as usize)),
            top_p: number("top_p"),
            repetition_penalty: number("repetition_penalty"),
        };
        let mut got = logits.clone();
        process(&mut got, &seen, &sampling);
        for (got, want) in got.iter().zip(case["after"].as_array().unwrap()) {
            match want.as_f64() {
                Some(want) => assert!((f64::from(*got) - want).abs() < 1e-5, "{case}"),
                None => assert_eq!(*got, f32::NEG_INFINITY, "{case}"),
            }
        }
    }
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    let golden_file = golden_json("generation.json");
    let prompts: Vec<Vec<u32>> = golden_file["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(ids)
        .collect();
    let tokenizer = words(96);
    for name in MODELS {
        let expected = &golden_file["models"][name];
        for model in engines(&golden(name, expected)) {
            let model = model.with_end_of_text([]);
            for (key, penalty) in [("greedy", 1.0), ("penalised", 1.3)] {
                let options = GenerationOptions {
                    sampling: Sampling {
                        repetition_penalty: penalty,
                        ..Sampling::GREEDY
                    },
                    max_tokens: n(16),
                    ..GenerationOptions::default()
                };
                let got = generate(&model, &tokenizer, &prompts, &options);
                for (got, want) in got.iter().zip(expected[key].as_array().unwrap()) {
                    let want = ids(want);
                    assert_eq!(got.ids[..want.len()], want, "{name}, {key}");
                    assert_eq!((got.ids.len(), &got.finish), (16, &Finish::Length));
                }
            }
        }
    }
    // What the checkpoints' own files hold.
    for name in ["gpt2", "llama"] {
        let expected = golden_json(&format!("{name}/expected.json"));
        let options = GenerationOptions {
            sampling: Sampling::GREEDY,
            max_tokens: n(12),
            ..GenerationOptions::default()
        };
        let model = LanguageModel::new(&load(name)).unwrap();
        assert_eq!(model.end_of_text(), &BTreeSet::from([2]));
        let got = generate(&model, &tokenizer, &prompts, &options);
        for (got, want) in got
            .iter()
            .zip(expected["greedy"]["generated"].as_array().unwrap())
        {
            assert_eq!(got.ids, ids(want));
        }
    }
}

#[test]
fn scores_are_those_of_transformers() {
    let golden_file = golden_json("generation.json");
    for name in MODELS {
        let expected = &golden_file["models"][name];
        let cases = expected["scores"].as_array().unwrap();
        // The first two continue one prompt.
        let mut requests: Vec<ScoreRequest> = Vec::new();
        for case in cases {
            let (prompt, continuation) = (ids(&case["prompt"]), ids(&case["continuation"]));
            match requests.last_mut().filter(|last| last.prompt == prompt) {
                Some(last) => last.continuations.push(continuation),
                None => requests.push(ScoreRequest {
                    prompt,
                    continuations: vec![continuation],
                }),
            }
        }
        assert_eq!((requests.len(), cases.len()), (3, 4));
        for model in engines(&golden(name, expected)) {
            for batch_size in [1, 3, 8] {
                let got = model
                    .score(&requests, Truncation::Refuse, n(batch_size))
                    .unwrap();
                for (got, case) in got.iter().flatten().zip(cases) {
                    let want = flat(&case["log_probs"]);
                    assert_eq!(got.log_probs.len(), want.len());
                    for (got, want) in got.log_probs.iter().zip(&want) {
                        assert!((got - want).abs() < TOLERANCE, "{name}: {got} {want}");
                    }
                    let sum: f64 = want.iter().sum();
                    assert!((got.sum() - sum).abs() < 3.0 * TOLERANCE);
                }
            }
        }
    }
}

/// A model of shapes that no vector divides.
fn odd_config(architecture: &str, window: Option<usize>, tied: bool) -> ModelConfig {
    let json = json!({
        "model_type": architecture, "vocab_size": 37, "tie_word_embeddings": tied, "initializer_range": 0.3,
        "n_embd": 18, "n_head": 3, "n_layer": 2, "n_positions": 48, "n_inner": 29,
        "hidden_size": 18, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 29,
        "max_position_embeddings": 48, "rotary_pct": 0.4, "use_parallel_residual": !tied,
        "num_key_value_heads": if architecture == "gpt_neox" { 3 } else { 1 }, "head_dim": 6,
        "sliding_window": window, "attention_bias": matches!(architecture, "llama" | "gpt_neox"), "mlp_bias": tied,
        "activation_function": if tied { "gelu" } else { "gelu_new" },
    });
    ModelConfig::parse(&json.to_string()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_forward_passes_are_one(
        architecture in prop::sample::select(vec!["gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"]),
        window in prop::option::of(1..12_usize), tied: bool, seed: u64,
        rows in prop::collection::vec((1..20_usize, prop::collection::vec(0..14_usize, 1..4)), 1..5),
    ) {
        let model = Model::new(odd_config(architecture, window, tied), &device(), Seed(seed));
        let mut stream = Seed(seed).child("tokens").stream();
        let mut text = |len: usize| -> Vec<u32> { (0..len).map(|_| stream.below(37) as u32).collect() };
        let requests: Vec<ScoreRequest> = rows.into_iter().map(|(len, continuations)| ScoreRequest {
            prompt: text(len),
            continuations: continuations.into_iter().map(&mut text).collect(),
        }).collect();
        let [fast, plain] = engines(&model).map(|m| m.score(&requests, Truncation::Refuse, n(3)).unwrap());
        for (fast, plain) in fast.iter().flatten().zip(plain.iter().flatten()) {
            for (a, b) in fast.log_probs.iter().zip(&plain.log_probs) {
                prop_assert!((a - b).abs() < TOLERANCE, "{a} {b}");
            }
        }
        // Step by step with a memory, the plain pass gives what it gives at once.
        let prompts: Vec<Vec<u32>> = requests.iter().map(|request| request.prompt.clone()).collect();
        let options = GenerationOptions {
            sampling: Sampling { top_p: 0.9, ..Sampling::default() },
            max_tokens: n(9),
            batch_size: n(3),
            ..GenerationOptions::default()
        };
        let tokenizer = words(37);
        for model in engines(&model) {
            let written = generate(&model, &tokenizer, &prompts, &options);
            let again: Vec<ScoreRequest> = written.iter().zip(&prompts).map(|(row, prompt)| ScoreRequest {
                prompt: prompt.clone(),
                continuations: vec![row.ids.clone()],
            }).collect();
            let scored = model.score(&again, Truncation::Refuse, n(8)).unwrap();
            for (row, scored) in written.iter().zip(scored.iter().flatten()) {
                for (a, b) in row.log_probs.iter().zip(&scored.log_probs) {
                    prop_assert!((a - b).abs() < TOLERANCE, "{a} {b}");
                }
            }
        }
    }

    /// To the bit by the fused operations on the processor; on a card, whose products of other shapes sum in another order, to what
    /// other parity tests ask.
    #[test]
    fn a_row_is_the_same_alone_and_in_a_batch(
        architecture in prop::sample::select(vec!["gpt2", "llama", "mistral"]), seed: u64, batch_size in 2..9_usize,
    ) {
        let model = Model::new(odd_config(architecture, Some(5), false), &device(), Seed(seed));
        let prompts: Vec<Vec<u32>> = (1..9).map(|len| (0..len).map(|i| (7 * i + len) % 37).collect()).collect();
        let tokenizer = words(37);
        let is_on_processor = device() == Device::Cpu.open().unwrap();
        for (engine, is_exact) in engines(&model).iter().zip([is_on_processor, false]) {
            let mut options = GenerationOptions { max_tokens: n(12), batch_size: n(batch_size), ..GenerationOptions::default() };
            options.sampling.repetition_penalty = 1.1;
            let together = generate(engine, &tokenizer, &prompts, &options);
            options.batch_size = n(1);
            let alone = generate(engine, &tokenizer, &prompts, &options);
            if is_exact {
                prop_assert_eq!(together, alone);
            } else {
                for (a, b) in together.iter().zip(&alone) {
                    prop_assert_eq!(&a.ids, &b.ids);
                    for (a, b) in a.log_probs.iter().zip(&b.log_probs) {
                        prop_assert!((a - b).abs() < TOLERANCE, "{a} {b}");
                    }
                }
            }
        }
    }
}

/// A random model with the tokenizer of `tests/golden/chat`: bytes and a few longer tokens.
fn chatty() -> (LanguageModel, Tokenizer) {
    let json = json!({
        "model_type": "llama", "vocab_size": 320, "hidden_size": 16, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 16, "max_position_embeddings": 64, "initializer_range": 0.3,
        "eos_token_id": [2, 5],
    });
    let config = ModelConfig::parse(&json.to_string()).unwrap();
    let model = Model::new(config, &device(), Seed(4));
    let tokenizer = Tokenizer::open(&folder("chat"), 320, 64).unwrap();
    (LanguageModel::new(&model).unwrap(), tokenizer)
}

#[test]
fn pieces_make_the_text_and_stop_strings_end_it() {
    let (model, tokenizer) = chatty();
    assert_eq!(model.end_of_text(), &BTreeSet::from([2, 5]));
    let model = model.with_end_of_text([]);
    let prompts: Vec<Vec<u32>> = (0..12).map(|i| vec![1, 60 + i]).collect();
    let mut options = GenerationOptions {
        max_tokens: n(40),
        ..GenerationOptions::default()
    };
    let free = generate(&model, &tokenizer, &prompts, &options);
    for row in &free {
        assert_eq!(
            (row.ids.len(), row.log_probs.len(), row.n_prompt),
            (40, 40, 2)
        );
        assert!(row.log_probs.iter().all(|&x| x < 0.0));
    }
    // Two characters, which some row has across a border of tokens.
    let stop: String = (free[3].text.chars().filter(char::is_ascii))
        .skip(6)
        .take(2)
        .collect();
    let stop = if free[3].text.contains(&stop) {
        stop
    } else {
        free[3].text.chars().skip(5).take(2).collect()
    };
    options.stop = vec![stop.clone(), "never said".to_owned()];
    let mut pieces = vec![String::new(); prompts.len()];
    let mut n_finished = 0;
    let mut on_token = |progress: Progress<'_>| {
        pieces[progress.request].push_str(progress.text);
        n_finished += usize::from(progress.finish.is_some());
        ControlFlow::Continue(())
    };
    let got = model
        .generate(&tokenizer, &requests(&prompts), &options, &mut on_token)
        .unwrap();
    assert_eq!(n_finished, prompts.len());
    assert_eq!(got[3].finish, Finish::Stop(stop.clone()));
    for ((got, free), pieces) in got.iter().zip(&free).zip(&pieces) {
        assert_eq!(&got.text, pieces);
        match free.text.find(&stop) {
            Some(at) => {
                assert_eq!(got.text, free.text[..at]);
                assert_eq!(got.finish, Finish::Stop(stop.clone()));
                assert_eq!(got.ids, free.ids[..got.ids.len()]);
            }
            None => assert_eq!(got, free),
        }
    }
}

#[test]
fn special_tokens_end_texts_and_callers_may() {
    let (model, tokenizer) = chatty();
    let prompts = vec![vec![1, 60], vec![1, 61], vec![1, 62]];
    let mut options = GenerationOptions {
        max_tokens: n(30),
        ..GenerationOptions::default()
    };
    let free = generate(&model, &tokenizer, &prompts, &options);
    // The third token of the first row ends texts from now on.
    let (third, before) = (free[0].ids[2], &free[0].ids[..2]);
    assert!(!before.contains(&third));
    let ending = model.clone().with_end_of_text([third]);
    let got = generate(&ending, &tokenizer, &prompts, &options);
    assert_eq!(got[0].finish, Finish::EndOfText);
    assert_eq!(got[0].ids, free[0].ids[..3]);
    assert_eq!(got[0].text, tokenizer.decode(before).unwrap());
    // A stop string that is a special token is that token.
    assert_eq!(tokenizer.special_token("<|im_end|>"), Some(2));
    let strange = model.with_end_of_text([]);
    options.stop = vec!["<|im_end|>".to_owned()];
    options.max_tokens = n(60);
    let many: Vec<Vec<u32>> = (0..40).map(|i| vec![1, 60 + i]).collect();
    let got = generate(&strange, &tokenizer, &many, &options);
    let stopped = got.iter().filter(|row| row.ids.last() == Some(&2));
    assert!(stopped.clone().count() > 0);
    for row in stopped {
        assert_eq!(row.finish, Finish::Stop("<|im_end|>".to_owned()));
    }
    // A caller ends one row; others go on.
    let mut on_token = |progress: Progress<'_>| match progress.request {
        1 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    options.stop.clear();
    let got = strange
        .generate(&tokenizer, &requests(&prompts), &options, &mut on_token)
        .unwrap();
    assert_eq!((&got[1].finish, got[1].ids.len()), (&Finish::Cancelled, 1));
    assert_eq!(got[0].ids.len(), 60);
}

#[test]
fn a_context_is_filled_and_not_overrun() {
    let (model, tokenizer) = chatty();
    let model = model.with_end_of_text([]);
    let long: Vec<u32> = (0..70).map(|i| 60 + i).collect();
    let mut options = GenerationOptions {
        max_tokens: n(10),
        ..GenerationOptions::default()
    };
    let got = generate(
        &model,
        &tokenizer,
        &[long[..60].to_vec(), vec![1]],
        &options,
    );
    assert_eq!((got[0].ids.len(), &got[0].finish), (4, &Finish::Length));
    assert_eq!(got[1].ids.len(), 10);
    let try_with = |prompt: &[u32], options: &GenerationOptions| {
        let mut go_on = |_: Progress<'_>| ControlFlow::Continue(());
        model.generate(
            &tokenizer,
            &requests(&[prompt.to_vec()]),
            options,
            &mut go_on,
        )
    };
    let message = |prompt: &[u32], options: &GenerationOptions| {
        try_with(prompt, options).unwrap_err().to_string()
    };
    assert_eq!(
        message(&long, &options),
        "prompt 0 has 70 tokens, which with 1 more is over the context of 64"
    );
    options.truncation = Truncation::KeepEnd;
    let got = &try_with(&long, &options).unwrap()[0];
    assert_eq!((got.n_prompt, got.ids.len()), (54, 10));
    assert_eq!(got.ids, try_with(&long[16..], &options).unwrap()[0].ids);
    options.truncation = Truncation::KeepStart;
    assert_eq!(
        try_with(&long, &options).unwrap()[0].ids,
        try_with(&long[..54], &options).unwrap()[0].ids
    );
    options.max_tokens = n(64);
    assert!(matches!(
        try_with(&long, &options),
        Err(GenerateError::TooLong { .. })
    ));
    assert_eq!(message(&[], &options), "prompt 0 has no tokens");
    assert_eq!(
        message(&[320], &options),
        "prompt 0: token id 320 is outside the vocabulary of 320"
    );
    options.stop = vec![String::new()];
    assert_eq!(message(&[1], &options), "stop string 0 is empty");
    options.sampling.top_p = 1.5;
    assert!(message(&[1], &options).starts_with("`top-p` is 1.5"));
    // The same for scores.
    let request = |prompt: &[u32]| ScoreRequest {
        prompt: prompt.to_vec(),
        continuations: vec![vec![3; 4], Vec::new()],
    };
    let score = |prompt: &[u32], truncation| model.score(&[request(prompt)], truncation, n(4));
    let error = score(&long, Truncation::Refuse).unwrap_err().to_string();
    assert_eq!(
        error,
        "prompt 0 has 70 tokens, which with 4 more is over the context of 64"
    );
    let cut = score(&long, Truncation::KeepEnd).unwrap();
    assert_eq!(cut, score(&long[10..], Truncation::Refuse).unwrap());
    assert_eq!(cut[0][1].sum(), 0.0);
    assert!(matches!(
        score(&[], Truncation::Refuse),
        Err(GenerateError::EmptyPrompt { .. })
    ));
}

#[test]
fn models_that_cannot_write_are_refused() {
    let error = LanguageModel::new(&load("bert")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a bert model reads in both directions, and cannot write"
    );
    let error = LanguageModel::new(&load("llama_classify")).unwrap_err();
    assert!(matches!(error, GenerateError::NoOutput));
    let there = tempfile::tempdir().unwrap();
    load("gpt2").save(there.path()).unwrap();
    fs::write(
        there.path().join("generation_config.json"),
        r#"{"eos_token_id": "</s>"}"#,
    )
    .unwrap();
    let model = Checkpoint::open(there.path())
        .unwrap()
        .load(&device())
        .unwrap();
    let error = LanguageModel::new(&model).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("`eos_token_id` is \"</s>\", expected a token id or a list of them")
    );
}

/// `../shared/models/tiny-random-chat`, whose log-probabilities llama.cpp and transformers agree on.
#[test]
fn the_shared_chat_model_gives_its_log_probabilities() {
    let expected = golden_json("chat/expected.json");
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = shared.join("../../../shared/models/tiny-random-chat/hf");
    if !shared.exists() {
        eprintln!("SKIPPED: {} is not there", shared.display());
        return;
    }
    let checkpoint = Checkpoint::open(&shared).unwrap();
    let model = checkpoint.load(&device()).unwrap();
    let top = expected["top5"].as_array().unwrap();
    let request = ScoreRequest {
        prompt: ids(&expected["prompt_ids"]),
        continuations: top
            .iter()
            .map(|row| vec![row[1].as_u64().unwrap() as u32])
            .collect(),
    };
    for model in engines(&model) {
        let got = model
            .score(std::slice::from_ref(&request), Truncation::Refuse, n(2))
            .unwrap();
        for (got, want) in got[0].iter().zip(top) {
            assert!((got.sum() - want[2].as_f64().unwrap()).abs() < TOLERANCE);
        }
    }
}
