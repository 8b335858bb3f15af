//! Iterated amplification against a scripted server whose expert and assistant know the answer tree: figures, faults, kills and
//! wrong settings, by the real program.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use trimtab_core::Seed;
use trimtab_llm_testkit::amplify::{amplify, value_of};
use trimtab_llm_testkit::{Faults, RequestView, Scripted, ScriptedServer};

use crate::workplace::{Workplace, say};

const N_KILLS: usize = 10;

const DEEP: &str = r#"
[[method]]
depth = 3
[[method.export]]
format = "trl-prompt-completion"
"#;

const METHODS: &str = r#"
[[method]]
depth = 3
tree.most-questions = 12
taught = "all"
[[method.export]]
format = "trl-prompt-completion"
[[method]]
depth = 1
[[method]]
depth = 2
tree.decomposition = "in-turn"
tree.most-tokens = 600
"#;

fn experiment(server: &ScriptedServer, methods: &str) -> String {
    let model = format!(
        "kind = \"chat\"\naddress = \"openai:scripted@{}\"\nserver = {{ first-delay-secs = 0.01, max-delay-secs = 0.05 }}",
        server.url()
    );
    format!(
        r#"
name = "amplify"
seeds = 2
[data]
set = "builtin:expressions"
limit = 60
test = 40
[roles.expert.model]
{model}
[roles.assistant.model]
{model}
[every-method]
kind = "iterated-amplification"
{methods}
[report]
resamples = 400
"#
    )
}

fn place(server: &ScriptedServer, methods: &str) -> Workplace {
    let place = Workplace::new();
    place.write("amplify.toml", experiment(server, methods));
    place
}

/// Every file that a run makes out of its calls, by name.
fn made(place: &Workplace, run: &str) -> Vec<(String, String)> {
    place.files_of(run, &["amplification", "exports"], |path| {
        path.file_name().unwrap() != "done.json"
    })
}

fn lines(place: &Workplace, file: &str) -> Vec<Value> {
    (place.read(file).lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Estimates of the report by section, row and column.
fn figures(csv: &str) -> BTreeMap<[String; 3], String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    (reader.records())
        .map(|row| {
            let row = row.unwrap();
            let key = [0, 1, 2].map(|i| row[i].to_owned());
            (key, row[3].to_owned())
        })
        .collect()
}

#[test]
fn the_report_has_the_exact_figures() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let place = place(&server, METHODS);
    let said = place.succeed(&["run", "amplify.toml"]);
    insta::assert_snapshot!(said.stdout);

    // Counted anew, by hand, from what is in the folder.
    let csv = place.succeed(&["report", "runs/amplify", "--format", "csv"]);
    let figures = figures(&csv.stdout);
    let figure = |section: &str, row: &str, column: &str| -> f64 {
        let key = [section, row, column].map(str::to_owned);
        figures[&key].parse().unwrap()
    };
    let (mut n, mut right, mut answered, mut calls) = (0, 0, 0, 0);
    for seed in 0..2 {
        let folder = format!("runs/amplify/amplification/0-{seed}-amplified_at_once__depth_1");
        for row in lines(&place, &format!("{folder}/amplified-0.jsonl")) {
            let tree = &row["tree"];
            let question = tree["question"].as_str().unwrap();
            let answer = tree["answer"]["answer"]["answer"].as_str();
            n += 1;
            answered += usize::from(answer.is_some());
            let value = value_of(question).unwrap().to_string();
            right += usize::from(answer == Some(&value));
            let children = tree["children"].as_array();
            calls += tree["calls"].as_u64().unwrap();
            for child in children.into_iter().flatten() {
                calls += child["calls"].as_u64().unwrap();
                assert!(child.get("children").is_none(), "deeper than asked");
            }
        }
    }
    assert_eq!(n, 80);
    let row = "amplified at once, depth 1";
    assert_eq!(figure("accuracy", row, "Accuracy"), right as f64 / 80.0);
    assert_eq!(figure("accuracy", row, "Answered"), answered as f64 / 80.0);
    assert_eq!(figure("accuracy", row, "Calls"), calls as f64 / 80.0);

    // A union bound is one.
    let bounded = (figures.iter())
        .filter(|([section, _, column], _)| section == "failures" && column == "Bound");
    let mut n_bounded = 0;
    for ([section, row, _], bound) in bounded {
        if let Ok(bound) = bound.parse::<f64>() {
            n_bounded += 1;
            assert!(figure(section, row, "Error") <= bound + 1e-12, "{row}");
        }
    }
    assert!(n_bounded >= 3);
}

