//! The store: what goes in comes out, once, after whatever happened in between.

use std::time::Duration;

use trimtab_core::chat::{
    Answer, Estimator, Failure, FailureClass, Finish, OptionLogProb, OptionScores, Outcome, Reply,
    Token, Usage,
};
use trimtab_llm::store::{MAX_BATCH_AGE, MAX_BATCH_ROWS, MAX_RAW_BYTES, Put};
use trimtab_llm::{Answered, Call, CallStore, CallStoreError, Service};

use crate::scripted::{reply, user};

fn call(i: usize) -> Call {
    Call::new("scripted:a", &user(&format!("prompt {i}")))
}

fn answered(outcome: Outcome) -> Answered {
    Answered {
        outcome,
        raw: Some("{\"id\": 1}".into()),
        n_attempts: 2,
        secs: 0.5,
        service: Service::Direct,
    }
}

fn failure(class: FailureClass) -> Outcome {
    Err(Failure {
        class,
        message: "so it was".into(),
    })
}

fn odd_outcomes() -> Vec<Outcome> {
    let reply = |text: &str, finish| {
        Ok(Answer::Reply(Reply {
            text: text.into(),
            finish,
            usage: Usage::default(),
            tokens: vec![Token {
                text: "\u{fffd}".into(),
                log_prob: f64::NEG_INFINITY,
                top: vec![("a".into(), -0.1), ("b".into(), f64::NEG_INFINITY)],
            }],
        }))
    };
    vec![
        reply("", Finish::Stop),
        reply("\0\u{202e}\"\n'; DROP TABLE call", Finish::Refused),
        reply(&"é".repeat(100_000), Finish::Other("?".into())),
        Ok(Answer::Options(OptionScores {
            log_probs: vec![
                OptionLogProb::Is(-0.1 - 0.2),
                OptionLogProb::Is(f64::NEG_INFINITY),
                OptionLogProb::AtMost(f64::NEG_INFINITY),
                OptionLogProb::AtMost(-9.0),
            ],
            estimator: Estimator::Sampled {
                counts: vec![1, 2],
                n_other: 3,
            },
            usage: Usage::default(),
        })),
        failure(FailureClass::TooLong),
        failure(FailureClass::Rejected),
        failure(FailureClass::Malformed),
        failure(FailureClass::NoLogProbs),
    ]
}

#[test]
fn outcomes_come_back_as_they_went_in_before_and_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let store = CallStore::open(&path).unwrap();
    let outcomes = odd_outcomes();
    for (i, outcome) in outcomes.iter().enumerate() {
        assert_eq!(store.get(&call(i).key).unwrap(), None);
        let put = store.put(&call(i), &answered(outcome.clone())).unwrap();
        assert_eq!(put, Put::New);
    }
    let check = |store: &CallStore| {
        for (i, outcome) in outcomes.iter().enumerate() {
            assert_eq!(store.get(&call(i).key).unwrap().as_ref(), Some(outcome));
        }
        assert_eq!(
            store.raw(&call(0).key).unwrap().as_deref(),
            Some("{\"id\": 1}")
        );
    };
    check(&store);
    drop(store);
    check(&CallStore::open(&path).unwrap());
    check(&CallStore::open_to_read(&path).unwrap());
}

#[test]
fn a_call_is_stored_once_and_the_first_answer_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = CallStore::open(&folder.path().join("calls.sqlite")).unwrap();
    store.put(&call(0), &answered(Ok(reply("first")))).unwrap();
    let put = store.put(&call(0), &answered(Ok(reply("second")))).unwrap();
    assert_eq!(put, Put::Already(Ok(reply("first"))));
    assert_eq!(store.totals().unwrap()[0].n_calls, 1);
}

