//! `trimtab activations`: from a checkpoint and labelled texts to what a probe finds, and what is refused.

use std::fmt::Write as _;
use std::path::Path;

use crate::workplace::Workplace;

/// Texts in two groups and controls. The label is whether an animal is named; the last token is always the same.
fn texts(n_each: usize) -> String {
    let places = ["athens", "beijing", "cairo", "lisbon", "madrid"];
    let [animals, things] = [
        ["cat", "dog", "bear", "horse"],
        ["car", "chair", "bread", "lake"],
    ];
    let openings = ["do you know", "tell me about", "what is"];
    let groups = ["known", "told", "control"];
    let mut rows = String::new();
    for (group, opening) in groups.into_iter().zip(openings) {
        for at in 0..2 * n_each {
            let label = group != "control" && at % 2 == 0;
            let nouns = if label { animals } else { things };
            let (noun, place) = (nouns[at / 2 % 4], places[at / 2 % 5]);
            let pair = at / 2;
            writeln!(
                rows,
                r#"{{"text": "{opening} a {noun} in {place} ?", "label": {label}, "group": "{group}", "pair": {pair}}}"#
            )
            .unwrap();
        }
    }
    rows
}

const PROBES: &str = r#"
name = "probes"
seeds = 2

[[method]]
kind = "safeguard"
approach = { kind = "probes", false-positive-rate = 0.1 }
on = { kind = "activations", path = "states" }
"#;

const WRITE: [&str; 5] = ["activations", "organism", "texts.jsonl", "--out", "states"];

/// The organism that comes with trimtab, and texts for it; none where the program has no networks.
fn place(test: &str) -> Option<Workplace> {
    let place = Workplace::new();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/organism");
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        place.write(
            &format!("organism/{name}"),
            std::fs::read(model.join(name)).unwrap(),
        );
    }
    place.write("texts.jsonl", texts(30));
    place.write("probes.toml", PROBES);
    let said = place.run(&WRITE);
    (!said.lacks_networks(test)).then_some(place)
}

#[test]
fn a_probe_finds_in_a_checkpoint_what_its_texts_are_labelled_by() {
    let Some(place) = place("a_probe_finds_in_a_checkpoint_what_its_texts_are_labelled_by") else {
        return;
    };
    for (tokens, layers, n_rows) in [
        ("last", "1,2,4", 180),
        ("mean", "all", 180),
        ("all", "all", 1_380),
    ] {
        let said = place.succeed(&[&WRITE[..], &["--tokens", tokens, "--layers", layers]].concat());
        let names = layers.replace(',', ", ").replace("all", "0, 1, 2, 3, 4");
        assert_eq!(
            said.stdout,
            format!("states: 180 spans, {n_rows} rows of 128 numbers in layers {names}\n")
        );
        let run = format!("runs/{tokens}");
        place.succeed(&["run", "probes.toml", "--quiet", "--out", &run]);
        let trials = place.files_of(&run, &["stages"], |path| path.ends_with("trial.json"));
        assert_eq!(trials.len(), 2);
        for (_, trial) in trials {
            let trial: serde_json::Value = serde_json::from_str(&trial).unwrap();
            let auroc = trial["figures"][0]["with"]["value"].as_f64().unwrap();
            assert!(auroc > 0.8, "{tokens}: {auroc}");
        }
    }
}

#[test]
fn spans_are_parts_of_texts_and_batches_have_no_part_in_states() {
    let Some(place) = place("spans_are_parts_of_texts_and_batches_have_no_part_in_states") else {
        return;
    };
    // Characters 14 to 17 are `cat`; a span's last token is its own.
    place.write(
        "texts.jsonl",
        "{\"text\": \"do you know a cat\", \"label\": true}\n\
         {\"text\": \"do you know a cat in cairo ?\", \"label\": true, \"span\": [14, 17]}\n",
    );
    let states = |more: &[&str]| {
        place.succeed(&[&WRITE[..], more].concat());
        std::fs::read(place.path("states/activations.safetensors")).unwrap()
    };
    let one = states(&["--batch-size", "1", "--layers", "3"]);
    let rows: Vec<f32> = (one[one.len() - 2 * 128 * 4..].as_chunks::<4>().0.iter())
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let apart = (rows[..128].iter().zip(&rows[128..])).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0_f32, f32::max) < 1e-4);
    assert!(
        place
            .read("states/spans.jsonl")
            .contains("\"text\":\"cat\"")
    );
    assert_eq!(states(&["--layers", "3"]).len(), one.len());
}

#[test]
fn what_cannot_be_written_is_named() {
    let Some(place) = place("what_cannot_be_written_is_named") else {
        return;
    };
    let refused = |more: &[&str]| place.refuse(&[&WRITE[..], more].concat());
    let said = refused(&["--layers", "2,9"]);
    assert!(
        said.contains("there is no layer 9: organism has 0 (the embeddings) to 4"),
        "{said}"
    );
    let said = refused(&["--layers", "first"]);
    assert!(said.contains("all, or numbers: 0,3,6"), "{said}");
    let said = refused(&["--device", "gpu"]);
    assert!(said.contains("no device is called"), "{said}");
    let said = place.refuse(&["activations", "states", "texts.jsonl", "--out", "x"]);
    assert!(said.contains("config.json"), "{said}");
    let said = place.refuse(&["activations", "nowhere", "texts.jsonl", "--out", "x"]);
    assert!(said.contains("nowhere is not a checkpoint"), "{said}");
    assert!(!place.path("x").exists());

    place.write("texts.jsonl", "{\"text\": \"a cat\"}\n");
    let said = refused(&[]);
    assert!(said.contains("line 1") && said.contains("label"), "{said}");
    let long = "cat ".repeat(600);
    place.write(
        "texts.jsonl",
        format!("{{\"text\": \"{long}\", \"label\": true, \"id\": \"long\"}}\n"),
    );
    let said = refused(&[]);
    assert!(
        said.contains("\"long\"") && said.contains("600 tokens"),
        "{said}"
    );
    assert!(said.contains("--too-long"), "{said}");
    let said = place.succeed(&[&WRITE[..], &["--too-long", "keep-end"]].concat());
    assert!(said.stdout.contains("and were cut: 1"), "{}", said.stdout);
    place.write(
        "texts.jsonl",
        format!("{{\"text\": \"{long}\", \"label\": true, \"id\": \"long\", \"span\": [0, 7]}}\n"),
    );
    let said = refused(&["--too-long", "keep-end"]);
    assert!(said.contains("88 tokens that were cut off"), "{said}");
    place.write("texts.jsonl", "{\"text\": \"  \", \"label\": true}\n");
    let said = refused(&[]);
    assert!(said.contains("no token is of its text"), "{said}");

    // A folder whose writing was broken off is not read.
    std::fs::rename(
        place.path("states/activations.safetensors"),
        place.path("states/activations.safetensors.partial"),
    )
    .unwrap();
    let said = place.refuse(&["run", "probes.toml"]);
    assert!(said.contains("is not finished"), "{said}");
}
