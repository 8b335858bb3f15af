//! A model behind the store: what is there is not asked.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use trimtab_core::chat::{
    Answer, ChatModel, Failure, FailureClass, OptionLogProb, OptionScores, Outcome, Request, Usage,
};
use trimtab_llm::{CallStore, Mode, Stored};

use crate::scripted::{Scripted, reply, user};

fn ask(model: &dyn ChatModel, requests: Vec<Request>) -> Vec<Outcome> {
    model.ask_all(requests).unwrap()
}

fn texts(texts: &[&str]) -> Vec<Request> {
    texts.iter().map(|text| user(text)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_request_is_answered_and_each_call_is_asked_once(
        asks in prop::collection::vec(prop::collection::vec(0..6u8, 0..12), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(CallStore::open(&folder.path().join("calls.sqlite")).unwrap());
        let source = Arc::new(Scripted::echo());
        let model = Stored::new(source.clone(), store.clone(), Mode::ReadWrite);
        let mut all = Vec::new();
        for ask_of in asks {
            let requests: Vec<_> = ask_of.iter().map(|n| user(&n.to_string())).collect();
            let outcomes = ask(&model, requests.clone());
            for (n, outcome) in ask_of.iter().zip(&outcomes) {
                prop_assert_eq!(outcome, &Ok(reply(&n.to_string())));
            }
            // A replay gives the same, and asks nothing.
            let replay = Stored::new(source.clone(), store.clone(), Mode::Replay);
            let n_asked = source.asked();
            prop_assert_eq!(outcomes, ask(&replay, requests));
            prop_assert_eq!(n_asked, source.asked());
            all.extend(ask_of);
        }
        let n = all.len() as u64;
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(source.asked(), all.len());
        let counts = model.counts();
        prop_assert_eq!(counts.n_asked, all.len() as u64);
        prop_assert_eq!(counts.n_from_store + counts.n_asked + counts.n_repeats, n);
    }
}

#[test]
fn what_was_answered_before_a_failure_is_not_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let all = || (0..10).map(|i| user(&i.to_string())).collect::<Vec<_>>();
    {
        let source = Scripted {
            fails_after: Some(4),
            ..Scripted::echo()
        };
        let store = Arc::new(CallStore::open(&path).unwrap());
        let model = Stored::new(Arc::new(source), store, Mode::ReadWrite);
        let mut n_answered = 0;
        let failed = model.ask(&mut all().into_iter(), &mut |_, _| n_answered += 1);
        assert!(failed.is_err());
        assert_eq!(n_answered, 4);
    }
    let source = Arc::new(Scripted::echo());
    let store = Arc::new(CallStore::open(&path).unwrap());
    ask(&Stored::new(source.clone(), store, Mode::ReadWrite), all());
    assert_eq!(source.asked(), 6);
}

#[test]
fn requests_are_taken_as_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(CallStore::open(&folder.path().join("calls.sqlite")).unwrap());
    let source = Arc::new(Scripted::echo());
    let model = Stored::new(source.clone(), store, Mode::ReadWrite);
    let (n_taken, n_answered) = (Cell::new(0), Cell::new(0));
    let mut requests = (0..50).map(|i| {
        n_taken.set(n_taken.get() + 1);
        assert!(n_taken.get() <= n_answered.get() + source.n_in_flight);
        user(&i.to_string())
    });
    model
        .ask(&mut requests, &mut |_, _| {
            n_answered.set(n_answered.get() + 1);
        })
        .unwrap();
    assert_eq!(n_answered.get(), 50);
}

#[test]
fn failures_are_answers_and_a_server_that_is_down_is_not_asked_twice_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let class = |text: &str| match text {
        "down" => FailureClass::Unavailable,
        "long" => FailureClass::TooLong,
        _ => FailureClass::Rejected,
    };
    let source = Arc::new(Scripted::new(move |request| {
        Err(Failure {
            class: class(&request.messages[0].content),
            message: "no".into(),
        })
    }));
    let all = || texts(&["down", "long", "bad"]);
    let open = || Arc::new(CallStore::open(&path).unwrap());
    {
        let model = Stored::new(source.clone(), open(), Mode::ReadWrite);
        assert_eq!(ask(&model, all()), ask(&model, all()));
    }
    assert_eq!(source.asked(), 3);
    let outcomes = ask(&Stored::new(source.clone(), open(), Mode::ReadWrite), all());
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(source.asked(), 4);
    ask(&Stored::new(source.clone(), open(), Mode::Replay), all());
    assert_eq!(source.asked(), 4);
}

#[test]
fn replay_says_which_call_it_lacks_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(CallStore::open(&folder.path().join("calls.sqlite")).unwrap());
    let source = Arc::new(Scripted::echo());
    ask(
        &Stored::new(source.clone(), store.clone(), Mode::ReadWrite),
        texts(&["one", "two"]),
    );
    let replay = Stored::new(source, store, Mode::Replay);
    let mut n_answered = 0;
    let error = replay
        .ask(
            &mut texts(&["one", "two", "twofold"]).into_iter(),
            &mut |_, _| n_answered += 1,
        )
        .unwrap_err();
    assert_eq!(n_answered, 2);
    insta::assert_snapshot!(error);
    insta::assert_snapshot!(error.hint.unwrap());
}

#[test]
fn a_log_probability_that_is_no_number_is_a_malformed_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(CallStore::open(&folder.path().join("calls.sqlite")).unwrap());
    let source = Scripted::new(|_| {
        Ok(Answer::Options(OptionScores {
            log_probs: vec![OptionLogProb::Is(f64::NAN)],
            estimator: trimtab_core::chat::Estimator::Scored,
            usage: Usage::default(),
        }))
    });
    let model = Stored::new(Arc::new(source), store, Mode::ReadWrite);
    for _ in 0..2 {
        let outcome = ask(&model, texts(&["x"])).remove(0);
        assert_eq!(outcome.unwrap_err().class, FailureClass::Malformed);
    }
    assert_eq!(model.counts().n_asked, 1);
}

#[test]
fn the_first_process_to_store_a_call_decides_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let other = Arc::new(CallStore::open(&path).unwrap());
    let there = other.clone();
    // While this source answers, another process stores the same call.
    let source = Scripted::new(move |_| {
        let first = Stored::new(Arc::new(Scripted::echo()), there.clone(), Mode::ReadWrite);
        ask(&first, texts(&["x"]));
        Ok(reply("late"))
    });
    let store = Arc::new(CallStore::open(&path).unwrap());
    let model = Stored::new(Arc::new(source), store, Mode::ReadWrite);
    assert_eq!(ask(&model, texts(&["x"])), [Ok(reply("x"))]);
    assert_eq!(other.totals().unwrap()[0].n_calls, 1);
}
