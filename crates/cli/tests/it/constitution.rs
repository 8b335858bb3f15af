//! Constitutional AI against a scripted server: faults, kills and wrong settings, by the real program.

use std::path::Path;
use std::time::Duration;

use trimtab_core::Seed;
use trimtab_llm_testkit::{Faults, JobScript, RequestView, Scripted, ScriptedServer};

use crate::workplace::Workplace;

const N_KILLS: usize = 20;

/// An assistant and a judge in one: replies grow shorter when they are revised, and the shorter reply is better.
fn script(view: &RequestView) -> Scripted {
    let last = view.last_message();
    if last.ends_with("Answer with A or B.") {
        let quoted = |tag: &str| {
            let from = last.split(&format!("<{tag}>\n")).nth(1).unwrap_or_default();
            from.split(&format!("\n</{tag}>"))
                .next()
                .unwrap_or_default()
                .len()
        };
        let p: f64 = match quoted("reply_a").cmp(&quoted("reply_b")) {
            std::cmp::Ordering::Less => 0.8,
            std::cmp::Ordering::Equal => 0.6,
            std::cmp::Ordering::Greater => 0.3,
        };
        return Scripted::tokens(&[&[("A", p), ("B", 0.95 - p), ("Well", 0.05)]]);
    }
    let seed = view.body["seed"].as_u64().unwrap_or_default();
    if last.contains("Write the new reply and nothing else") {
        return Scripted::text(format!("Better {}.", seed % 7));
    }
    if last.contains("Be specific. If there is nothing to name, say so.") {
        return Scripted::text("It could be shorter.");
    }
    Scripted::text(format!(
        "A reply{}.",
        " that goes on".repeat((seed % 5) as usize)
    ))
}

fn experiment(server: &ScriptedServer) -> String {
    format!(
        r#"
name = "constitution"
seeds = 2
[data]
set = "prompts.jsonl"
test = 4
[roles.assistant.model]
kind = "chat"
address = "openai:scripted@{}"
server = {{ first-delay-secs = 0.01, max-delay-secs = 0.05 }}
[[method]]
kind = "constitutional-ai"
supervised.n-rounds = 2
preference.n-pairs = 2
[[method.export]]
format = "trl-explicit"
[[method.export]]
format = "trl-prompt-completion"
"#,
        server.url()
    )
}

fn place(server: &ScriptedServer) -> Workplace {
    let place = Workplace::new();
    let prompts: Vec<String> = (0..16)
        .map(|i| format!("{{\"id\": \"q{i}\", \"prompt\": \"Question {i}?\"}}\n"))
        .collect();
    place.write("prompts.jsonl", prompts.concat());
    place.write("c.toml", experiment(server));
    place
}

/// Every file that a run makes out of its calls, by name.
fn made(place: &Workplace, run: &str) -> Vec<(String, String)> {
    place.files_of(run, &["constitutional-ai", "exports"], |path| {
        path.file_name().unwrap() != "done.json"
    })
}

#[test]
fn faults_and_kills_change_nothing() {
    let good = ScriptedServer::builder(script).start().unwrap();
    let place = place(&good);
    let said = place.succeed(&["run", "c.toml", "--out", "whole"]);
    assert!(
        said.stdout.contains("What became of the pairs"),
        "{}",
        said.stdout
    );
    let whole = made(&place, "whole");
    // For each seed: dialogues, training rows, replies, samples, pairs, two exports.
    assert_eq!(
        whole.len(),
        2 * 7,
        "{:?}",
        whole.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    let n_calls = place.n_calls_stored("whole");
    assert_eq!(good.log().n_answered(), n_calls);

    // Again: nothing is asked.
    place.succeed(&["run", "c.toml", "--quiet", "--out", "whole"]);
    assert_eq!(good.log().n_answered(), n_calls);

    // Four calls at a time, so that all of it takes longer than every kill together leaves.
    let bad = ScriptedServer::builder(script)
        .latency(Duration::from_millis(50))
        .faults(Faults::passing(0.3, Seed(5)))
        .start()
        .unwrap();
    let slow = "max-concurrency = 4, start-concurrency = 4, first-delay-secs";
    place.write("c.toml", experiment(&bad).replace("first-delay-secs", slow));
    let command = ["run", "c.toml", "--quiet", "--out", "cut"];
    place.kill_often(&command, N_KILLS, 30.0..150.0);
    place.succeed(&command);
    assert_eq!(place.n_calls_stored("cut"), n_calls);
    let cut = made(&place, "cut");
    let names = |files: &[(String, String)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&cut), names(&whole));
    for ((name, cut), (_, whole)) in cut.iter().zip(&whole) {
        assert_eq!(cut, whole, "{name}");
    }

    // From the store alone, without a server.
    drop(bad);
    std::fs::remove_dir_all(place.path("cut").join("constitutional-ai")).unwrap();
    place.succeed(&["run", "c.toml", "--quiet", "--out", "cut", "--replay"]);
    for ((name, cut), (_, whole)) in made(&place, "cut").iter().zip(&whole) {
        assert_eq!(cut, whole, "{name}");
    }
}

