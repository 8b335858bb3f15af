//! An assistant in this process learns from trees and is amplified again: iterations, floor and ceiling, by the real program.
//!
//! The program may have been built without networks (the cargo feature `networks`, which `cargo test --workspace` turns on).

use trimtab_llm_testkit::ScriptedServer;
use trimtab_llm_testkit::amplify::amplify;

use crate::workplace::Workplace;

#[test]
fn an_assistant_learns_from_trees_and_is_amplified_again() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let place = Workplace::new();
    place.write(
        "distil.toml",
        format!(
            r#"
name = "distil"
seeds = 1
[data]
set = "builtin:expressions"
limit = 16
test = 6
[roles]
expert.model = "openai:scripted@{}"
assistant.model = "organism"
[[method]]
kind = "iterated-amplification"
name = "twice"
depth = 2
iterations = 2
ceiling = "supervised"
taught = "all"
tree.answer.max-tokens = 8
tune.train.epochs = 1
"#,
            server.url()
        ),
    );
    let said = place.run(&["run", "distil.toml"]);
    if said.lacks_networks("an_assistant_learns_from_trees_and_is_amplified_again") {
        return;
    }
    let cell = "runs/distil/amplification/0-0-twice";
    for file in [
        "expert",
        "alone-0",
        "amplified-0",
        "training-0",
        "rows-0",
        "alone-1",
        "amplified-1",
        "supervised",
        "held-out",
    ] {
        let lines = place.read(&format!("{cell}/{file}.jsonl")).lines().count();
        let wanted = if file == "training-0" { 10 } else { 6 };
        if file == "rows-0" {
            assert!(lines > 6, "what is taught: {lines} rows");
        } else {
            assert_eq!(lines, wanted, "{file}");
        }
    }
    let done = place.read(&format!("{cell}/done.json"));
    assert!(
        done.contains("distilled-1") && done.contains("supervised"),
        "{done}"
    );
    assert!(
        place
            .root()
            .join("runs/distil/models/0-0-twice/distilled-1/model.safetensors")
            .exists()
    );

    // What is done is not done again, and another run makes the same files.
    let n_calls = server.log().n_received();
    place.succeed(&["run", "distil.toml"]);
    assert_eq!(server.log().n_received(), n_calls);
    place.succeed(&["run", "distil.toml", "--out", "again"]);
    let made = |run: &str| {
        place.files_of(run, &["amplification"], |path| {
            path.file_name().unwrap() != "done.json"
        })
    };
    assert_eq!(made("runs/distil"), made("again"));
}