#[test]
fn an_unavailable_server_is_asked_again_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let down = failure(FailureClass::Unavailable);
    for n_opening in 0..2 {
        let store = CallStore::open(&path).unwrap();
        assert_eq!(store.get(&call(0).key).unwrap(), None, "{n_opening}");
        store.put(&call(0), &answered(down.clone())).unwrap();
        assert_eq!(store.get(&call(0).key).unwrap().as_ref(), Some(&down));
        let [totals] = &store.totals().unwrap()[..] else {
            panic!("one kind");
        };
        assert_eq!((&*totals.kind, totals.n_calls), ("unavailable", 1));
        assert_eq!(totals.n_attempts, 2 * (n_opening + 1));
    }
    let store = CallStore::open(&path).unwrap();
    assert_eq!(store.get_for_replay(&call(0).key).unwrap(), Some(down));
    let put = store.put(&call(0), &answered(Ok(reply("back")))).unwrap();
    assert_eq!(put, Put::New);
    assert_eq!(
        store.get_for_replay(&call(0).key).unwrap(),
        Some(Ok(reply("back")))
    );
    let [totals] = &store.totals().unwrap()[..] else {
        panic!("one kind");
    };
    assert_eq!((&*totals.kind, totals.n_calls), ("reply", 1));
}

#[test]
fn sums_are_those_of_the_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let store = CallStore::open(&path).unwrap();
    let n = MAX_BATCH_ROWS + 10;
    for i in 0..n {
        store.put(&call(i), &answered(Ok(reply("x")))).unwrap();
    }
    let other = Call::new("scripted:b", &user("x"));
    store
        .put(&other, &answered(failure(FailureClass::Rejected)))
        .unwrap();
    let check = |store: &CallStore| {
        let [a, b] = &store.totals().unwrap()[..] else {
            panic!("two sources");
        };
        assert_eq!(
            (&*a.identity, &*a.kind, a.n_calls),
            ("scripted:a", "reply", n as u64)
        );
        assert_eq!(
            (&*b.identity, &*b.kind, b.n_calls),
            ("scripted:b", "rejected", 1)
        );
        assert_eq!((a.n_attempts, a.secs), (2 * n as u64, n as f64 / 2.0));
        // `prompt 0` to `prompt 265`.
        assert_eq!(a.n_chars, (n * 7 + 10 + 90 * 2 + (n - 100) * 3) as u64);
        let n = n as u64;
        assert_eq!(
            a.usage,
            Usage {
                input_tokens: 10 * n,
                cached_tokens: 4 * n,
                output_tokens: 5 * n
            }
        );
        assert_eq!(b.usage, Usage::default());
    };
    check(&store);
    drop(store);
    check(&CallStore::open_to_read(&path).unwrap());
}

/// Reads through another connection, which sees nothing that is not committed.
fn n_committed(path: &std::path::Path) -> u64 {
    let store = CallStore::open_to_read(path).unwrap();
    store
        .totals()
        .unwrap()
        .iter()
        .map(|totals| totals.n_calls)
        .sum()
}

#[test]
fn rows_are_written_in_time_without_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let store = CallStore::open(&path).unwrap();
    for round in 1..=3 {
        store.put(&call(round), &answered(Ok(reply("x")))).unwrap();
        // Written after `MAX_BATCH_AGE`; a busy machine is given a hundred times that.
        let written = (0..100).any(|_| {
            std::thread::sleep(MAX_BATCH_AGE);
            n_committed(&path) == round as u64
        });
        assert!(written, "{round}");
    }
    // As if it were killed: the store is never dropped.
    std::mem::forget(store);
    assert_eq!(n_committed(&path), 3);
}

#[test]
fn a_full_batch_and_a_flush_are_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let store = CallStore::open(&path).unwrap();
    for i in 0..MAX_BATCH_ROWS {
        store.put(&call(i), &answered(Ok(reply("x")))).unwrap();
    }
    assert_eq!(n_committed(&path), MAX_BATCH_ROWS as u64);
    store
        .put(&call(MAX_BATCH_ROWS), &answered(Ok(reply("x"))))
        .unwrap();
    store.flush().unwrap();
    assert_eq!(n_committed(&path), MAX_BATCH_ROWS as u64 + 1);
}

#[test]
fn two_stores_write_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let write = |from: usize| {
        let store = CallStore::open(&path).unwrap();
        for i in from..from + 300 {
            store.put(&call(i), &answered(Ok(reply("x")))).unwrap();
            if i % 50 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| write(0));
        scope.spawn(|| write(150));
    });
    assert_eq!(n_committed(&path), 450);
}

