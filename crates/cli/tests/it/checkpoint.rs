//! Roles bound to a Hugging Face directory: taught, resumed, and refused where something is wrong.
//!
//! The program may have been built without networks (the cargo feature `networks`, which
//! `cargo test --workspace` turns on). Then it must say so, and the rest is skipped.

use std::path::Path;

use crate::ledger;
use crate::material::{SMALL, reviews};
use crate::workplace::Workplace;

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
    (!said.lacks_networks(test)).then_some(place)
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
    // The page shows what was trained step by step.
    let page = place.read("runs/small/report.html");
    assert!(
        page.contains("Training loss of product, a line a seed"),
        "no curve"
    );
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
    let said = refused("roles.strong.model.device=\"gpu\"");
    assert!(said.contains("unknown value `gpu`"), "{said}");
    if !cfg!(feature = "cuda") {
        let said = refused("roles.strong.model.device=\"cuda\"");
        assert!(said.contains("there are: cpu"), "{said}");
        assert!(said.contains("--features cuda"), "{said}");
    }
    let said = refused("roles.strong.model.path=\"hf:nobody/nothing\"");
    assert!(said.contains("hf:nobody/nothing"), "{said}");
    let said = refused("roles.strong.model={kind=\"transformer\",heads=3}");
    assert!(said.contains("`heads` is 3"), "{said}");
    let weights = std::fs::read(place.path("models/tiny/model.safetensors")).unwrap();
    place.write(
        "models/tiny/model.safetensors",
        &weights[..weights.len() / 2],
    );
    let said = refused("seeds=1");
    assert!(said.contains("models/tiny/model.safetensors"), "{said}");
    assert!(said.contains("fetch it again"), "{said}");
}

/// Steps by training, as the log of the run has them, one list for each process.
fn steps(place: &Workplace, run: &str) -> Vec<Vec<(String, u64)>> {
    let mut processes = Vec::new();
    for line in place.read(&format!("{run}/events.jsonl")).lines() {
        // A process that is killed leaves half a line.
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        match event["event"].as_str().unwrap() {
            "started" => processes.push(Vec::new()),
            "step" => {
                let training = event["training"].as_str().unwrap().to_owned();
                let step = event["step"].as_u64().unwrap();
                processes.last_mut().unwrap().push((training, step));
            }
            _ => {}
        }
    }
    processes
}

#[test]
fn a_training_that_is_killed_goes_on_where_it_was() {
    let Some(place) = place("a_training_that_is_killed_goes_on_where_it_was") else {
        return;
    };
    let settings = [
        "--set",
        "roles.strong.model.train.save-every-secs=0",
        "--set",
        "roles.strong.model.train.epochs=80",
        "--set",
        "method.0.early-stop=\"weak-labels\"",
        "--set",
        "seeds=1",
        "--quiet",
    ];
    let command = |out: &'static str| {
        let command = ["run", "small.toml", "--out", out];
        command.into_iter().chain(settings).collect::<Vec<_>>()
    };
    place.succeed(&command("whole"));
    let whole = ledger::numbers(&place.path("whole"));
    assert!(!place.path("whole/trainings").exists());
    // Killed again and again, until two trainings went on from within or the run is over.
    for _ in 0..30 {
        let mut child = place.trimtab(&command("cut")).spawn().unwrap();
        // Until some training has kept its state, and a little longer.
        let patience = std::time::Instant::now();
        while !has_state(&place.path("cut/trainings"))
            && child.try_wait().unwrap().is_none()
            && patience.elapsed().as_secs() < 60
        {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
        let is_over = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        if is_over || n_resumed(&place, "cut") >= 2 {
            break;
        }
    }
    place.succeed(&command("cut"));
    ledger::assert_same(&ledger::numbers(&place.path("cut")), &whole);
    assert!(n_resumed(&place, "cut") > 0, "no training went on within");
    assert!(!place.path("cut/trainings").exists());
}

/// Processes whose first step was not a training's first.
fn n_resumed(place: &Workplace, run: &str) -> usize {
    let processes = steps(place, run).into_iter();
    processes
        .filter(|steps| steps.first().is_some_and(|(_, step)| *step > 1))
        .count()
}

/// Whether any training has kept its state under `folder`.
fn has_state(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name() == "state.safetensors" || has_state(&entry.path()))
}

#[test]
fn a_transformer_can_start_from_nothing_and_be_adapted() {
    let Some(place) = place("a_transformer_can_start_from_nothing_and_be_adapted") else {
        return;
    };
    let scratch =
        "roles.strong.model={kind=\"transformer\",layers=1,width=16,heads=2,vocabulary=64}";
    let table = place
        .succeed(&["run", "small.toml", "--out", "scratch", "--set", scratch])
        .stdout;
    assert!(table.contains("transformer of 1 × 16"), "{table}");
    let lora = "roles.strong.model.train={trained=\"lora\",lora={rank=2}}";
    let save = "roles.strong.model.save=true";
    let table = place
        .succeed(&[
            "run",
            "small.toml",
            "--out",
            "lora",
            "--set",
            lora,
            "--set",
            save,
        ])
        .stdout;
    assert!(table.contains("tiny with LoRA of rank 2"), "{table}");
    // What was saved is a model that a role can be bound to, with the tokenizer it came with.
    let config = place.read("lora/models/0-0/ceiling/config.json");
    assert!(config.contains("GPT2ForSequenceClassification"), "{config}");
    let saved = "roles.strong.model=\"lora/models/0-0/method/product/student\"";
    place.succeed(&[
        "run",
        "small.toml",
        "--out",
        "again",
        "--set",
        saved,
        "--quiet",
    ]);
}
