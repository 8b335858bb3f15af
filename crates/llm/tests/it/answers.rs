//! What comes back.

use std::cell::Cell;
use std::time::Duration;

use serde_json::Value;
use trimtab_core::chat::{Ask, FailureClass, Finish, Generation, Message, Role};
use trimtab_llm::{Server, ServerConfig, Source, Transfer};
use trimtab_llm_testkit::{Scripted, ScriptedServer, server::echo};

use super::{anthropic, ask, ask_one, openai, quick, reply_of, request, say};

fn streamed() -> ServerConfig {
    ServerConfig {
        transfer: Transfer::Stream {
            idle_timeout_secs: 5,
        },
        ..quick()
    }
}

/// The four ways of the wire: two APIs, whole and in pieces.
fn each_way(scripted: &ScriptedServer) -> Vec<Server> {
    vec![
        openai(scripted, quick()),
        openai(scripted, streamed()),
        anthropic(scripted, quick()),
        anthropic(scripted, streamed()),
    ]
}

#[test]
fn replies_come_back_by_position_with_usage_and_the_body() {
    let scripted = ScriptedServer::builder(echo).start().unwrap();
    for server in each_way(&scripted) {
        let texts: Vec<String> = (0..200).map(|i| format!("word number {i}")).collect();
        let all = ask(&server, texts.iter().map(|text| say(text)).collect()).unwrap();
        for (answered, text) in all.iter().zip(&texts) {
            let reply = reply_of(&answered.outcome);
            assert_eq!((&reply.text, &reply.finish), (text, &Finish::Stop));
            assert_eq!(reply.usage.output_tokens, 3);
            assert!(answered.raw.as_ref().unwrap().contains("scripted-"));
            assert_eq!(answered.n_attempts, 1);
        }
        assert_eq!(server.counts().n_answered, 200);
    }
    assert_eq!(scripted.log().n_received(), 800);
}

#[test]
fn odd_replies_are_replies() {
    let long = "é".repeat(50_000);
    let control = "a\u{0}b\u{1b}[31m\u{202e}\r\n\"\\";
    let scripted = ScriptedServer::builder(echo).start().unwrap();
    for server in each_way(&scripted) {
        for text in ["", &long, control] {
            let answered = ask_one(&server, say(text));
            assert_eq!(reply_of(&answered.outcome).text, text);
        }
    }
}

#[test]
fn a_body_of_many_megabytes_is_malformed_and_not_paid_for_again() {
    let scripted = ScriptedServer::builder(|_| Scripted::text("x".repeat(17 << 20)));
    let scripted = scripted.start().unwrap();
    let answered = ask_one(&openai(&scripted, quick()), say("all of it"));
    assert_eq!(answered.outcome.unwrap_err().class, FailureClass::Malformed);
    assert_eq!(scripted.log().n_received(), 1);
}

#[test]
fn reasons_are_read() {
    for (word, finish) in [
        ("length", Finish::Length),
        ("content_filter", Finish::Refused),
        ("strange", Finish::Other("strange".into())),
    ] {
        let scripted = ScriptedServer::builder(move |_| Scripted::text("x").finish(word));
        let scripted = scripted.start().unwrap();
        for server in each_way(&scripted) {
            let answered = ask_one(&server, say("?"));
            assert_eq!(reply_of(&answered.outcome).finish, finish, "{word}");
        }
    }
}

#[test]
fn a_reply_ends_before_its_first_stop_string_even_where_the_server_leaves_it_in() {
    let scripted = ScriptedServer::builder(|_| Scripted::text("one, two. three").finish("length"));
    let scripted = scripted.start().unwrap();
    for server in each_way(&scripted) {
        let said = |stop: &[&str]| {
            let generation = Generation {
                stop: stop.iter().map(|&stop| stop.to_owned()).collect(),
                ..Generation::default()
            };
            let answered = ask_one(&server, request("?", Ask::Reply(generation)));
            let reply = reply_of(&answered.outcome);
            (reply.text.clone(), reply.finish.clone())
        };
        assert_eq!(said(&[".", ", t"]), ("one".into(), Finish::Stop));
        assert_eq!(
            said(&["", "four"]),
            ("one, two. three".into(), Finish::Length)
        );
    }
}

#[test]
fn a_filter_that_comes_as_an_error_is_a_refusal() {
    let scripted =
        ScriptedServer::builder(|_| Scripted::openai_error(400, "content_filter", "not this"));
    let scripted = scripted.start().unwrap();
    let answered = ask_one(&openai(&scripted, quick()), say("?"));
    let reply = reply_of(&answered.outcome);
    assert_eq!(
        (reply.text.as_str(), &reply.finish),
        ("not this", &Finish::Refused)
    );
    assert_eq!(answered.raw, None);
}

