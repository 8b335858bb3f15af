//! Debates against a scripted server: every protocol, faults, kills and wrong settings, by the real program.

use std::path::Path;
use std::time::{Duration, Instant};

use trimtab_core::Seed;
use trimtab_llm_testkit::{Faults, RequestView, Scripted, ScriptedServer, debate::debate};

use crate::material::Stream;
use crate::workplace::{Workplace, say};

const N_KILLS: usize = 12;

fn experiment(server: &ScriptedServer, methods: &str) -> String {
    let model = format!(
        "kind = \"chat\"\naddress = \"openai:scripted@{}\"\nserver = {{ first-delay-secs = 0.01, max-delay-secs = 0.05 }}",
        server.url()
    );
    format!(
        r#"
name = "debate"
seeds = 1
[data]
set = "builtin:reading"
limit = 12
[roles.debater.model]
{model}
[roles.judge.model]
{model}
[every-method]
kind = "debate"
{methods}
"#
    )
}

const METHODS: &str = r#"
[[method]]
protocol = "naive"
[[method]]
protocol = "expert"
[[method]]
protocol = "consultancy"
[[method]]
protocol = "double-consultancy"
[[method]]
protocol = "open-consultancy"
[[method]]
protocol = "debate"
judging.beliefs = "every-round"
[[method]]
name = "debate in turn, the judge asks"
protocol = "debate"
turns = "sequential"
judge-asks = "every-round"
judges = ["judge", "trained"]
[[method]]
name = "debate, best of 2"
protocol = "debate"
speech.best-of = 2
[[method]]
protocol = "open-debate"
[[method]]
protocol = "propaganda"
[[method]]
protocol = "critique"
[[method]]
name = "controls"
protocol = "naive"
judges = ["random", "oracle", "trained"]
"#;

fn place(server: &ScriptedServer, methods: &str) -> Workplace {
    let place = Workplace::new();
    place.write("debate.toml", experiment(server, methods));
    place
}

/// Every file that a run makes out of its calls, by name.
fn made(place: &Workplace, run: &str) -> Vec<(String, String)> {
    place.files_of(run, &["debates"], |path| {
        path.file_name().unwrap() != "done.json"
    })
}

#[test]
fn every_protocol_runs_and_is_reported() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let place = place(&server, METHODS);
    let said = place.succeed(&["run", "debate.toml"]);
    for section in [
        "How often the judge is right",
        "When the speaker is right, and when it is wrong",
        "What the judge is talked into",
        "What the judge believes, round by round",
        "Whether the judge knows how sure it may be",
        "What the protocol rewards",
        "Whether the places of the answers matter",
        "What is said",
        "Protocols",
        "Calls",
    ] {
        assert!(said.stdout.contains(section), "{section}\n{}", said.stdout);
    }
    let oracle = (said.stdout.lines()).find(|line| line.starts_with("controls, oracle"));
    assert!(oracle.unwrap().contains("100.0%"), "{}", said.stdout);
    for of in [
        "controls, trained",
        "debate in turn, the judge asks, trained",
    ] {
        assert!(said.stdout.contains(of), "{of}: {}", said.stdout);
    }
    // Nothing is asked twice, and nothing depends on order or on the process.
    let again = place.succeed(&["run", "debate.toml", "--out", "runs/again"]);
    assert_eq!(made(&place, "runs/debate"), made(&place, "runs/again"));
    drop(again);
    let n_asked = server.log().n_received();
    place.succeed(&["run", "debate.toml", "--replay"]);
    assert_eq!(server.log().n_received(), n_asked);
    let page = place.read("runs/debate/report.html");
    assert!(page.contains("persuasive-wrong rate") && !page.contains("<script src"));
    // Scored candidates are what debaters can be trained on.
    let said = place.succeed(&[
        "export",
        "runs/debate",
        "--format",
        "trl-explicit",
        "--out",
        "pairs.jsonl",
    ]);
    assert!(said.stderr.contains("rows: pairs.jsonl"), "{}", said.stderr);
    let pairs = place.read("pairs.jsonl");
    assert!(pairs.lines().count() > 3, "{}", said.stderr);
}

#[test]
fn who_concedes_is_counted() {
    let script = |request: &RequestView| {
        let mut messages = request.messages().into_iter();
        if messages.any(|(_, text)| text.contains("You are Debater B")) {
            return Scripted::text("<argument>Well, my opponent is right.</argument>");
        }
        debate(request)
    };
    let server = ScriptedServer::builder(script).start().unwrap();
    let place = place(&server, METHODS);
    let said = place.succeed(&["run", "debate.toml"]).stdout;
    let (_, after) = said.split_once("What becomes of concessions").unwrap();
    let (section, _) = after.split_once("Protocols").unwrap();
    let rows: Vec<&str> = (section.lines().filter(|line| line.contains('%'))).collect();
    // Every debate of two has a Debater B; consultants and critics give nothing up.
    let debate = rows.iter().find(|row| row.starts_with("debate  "));
    assert!(debate.unwrap().contains("100.0%"), "{section}");
    assert!(rows.iter().all(|row| row.contains("debate")), "{section}");
}

/// `examples/people-debate.toml`, with a judge at another port.
#[test]
fn the_example_of_people_says_what_waits() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let place = Workplace::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for file in ["people-debate.toml", "people-debate.jsonl"] {
        place.write(file, std::fs::read_to_string(examples.join(file)).unwrap());
    }
    let judge = format!("roles.judge.model=openai:scripted@{}", server.url());
    let said = place.succeed(&["run", "people-debate.toml", "--set", &judge]);
    // Two debaters speak at once in the first round of four debates.
    let told = "8 turns wait for people: `trimtab serve runs/people-debate --raters 2`";
    assert!(said.stderr.contains(told), "{}", said.stderr);
    let waiting = place.read("runs/people-debate/debates/0-0-debate/waiting.jsonl");
    assert_eq!(waiting.lines().count(), 8);
}

