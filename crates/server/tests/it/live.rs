//! The run's page, its log, and what is sent while it goes on.

use std::io::Write as _;
use std::time::{Duration, Instant};

use trimtab_server::AskingConfig;
use trimtab_server::events::EventLog;

use crate::material::{METHOD, SMALL};
use crate::visit::Served;

#[tokio::test]
async fn progress_calls_and_events() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let admin = served.visitor("admin").await;
    let page = admin.get("/run").await;
    for words in ["<strong>1</strong> of 2", "round 1", "Last events", METHOD] {
        assert!(page.text.contains(words), "{words} in {}", page.text);
    }
    let log = admin.get("/run/events").await;
    assert!(log.text.contains("8 of 8 calls, 1 failed"));
    // What is appended shows.
    let mut file = std::fs::File::options()
        .append(true)
        .open(served.run().join("events.jsonl"))
        .unwrap();
    writeln!(
        file,
        "{}",
        serde_json::json!({"at": 9.0, "event": "finished", "wall_secs": 8.5})
    )
    .unwrap();
    assert!(
        admin
            .get("/run")
            .await
            .text
            .contains("finished after 8.5 s")
    );
}

#[tokio::test]
async fn a_report_that_is_not_there_yet_says_so() {
    let served = Served::new(SMALL, AskingConfig::default()).await;
    let admin = served.visitor("admin").await;
    let page = admin.get("/run/report").await;
    assert_eq!(page.status, 500);
    assert!(
        page.text.contains("there is no report of this run yet"),
        "{}",
        page.text
    );
}

#[test]
fn a_hundred_thousand_events_open_in_a_second() {
    let run = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..100_000)
        .map(|i| {
            let event = serde_json::json!({
                "at": f64::from(i), "event": "step", "variant": i % 4, "seed": i % 3, "training": "strong",
                "step": i, "n_steps": 100_000, "loss": 0.5, "learning_rate": 0.001, "gradient_norm": 1.0,
            });
            event.to_string()
        })
        .collect();
    std::fs::write(run.path().join("events.jsonl"), lines.join("\n") + "\n").unwrap();
    let began = Instant::now();
    let mut log = EventLog::new(run.path());
    log.read_on().unwrap();
    let page = log.page(99).unwrap();
    let took = began.elapsed();
    assert_eq!((log.progress().n_events, page.len()), (100_000, 1000));
    assert!(took < Duration::from_secs(1), "{took:?}");
}