#[test]
fn every_form_of_the_report_says_the_same() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let place = place(&server, DEEP);
    place.succeed(&["run", "amplify.toml", "--quiet"]);
    let form = |format: &str| {
        let said = place.succeed(&["report", "runs/amplify", "--format", format]);
        said.stdout
    };
    let json: Value = serde_json::from_str(&form("json")).unwrap();
    let sections = json["sections"].as_array().unwrap();
    let titles: Vec<&str> = sections
        .iter()
        .map(|section| section["title"].as_str().unwrap())
        .collect();
    assert!(titles.len() >= 9, "{titles:?}");
    let (terminal, markdown, html) = (form("terminal"), form("md"), form("html"));
    for title in &titles {
        for text in [&terminal, &markdown, &html] {
            assert!(text.contains(title), "{title}\n{text}");
        }
    }
    // A tree keeps its shape in each.
    for text in [&terminal, &markdown, &html] {
        assert!(text.contains("└\u{a0}What is "), "{text}");
        assert!(text.contains("\u{a0}\u{a0}└\u{a0}What is "), "{text}");
    }
    let n_cells: usize = sections
        .iter()
        .map(|section| {
            let rows = section["table"]["rows"].as_array().unwrap();
            let cells = rows
                .iter()
                .map(|row| row["cells"].as_array().unwrap().len());
            cells.sum::<usize>()
        })
        .sum();
    // CSV has a line a cell, and one of names.
    let mut reader = csv::Reader::from_reader(form("csv").into_bytes().leak() as &[u8]);
    assert_eq!(reader.records().count(), n_cells);
    assert_eq!(html, place.read("runs/amplify/report.html"));
}

#[test]
fn nothing_is_asked_twice_and_nothing_depends_on_the_process() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let place = place(&server, METHODS);
    let dry = place.succeed(&["run", "amplify.toml", "--dry-run"]);
    assert_eq!(server.log().n_received(), 0);
    assert!(dry.stdout.contains("openai:scripted"), "{}", dry.stdout);
    assert!(!place.path("runs/amplify/amplification").exists());
    place.succeed(&["run", "amplify.toml", "--quiet"]);
    let n_asked = server.log().n_received();
    let before = made(&place, "runs/amplify");
    // Methods share what they have in common, and a run that is finished asks for nothing.
    place.succeed(&["run", "amplify.toml", "--quiet"]);
    place.succeed(&["run", "amplify.toml", "--quiet", "--replay"]);
    assert_eq!(server.log().n_received(), n_asked);
    assert_eq!(made(&place, "runs/amplify"), before);
    // From the store alone, as if nothing were finished.
    std::fs::remove_dir_all(place.path("runs/amplify/amplification")).unwrap();
    std::fs::remove_dir_all(place.path("runs/amplify/exports")).unwrap();
    place.succeed(&["run", "amplify.toml", "--quiet", "--replay"]);
    assert_eq!(server.log().n_received(), n_asked);
    assert_eq!(made(&place, "runs/amplify"), before);
    // From a server, elsewhere.
    place.succeed(&["run", "amplify.toml", "--quiet", "--out", "runs/again"]);
    assert_eq!(made(&place, "runs/again"), before);
}

#[test]
fn a_dry_run_foretells_the_largest_trees() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let place = place(&server, "[[method]]\ntree.most-sub-questions = 2\n");
    let one_seed = ["--set", "seeds=1", "--set", "data.test=10"];
    let dry = [&["run", "amplify.toml", "--dry-run"][..], &one_seed].concat();
    let said = place.succeed(&dry);
    // Ten problems: an answer at once, which the expert and the assistant share, for they are one model here; two calls to decompose
    // and compose; and two sub-questions.
    let forecast = said.stdout.lines().nth(1).unwrap();
    let words: Vec<&str> = forecast.split_whitespace().collect();
    assert_eq!(
        words[..4],
        ["openai:scripted", "50", "0", "10"],
        "{forecast}"
    );
    let real = [&["run", "amplify.toml", "--quiet"][..], &one_seed].concat();
    place.succeed(&real);
    let n_asked = server.log().n_received();
    assert!(n_asked > 20 && n_asked <= 50, "{n_asked}");
}

