//! Critique and revision over scripted models.

use std::collections::BTreeSet;
use std::sync::Mutex;

use trimtab_constitution::hygiene::{Blemish, Prefaces};
use trimtab_constitution::messages::CritiqueStep;
use trimtab_constitution::supervised::{
    Dialogue, Revisions, RoundPrinciples, StageError, StepKind, SupervisedConfig, hygiene_counts,
    run,
};
use trimtab_constitution::{Constitution, training_rows};
use trimtab_core::chat::PromptRow;
use trimtab_core::chat::Said;
use trimtab_core::chat::{ChatModel, FailureClass, Finish, Outcome, Request};

use crate::scripted::{SEED, Scripted, USAGE, ends, fails, last, says, settings, user};

fn rows(ids: &[&str]) -> Vec<PromptRow> {
    (ids.iter())
        .map(|id| PromptRow {
            id: (*id).into(),
            prompt: user(&format!("Question {id}?")),
        })
        .collect()
}

fn dialogues(config: &SupervisedConfig, model: &dyn ChatModel, ids: &[&str]) -> Vec<Dialogue> {
    run(
        config,
        Constitution::embedded(),
        model,
        &rows(ids),
        SEED,
        &mut |_| {},
    )
    .unwrap()
}

/// What a request asks for, by the words of the prompts.
fn kind(request: &Request) -> StepKind {
    let last = last(request);
    if last.contains("Write the new reply") {
        StepKind::Revision
    } else if last.contains("Be specific") {
        StepKind::Critique
    } else {
        StepKind::Reply
    }
}

/// Replies that count their revisions: `r0`, `r1`, …
fn counting(request: &Request) -> Outcome {
    says(match kind(request) {
        StepKind::Reply => "r0".to_owned(),
        StepKind::Critique => format!("It is wrong: {}.", request.messages[1].content),
        StepKind::Revision => {
            let before: u32 = request.messages[1].content[1..].parse().unwrap();
            format!("r{}", before + 1)
        }
    })
}

#[test]
fn a_dialogue_is_a_reply_and_rounds_of_critique_and_revision() {
    let dialogue = &dialogues(&SupervisedConfig::default(), &Scripted(counting), &["a"])[0];
    let steps: Vec<(StepKind, u32, &str)> = (dialogue.steps.iter())
        .map(|step| (step.kind, step.round, step.said.text().unwrap()))
        .collect();
    assert_eq!(
        steps,
        [
            (StepKind::Reply, 0, "r0"),
            (StepKind::Critique, 1, "It is wrong: r0."),
            (StepKind::Revision, 1, "r1"),
            (StepKind::Critique, 2, "It is wrong: r1."),
            (StepKind::Revision, 2, "r2"),
            (StepKind::Critique, 3, "It is wrong: r2."),
            (StepKind::Revision, 3, "r3"),
        ]
    );
    assert_eq!(dialogue.last_reply(), Some((3, "r3")));
    assert!(dialogue.ended_by().is_none());
    assert_eq!(dialogue.usage().total(), 7 * USAGE.total());
}

