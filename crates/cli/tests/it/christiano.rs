//! `trimtab reproduce christiano2018` at its smallest scale.

use serde_json::Value;

use crate::workplace::Workplace;

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["reproduce", "christiano2018", "--scale", "tiny", "--quiet"];
    arguments.extend(more);
    arguments
}

/// What was measured in a training, without the time that it took.
fn measured(place: &Workplace, file: &str) -> Vec<Value> {
    (place.read(file).lines().skip(1))
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            row["evaluation"].clone()
        })
        .collect()
}

#[test]
fn arms_are_trained_once_and_reported_beside_each_other() {
    let place = Workplace::new();
    let arms = [
        "--arms",
        "supervised,amplified-predictor,unamplified",
        "--steps",
        "200",
        "--out",
        "one",
    ];
    let said = place.succeed(&with(&arms));
    for words in [
        "supervised",
        "amplified, predicted expert",
        "not amplified",
        "k of 2 bits",
        "PGR",
        "the amplification gap",
        "what it took",
    ] {
        assert!(
            said.stdout.contains(words),
            "no {words:?} in\n{}",
            said.stdout
        );
    }
    assert!(
        said.stdout.lines().all(|line| line.chars().count() <= 80),
        "{}",
        said.stdout
    );
    let page = place.read("one/report.html");
    assert!(page.contains("who learns what") && page.contains("<svg"));
    let file = "one/permutation-powering-supervised-0.jsonl";
    let before = place.read(file);
    // Nothing is trained twice, and another study is added to what is there.
    let csv = [&arms[..], &["--studies", "arms,errors", "--format", "csv"]].concat();
    let again = place.succeed(&with(&csv));
    assert_eq!(place.read(file), before);
    assert!(
        again.stdout.contains("permutation-powering-errors,"),
        "{}",
        again.stdout
    );
    assert!(again.stdout.contains("propagation,"), "{}", again.stdout);
}

#[test]
fn a_killed_training_goes_on_to_the_same_figures() {
    let place = Workplace::new();
    let arguments = |out| with(&["--arms", "amplified-predictor", "--out", out]);
    let file = "permutation-powering-amplified-predictor-0.jsonl";
    place.succeed(&arguments("whole"));
    let whole = measured(&place, &format!("whole/{file}"));
    assert_eq!(whole.len(), 4);
    // The head of the file, and a line for everything that was measured.
    let n_lines = || {
        let text = std::fs::read_to_string(place.path(&format!("cut/{file}")));
        text.map_or(0, |text| text.lines().count())
    };
    let mut n_midway = 0;
    for n_measured in 0..4 {
        let was_at_work = place.kill_when(&arguments("cut"), || n_lines() > n_measured);
        n_midway += usize::from(was_at_work && n_lines() > 1);
    }
    assert!(
        n_midway > 0,
        "no kill hit a training that had measured something"
    );
    place.succeed(&arguments("cut"));
    assert_eq!(measured(&place, &format!("cut/{file}")), whole);
    assert!(
        !place
            .path("cut/permutation-powering-amplified-predictor-0.safetensors")
            .exists()
    );
}

#[test]
fn what_cannot_be_is_said() {
    let place = Workplace::new();
    let quick = ["--arms", "unamplified", "--steps", "10", "--out", "one"];
    place.succeed(&with(&quick));
    let error = place.refuse(&with(&[
        "--arms",
        "unamplified",
        "--steps",
        "20",
        "--out",
        "one",
    ]));
    assert!(
        error.contains("other settings") && error.contains("--out"),
        "{error}"
    );
    let small = [
        "reproduce",
        "christiano2018",
        "--scale",
        "small",
        "--quiet",
        "--out",
        "one",
    ];
    let error = place.refuse(&small);
    assert!(
        error.contains("scale was \"tiny\" and is \"small\""),
        "{error}"
    );
    let error = place.refuse(&with(&["--steps", "0", "--out", "two"]));
    assert!(error.contains("steps is 0"), "{error}");
    for (set, said) in [
        ("task.bits=9", "bits"),
        ("task.size=3", "size"),
        ("learner.width=30", "learner"),
        ("bits", "it has no `=`"),
    ] {
        let error = place.refuse(&with(&["--set", set, "--out", "two"]));
        assert!(error.contains(said), "{set}: {error}");
    }
    place.write("one/permutation-powering-unamplified-0.jsonl", "{}\n");
    let error = place.refuse(&with(&quick));
    assert!(
        error.contains("line 1") && error.contains("begins again"),
        "{error}"
    );
}

#[test]
fn sizes_are_settings() {
    let place = Workplace::new();
    place.succeed(&with(&[
        "--arms",
        "unamplified",
        "--steps",
        "10",
        "--set",
        "task.bits=3",
        "--set",
        "task.elements=6",
        "--out",
        "sizes",
    ]));
    let rows = place.read("sizes/permutation-powering-unamplified-0.jsonl");
    assert!(
        rows.contains("\"bits\":3") && rows.contains("\"elements\":6"),
        "{rows}"
    );
}
