//! What stops everything, and what it says.

use std::net::TcpListener;
use std::time::Instant;

use trimtab_llm::{ServerConfig, ServerError, Source};
use trimtab_llm_testkit::server::echo;
use trimtab_llm_testkit::{Fault, Faults, RequestView, Scripted, ScriptedServer};

use super::{anthropic, ask, connect, error_of, openai, quick, say};

#[test]
fn a_wrong_address_is_told_at_once() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let start = Instant::now();
    let server = connect(
        &format!("openai:m@http://127.0.0.1:{port}/v1"),
        None,
        quick(),
    );
    let (error, hint) = error_of(&server);
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")));
    assert_eq!(hint, "is the server running, and are host and port right?");
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn a_web_page_is_no_api() {
    let page = page_server();
    let server = connect(&format!("openai:m@http://{page}"), None, quick());
    let (error, hint) = error_of(&server);
    assert!(matches!(error, ServerError::WebPage { .. }), "{error}");
    assert!(hint.contains("/v1"));
}

/// Answers everything with a page.
fn page_server() -> std::net::SocketAddr {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).unwrap() > 0);
            let page =
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
            stream.write_all(page.as_bytes()).unwrap();
        }
    });
    address
}

#[test]
fn a_wrong_key_is_told_and_not_shown() {
    let scripted = ScriptedServer::builder(echo)
        .key("sk-right")
        .start()
        .unwrap();
    let url = scripted.url();
    let base = url.strip_suffix("/v1").unwrap();
    for address in [format!("openai:m@{url}"), format!("anthropic:m@{base}")] {
        let server = connect(&address, Some("sk-wrong-123"), quick());
        let (error, hint) = error_of(&server);
        assert!(matches!(error, ServerError::WrongKey { .. }), "{error}");
        let whole = format!(
            "{error} {error:?} {hint} {:?}",
            ask(&server, vec![say("x")])
        );
        assert!(!whole.contains("sk-wrong"), "{whole}");
        assert!(whole.contains("***"), "{whole}");

        let server = connect(&address, None, quick());
        let (error, hint) = error_of(&server);
        assert!(matches!(error, ServerError::NoKey { .. }), "{error}");
        assert!(hint.starts_with("set "), "{hint}");

        let server = connect(&address, Some("sk-right"), quick());
        assert!(ask(&server, vec![say("x")]).unwrap()[0].outcome.is_ok());
    }
}

#[test]
fn a_key_that_is_no_key_is_refused_before_anything_is_sent() {
    let address = trimtab_llm::ModelAddress::parse("openai:m").unwrap();
    let key = trimtab_llm::Secret::new("two\nlines");
    let error = trimtab_llm::Server::new(address, Some(key), quick()).err();
    assert_eq!(error, Some(ServerError::BadKey));
}

#[test]
fn a_model_that_is_not_there_is_told_with_those_that_are() {
    let scripted = ScriptedServer::builder(echo)
        .models(["other", "mm"])
        .start();
    let scripted = scripted.unwrap();
    for server in [openai(&scripted, quick()), anthropic(&scripted, quick())] {
        let (error, hint) = error_of(&server);
        assert!(error.to_string().starts_with("the server has no model `m`"));
        assert_eq!(hint, "it has `mm`, `other`");
    }
    // A path that is not there, and no list of models.
    let scripted = ScriptedServer::builder(echo).start().unwrap();
    let server = connect(&format!("openai:m@{}/v2", scripted.url()), None, quick());
    let (error, hint) = error_of(&server);
    assert!(matches!(error, ServerError::NoSuchModel { .. }), "{error}");
    assert!(hint.contains("/v1"), "{hint}");
}

#[test]
fn a_spent_quota_stops_everything_and_what_was_answered_is_handed_over() {
    let scripted = ScriptedServer::builder(|request: &RequestView| {
        let n: usize = request.last_message().parse().unwrap();
        if n < 100 {
            echo(request)
        } else {
            Scripted::openai_error(429, "insufficient_quota", "You exceeded your quota")
        }
    });
    let scripted = scripted.start().unwrap();
    let server = openai(&scripted, quick());
    let mut requests = (0..100_000).map(|i| say(&i.to_string()));
    let mut n_answered = 0;
    let error = server
        .ask(&mut requests, &mut |_, answered| {
            assert!(answered.outcome.is_ok());
            n_answered += 1;
        })
        .unwrap_err();
    assert!(
        error.to_string().contains("nothing is left to spend"),
        "{error}"
    );
    // Every answer that was paid for, and not many requests beyond.
    assert_eq!(n_answered, scripted.log().n_answered());
    assert_eq!(n_answered, 100);
    assert!(scripted.log().n_received() < 400);
}

#[test]
fn a_server_that_only_fails_is_left_alone_and_then_given_up() {
    let faults = Faults::always(Fault::ServerError(500));
    let scripted = ScriptedServer::builder(echo)
        .faults(faults)
        .start()
        .unwrap();
    let config = ServerConfig {
        max_retry_secs: 2.5,
        max_attempts: 1000.try_into().unwrap(),
        ..quick()
    };
    let server = openai(&scripted, config);
    let mut requests = (0..100_000).map(|i| say(&i.to_string()));
    let error = server.ask(&mut requests, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("keeps failing"), "{error}");
    // The first calls, the breaker's twenty, and a probe or two.
    assert!(
        scripted.log().n_received() < 150,
        "{}",
        scripted.log().n_received()
    );
}

#[test]
fn a_server_that_takes_no_request_is_not_sent_all_of_them() {
    let scripted = ScriptedServer::builder(|_| {
        Scripted::openai_error(
            400,
            "unsupported_parameter",
            "`temperature` is not supported",
        )
    });
    let scripted = scripted.start().unwrap();
    let server = openai(&scripted, quick());
    let mut requests = (0..100_000).map(|i| say(&i.to_string()));
    let mut n_failed = 0;
    let error = server
        .ask(&mut requests, &mut |_, _| n_failed += 1)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("`temperature` is not supported"),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("leave-out"));
    assert!((19..100).contains(&n_failed), "{n_failed}");
    assert!(scripted.log().n_received() < 200);
}

#[test]
fn a_server_that_asks_to_wait_for_a_day_is_not_waited_for() {
    let scripted = ScriptedServer::builder(|_| Scripted::Status {
        status: 429,
        headers: vec![("retry-after".into(), "86400".into())],
        body: r#"{"error":{"message":"daily limit"}}"#.into(),
    });
    let scripted = scripted.start().unwrap();
    let (error, hint) = error_of(&openai(&scripted, quick()));
    assert_eq!(
        error.to_string(),
        "the server asks to wait 86400 seconds: status 429: daily limit"
    );
    assert!(hint.contains("go on later"));
}

#[test]
fn a_server_that_comes_back_is_asked_again() {
    // The first 30 attempts fail: more than the breaker takes.
    let n = std::sync::atomic::AtomicUsize::new(0);
    let scripted = ScriptedServer::builder(move |request: &RequestView| {
        match n.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0..30 => Scripted::status(503, "starting"),
            _ => echo(request),
        }
    });
    let scripted = scripted.start().unwrap();
    let server = openai(&scripted, quick());
    let requests = (0..100).map(|i| say(&i.to_string())).collect();
    let all = ask(&server, requests).unwrap();
    assert!(all.iter().all(|answered| answered.outcome.is_ok()));
}
