//! Calls in flight follow what the server takes.

use std::time::{Duration, Instant};

use trimtab_llm::ServerConfig;
use trimtab_llm_testkit::ScriptedServer;
use trimtab_llm_testkit::server::echo;

use super::{ask, openai, quick, say};

#[test]
fn many_calls_are_in_flight_where_the_server_takes_many() {
    let scripted = ScriptedServer::builder(echo).latency(Duration::from_millis(20));
    let scripted = scripted.start().unwrap();
    let config = ServerConfig {
        max_concurrency: 200.try_into().unwrap(),
        ..quick()
    };
    let server = openai(&scripted, config);
    let requests = (0..2000).map(|i| say(&i.to_string())).collect();
    let all = ask(&server, requests).unwrap();
    assert!(all.iter().all(|answered| answered.outcome.is_ok()));
    assert_eq!(server.counts().limit, 200);
    let most = scripted.log().most_in_flight();
    assert!((150..=200).contains(&most), "{most}");
}

#[test]
fn a_server_that_limits_is_asked_for_less_and_loses_nothing() {
    let scripted = ScriptedServer::builder(echo)
        .latency(Duration::from_millis(10))
        .capacity(40)
        .start()
        .unwrap();
    let config = ServerConfig {
        max_concurrency: 1000.try_into().unwrap(),
        // On a busy machine limits come faster than they are heard: patience is by the clock alone.
        max_attempts: 1000.try_into().unwrap(),
        ..quick()
    };
    let server = openai(&scripted, config);
    let requests = (0..1500).map(|i| say(&i.to_string())).collect();
    let all = ask(&server, requests).unwrap();
    assert!(all.iter().all(|answered| answered.outcome.is_ok()));
    let counts = server.counts();
    // Within its first cooldown, there is one cut.
    assert!(counts.n_limited > 0 && counts.n_cuts >= 1, "{counts:?}");
    assert!(counts.limit <= 64, "{counts:?}");
    assert_eq!(counts.in_flight, 0);
    assert_eq!(scripted.log().n_answered_again(), 0);
}

#[test]
fn tokens_a_minute_hold_calls_back() {
    let scripted = ScriptedServer::builder(echo).start().unwrap();
    let config = ServerConfig {
        // 1,000 a second, 6,000 at once.
        tokens_per_minute: 60_000.try_into().ok(),
        ..quick()
    };
    let server = openai(&scripted, config);
    // Each uses 201: 40 use 8,040, which takes two seconds, however many more each books.
    let start = Instant::now();
    let words = "word ".repeat(99);
    let requests = (0..40).map(|i| say(&format!("{words}{i}"))).collect();
    ask(&server, requests).unwrap();
    let took = start.elapsed();
    assert!(took > Duration::from_millis(1900), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}