#[test]
fn two_stores_can_be_made_at_the_same_moment() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40 {
        let path = folder.path().join(format!("{i}.sqlite"));
        let open = || CallStore::open(&path).map(drop);
        let opened = std::thread::scope(|scope| {
            let all = [(); 3].map(|()| scope.spawn(open));
            all.map(|one| one.join().unwrap())
        });
        assert!(opened.iter().all(Result::is_ok), "{i}: {opened:?}");
    }
}

#[test]
fn twenty_thousand_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let store = CallStore::open(&path).unwrap();
    for i in 0..20_000 {
        store.put(&call(i), &answered(Ok(reply("x")))).unwrap();
    }
    drop(store);
    assert_eq!(n_committed(&path), 20_000);
}

#[test]
fn long_bodies_are_cut_between_characters() {
    let folder = tempfile::tempdir().unwrap();
    let store = CallStore::open(&folder.path().join("calls.sqlite")).unwrap();
    let raw = format!("x{}", "é".repeat(MAX_RAW_BYTES));
    let long = Answered {
        raw: Some(raw.clone()),
        ..answered(Ok(reply("x")))
    };
    store.put(&call(0), &long).unwrap();
    let kept = store.raw(&call(0).key).unwrap().unwrap();
    assert_eq!(kept.len(), MAX_RAW_BYTES - 1);
    assert!(raw.starts_with(&kept));
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("text"),
        "not a database, by far; long enough to be looked at ".repeat(20),
    )
    .unwrap();
    let other = rusqlite::Connection::open(path("other")).unwrap();
    other
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    drop(other);
    drop(CallStore::open(&path("newer")).unwrap());
    let newer = rusqlite::Connection::open(path("newer")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let mut messages = Vec::new();
    for name in ["text", "other", "newer"] {
        let before = std::fs::read(path(name)).unwrap();
        for open in [CallStore::open, CallStore::open_to_read] {
            let error = open(&path(name)).unwrap_err();
            let text = error
                .to_string()
                .replace(folder.path().to_str().unwrap(), "");
            messages.push(format!("{text} / {}", error.hint()));
        }
        assert_eq!(before, std::fs::read(path(name)).unwrap());
    }
    messages.dedup();
    insta::assert_snapshot!(messages.join("\n"));
    assert!(matches!(
        CallStore::open_to_read(&path("missing")),
        Err(CallStoreError::Sqlite { .. })
    ));
}

#[test]
fn a_damaged_row_is_an_error_that_names_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let store = CallStore::open(&path).unwrap();
    store.put(&call(0), &answered(Ok(reply("x")))).unwrap();
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute("UPDATE body SET outcome = '{'", [])
        .unwrap();
    drop(connection);
    let error = CallStore::open(&path)
        .unwrap()
        .get(&call(0).key)
        .unwrap_err();
    assert!(matches!(error, CallStoreError::Damaged { .. }));
    assert!(error.to_string().contains(&call(0).key.to_string()));
}

#[test]
fn nothing_can_be_put_into_a_store_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    drop(CallStore::open(&path).unwrap());
    let store = CallStore::open_to_read(&path).unwrap();
    assert!(store.put(&call(0), &answered(Ok(reply("x")))).is_err());
}

/// A store of the format before, which did not say how calls were made.
#[test]
fn a_store_of_the_format_before_is_read_as_it_is_and_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let store = CallStore::open(&path).unwrap();
    store.put(&call(0), &answered(Ok(reply("x")))).unwrap();
    drop(store);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "ALTER TABLE call DROP COLUMN service; ALTER TABLE batch DROP COLUMN made;
         ALTER TABLE batch DROP COLUMN n_requests; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(old);
    let reader = CallStore::open_to_read(&path).unwrap();
    assert_eq!(reader.totals().unwrap()[0].n_calls, 1);
    drop(reader);
    let store = CallStore::open(&path).unwrap();
    assert!(store.get(&call(0).key).unwrap().is_some());
    let in_job = Answered {
        service: Service::Batch,
        ..answered(Ok(reply("y")))
    };
    store.put(&call(1), &in_job).unwrap();
    store.flush().unwrap();
    let totals = store.totals().unwrap();
    let services: Vec<Service> = totals.iter().map(|total| total.service).collect();
    assert_eq!(services, [Service::Direct, Service::Batch]);
}
