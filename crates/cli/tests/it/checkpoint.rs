//! Roles bound to a Hugging Face directory: taught, resumed, and refused where something is wrong.
//!
//! The program may have been built without networks (the cargo feature `networks`, which
//! `cargo test --workspace` turns on). Then it must say so, and the rest is skipped.

use std::path::Path;

use crate::ledger;
use crate::material::{SMALL, reviews};
use crate::workplace::{Workplace, say};

/// A tokenizer of the reviews' words, a token each.
fn tokenizer() -> String {
    let words =
        "<unk> the film and its people a story of moving clever bright warm dull stale grim flat";
    let vocab: serde_json::Map<String, serde_json::Value> = words
        .split(' ')
        .enumerate()
        .map(|(id, word)| (word.to_owned(), id.into()))
        .collect();
    serde_json::json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
    })
    .to_string()
}

/// A small experiment whose student is a tiny GPT-2; none where the program has no networks.
fn place(test: &str) -> Option<Workplace> {
    let place = Workplace::new();
    place.write("reviews.jsonl", reviews(120));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/golden/gpt2");
    for name in ["config.json", "model.safetensors"] {
        place.write(
            &format!("models/tiny/{name}"),
            std::fs::read(golden.join(name)).unwrap(),
        );
    }
    place.write("models/tiny/tokenizer.json", tokenizer());
    let experiment = SMALL
        .replace(
            "\"features\"",
            r#"{ kind = "checkpoint", path = "models/tiny", train = { learning-rate = 1e-3 } }"#,
        )
        .replace("head = \"mlp\"", "loss = \"product\"");
    place.write("small.toml", experiment);
    let said = place.run(&["run", "small.toml", "--set", "seeds=1", "--out", "try"]);
    if said.stderr.contains("built without them") {
        assert_eq!(said.code, Some(1));
        assert!(
            said.stderr.contains("--features networks"),
            "{}",
            said.stderr
        );
        say(&format!("SKIPPED {test}: built without networks"));
        return None;
    }
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    Some(place)
}

#[test]
fn a_transformer_learns_from_weak_labels_and_resumes() {
    let Some(place) = place("a_transformer_learns_from_weak_labels_and_resumes") else {
        return;
    };
    let table = place.succeed(&["run", "small.toml"]).stdout;
    assert!(table.contains("fine-tuned tiny"), "{table}");
    let run = place.path("runs/small");
    let whole = ledger::numbers(&run);
    let manifest = place.read("runs/small/manifest.json");
    assert!(manifest.contains("\"models/tiny\": \""), "{manifest}");
    // A student that is gone is taught again, to the same numbers.
    ledger::forget(&run, "method", "product");
    place.succeed(&["run", "small.toml", "--quiet"]);
    ledger::assert_same(&ledger::numbers(&run), &whole);
    // Other weights are another experiment.
    ledger::forget(&run, "method", "product");
    let mut weights = std::fs::read(place.path("models/tiny/model.safetensors")).unwrap();
    let last = weights.len() - 2;
    weights[last] ^= 1;
    place.write("models/tiny/model.safetensors", weights);
    let refused = place.refuse(&["run", "small.toml"]);
    assert!(
        refused.contains("models/tiny has changed since the run"),
        "{refused}"
    );
}

#[test]
fn checkpoints_that_cannot_be_used_are_named() {
    let Some(place) = place("checkpoints_that_cannot_be_used_are_named") else {
        return;
    };
    let refused =
        |setting: &str| place.refuse(&["run", "small.toml", "--out", "bad", "--set", setting]);
    let said = refused("roles.strong.model=\"models/none\"");
    assert!(
        said.contains("models/none is not a checkpoint: there is no such"),
        "{said}"
    );
    let said = refused("roles.strong.model.train.learning-rate=-1");
    assert!(said.contains("`learning-rate` is -1"), "{said}");
    let said = refused("method.0.early-stop=\"weak-labels\"");
    assert!(said.contains("early stopping of a checkpoint"), "{said}");
    let weights = std::fs::read(place.path("models/tiny/model.safetensors")).unwrap();
    place.write(
        "models/tiny/model.safetensors",
        &weights[..weights.len() / 2],
    );
    let said = refused("seeds=1");
    assert!(said.contains("models/tiny/model.safetensors"), "{said}");
    assert!(said.contains("fetch it again"), "{said}");
}
