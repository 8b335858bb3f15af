//! A run folder with debates, consultancies and pairs, made through the same types as a real one.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use trimtab_core::chat::{Message, Role, Usage};
use trimtab_core::{Distribution, SampleId, Verdict};
use trimtab_debate::speech::Candidate;
use trimtab_debate::transcript::{Arm, Speaker, Speakers};
use trimtab_debate::{
    Belief, Event, EventKind, JudgeRecord, Order, Passage, QuoteStatus, Segment, Side, Speech,
    Transcript,
};
use trimtab_run::{DebateFolder, Experiment, Manifest, RowFolder, RunFolder, VariantManifest};

/// What no page of a judge may hold.
pub(crate) const SECRETS: [&str; 10] = [
    METHOD,
    "two-sided",
    MODEL,
    "SCRATCHPAD-SECRET",
    "PASSAGE-SECRET",
    "CANDIDATE-SECRET",
    "judge-model",
    "question-",
    "as-listed",
    "0-0-",
];
/// The name of the debate's method.
pub(crate) const METHOD: &str = "adviser-secret-method";
const MODEL: &str = "model-secret-name";
/// Text that would do something if it were not text.
pub(crate) const HOSTILE: &str = "<script>document.title='OWNED'</script><img src=x onerror=\"document.title='OWNED'\"> \u{202e}backwards & </div>";

/// How large a run is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Questions, each on a passage of its own.
    pub(crate) questions: usize,
    /// Pairs of replies.
    pub(crate) pairs: usize,
    /// Words a speech.
    pub(crate) words: usize,
}

/// A small one.
pub(crate) const SMALL: Size = Size {
    questions: 4,
    pairs: 0,
    words: 40,
};

const EXPERIMENT: &str = r#"
name = "example"
seeds = 1

[data]
set = "builtin:rotten-tomatoes"

[roles]
weak.model = { kind = "features", dims = 8 }
strong.model = { kind = "features", dims = 64 }

[[method]]
kind = "weak-to-strong"
"#;

/// Makes a run in `run`.
pub(crate) fn make_run(run: &Path, size: Size) {
    let experiment: Experiment = toml::from_str(EXPERIMENT).unwrap();
    let manifest = Manifest {
        name: "example".into(),
        version: "0.1.0".into(),
        run_id: "0123456789abcdef".into(),
        variants: vec![VariantManifest {
            label: String::new(),
            experiment,
            data: None,
        }],
    };
    drop(RunFolder::create_or_resume(run, manifest).unwrap());
    if size.questions > 0 {
        make_debates(run, size);
    }
    if size.pairs > 0 {
        make_pairs(run, size);
    }
    let events = [
        json!({"at": 1.0, "event": "started", "n_cells": 2, "n_finished": 0}),
        json!({"at": 2.0, "event": "calls", "variant": 0, "seed": 0, "stage": "round 1", "done": 8, "n_failed": 1, "of": 8}),
        json!({"at": 3.0, "event": "cell-finished", "variant": 0, "seed": 0, "kind": "method", "name": METHOD, "loss": 0.1, "n_steps": 1, "wall_secs": 2.0}),
    ];
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    std::fs::write(run.join("events.jsonl"), lines.join("\n") + "\n").unwrap();
}

fn make_debates(run: &Path, size: Size) {
    let debates = RowFolder::new(run.join("debates"));
    // Of every other question the first answer is right.
    let answers: BTreeMap<SampleId, usize> = (0..size.questions)
        .map(|q| (question_id(q), q % 2))
        .collect();
    debates.write_document("0-answers.json", &answers).unwrap();
    let passages: Vec<Passage> = (0..size.questions)
        .map(|q| Passage {
            id: format!("passage-{q}"),
            title: format!("Story {q}"),
            text: "PASSAGE-SECRET: the lamp in the hall was lit before anybody came home that evening."
                .into(),
        })
        .collect();
    debates.write_rows("0-passages.jsonl", &passages).unwrap();

    let mut two_sided = Vec::new();
    let mut one_sided = Vec::new();
    for q in 0..size.questions {
        for order in Order::BOTH {
            two_sided.push(transcript(q, order, Speakers::Both, size.words));
            for side in Side::BOTH {
                one_sided.push(transcript(q, order, Speakers::One(side), size.words));
            }
        }
    }
    for (method, transcripts) in [("two-sided", two_sided), (METHOD, one_sided)] {
        let folder = DebateFolder::new(run, 0, 0, method);
        let files = folder.files();
        files.write_rows("transcripts.jsonl", &transcripts).unwrap();
        let judgements: Vec<JudgeRecord> = transcripts.iter().map(judged).collect();
        files.write_rows("judgements.jsonl", &judgements).unwrap();
    }
}