#[test]
fn faults_and_kills_change_nothing() {
    let good = ScriptedServer::builder(amplify).start().unwrap();
    let place = place(&good, DEEP);
    place.succeed(&["run", "amplify.toml", "--quiet", "--out", "whole"]);
    let whole = made(&place, "whole");
    // The key; for each seed held-out problems, four kinds of trees, rows, and an export.
    assert_eq!(
        whole.len(),
        1 + 2 * 7,
        "{:?}",
        whole.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    let n_calls = place.n_calls_stored("whole");
    assert_eq!(good.log().n_answered(), n_calls);

    // Four calls at a time, so that all of it takes longer than every kill together leaves.
    let bad = ScriptedServer::builder(amplify)
        .latency(Duration::from_millis(20))
        .faults(Faults::passing(0.3, Seed(5)))
        .start()
        .unwrap();
    let slow = "max-concurrency = 4, start-concurrency = 4, first-delay-secs";
    let text = experiment(&bad, DEEP).replace("first-delay-secs", slow);
    place.write("amplify.toml", text);
    let command = ["run", "amplify.toml", "--quiet", "--out", "cut"];
    place.kill_often(&command, N_KILLS, 50.0..300.0);
    let n_before = bad.log().n_answered();
    assert!(n_before < n_calls, "killed after everything was answered");
    place.succeed(&command);
    assert_eq!(place.n_calls_stored("cut"), n_calls);
    // What was stored is never asked again. A kill loses the four calls on their way, and answers of the last 50 ms, which the store
    // holds back: three times four of them.
    let n_lost = bad.log().n_answered() - n_calls;
    say(&format!(
        "{n_lost} of {n_calls} answers were lost and asked again"
    ));
    assert!(
        n_lost <= (4 + 3 * 4) * N_KILLS,
        "{n_lost} answers were lost"
    );
    let cut = made(&place, "cut");
    assert_eq!(cut.len(), whole.len());
    for ((name, cut), (of_whole, whole)) in cut.iter().zip(&whole) {
        assert_eq!((name, cut), (of_whole, whole));
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let refused = |methods: &str, changes: &[(&str, &str)], wanted: &str| {
        let place = Workplace::new();
        let mut text = experiment(&server, methods);
        for (from, to) in changes {
            assert!(text.contains(from), "{from}: nothing to change");
            text = text.replacen(from, to, 1);
        }
        place.write("amplify.toml", text);
        place.write(
            "choices.jsonl",
            "{\"question\": \"Q\", \"answers\": [\"a\", \"b\"], \"answer\": 0}\n",
        );
        place.write("open.jsonl", "{\"question\": \"Q\", \"answer\": \"\"}\n");
        let error = place.refuse(&["run", "amplify.toml"]);
        let words = error.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(wanted), "{error}");
        assert_eq!(server.log().n_received(), 0, "{wanted}");
    };
    refused("[[method]]\ndepth = 0\n", &[], "depth");
    refused("[[method]]\ndepth = 17\n", &[], "1 to 16");
    refused("[[method]]\ndepht = 2\n", &[], "depht");
    refused("[[method]]\niterations = 0\n", &[], "iterations");
    refused("[[method]]\ntree.most-question = 2\n", &[], "most-question");
    refused(
        "[[method]]\ntree.most-sub-questions = 0\n",
        &[],
        "tree.most-sub-questions",
    );
    refused(
        "[[method]]\ntree.answer.temperature = 3\n",
        &[],
        "tree.answer.temperature",
    );
    refused("[[method]]\nexpert = \"exprt\"\n", &[], "`exprt`");
    refused(
        "[[method]]\n",
        &[("[roles.assistant.model]", "[roles.assistent.model]")],
        "`assistant`",
    );
    refused(
        "[[method]]\n[[method.export]]\nformat = \"trl-explicit\"\n",
        &[],
        "demonstrations",
    );
    let set = "builtin:expressions";
    let no_problems = "question` and `answer`";
    refused(
        "[[method]]\n",
        &[(set, "builtin:rotten-tomatoes")],
        no_problems,
    );
    refused("[[method]]\n", &[(set, "choices.jsonl")], no_problems);
    refused("[[method]]\n", &[(set, "open.jsonl")], "line 1");
    // A server's model cannot be taught here, and is not asked first.
    let tuned = "cannot be tuned here";
    refused("[[method]]\niterations = 2\n", &[], tuned);
    refused("[[method]]\nceiling = \"supervised\"\n", &[], tuned);
    refused(
        "[[method]]\n[[method]]\nname = \"x\"\niterations = 2\n",
        &[],
        "iterations = 1",
    );
}

#[test]
fn a_question_that_nobody_answers_ends_in_a_report() {
    // Every call fails: servers that are there and say nothing of use.
    let server = ScriptedServer::builder(|_| Scripted::text(""))
        .start()
        .unwrap();
    let place = place(&server, "[[method]]\n");
    let said = place.succeed(&["run", "amplify.toml", "--set", "data.test=4"]);
    assert!(
        said.stdout.contains("Why questions have no answer"),
        "{}",
        said.stdout
    );
    let csv = place.succeed(&["report", "runs/amplify", "--format", "csv"]);
    let figures = figures(&csv.stdout);
    for row in ["expert alone", "assistant alone", "amplified"] {
        let figure = |column: &str| &*figures[&["accuracy", row, column].map(str::to_owned)];
        assert_eq!(
            (figure("Accuracy"), figure("Answered")),
            ("0", "0"),
            "{row}"
        );
    }
}

#[test]
fn what_the_assistant_learns_is_exported() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let place = place(&server, METHODS);
    place.succeed(&["run", "amplify.toml", "--quiet"]);
    let export = |more: &[&str]| {
        let command = [
            "export",
            "runs/amplify",
            "--what",
            "distilled",
            "--format",
            "trl-prompt-completion",
            "--out",
            "rows.jsonl",
        ];
        let said = place.succeed(&[&command, more].concat());
        (said.stderr, lines(&place, "rows.jsonl"))
    };
    let (said, rows) = export(&[]);
    assert!(said.contains("rows: rows.jsonl"), "{said}");
    let n_distilled: usize = [0, 1]
        .map(|seed| {
            let folder = format!("runs/amplify/amplification/0-{seed}-amplified_at_once__depth_3");
            lines(&place, &format!("{folder}/rows-0.jsonl")).len()
        })
        .iter()
        .sum();
    assert_eq!(rows.len(), n_distilled);
    assert!(n_distilled > 40, "{n_distilled}");
    let completion = rows[0]["completion"][0]["content"].as_str().unwrap();
    assert!(completion.starts_with("Answer: "), "{completion}");
    let (_, of_seed) = export(&["--seed", "1", "--iteration", "1"]);
    assert!(!of_seed.is_empty() && of_seed.len() < rows.len());
    let (_, none) = export(&["--iteration", "2"]);
    assert!(none.is_empty());
    // Its own file says the same.
    let own = place.read(
        "runs/amplify/exports/0-1-amplified_at_once__depth_3/distilled-0.trl-prompt-completion.conversational.jsonl",
    );
    assert_eq!(own.lines().count(), of_seed.len());
}