#[test]
fn a_round_sees_the_prompt_and_the_last_revision_only() {
    let seen = Mutex::new(Vec::new());
    let model = Scripted(|request: &Request| {
        seen.lock()
            .unwrap()
            .push((kind(request), request.messages.len(), settings(request)));
        counting(request)
    });
    dialogues(&SupervisedConfig::default(), &model, &["a"]);
    let round = [
        (StepKind::Critique, 3, (0.3, 256)),
        (StepKind::Revision, 5, (0.3, 512)),
    ];
    let expected = [
        &[(StepKind::Reply, 1, (0.8, 512))][..],
        &round,
        &round,
        &round,
    ]
    .concat();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn the_critique_and_the_revision_of_a_round_are_under_one_principle() {
    let seen = Mutex::new(Vec::new());
    let model = Scripted(|request: &Request| {
        seen.lock()
            .unwrap()
            .push((kind(request), last(request).to_owned()));
        counting(request)
    });
    let dialogue = &dialogues(&SupervisedConfig::default(), &model, &["a"])[0];
    let asked = seen.lock().unwrap();
    for (step, (_, asked)) in dialogue.steps.iter().zip(asked.iter()).skip(1) {
        let id = step.principle.as_deref().unwrap();
        let principle = Constitution::embedded().principle(id).unwrap();
        let request = match step.kind {
            StepKind::Critique => &principle.critique_request,
            _ => &principle.revision_request,
        };
        assert!(asked.contains(request.as_deref().unwrap()), "{id}: {asked}");
    }
    for round in 1..=3 {
        let of_round: BTreeSet<_> = (dialogue.steps.iter())
            .filter(|step| step.round == round)
            .map(|step| &step.principle)
            .collect();
        assert_eq!(of_round.len(), 1);
    }
}

#[test]
fn without_critiques_a_revision_is_asked_for_at_once() {
    let config = SupervisedConfig {
        critique: CritiqueStep::Skip,
        ..SupervisedConfig::default()
    };
    let model = Scripted(|request: &Request| {
        assert_ne!(kind(request), StepKind::Critique);
        counting(request)
    });
    let dialogue = &dialogues(&config, &model, &["a"])[0];
    assert_eq!(dialogue.steps.len(), 4);
    assert_eq!(dialogue.last_reply(), Some((3, "r3")));
}

#[test]
fn principles_are_drawn_or_taken_in_turn() {
    let of = |principles, id: &str| -> Vec<String> {
        let config = SupervisedConfig {
            n_rounds: 10,
            principles,
            critique: CritiqueStep::Skip,
            ..SupervisedConfig::default()
        };
        (dialogues(&config, &Scripted(counting), &[id])[0]
            .steps
            .iter())
        .filter_map(|step| step.principle.clone())
        .collect()
    };
    let ids: Vec<&str> = (Constitution::embedded().principles().iter())
        .map(|p| p.id.as_str())
        .collect();
    let in_turn = of(RoundPrinciples::InTurn, "a");
    assert_eq!(in_turn, [&ids[..], &ids[..2]].concat());
    let drawn = of(RoundPrinciples::Drawn, "a");
    assert_ne!(drawn, of(RoundPrinciples::Drawn, "b"));
    let distinct: BTreeSet<&String> = drawn.iter().collect();
    assert!(distinct.len() > 3, "each round draws on its own: {drawn:?}");
}

#[test]
fn drawn_principles_are_about_equally_frequent() {
    let config = SupervisedConfig {
        n_rounds: 1,
        critique: CritiqueStep::Skip,
        ..SupervisedConfig::default()
    };
    let ids: Vec<String> = (0..800).map(|i| format!("p{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let all = dialogues(&config, &Scripted(counting), &ids);
    for principle in Constitution::embedded().principles() {
        let n = (all.iter())
            .filter(|dialogue| dialogue.steps[1].principle.as_ref() == Some(&principle.id))
            .count();
        // 100 expected; four standard deviations are 37.
        assert!((63..=137).contains(&n), "{}: {n}", principle.id);
    }
}

#[test]
fn another_prompt_shifts_nothing() {
    let model = Scripted(|request: &Request| says(format!("{}", request.seed.0)));
    let config = SupervisedConfig::default();
    let alone = dialogues(&config, &model, &["b"]);
    let among = dialogues(&config, &model, &["a", "b", "c"]);
    assert_eq!(alone[0], among[1]);
    let seeds: BTreeSet<u64> = (among.iter().flat_map(|dialogue| &dialogue.steps))
        .map(|step| step.settings.seed)
        .collect();
    assert_eq!(seeds.len(), 3 * 7, "every call has a seed of its own");
}

#[test]
fn a_step_without_a_text_ends_its_dialogue_and_is_counted() {
    let model = Scripted(|request: &Request| {
        let question = &request.messages[0].content;
        match (kind(request), question.as_str()) {
            (StepKind::Reply, "Question fails?") => fails(FailureClass::Unavailable),
            (StepKind::Critique, "Question empty?") => says(" \n"),
            (StepKind::Revision, "Question refused?") => ends("I will not.", Finish::Refused),
            _ => says("Something."),
        }
    });
    let mut progress = Vec::new();
    let ids = ["fails", "empty", "refused", "fine"];
    let config = SupervisedConfig::default();
    let all = run(
        &config,
        Constitution::embedded(),
        &model,
        &rows(&ids),
        SEED,
        &mut |p| {
            if p.done == p.of {
                progress.push((p.stage.to_owned(), p.of, p.n_failed));
            }
        },
    )
    .unwrap();
    let n_steps: Vec<usize> = all.iter().map(|dialogue| dialogue.steps.len()).collect();
    assert_eq!(n_steps, [1, 2, 3, 7]);
    assert!(matches!(all[0].ended_by().unwrap().said, Said::Failed(_)));
    assert!(matches!(
        all[1].ended_by().unwrap().said,
        Said::Empty { .. }
    ));
    assert!(matches!(
        all[2].ended_by().unwrap().said,
        Said::Refused { .. }
    ));
    assert_eq!(all[2].last_reply(), Some((0, "Something.")));
    let expected = [
        ("reply", 4, 1),
        ("critique 1", 3, 0),
        ("revision 1", 2, 0),
        ("critique 2", 1, 0),
        ("revision 2", 1, 0),
        ("critique 3", 1, 0),
        ("revision 3", 1, 0),
    ];
    assert_eq!(
        progress,
        expected.map(|(stage, of, failed)| (stage.to_owned(), of, failed))
    );
    let counts = hygiene_counts(&all);
    let without_text: Vec<usize> = counts.iter().map(|c| c.n_without_text).collect();
    assert_eq!(without_text, [1, 2, 0, 0]);
    assert_eq!(training_rows(&config, &all).n_without_revision, 3);
}

#[test]
fn prefaces_are_taken_off_or_kept_and_counted_in_both() {
    let model = Scripted(|request: &Request| match kind(request) {
        StepKind::Revision => says("Sure, here is the revised reply:\n\n\"Better.\""),
        _ => counting(request),
    });
    let with = |prefaces| SupervisedConfig {
        n_rounds: 1,
        prefaces,
        ..SupervisedConfig::default()
    };
    let stripped = &dialogues(&with(Prefaces::Strip), &model, &["a"])[0];
    assert_eq!(stripped.reply(1), Some("Better."));
    let step = stripped.steps.last().unwrap();
    assert_eq!(
        step.preface.as_deref(),
        Some("Sure, here is the revised reply:")
    );
    let kept = dialogues(&with(Prefaces::Keep), &model, &["a"]);
    assert!(kept[0].reply(1).unwrap().starts_with("Sure"));
    for dialogue in [stripped, &kept[0]] {
        let counts = hygiene_counts(std::slice::from_ref(dialogue));
        assert_eq!(counts[1].in_revisions[&Blemish::Preface], 1);
        assert_eq!(counts[1].n_revisions, 1);
    }
}

#[test]
fn training_rows_are_revisions_and_say_where_from() {
    let mut config = SupervisedConfig::default();
    let all = dialogues(&config, &Scripted(counting), &["a", "b"]);
    let ids = |config: &SupervisedConfig| -> Vec<(String, String)> {
        (training_rows(config, &all).rows.into_iter())
            .map(|row| (row.id, row.completion))
            .collect()
    };
    let row = |id: &str, text: &str| (id.to_owned(), text.to_owned());
    assert_eq!(
        ids(&config),
        [
            row("a/r1", "r1"),
            row("a/r2", "r2"),
            row("a/r3", "r3"),
            row("b/r1", "r1"),
            row("b/r2", "r2"),
            row("b/r3", "r3"),
        ]
    );
    config.revisions = Revisions::Last;
    assert_eq!(ids(&config), [row("a/r3", "r3"), row("b/r3", "r3")]);
}

#[test]
fn blemished_revisions_are_left_out_and_counted() {
    let model = Scripted(|request: &Request| match kind(request) {
        StepKind::Revision => ends("Better, but cut", Finish::Length),
        _ => counting(request),
    });
    let mut config = SupervisedConfig {
        n_rounds: 1,
        ..SupervisedConfig::default()
    };
    let all = dialogues(&config, &model, &["a"]);
    let rows = training_rows(&config, &all);
    assert_eq!(rows.rows, []);
    assert_eq!(rows.left_out[&Blemish::Cut], 1);
    config.leave_out.clear();
    assert_eq!(training_rows(&config, &all).rows.len(), 1);
}

#[test]
fn dialogues_survive_json() {
    let all = dialogues(&SupervisedConfig::default(), &Scripted(counting), &["a"]);
    let line = serde_json::to_string(&all[0]).unwrap();
    assert!(!line.contains('\n'));
    assert_eq!(serde_json::from_str::<Dialogue>(&line).unwrap(), all[0]);
}

#[test]
fn what_cannot_run_is_said_before_anything_is_asked() {
    let model = Scripted(|_: &Request| panic!("asked"));
    let ask = |config: &SupervisedConfig, constitution: &Constitution, ids: &[&str]| {
        run(config, constitution, &model, &rows(ids), SEED, &mut |_| {})
            .unwrap_err()
            .to_string()
    };
    let config = SupervisedConfig::default();
    assert_eq!(
        ask(&config, Constitution::embedded(), &["a", "a"]),
        "two rows are called \"a\""
    );
    let none = SupervisedConfig {
        n_rounds: 0,
        ..config.clone()
    };
    assert_eq!(
        ask(&none, Constitution::embedded(), &["a"]),
        "n-rounds is 0: at least 1"
    );
    let text =
        "version = 1\nname = \"n\"\n[[principle]]\nid = \"a\"\ntopic = \"t\"\ntext = \"x\"\n";
    let lacking = Constitution::parse(text).unwrap();
    assert_eq!(
        ask(&config, &lacking, &["a"]),
        "principle \"a\" has no `critique-request`"
    );
    assert_eq!(
        run(&config, &lacking, &model, &[], SEED, &mut |_| {})
            .map_err(|error: StageError| error.hint())
            .unwrap_err()
            .as_deref(),
        Some("write its `critique-request`, or leave out the stage that asks it")
    );
}
