//! Why a call missed, in words.

use trimtab_core::Seed;
use trimtab_core::chat::{
    Ask, Failure, FailureClass, Generation, Message, Options, Request, Role, WithoutLogProbs,
};
use trimtab_llm::{Answered, Call, CallStore, Service, explain};

use crate::scripted::{reply, user};

fn conversation(question: &str) -> Request {
    let messages = [
        (Role::System, "You are terse."),
        (Role::User, "What is a trim tab?"),
        (Role::Assistant, "A small rudder on a rudder."),
        (Role::User, question),
    ];
    Request {
        messages: messages
            .map(|(role, text)| Message::new(role, text))
            .to_vec(),
        ..user("")
    }
}

/// Stores some calls, and says why another is not there.
fn why(stored: &[(&str, Request)], identity: &str, wanted: &Request) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = CallStore::open(&folder.path().join("calls.sqlite")).unwrap();
    for (identity, request) in stored {
        let answered = Answered {
            outcome: Ok(reply("x")),
            raw: None,
            n_attempts: 1,
            secs: 0.0,
            service: Service::Direct,
        };
        store.put(&Call::new(identity, request), &answered).unwrap();
    }
    explain(&store, &Call::new(identity, wanted))
        .unwrap()
        .to_string()
}

fn replied(generation: Generation) -> Request {
    Request {
        ask: Ask::Reply(generation),
        ..user("x")
    }
}

#[test]
fn an_empty_store() {
    insta::assert_snapshot!(why(&[], "a", &user("x")));
}

#[test]
fn a_source_that_was_never_asked() {
    let stored: Vec<_> = ["b", "c", "d", "e", "f"]
        .map(|identity| (identity, user("y")))
        .into();
    insta::assert_snapshot!(why(&stored, "a\u{1b}[31m", &user("x")));
}

#[test]
fn the_same_messages_to_another_source() {
    let stored = [("openai:small", user("x")), ("openai:small", user("y"))];
    insta::assert_snapshot!(why(&stored, "openai:large", &user("x")));
}

#[test]
fn another_sample() {
    let sample = |sample_idx| Request {
        sample_idx,
        ..user("x")
    };
    let stored: Vec<_> = (0..6).map(|i| ("a", sample(i))).collect();
    insta::assert_snapshot!(why(&stored, "a", &sample(9)));
}

#[test]
fn other_settings() {
    let stored = [
        ("a", user("x")),
        (
            "a",
            Request {
                sample_idx: 4,
                ..user("x")
            },
        ),
    ];
    let greedy = replied(Generation {
        temperature: 0.0,
        stop: vec!["\n".into()],
        ..Generation::default()
    });
    insta::assert_snapshot!(why(&stored, "a", &greedy));
    let seeded = Request {
        seed: Seed(7),
        ..user("x")
    };
    insta::assert_snapshot!(why(&stored, "a", &seeded));
    let options = Request {
        ask: Ask::Options(Options {
            texts: vec!["A".into()],
            otherwise: WithoutLogProbs::Fail,
        }),
        ..user("x")
    };
    insta::assert_snapshot!(why(&stored, "a", &options));
}

#[test]
fn messages_that_differ() {
    let stored = [
        ("a", user("something else")),
        (
            "a",
            conversation("Who used it as a metaphor, and for what, and in which year was that?"),
        ),
        ("a", conversation("Thanks.")),
        (
            "b",
            conversation("Who used it as a metaphor, and for what, and in which"),
        ),
    ];
    let wanted = conversation(
        "Who used it as a metaphor, and for what,\u{202e}\u{7}? Say \"I\" if you know.",
    );
    insta::assert_snapshot!(why(&stored, "a", &wanted));
    let mut shorter = conversation("Thanks.");
    shorter.messages.pop();
    insta::assert_snapshot!(why(&stored, "a", &shorter));
    let mut longer = conversation("Thanks.");
    longer
        .messages
        .push(Message::new(Role::Assistant, "You are welcome."));
    insta::assert_snapshot!(why(&stored, "a", &longer));
    let mut other_role = conversation("Thanks.");
    other_role.messages[3].role = Role::System;
    insta::assert_snapshot!(why(&stored, "a", &other_role));
}

#[test]
fn what_is_shown_is_short() {
    let long = "y".repeat(100_000);
    let text = why(&[("a", user(&format!("x{long}")))], "a", &user(&long));
    assert!(text.chars().count() < 250, "{text}");
}

#[test]
fn a_server_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let call = Call::new("a", &user("x"));
    let answered = Answered {
        outcome: Err(Failure {
            class: FailureClass::Unavailable,
            message: "503 after 5 attempts".into(),
        }),
        raw: None,
        n_attempts: 5,
        secs: 9.0,
        service: Service::Direct,
    };
    CallStore::open(&path)
        .unwrap()
        .put(&call, &answered)
        .unwrap();
    let store = CallStore::open(&path).unwrap();
    insta::assert_snapshot!(explain(&store, &call).unwrap());
}
