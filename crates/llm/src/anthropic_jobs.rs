//! Batch jobs as Anthropic writes them: requests go up in the body that makes the job, answers come down as lines.
//!
//! ```text
//! POST v1/messages/batches → GET v1/messages/batches/ID … → GET its results
//! ```
//!
//! Jobs have no names.

use bytes::Bytes;
use serde_json::Value;

use crate::batch::{JobCounts, JobName, JobSize};
use crate::completion::count;
use crate::job_reading::{Row, SeenJob, Stage, identifier, received, unanswered};
use crate::{anthropic, trouble};

/// The most that one job may hold.
pub(crate) const LIMITS: JobSize = JobSize {
    n_requests: 100_000,
    n_bytes: 256_000_000,
};

/// What makes a job of requests, given as identifiers, which need no escapes, and bodies.
pub(crate) fn job(requests: impl Iterator<Item = (String, Bytes)>) -> Bytes {
    let mut job = br#"{"requests":["#.to_vec();
    for (i, (id, body)) in requests.enumerate() {
        let comma = if i == 0 { "" } else { "," };
        job.extend_from_slice(format!(r#"{comma}{{"custom_id":"{id}","params":"#).as_bytes());
        job.extend_from_slice(&body);
        job.push(b'}');
    }
    job.extend_from_slice(b"]}");
    job.into()
}

/// Reads a job.
pub(crate) fn seen(job: &Value) -> Option<SeenJob> {
    let counts = &job["request_counts"];
    let n_processing = count(counts, "/processing");
    let n_done: u64 = ["/succeeded", "/errored", "/canceled", "/expired"]
        .iter()
        .map(|path| count(counts, path))
        .sum();
    let created = job["created_at"].as_str();
    let stage = match job["processing_status"].as_str() {
        _ if !job["archived_at"].is_null() => Stage::Archived,
        Some("ended") => Stage::Ended,
        _ => Stage::Running,
    };
    Some(SeenJob {
        id: identifier(&job["id"])?,
        name: JobName::NotKept,
        made: created.and_then(|date| humantime::parse_rfc3339_weak(date).ok()),
        counts: counts.is_object().then_some(JobCounts {
            n_done,
            n_requests: n_done + n_processing,
        }),
        stage,
        results: job["results_url"]
            .as_str()
            .map(str::to_owned)
            .into_iter()
            .collect(),
    })
}

/// Reads a line of results.
pub(crate) fn row(row: &Value) -> Option<Row> {
    let id = row["custom_id"].as_str()?.to_owned();
    let result = &row["result"];
    let kind = result["type"].as_str().unwrap_or_default();
    let read = match kind {
        "succeeded" => received(&result["message"], anthropic::read),
        "errored" => {
            let error = &result["error"];
            let body = error.to_string();
            Err(trouble::of_response(status(error), &body, None))
        }
        // `expired`, `canceled`.
        other => Err(unanswered(other)),
    };
    Some(Row { id, read })
}

/// The status that an error would have come with.
fn status(error: &Value) -> u16 {
    let kind = error["error"]["type"].as_str();
    match kind.or(error["type"].as_str()).unwrap_or_default() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trimtab_core::chat::FailureClass;

    use super::*;
    use crate::trouble::{AgainKind, Trouble};

    #[test]
    fn a_job_is_one_json_body() {
        let requests = [("a", r#"{"x":1}"#), ("b", "{}")];
        let requests = requests.map(|(id, body)| (id.to_owned(), Bytes::from(body)));
        let body: Value = serde_json::from_slice(&job(requests.into_iter())).unwrap();
        let wanted = json!({ "requests": [
            { "custom_id": "a", "params": { "x": 1 } }, { "custom_id": "b", "params": {} },
        ] });
        assert_eq!(body, wanted);
    }

    #[test]
    fn stages_counts_and_dates_are_read() {
        let of = |status: &str, archived: Value| {
            seen(&json!({
                "id": "msgbatch_1", "processing_status": status, "archived_at": archived,
                "created_at": "1970-01-01T00:00:05.5Z", "results_url": null,
                "request_counts": { "processing": 3, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 1 },
            }))
            .unwrap()
        };
        let running = of("in_progress", Value::Null);
        assert_eq!(running.stage, Stage::Running);
        let made = running.made.unwrap().duration_since(std::time::UNIX_EPOCH);
        assert_eq!(made.unwrap().as_millis(), 5500);
        let counts = running.counts.unwrap();
        assert_eq!((counts.n_done, counts.n_requests), (3, 6));
        assert_eq!(of("canceling", Value::Null).stage, Stage::Running);
        assert_eq!(of("ended", Value::Null).stage, Stage::Ended);
        assert_eq!(
            of("ended", json!("1970-02-01T00:00:00Z")).stage,
            Stage::Archived
        );
    }

    #[test]
    fn rows_are_answers_errors_or_neither() {
        let of = |result: Value| {
            let value = json!({ "custom_id": "a", "result": result });
            row(&value).unwrap().read
        };
        let message = json!({ "type": "message", "content": [{ "type": "text", "text": "hi" }] });
        let answer = of(json!({ "type": "succeeded", "message": message }));
        assert_eq!(answer.unwrap().completion.text, "hi");
        let errored = |kind: &str| {
            let error = json!({ "type": "error", "error": { "type": kind, "message": "no" } });
            of(json!({ "type": "errored", "error": error })).unwrap_err()
        };
        match errored("invalid_request_error") {
            Trouble::Failed(failure) => assert_eq!(failure.class, FailureClass::Rejected),
            other => panic!("{other:?}"),
        }
        for kind in ["api_error", "overloaded_error", "a new one"] {
            match errored(kind) {
                Trouble::Again(again) => assert_eq!(again.kind, AgainKind::Failed, "{kind}"),
                other => panic!("{other:?}"),
            }
        }
        for unasked in ["expired", "canceled"] {
            match of(json!({ "type": unasked })) {
                Err(Trouble::Again(again)) => assert!(again.message.ends_with(unasked)),
                other => panic!("{other:?}"),
            }
        }
    }
}
