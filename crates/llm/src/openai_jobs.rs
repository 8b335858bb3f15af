//! Batch jobs as OpenAI writes them: a file of requests goes up, a job is made of it, and its answers are files.
//!
//! ```text
//! POST files (multipart, purpose "batch") → POST batches → GET batches/ID … → GET files/ID/content, of answers and of errors
//! ```
//!
//! A job's name is in its metadata, under [`NAME`]. Servers that speak like OpenAI may keep none; OpenAI itself does.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::batch::{JobCounts, JobName, JobSize};
use crate::completion::count;
use crate::job_reading::{Row, SeenJob, Stage, identifier, received, unanswered};
use crate::shown::shown;
use crate::{openai, trouble};

/// The most that one job may hold.
pub(crate) const LIMITS: JobSize = JobSize {
    n_requests: 50_000,
    n_bytes: 200_000_000,
};

/// The key of a job's name in its metadata.
const NAME: &str = "trimtab-job";
/// What the requests of a file ask for.
const ENDPOINT: &str = "/v1/chat/completions";

/// The line of one request in a file. `id` needs no escapes.
pub(crate) fn push_line(file: &mut Vec<u8>, id: &str, body: &[u8]) {
    let head = format!(r#"{{"custom_id":"{id}","method":"POST","url":"{ENDPOINT}","body":"#);
    file.extend_from_slice(head.as_bytes());
    file.extend_from_slice(body);
    file.extend_from_slice(b"}\n");
}

/// A form that takes a file up: its content type, and its body.
pub(crate) fn form(file: &[u8]) -> (String, Bytes) {
    // Of the file's hash, so that it is not in the file.
    let mut boundary = String::new();
    for byte in &Sha256::digest(file)[..16] {
        write!(boundary, "{byte:02x}").expect("a string takes all");
    }
    let mut form = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"requests.jsonl\"\r\n\
         content-type: application/jsonl\r\n\r\n"
    )
    .into_bytes();
    form.reserve_exact(file.len() + boundary.len() + 8);
    form.extend_from_slice(file);
    form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    (kind, form.into())
}

/// What makes a job of a file.
pub(crate) fn job(file: &str, name: &str) -> Bytes {
    let job = json!({
        "input_file_id": file,
        "endpoint": ENDPOINT,
        "completion_window": "24h",
        "metadata": { NAME: name },
    });
    job.to_string().into()
}

/// Reads a job; `keeps_names` where a job without metadata is none of ours.
pub(crate) fn seen(job: &Value, keeps_names: bool) -> Option<SeenJob> {
    let files: Vec<String> = ["output_file_id", "error_file_id"]
        .iter()
        .filter_map(|key| identifier(&job[key]))
        .collect();
    let is_of_chats = job["endpoint"].as_str().is_none_or(|path| path == ENDPOINT);
    let metadata = &job["metadata"];
    let stage = match job["status"].as_str() {
        Some("failed") if files.is_empty() => Stage::TakenBack(errors(&job["errors"])),
        Some("completed" | "expired" | "cancelled" | "failed") => Stage::Ended,
        _ => Stage::Running,
    };
    let counts = &job["request_counts"];
    Some(SeenJob {
        id: identifier(&job["id"])?,
        name: match metadata[NAME].as_str() {
            Some(name) => JobName::Is(name.to_owned()),
            None if keeps_names || metadata.is_object() || !is_of_chats => JobName::Other,
            None => JobName::NotKept,
        },
        made: (job["created_at"].as_u64()).map(|secs| UNIX_EPOCH + Duration::from_secs(secs)),
        counts: counts["total"].as_u64().map(|n_requests| JobCounts {
            n_done: count(counts, "/completed") + count(counts, "/failed"),
            n_requests,
        }),
        stage,
        results: files,
    })
}

/// What is wrong with a file of requests, in one line.
fn errors(errors: &Value) -> String {
    let listed = errors["data"].as_array().into_iter().flatten();
    let said: Vec<String> = listed
        .take(3)
        .map(|error| {
            let said = |key: &str| error[key].as_str().unwrap_or_default();
            let line = error["line"].as_u64();
            let line = line.map_or(String::new(), |line| format!("line {line}: "));
            shown(&format!("{line}{} ({})", said("message"), said("code")))
        })
        .collect();
    if said.is_empty() {
        "it does not say why".into()
    } else {
        said.join("; ")
    }
}