#[test]
fn the_body_has_what_was_asked_and_what_the_config_adds_and_leaves_out() {
    let scripted = ScriptedServer::builder(|request| Scripted::text(request.body.to_string()));
    let scripted = scripted.start().unwrap();
    let generation = Generation {
        temperature: 0.25,
        top_p: 0.5,
        max_tokens: 7,
        // Escaped in the body, and so no part of what is said.
        stop: vec!["\n".into()],
        top_log_probs: 3,
    };
    let body = |server: &Server, sample_idx| -> Value {
        let mut request = request("hi", Ask::Reply(generation.clone()));
        request.sample_idx = sample_idx;
        let answered = ask_one(server, request);
        serde_json::from_str(&reply_of(&answered.outcome).text).unwrap()
    };
    let plain = openai(&scripted, quick());
    let first = body(&plain, 0);
    for (field, value) in [
        ("temperature", Value::from(0.25)),
        ("top_p", Value::from(0.5)),
        ("max_tokens", Value::from(7)),
        ("stop", Value::from(vec!["\n"])),
        ("logprobs", Value::from(true)),
        ("top_logprobs", Value::from(3)),
        ("stream", Value::Null),
    ] {
        assert_eq!(first[field], value, "{field}");
    }
    assert_eq!(first["messages"][0]["role"], "system");
    assert_ne!(first["seed"], body(&plain, 1)["seed"]);
    assert_eq!(first["seed"], body(&plain, 0)["seed"]);

    let mut config = quick();
    config.extra_body.insert("top_k".into(), Value::from(-1));
    config.leave_out = vec!["seed".into(), "top_p".into()];
    let other = openai(&scripted, config);
    let changed = body(&other, 0);
    assert_eq!(changed["top_k"], -1);
    assert!(changed["seed"].is_null() && changed["top_p"].is_null());
    assert_ne!(plain.identity(), other.identity());
    assert_eq!(plain.identity(), r#"{"model":"m","provider":"openai"}"#);

    let theirs = body(&anthropic(&scripted, quick()), 0);
    assert_eq!(theirs["system"], "Answer.");
    assert_eq!(theirs["messages"].as_array().unwrap().len(), 1);
    assert_eq!(theirs["stop_sequences"][0], "\n");
    assert!(theirs["seed"].is_null());
}

#[test]
fn tokens_come_where_they_were_asked_for() {
    let scripted =
        ScriptedServer::builder(|_| Scripted::tokens(&[&[("a", 0.5), ("b", 0.25)], &[("c", 1.0)]]));
    let scripted = scripted.start().unwrap();
    let generation = Generation {
        top_log_probs: 2,
        ..Generation::default()
    };
    for config in [quick(), streamed()] {
        let server = openai(&scripted, config);
        let asked = request("?", Ask::Reply(generation.clone()));
        let answered = ask_one(&server, asked);
        let tokens = &reply_of(&answered.outcome).tokens;
        assert_eq!(tokens.len(), 2);
        assert_eq!(tokens[0].top[1], ("b".to_owned(), 0.25_f64.ln()));
        let bare = ask_one(&server, say("?"));
        assert!(reply_of(&bare.outcome).tokens.is_empty());
    }
}

#[test]
fn requests_are_taken_only_as_there_is_room() {
    let scripted = ScriptedServer::builder(echo)
        .latency(Duration::from_millis(2))
        .start()
        .unwrap();
    let mut config = quick();
    config.start_concurrency = 4.try_into().unwrap();
    config.max_concurrency = 8.try_into().unwrap();
    let server = openai(&scripted, config);
    let (taken, n_answered, most) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut requests = (0..300).map(|i| {
        taken.set(taken.get() + 1);
        most.set(most.get().max(taken.get() - n_answered.get()));
        say(&i.to_string())
    });
    server
        .ask(&mut requests, &mut |_, _| {
            n_answered.set(n_answered.get() + 1);
        })
        .unwrap();
    assert_eq!(n_answered.get(), 300);
    assert_eq!(most.get(), 8);
    assert!(scripted.log().most_in_flight() <= 8);
}

#[test]
fn a_panic_of_the_caller_goes_through_and_the_server_is_asked_again() {
    let scripted = ScriptedServer::builder(echo).start().unwrap();
    let server = openai(&scripted, quick());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut requests = (0..50).map(|i| say(&i.to_string()));
        server.ask(&mut requests, &mut |_, _| panic!("the caller's"))
    }));
    assert!(panicked.is_err());
    let answered = ask_one(&server, say("still here"));
    assert_eq!(reply_of(&answered.outcome).text, "still here");
}

#[test]
fn several_threads_share_one_server() {
    let scripted = ScriptedServer::builder(echo).start().unwrap();
    let server = openai(&scripted, quick());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let texts: Vec<String> = (0..100).map(|i| format!("{thread} {i}")).collect();
                let all = ask(server, texts.iter().map(|text| say(text)).collect()).unwrap();
                let same = all.iter().zip(&texts);
                assert!(
                    same.into_iter()
                        .all(|(a, text)| reply_of(&a.outcome).text == *text)
                );
            });
        }
    });
    assert_eq!(scripted.log().n_answered_again(), 0);
}

#[test]
fn a_conversation_keeps_its_order() {
    let scripted = ScriptedServer::builder(|request| {
        let said: Vec<String> = (request.messages().iter())
            .map(|(role, text)| format!("{role}:{text}"))
            .collect();
        Scripted::text(said.join("|"))
    });
    let scripted = scripted.start().unwrap();
    let mut asked = say("one");
    asked.messages.push(Message::new(Role::Assistant, "two"));
    asked.messages.push(Message::new(Role::User, "three"));
    let answered = ask_one(&openai(&scripted, quick()), asked);
    assert_eq!(
        reply_of(&answered.outcome).text,
        "system:Answer.|user:one|assistant:two|user:three"
    );
}
