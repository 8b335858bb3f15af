//! Logits and hidden states against `transformers` on tiny random checkpoints; `tests/golden/README.md`
//! says how they were made.

use trimtab_nn::{Classifier, Keep, Padding, Pooling, TokenBatch};

use crate::golden::{batch, device, flat, json, largest_difference, load, numbers};

/// Logits here are of order 1; measured differences are below 3e-6.
const TOLERANCE: f64 = 1e-5;

fn check(name: &str, n_checked: usize) {
    let model = load(name);
    let expected = json(&format!("{name}/expected.json"));
    let mut seen = 0;
    for case in [Some(&expected), expected.get("left_padded")]
        .into_iter()
        .flatten()
    {
        let batch = batch(case);
        let hidden = model.transformer.forward(&batch, Keep::All).unwrap();
        assert_eq!(hidden.all.len(), model.config().definition.n_layers + 1);
        let mut compare = |what: &str, got: &[f32], expected: &[f64]| {
            let largest = largest_difference(&batch, got, expected);
            assert!(largest < TOLERANCE, "{name}: {what} differ by {largest:e}");
            seen += 1;
        };
        if let Some(logits) = case.get("logits") {
            let got = model.transformer.logits(hidden.last.clone()).unwrap();
            compare("logits", &numbers(&got), &flat(logits));
        }
        if let Some(last) = case.get("last_hidden_state") {
            compare("last hidden states", &numbers(&hidden.last), &flat(last));
        }
        if let Some(middle) = case.get("hidden_states") {
            let index = middle["index"].as_u64().unwrap() as usize;
            let got = numbers(&hidden.all[index]);
            compare("hidden states", &got, &flat(&middle["values"]));
        }
    }
    assert_eq!(seen, n_checked, "{name}: comparisons made");
}

#[test]
fn gpt2() {
    check("gpt2", 3);
}

#[test]
fn gpt_neox() {
    check("gpt_neox", 3);
    check("gpt_neox_sequential", 2);
}

#[test]
fn llama() {
    check("llama", 3);
}

#[test]
fn llama_in_bf16_tied_and_in_several_files() {
    check("llama_tied_bf16", 2);
}

#[test]
fn mistral() {
    check("mistral", 2);
}

#[test]
fn qwen2() {
    check("qwen2", 2);
}

#[test]
fn qwen3() {
    check("qwen3", 2);
}

#[test]
fn bert_with_token_types() {
    check("bert", 2);
}

#[test]
fn classifiers_read_the_last_token() {
    for name in ["gpt2_classify", "llama_classify"] {
        let classifier = Classifier::with_own_head(load(name), Pooling::LastToken).unwrap();
        let expected = json(&format!("{name}/expected.json"));
        let logits = numbers(&classifier.forward(&batch(&expected)).unwrap());
        let expected = flat(&expected["logits"]);
        assert_eq!(logits.len(), expected.len());
        for (got, expected) in logits.into_iter().zip(expected) {
            assert!(
                (f64::from(got) - expected).abs() < TOLERANCE,
                "{name}: {got} {expected}"
            );
        }
    }
}

/// In one layer of rotary attention, a window of w is a text of the last w tokens.
#[test]
fn a_window_hides_what_is_before_it() {
    use trimtab_core::Seed;
    use trimtab_nn::{Model, ModelConfig};

    let config = |window: u32| {
        let json = serde_json::json!({
            "model_type": "mistral", "vocab_size": 20, "hidden_size": 16, "num_attention_heads": 4,
            "num_key_value_heads": 2, "num_hidden_layers": 1, "intermediate_size": 24,
            "max_position_embeddings": 32, "sliding_window": window, "initializer_range": 0.3,
        });
        ModelConfig::parse(&json.to_string()).unwrap()
    };
    let device = device();
    let ids: Vec<u32> = (0..9).map(|i| i * 7 % 20).collect();
    let last = |window: u32, ids: &[u32]| -> Vec<f32> {
        let model = Model::new(config(window), &device, Seed(3));
        let batch = TokenBatch::new(&[ids], Padding::Right).unwrap();
        let hidden = model.transformer.forward(&batch, Keep::Last).unwrap().last;
        numbers(&Pooling::LastToken.pool(hidden, &batch))
    };
    let differ = |a: &[f32], b: &[f32]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-5);
    let windowed = last(4, &ids);
    assert!(!differ(&windowed, &last(4, &ids[5..])));
    assert!(differ(&windowed, &last(5, &ids)));
    assert!(!differ(&last(9, &ids), &last(30, &ids)));
}

#[test]
fn pooling_is_blind_to_padding_on_either_side() {
    let model = load("llama");
    let rows = [vec![1_u32, 17, 42, 5, 88], vec![66, 3]];
    for pooling in [Pooling::LastToken, Pooling::FirstToken, Pooling::Mean] {
        let pooled = |rows: &[Vec<u32>], padding| {
            let batch = TokenBatch::new(rows, padding).unwrap();
            let hidden = model.transformer.forward(&batch, Keep::Last).unwrap();
            numbers(&pooling.pool(hidden.last, &batch))
        };
        let alone: Vec<f32> = (rows.iter())
            .flat_map(|row| pooled(std::slice::from_ref(row), Padding::Right))
            .collect();
        for padding in [Padding::Left, Padding::Right] {
            for (a, b) in alone.iter().zip(pooled(&rows, padding)) {
                assert!((a - b).abs() < 1e-5, "{pooling:?}, {padding:?}: {a} {b}");
            }
        }
    }
}