fn question_id(q: usize) -> SampleId {
    SampleId::new(&format!("question-{q}"))
}

fn transcript(q: usize, order: Order, speakers: Speakers, words: usize) -> Transcript {
    let answers = [
        format!("The keeper lit it, as on every evening ({q})"),
        format!("It had been burning since the morning ({q})"),
    ];
    let arm = Arm {
        order,
        speakers,
        first: Side::A,
    };
    let mut events = Vec::new();
    for round in 1..=2 {
        if round == 2 && speakers == Speakers::Both {
            events.push(Event {
                round,
                by: Speaker::Judge,
                kind: EventKind::Question {
                    text: format!("Debater A, who saw it in story {q}?"),
                    usage: Usage::default(),
                },
            });
        }
        for side in Side::BOTH {
            if speakers == Speakers::Both || speakers == Speakers::One(side) {
                events.push(Event {
                    round,
                    by: Speaker::Side(side),
                    kind: EventKind::Speech(speech(round, side, words)),
                });
            }
        }
    }
    let answer_order = order.arrange(answers);
    Transcript {
        id: format!("question-{q}/{order:?}/{speakers:?}"),
        question: question_id(q),
        passage: Some(format!("passage-{q}")),
        text: format!("Who lit the lamp in story {q}?"),
        answers: answer_order,
        arm,
        players: [Some(MODEL.into()), Some(MODEL.into())],
        choice: None,
        simultaneous: speakers == Speakers::Both,
        events,
    }
}

fn speech(round: u32, side: Side, words: usize) -> Speech {
    let filler = "Nobody else had the key to the hall, and the keeper says so twice. ";
    let body: String = filler.split_inclusive(' ').cycle().take(words).collect();
    Speech {
        segments: vec![
            Segment::Words(format!(
                "ROUND-{round} {} speaks. {body}\n\nThe story says: ",
                side.debater()
            )),
            Segment::Quote {
                text: "the lamp in the hall was lit before anybody came home".into(),
                status: QuoteStatus::Verified(std::iter::once(16..69).collect()),
            },
            Segment::Words(" My opponent claims ".into()),
            Segment::Quote {
                text: "nobody ever had a key to this house".into(),
                status: QuoteStatus::Unverified,
            },
            Segment::Words(format!(". {HOSTILE}")),
        ],
        scratchpad: Some("SCRATCHPAD-SECRET: I know that this is wrong.".into()),
        n_attempts: 1,
        truncated: false,
        candidates: vec![Candidate {
            segments: vec![Segment::Words("CANDIDATE-SECRET".into())],
            score: Some(0.5),
        }],
        usage: Usage::default(),
    }
}

fn judged(transcript: &Transcript) -> JudgeRecord {
    let decided = |p: f64| Verdict::Decided(Distribution::new(&[p, 1.0 - p]).unwrap());
    JudgeRecord {
        transcript: transcript.id.clone(),
        question: transcript.question.clone(),
        judge: "judge-model".into(),
        shown: transcript.arm.order,
        beliefs: [0.5, 0.6, 0.8]
            .into_iter()
            .zip(0..)
            .map(|(p, rounds)| Belief {
                rounds,
                verdict: decided(p),
            })
            .collect(),
        verdict: decided(0.8),
        reasons: Some(HOSTILE.into()),
        usage: Usage::default(),
        secs: None,
    }
}

fn make_pairs(run: &Path, size: Size) {
    let rows: Vec<serde_json::Value> = (0..size.pairs)
        .map(|i| {
            json!({
                "id": format!("pair-{i}"),
                "prompt": [Message::new(Role::User, format!("How do I mend a lamp? ({i}) {HOSTILE}"))],
                "replies": [format!("Unplug it first. {HOSTILE}"), "Just pull the wires."],
                "outcome": "decided",
                "p": 0.9,
                "combine": "mean-log-odds",
                "judgements": [],
                "judge": "judge-model",
                "constitution-sha256": "0",
            })
        })
        .collect();
    let folder = trimtab_run::MethodFolder::new(run, 0, 0, "constitutional-ai");
    folder.files().write_rows("pairs.jsonl", &rows).unwrap();
}