/// Decomposes as it can, and chooses the letter of what the text comes to.
fn judge(view: &RequestView) -> Scripted {
    let last = view.last_message();
    if !last.contains("Answer with the letter alone") {
        return amplify(view);
    }
    let from = &last[last.find("What is (").unwrap()..];
    let question = &from[..=from.find('?').unwrap()];
    let value = value_of(question).unwrap();
    let is_a = last.contains(&format!("A. {value}\n"));
    let p = if is_a { 0.9 } else { 0.05 };
    Scripted::tokens(&[&[("A", p), ("B", 0.95 - p)]])
}

#[test]
fn an_amplified_model_supervises_a_student() {
    let server = ScriptedServer::builder(judge).start().unwrap();
    let place = Workplace::new();
    let url = server.url();
    // Two values in many guises.
    let rows: Vec<String> = (0..120)
        .map(|i| {
            let value = [12, 15][i % 2];
            let (a, b) = (i + 1, 20 + i % 7);
            let c = a + b - value;
            let feature = [-1.0, 1.0][i % 2];
            format!(
                "{{\"id\": \"q{i}\", \"text\": \"What is ({a} + {b}) − {c}?\", \"label\": \"{value}\", \"features\": [{feature}, {}]}}\n",
                i % 5,
            )
        })
        .collect();
    place.write("sums.jsonl", rows.concat());
    place.write(
        "w2s.toml",
        format!(
            r#"
name = "w2s"
seeds = 1
[data]
set = "sums.jsonl"
test = 30
[roles]
weak.model = "bag-of-words"
strong.model = "features"
chat.model = "openai:scripted@{url}"
[supervisor.amplified]
kind = "amplified"
of = "chat"
depth = 2
[every-method]
kind = "weak-to-strong"
[[method]]
name = "from amplified"
supervisor = "amplified"
"#
        ),
    );
    let said = place.succeed(&["run", "w2s.toml"]);
    assert!(said.stdout.contains("from amplified"), "{}", said.stdout);
    // The judge knows, and its letters are the labels that they stand for: what learns from those is right.
    let csv = place
        .succeed(&["report", "runs/w2s", "--format", "csv"])
        .stdout;
    let student = "sums.jsonl,from amplified,student,accuracy,1,";
    assert!(csv.contains(student), "{csv}");
    let n_asked = server.log().n_received();
    assert!(n_asked > 100, "{n_asked}");
    place.succeed(&["run", "w2s.toml", "--replay", "--out", "runs/w2s"]);
    assert_eq!(server.log().n_received(), n_asked);
    let bad = place
        .read("w2s.toml")
        .replace("of = \"chat\"", "of = \"chta\"");
    place.write("bad.toml", bad);
    let error = place.refuse(&["run", "bad.toml"]);
    assert!(error.contains("`chta`"), "{error}");
}
