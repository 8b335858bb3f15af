//! Every kind of fault ends as it should, and many faults change nothing but the time.

use std::time::Duration;

use trimtab_core::Seed;
use trimtab_core::chat::{FailureClass, Outcome, WithoutLogProbs};
use trimtab_llm::{ServerConfig, Transfer};
use trimtab_llm_testkit::fault::PASSING;
use trimtab_llm_testkit::server::{echo, judge};
use trimtab_llm_testkit::{Fault, Faults, HintForm, RequestView, Scripted, ScriptedServer};

use super::{anthropic, ask, ask_one, choose, openai, quick, reply_of, say};

/// Fails the first two attempts at each call.
fn twice(fault: Fault) -> Faults {
    Faults {
        first_attempts: Some(2),
        ..Faults::always(fault)
    }
}

#[test]
fn every_passing_fault_passes() {
    for fault in PASSING {
        let scripted = ScriptedServer::builder(echo).faults(twice(fault)).start();
        let scripted = scripted.unwrap();
        for (n, server) in [openai(&scripted, quick()), anthropic(&scripted, quick())]
            .into_iter()
            .enumerate()
        {
            let answered = ask_one(&server, say("hello"));
            assert_eq!(reply_of(&answered.outcome).text, "hello", "{fault:?}");
            assert_eq!(answered.n_attempts, 3, "{fault:?}");
            assert_eq!(scripted.log().n_answered(), n + 1, "{fault:?}");
        }
    }
}

#[test]
fn streams_that_break_off_are_tried_again() {
    let config = ServerConfig {
        transfer: Transfer::Stream {
            idle_timeout_secs: 5,
        },
        ..quick()
    };
    for fault in [Fault::Truncated, Fault::MalformedJson, Fault::Reset] {
        let scripted = ScriptedServer::builder(echo).faults(twice(fault)).start();
        let scripted = scripted.unwrap();
        let servers = [
            openai(&scripted, config.clone()),
            anthropic(&scripted, config.clone()),
        ];
        for server in servers {
            let answered = ask_one(&server, say("one two three four"));
            assert_eq!(reply_of(&answered.outcome).text, "one two three four");
            assert_eq!(answered.n_attempts, 3, "{fault:?}");
        }
    }
}

#[test]
fn what_does_not_pass_is_a_failure_of_its_class() {
    let few = ServerConfig {
        max_attempts: 3.try_into().unwrap(),
        ..quick()
    };
    for (fault, class) in [
        (Fault::ServerError(503), FailureClass::Unavailable),
        (
            Fault::RateLimit(HintForm::Milliseconds),
            FailureClass::Unavailable,
        ),
        (Fault::Reset, FailureClass::Unavailable),
        (Fault::Truncated, FailureClass::Unavailable),
        (Fault::MalformedJson, FailureClass::Malformed),
    ] {
        let faults = Faults::always(fault);
        let scripted = ScriptedServer::builder(echo)
            .faults(faults)
            .start()
            .unwrap();
        let answered = ask_one(&openai(&scripted, few.clone()), say("hello"));
        let failure = answered.outcome.unwrap_err();
        assert_eq!(failure.class, class, "{fault:?}: {failure}");
        assert!(failure.message.ends_with("; tried 3 times"), "{failure}");
        assert_eq!(answered.n_attempts, 3);
        assert_eq!(scripted.log().n_received(), 3);
    }
}

#[test]
fn what_the_server_does_not_take_is_sent_once() {
    let long = Scripted::openai_error(400, "context_length_exceeded", "too long by 7 tokens");
    let bad = Scripted::status(422, r#"{"detail":[{"loc":["body","x"],"msg":"no"}]}"#);
    for (scripted, class) in [(long, FailureClass::TooLong), (bad, FailureClass::Rejected)] {
        let scripted =
            ScriptedServer::builder(move |request: &RequestView| match request.last_message() {
                "bad" => scripted.clone(),
                _ => echo(request),
            });
        let scripted = scripted.start().unwrap();
        let all = ask(&openai(&scripted, quick()), vec![say("good"), say("bad")]).unwrap();
        assert_eq!(reply_of(&all[0].outcome).text, "good");
        assert_eq!(all[1].outcome.clone().unwrap_err().class, class);
        assert_eq!(scripted.log().n_received(), 2);
    }
}

#[test]
fn a_slow_drip_and_a_silent_server_time_out() {
    let drip = Faults::always(Fault::SlowDrip { pause_ms: 50 });
    let dripping = ScriptedServer::builder(echo).faults(drip).start().unwrap();
    let silent = ScriptedServer::builder(echo).latency(Duration::from_mins(1));
    let silent = silent.start().unwrap();
    let config = ServerConfig {
        timeout_secs: 0.2,
        max_attempts: 2.try_into().unwrap(),
        ..quick()
    };
    for scripted in [&dripping, &silent] {
        let answered = ask_one(&openai(scripted, config.clone()), say("hello"));
        let failure = answered.outcome.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unavailable);
        assert_eq!(failure.message, "no answer in 200ms; tried 2 times");
    }
}

#[test]
fn a_stream_that_falls_silent_is_noticed_before_the_timeout() {
    let drip = Faults::always(Fault::SlowDrip { pause_ms: 5000 });
    let scripted = ScriptedServer::builder(echo).faults(drip).start().unwrap();
    let config = ServerConfig {
        timeout_secs: 60.0,
        max_attempts: 1.try_into().unwrap(),
        transfer: Transfer::Stream {
            idle_timeout_secs: 1,
        },
        ..quick()
    };
    let answered = ask_one(&openai(&scripted, config), say("hello"));
    let failure = answered.outcome.unwrap_err();
    assert_eq!(failure.message, "the stream was silent for 1s");
}

#[test]
fn thirty_per_cent_of_faults_change_no_outcome_and_nothing_is_paid_twice() {
    let outcomes = |faults: Faults| -> Vec<Outcome> {
        let scripted =
            ScriptedServer::builder(|request: &RequestView| match request.top_log_probs() {
                Some(_) => judge(request),
                None => echo(request),
            });
        let scripted = scripted.faults(faults).start().unwrap();
        let server = openai(&scripted, quick());
        let requests = (0..400).map(|i| {
            let text = format!("number {i}");
            match i % 2 {
                0 => say(&text),
                _ => choose(&text, &["A", "B"], WithoutLogProbs::Fail),
            }
        });
        let all = ask(&server, requests.collect()).unwrap();
        assert_eq!(scripted.log().n_calls(), 400);
        assert_eq!(scripted.log().n_answered(), 400);
        assert_eq!(scripted.log().n_answered_again(), 0);
        all.into_iter().map(|answered| answered.outcome).collect()
    };
    let calm = outcomes(Faults::none());
    assert!(calm.iter().all(Result::is_ok));
    for seed in 0..3 {
        assert_eq!(outcomes(Faults::passing(0.3, Seed(seed))), calm);
    }
}