/// The experiment with its calls in batch jobs.
fn in_jobs(server: &ScriptedServer) -> String {
    let jobs = "batch-jobs = { poll-secs = 0.05, max-calls = 20 }, first-delay-secs";
    experiment(server).replace("first-delay-secs", jobs)
}

#[test]
fn batch_jobs_and_kills_while_they_are_open_change_nothing() {
    let direct = ScriptedServer::builder(script).start().unwrap();
    let place = place(&direct);
    place.succeed(&["run", "c.toml", "--quiet", "--out", "whole"]);
    let whole = made(&place, "whole");
    let n_calls = place.n_calls_stored("whole");

    let jobs = JobScript {
        n_looks: 3,
        n_errors: 1,
        ..JobScript::default()
    };
    let server = ScriptedServer::builder(script).jobs(jobs).start().unwrap();
    place.write("c.toml", in_jobs(&server));
    let command = ["run", "c.toml", "--out", "jobs"];
    for n_jobs in [0, 1, 3, 7] {
        // As soon as the server has made another job: its id is hardly stored, or not.
        let killed = place.kill_when(&command, || server.n_jobs() > n_jobs);
        assert!(killed, "the run ended with {} jobs", server.n_jobs());
    }
    let said = place.succeed(&command);
    let waits = "cells; openai:scripted, batch job batch_";
    assert!(said.stderr.contains(waits), "{}", said.stderr);
    assert!(said.stderr.contains(": 0 of "), "{}", said.stderr);
    assert_eq!(place.n_calls_stored("jobs"), n_calls);
    assert_eq!(server.log().n_answered(), n_calls);
    assert_eq!(server.log().n_answered_again(), 0);
    assert_eq!(made(&place, "jobs"), whole);
    // The log, which the live page shows, says how far each was, and says nothing twice in one process.
    let log = place.read("jobs/events.jsonl");
    let looks = || {
        log.lines()
            .filter(|line| line.contains(r#""event":"batch-job""#))
    };
    assert!(
        looks().any(|line| line.contains(r#""done":0,"of":"#)),
        "{log}"
    );
    let n_jobs = server.n_jobs();
    assert!(looks().count() <= 4 * (n_jobs + 5), "{n_jobs} jobs: {log}");
    // The report says which calls had the lower price.
    assert!(
        said.stdout.contains("reply, in batch jobs"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_dry_run_foretells_the_price_of_batch_jobs() {
    let server = ScriptedServer::builder(script).start().unwrap();
    let place = place(&server);
    place.write(
        "prices.toml",
        r#"
[[price]]
provider = "openai"
models = ["scripted"]
input = 1000.0
cached = 1000.0
output = 1000.0
batch-discount = 0.5
as-of = "2026-11-27"
"#,
    );
    let cost = |experiment: String| {
        let priced = "seeds = 2\n[calls]\nprices = \"prices.toml\"";
        place.write("c.toml", experiment.replace("seeds = 2", priced));
        let said = place.succeed(&["run", "c.toml", "--quiet", "--out", "dry", "--dry-run"]);
        let usd = said
            .stdout
            .lines()
            .nth(1)
            .unwrap()
            .rsplit('$')
            .next()
            .unwrap();
        usd.trim().parse::<f64>().unwrap()
    };
    let (direct, jobs) = (cost(experiment(&server)), cost(in_jobs(&server)));
    assert!((direct / jobs - 2.0).abs() < 0.01, "{direct} and {jobs}");
    assert_eq!(server.log().n_received(), 0);
}

#[test]
fn a_dry_run_asks_nothing_and_foretells_the_calls() {
    let server = ScriptedServer::builder(script).start().unwrap();
    let place = place(&server);
    let said = place.succeed(&["run", "c.toml", "--quiet", "--out", "dry", "--dry-run"]);
    assert_eq!(server.log().n_received(), 0);
    assert!(said.stdout.contains("openai:scripted"), "{}", said.stdout);
    place.succeed(&["run", "c.toml", "--quiet", "--out", "dry"]);
    // What is stored needs no call.
    let said = place.succeed(&["run", "c.toml", "--quiet", "--out", "dry", "--dry-run"]);
    assert_eq!(server.log().n_answered(), place.n_calls_stored("dry"));
    assert!(said.stdout.contains("openai:scripted"), "{}", said.stdout);
}

#[test]
fn a_row_says_why_it_is_as_it_is_and_can_be_exported() {
    let server = ScriptedServer::builder(script).start().unwrap();
    let place = place(&server);
    place.succeed(&["run", "c.toml", "--quiet", "--out", "runs/c"]);
    let exported = place
        .read("runs/c/exports/0-0-constitutional-ai/preferences.trl-explicit.conversational.jsonl");
    let row: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    let id = row["id"].as_str().unwrap();
    let why = place.succeed(&["label", "why", id]).stdout;
    for wanted in [id, "judge", "openai:scripted", "principle", "log"] {
        assert!(why.contains(wanted), "{wanted}: {why}");
    }
    assert!(why.lines().all(|line| line.chars().count() <= 80), "{why}");
    let dialogue = id.split('/').next().unwrap();
    let why = place
        .succeed(&["label", "why", &format!("{dialogue}/r2")])
        .stdout;
    assert!(
        why.contains("Critique 1") && why.contains("Revision 2"),
        "{why}"
    );
    let none = place.run(&["label", "why", "nothing/p9"]);
    assert_eq!(none.code, Some(1));

    let export = [
        "export",
        "runs/c",
        "--format",
        "openrlhf",
        "--out",
        "pairs.jsonl",
    ];
    place.succeed(&export);
    let checked = place.succeed(&["check", "pairs.jsonl"]).stdout;
    assert!(checked.contains(" rows"), "{checked}");
    let revisions = [
        "export",
        "runs/c",
        "--format",
        "trl-prompt-completion",
        "--what",
        "revisions",
        "--out",
        "sft.parquet",
    ];
    place.succeed(&revisions);
    assert!(place.path("sft.parquet").metadata().unwrap().len() > 100);
    let unknown = place.run(&["export", "runs/c", "--format", "x", "--out", "y"]);
    assert!(
        unknown.stderr.contains("trl-explicit"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn constitutions_are_shown_linted_and_imported() {
    let place = Workplace::new();
    let shown = place.succeed(&["constitution", "show"]).stdout;
    place.write(
        "mine.toml",
        shown.replace("version = 1", "version = 1\ncolour = 3"),
    );
    let said = place.run(&["constitution", "lint", "mine.toml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("colour"), "{}", said.stderr);
    place.write("mine.toml", &shown);
    place.succeed(&["constitution", "lint", "mine.toml"]);
    place.write(
        "old.json",
        r#"{"harmful0": {"prompt": ["\n\nCritiqueRequest: What is wrong here?\n\nCritique:"], "edit_request": "\n\nRevisionRequest: Mend it.\n\nRevision:"}}"#,
    );
    let imported = place
        .succeed(&["constitution", "import", "old.json"])
        .stdout;
    assert!(imported.contains("What is wrong here?"), "{imported}");
}

#[test]
fn what_is_wrong_with_a_server_is_said_at_the_edge() {
    let server = ScriptedServer::builder(script)
        .key("right")
        .models(["scripted"])
        .start()
        .unwrap();
    let place = place(&server);
    let failing = |set: &str| {
        let said = place.run(&["run", "c.toml", "--quiet", "--out", "bad", "--set", set]);
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        said.stderr
    };
    let no_key = failing("seeds=2");
    assert!(no_key.contains("401") || no_key.contains("key"), "{no_key}");
    assert!(no_key.contains("OPENAI_API_KEY"), "{no_key}");

    let closed = failing("roles.assistant.model.address=openai:x@http://127.0.0.1:9/v1");
    assert!(closed.contains("127.0.0.1:9"), "{closed}");

    let odd = failing("roles.assistant.model.address=openai:x@ftp://127.0.0.1/v1");
    assert!(odd.contains("http://HOST:PORT/v1"), "{odd}");

    let setting = failing("method.0.supervised.n-rounds=0");
    assert!(setting.contains("n-rounds"), "{setting}");
}

#[test]
fn a_key_is_written_nowhere() {
    let server = ScriptedServer::builder(script)
        .key("sk-very-secret")
        .start()
        .unwrap();
    let place = place(&server);
    let output = place
        .trimtab(&["run", "c.toml", "--out", "keyed"])
        .env("OPENAI_API_KEY", "sk-very-secret")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut pending = vec![place.root().to_owned()];
    let mut n_files = 0;
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            n_files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let is_there = bytes.windows(14).any(|window| window == b"sk-very-secret");
            assert!(!is_there, "{}", path.display());
        }
    }
    assert!(n_files > 10);
    for said in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(said).contains("sk-very-secret"));
    }
}

#[test]
fn the_organism_goes_through_every_stage_offline() {
    let place = Workplace::new();
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/constitutional-ai.toml");
    place.write("o.toml", std::fs::read(example).unwrap());
    let command = |out: &'static str| {
        let mut command = vec!["run", "o.toml", "--out", out];
        for set in [
            "seeds=1",
            "data.limit=24",
            "data.test=8",
            "method.0.tune.train.epochs=1",
        ] {
            command.extend(["--set", set]);
        }
        command
    };
    let said = place.run(&command("o"));
    if said.lacks_networks("the_organism_goes_through_every_stage_offline") {
        return;
    }
    for stage in [
        "first replies",
        "revision 3",
        "held out, tuned",
        "right, by gold",
    ] {
        assert!(said.stdout.contains(stage), "{stage}: {}", said.stdout);
    }
    // The same seed makes the same files, and what is done is not done again.
    place.succeed(&command("again"));
    assert_eq!(made(&place, "o"), made(&place, "again"));
    let before = place.n_calls_stored("o");
    place.succeed(&command("o"));
    assert_eq!(place.n_calls_stored("o"), before);
}