/// Reads a line of a file of answers or of errors.
pub(crate) fn row(row: &Value) -> Option<Row> {
    let id = row["custom_id"].as_str()?.to_owned();
    let response = &row["response"];
    let read = match response["status_code"].as_u64() {
        Some(200..=299) => received(&response["body"], openai::read),
        Some(status @ 300..=599) => {
            let body = response["body"].to_string();
            Err(trouble::of_response(status as u16, &body, None))
        }
        _ => {
            let error = &row["error"];
            let said = |key: &str| error[key].as_str().unwrap_or_default();
            Err(unanswered(&format!("{} {}", said("code"), said("message"))))
        }
    };
    Some(Row { id, read })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Trouble;

    fn job_of(status: &str, more: &Value) -> SeenJob {
        let mut job = json!({ "id": "batch_1", "status": status, "created_at": 5 });
        for (key, value) in more.as_object().unwrap() {
            job[key] = value.clone();
        }
        seen(&job, false).unwrap()
    }

    #[test]
    fn a_form_has_two_parts_and_a_file_that_cannot_end_it() {
        let (kind, form) = form(b"{\"a\":1}\n--x--\r\n");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let form = std::str::from_utf8(&form).unwrap();
        let parts: Vec<&str> = form.split(&format!("--{boundary}")).collect();
        assert_eq!(parts.len(), 4);
        assert!(parts[1].ends_with("name=\"purpose\"\r\n\r\nbatch\r\n"));
        assert!(parts[2].ends_with("\r\n\r\n{\"a\":1}\n--x--\r\n\r\n"));
        assert_eq!((parts[0], parts[3]), ("", "--\r\n"));
    }

    #[test]
    fn stages_counts_and_names_are_read() {
        let none = json!({});
        for running in [
            "validating",
            "in_progress",
            "finalizing",
            "cancelling",
            "queued",
        ] {
            assert_eq!(job_of(running, &none).stage, Stage::Running, "{running}");
        }
        for ended in ["completed", "expired", "cancelled"] {
            assert_eq!(job_of(ended, &none).stage, Stage::Ended, "{ended}");
        }
        let data = json!({ "errors": { "data": [{ "code": "invalid", "message": "no such model", "line": 3 }] } });
        let why = "line 3: no such model (invalid)".to_owned();
        assert_eq!(job_of("failed", &data).stage, Stage::TakenBack(why));
        let partly = json!({ "error_file_id": "file-2" });
        assert_eq!(job_of("failed", &partly).stage, Stage::Ended);
        let counts = json!({ "request_counts": { "total": 9, "completed": 4, "failed": 2 } });
        let counts = job_of("in_progress", &counts).counts.unwrap();
        assert_eq!((counts.n_done, counts.n_requests), (6, 9));

        let named = json!({ "metadata": { NAME: "trimtab-1" } });
        let ours = JobName::Is("trimtab-1".into());
        assert_eq!(job_of("completed", &named).name, ours);
        assert_eq!(job_of("completed", &none).name, JobName::NotKept);
        let theirs = json!({ "metadata": {} });
        assert_eq!(job_of("completed", &theirs).name, JobName::Other);
        let embeddings = json!({ "endpoint": "/v1/embeddings" });
        assert_eq!(job_of("completed", &embeddings).name, JobName::Other);
        assert_eq!(seen(&json!({ "id": "../files" }), false), None);
    }

    #[test]
    fn rows_are_answers_errors_or_neither() {
        let of = |value: Value| row(&value).unwrap().read;
        let body = json!({ "choices": [{ "message": { "content": "hi" } }] });
        let answer = json!({ "custom_id": "a", "response": { "status_code": 200, "body": body }, "error": null });
        assert_eq!(of(answer).unwrap().completion.text, "hi");
        let long = json!({ "error": { "message": "…", "code": "context_length_exceeded" } });
        let long = json!({ "custom_id": "a", "response": { "status_code": 400, "body": long }, "error": null });
        assert!(matches!(of(long), Err(Trouble::Failed(_))));
        let expired = json!({
            "custom_id": "a", "response": null,
            "error": { "code": "batch_expired", "message": "This request could not be executed." },
        });
        match of(expired) {
            Err(Trouble::Again(again)) => assert!(again.message.contains("batch_expired")),
            other => panic!("{other:?}"),
        }
        assert!(row(&json!({ "response": {} })).is_none());
    }
}