#[test]
fn a_run_that_is_killed_ends_in_the_same_files() {
    let server = ScriptedServer::builder(debate)
        .latency(Duration::from_millis(2))
        .faults(Faults::passing(0.1, Seed(5)))
        .start()
        .unwrap();
    let place = place(&server, METHODS);
    let began = Instant::now();
    place.succeed(&["run", "debate.toml", "--out", "runs/whole"]);
    let whole = began.elapsed();
    let mut stream = Stream(7);
    for _ in 0..N_KILLS {
        let command = ["run", "debate.toml", "--out", "runs/killed"];
        place.kill_after(&command, whole.mul_f64(0.5 * stream.uniform()));
    }
    place.succeed(&["run", "debate.toml", "--out", "runs/killed"]);
    assert_eq!(made(&place, "runs/whole"), made(&place, "runs/killed"));
    say("killed often, and nothing lost");
}

#[test]
fn what_people_said_keeps_its_transcripts() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let place = place(&server, "[[method]]\nn-rounds = 1\n");
    place.succeed(&["run", "debate.toml"]);
    let before = made(&place, "runs/debate");
    let other = ["run", "debate.toml", "--set", "method.0.n-rounds=2"];
    // A file of what people said, however little is in it.
    place.write("runs/debate/people.sqlite", "");
    let error = place.refuse(&other);
    assert!(error.contains("holds another experiment"), "{error}");
    assert_eq!(made(&place, "runs/debate"), before);
    // The same experiment goes on.
    std::fs::remove_file(place.path("runs/debate/people.sqlite")).unwrap();
    place.succeed(&["run", "debate.toml"]);
    assert_eq!(made(&place, "runs/debate"), before);
}

#[test]
fn a_dry_run_counts_calls_and_keeps_no_answers() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let place = place(&server, "[[method]]\nn-rounds = 1\n");
    let said = place.succeed(&["run", "debate.toml", "--dry-run"]);
    // Twelve questions, two speeches and two orders each.
    assert!(said.stdout.contains(" 48 "), "{}", said.stdout);
    assert_eq!(server.log().n_received(), 0);
    assert!(!place.path("runs/debate/debates").exists());
}

#[test]
fn a_tournament_rates_its_debaters() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let methods = r#"
[[method]]
protocol = "debate"
n-rounds = 1
tournament = { debaters = ["debater", "judge"] }
"#;
    let place = place(&server, methods);
    let said = place.succeed(&["run", "debate.toml"]);
    assert!(
        said.stdout.contains("How persuasive debaters are to judge"),
        "{}",
        said.stdout
    );
    let words: Vec<&str> = said.stdout.split_whitespace().collect();
    let text = words.join(" ");
    assert!(text.contains("100 points of Elo") || text.contains("say nothing of whether"));
}

#[test]
fn debates_that_branch_make_pairs() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let methods = r#"
[[method]]
protocol = "debate"
n-rounds = 1
branching = { n = 2, at = "every-turn" }
"#;
    let place = place(&server, methods);
    place.succeed(&["run", "debate.toml"]);
    let transcripts = place.read("runs/debate/debates/0-0-debate/transcripts.jsonl");
    assert_eq!(transcripts.lines().count(), 12 * 4);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let refused = |methods: &str, wanted: &str| {
        let place = place(&server, methods);
        let error = place.refuse(&["run", "debate.toml"]);
        assert!(error.contains(wanted), "{error}");
    };
    refused("[[method]]\nprotocol = \"debat\"\n", "debate");
    refused("[[method]]\nn-rounds = 0\n", "n-rounds");
    refused("[[method]]\njudges = [\"jugde\"]\n", "jugde");
    refused(
        "[[method]]\ntournament = { debaters = [\"debater\"] }\n",
        "tournament.debaters",
    );
    refused("[[method]]\nbranching = { n = 1 }\n", "branching.n");
    refused(
        "[[method]]\nprotocol = \"naive\"\nbranching = { n = 2 }\n",
        "expected a protocol in which somebody",
    );
}

#[test]
fn a_debate_supervises_a_student() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let place = Workplace::new();
    let url = server.url();
    place.write(
        "w2s.toml",
        format!(
            r#"
name = "w2s"
seeds = 1
[data]
set = "builtin:rotten-tomatoes"
limit = 200
test = 40
[roles]
weak.model = "bag-of-words"
strong.model = "features"
debater.model = "openai:scripted@{url}"
[supervisor.debate]
kind = "debate"
n-rounds = 1
judges = ["debater"]
[supervisor.evidence]
kind = "text-evidence"
steps = 50
[every-method]
kind = "weak-to-strong"
loss = "naive"
[[method]]
name = "from debate"
supervisor = "debate"
[[method]]
name = "from evidence"
supervisor = "evidence"
"#
        ),
    );
    let said = place.succeed(&["run", "w2s.toml"]);
    assert!(said.stdout.contains("from debate") && said.stdout.contains("from evidence"));
    // A supervisor is no role, and a role no supervisor.
    let text = place
        .read("w2s.toml")
        .replace("supervisor.evidence", "supervisor.weak");
    place.write("bad.toml", text);
    let error = place.refuse(&["run", "bad.toml"]);
    assert!(error.contains("supervisor.weak"), "{error}");
}
