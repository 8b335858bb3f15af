//! Batch jobs of a scripted server: OpenAI's (`/v1/files`, `/v1/batches`) and Anthropic's (`/v1/messages/batches`).
//!
//! A request in a job is answered as it would be on its own, from its very bytes, when the job is made: from then on it is
//! to be paid for, and stands in the [`CallLog`]. What befalls the job's own requests is in [`JobScript`], by number, not
//! by chance.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::call_log::CallLog;
use crate::raw_json;
use crate::request_view::RequestView;

/// How batch jobs go.
#[derive(Debug, Clone)]
pub struct JobScript {
    /// How often a job is looked at before it has ended.
    pub n_looks: u32,
    /// How often each thing that is not a job's making fails with 503 before it works.
    pub n_errors: u32,
    /// How many makings of jobs are refused with 429, before any is taken.
    pub n_busy: u32,
    /// How many jobs are made whose maker never learns of it: the connection is reset.
    pub n_resets: u32,
    /// How many results break off in their middle.
    pub n_cuts: u32,
    /// Every job is taken back as a whole, with this reason.
    pub taken_back: Option<String>,
    /// What becomes of a request.
    pub fate: fn(&RequestView) -> Fate,
}

/// What becomes of a request in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// The job expires before its turn.
    Expired,
    /// It is in no result.
    LeftOut,
}

impl Default for JobScript {
    fn default() -> Self {
        Self {
            n_looks: 1,
            n_errors: 0,
            n_busy: 0,
            n_resets: 0,
            n_cuts: 0,
            taken_back: None,
            fate: |_| Fate::Answered,
        }
    }
}

/// The jobs of a server.
#[derive(Debug)]
pub(crate) struct Jobs {
    script: JobScript,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<String>,
    jobs: Vec<Job>,
    n_errors: BTreeMap<String, u32>,
    n_busy: u32,
    n_resets: u32,
    n_cuts: u32,
}

#[derive(Debug)]
struct Job {
    api: Api,
    metadata: Value,
    n_looks: u32,
    n_requests: usize,
    answers: Vec<String>,
    errors: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    OpenAi,
    Anthropic,
}

/// What comes back of a request that is about jobs.
pub(crate) enum JobResponse {
    /// A status and a body.
    Whole(u16, String),
    /// As much of a body as comes before the connection breaks.
    Cut(String),
    /// Nothing: the connection is reset.
    Reset,
}

/// A single request's answer: a status and a body.
pub(crate) type Answer<'a> = &'a dyn Fn(&RequestView) -> (u16, Value);

/// Whether a path is one of batch jobs.
pub(crate) fn is_path(path: &str) -> bool {
    ["/v1/files", "/v1/batches", "/v1/messages/batches"]
        .iter()
        .any(|jobs| {
            path.strip_prefix(jobs)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        })
}

impl Jobs {
    pub(crate) fn new(script: JobScript) -> Self {
        Self {
            script,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many jobs were made.
    pub(crate) fn n_jobs(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Answers a request about jobs, whose body is `raw`.
    pub(crate) fn respond(
        &self,
        request: &RequestView,
        raw: &str,
        answer: Answer<'_>,
        log: &CallLog,
    ) -> JobResponse {
        let path = request.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        let makes = request.method == "POST" && parts != ["files"];
        let mut state = self.lock();
        if !makes {
            let n = state.n_errors.entry(request.path.clone()).or_default();
            *n += 1;
            if *n <= self.script.n_errors {
                return JobResponse::Whole(503, "try again".into());
            }
        } else if state.n_busy < self.script.n_busy {
            state.n_busy += 1;
            return JobResponse::Whole(429, "{}".into());
        }
        let found = match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["files"]) => file_of(raw).map(|file| {
                state.files.push(file);
                json!({ "id": format!("file-{}", state.files.len() - 1), "object": "file" })
            }),
            ("POST", ["batches"]) => {
                let file = (request.body["input_file_id"].as_str())
                    .and_then(|id| id.strip_prefix("file-")?.parse::<usize>().ok())
                    .and_then(|i| state.files.get(i).cloned());
                file.map(|file| {
                    let metadata = request.body["metadata"].clone();
                    let requests = openai_requests(&file);
                    self.make(&mut state, (Api::OpenAi, metadata), &requests, answer, log)
                })
            }
            ("POST", ["messages", "batches"]) => anthropic_requests(raw).map(|requests| {
                self.make(
                    &mut state,
                    (Api::Anthropic, Value::Null),
                    &requests,
                    answer,
                    log,
                )
            }),
            ("GET", ["batches"]) => Some(self.list(&state, Api::OpenAi, request)),
            ("GET", ["messages", "batches"]) => Some(self.list(&state, Api::Anthropic, request)),
            ("GET", ["batches", id]) => self.look(&mut state, Api::OpenAi, id),
            ("GET", ["messages", "batches", id]) => self.look(&mut state, Api::Anthropic, id),
            ("GET", ["files", id, "content"]) => {
                let (kind, id) = id.split_once('-').unwrap_or_default();
                let job = id.parse::<usize>().ok().and_then(|i| state.jobs.get(i));
                let lines = job.map(|job| match kind {
                    "out" => job.answers.concat(),
                    _ => job.errors.concat(),
                });
                return self.lines(&mut state, lines);
            }
            ("GET", ["messages", "batches", id, "results"]) => {
                let lines = (number(id).and_then(|i| state.jobs.get(i)))
                    .map(|job| job.answers.concat() + &job.errors.concat());
                return self.lines(&mut state, lines);
            }
            _ => None,
        };
        if makes && found.is_some() && state.n_resets < self.script.n_resets {
            state.n_resets += 1;
            return JobResponse::Reset;
        }
        match found {
            Some(value) => JobResponse::Whole(200, value.to_string()),
            None => JobResponse::Whole(404, r#"{"error":{"message":"not found"}}"#.into()),
        }
    }

    fn lines(&self, state: &mut State, lines: Option<String>) -> JobResponse {
        let Some(mut lines) = lines else {
            return JobResponse::Whole(404, "{}".into());
        };
        if state.n_cuts < self.script.n_cuts {
            state.n_cuts += 1;
            // In a line, where there is more than one.
            let half = lines.len() / 2;
            let half = (0..=half).rev().find(|&n| lines.is_char_boundary(n));
            lines.truncate(half.unwrap_or_default());
            return JobResponse::Cut(lines);
        }
        JobResponse::Whole(200, lines)
    }

    /// Makes a job of requests, given as identifier, path and body.
    fn make(
        &self,
        state: &mut State,
        (api, metadata): (Api, Value),
        requests: &[(String, String, String)],
        answer: Answer<'_>,
        log: &CallLog,
    ) -> Value {
        let mut job = Job {
            api,
            metadata,
            n_looks: 0,
            n_requests: requests.len(),
            answers: Vec::new(),
            errors: Vec::new(),
        };
        let is_taken = self.script.taken_back.is_none();
        for (id, path, body) in requests.iter().filter(|_| is_taken) {
            let view = RequestView::new("POST", path, b"", body.as_bytes());
            log.receive(view.hash);
            log.leave();
            match (self.script.fate)(&view) {
                Fate::LeftOut => {}
                Fate::Expired => job.errors.push(expired(api, id)),
                Fate::Answered => {
                    let (status, body) = answer(&view);
                    let is_answer = status < 300;
                    if is_answer {
                        log.answer(view.hash);
                    }
                    let line = answered(api, id, status, &body);
                    let lines = if is_answer {
                        &mut job.answers
                    } else {
                        &mut job.errors
                    };
                    lines.push(line);
                }
            }
        }
        state.jobs.push(job);
        self.shown(state, state.jobs.len() - 1)
    }

    fn look(&self, state: &mut State, api: Api, id: &str) -> Option<Value> {
        let i = number(id)?;
        let job = state.jobs.get_mut(i).filter(|job| job.api == api)?;
        job.n_looks += 1;
        Some(self.shown(state, i))
    }

    fn list(&self, state: &State, api: Api, request: &RequestView) -> Value {
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        let value = |key: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
        };
        let limit: usize = value("limit").and_then(|n| n.parse().ok()).unwrap_or(20);
        let after = value("after").or(value("after_id")).and_then(number);
        let mut newest_first = (0..state.jobs.len())
            .rev()
            .filter(|&i| state.jobs[i].api == api && after.is_none_or(|after| i < after));
        // Few a page, so that there are several.
        let page: Vec<Value> = newest_first
            .by_ref()
            .take(limit.min(2))
            .map(|i| self.shown(state, i))
            .collect();
        let last = page.last().map(|job| job["id"].clone());
        json!({ "data": page, "has_more": newest_first.next().is_some(), "last_id": last })
    }

    fn shown(&self, state: &State, i: usize) -> Value {
        let job = &state.jobs[i];
        let has_ended = job.n_looks > self.script.n_looks;
        let (n_answers, n_errors) = (job.answers.len(), job.errors.len());
        match job.api {
            Api::OpenAi => {
                let file =
                    |kind: &str, n: usize| (has_ended && n > 0).then(|| format!("{kind}-{i}"));
                let status = match (&self.script.taken_back, has_ended) {
                    (Some(_), true) => "failed",
                    (_, true) => "completed",
                    (_, false) => "in_progress",
                };
                let why = self.script.taken_back.as_ref().filter(|_| has_ended);
                json!({
                    "id": format!("batch_{i}"), "object": "batch", "endpoint": "/v1/chat/completions",
                    "status": status, "created_at": made(i), "metadata": job.metadata,
                    "output_file_id": file("out", n_answers), "error_file_id": file("err", n_errors),
                    "errors": why.map(|why| json!({ "data": [{ "message": why, "code": "scripted" }] })),
                    "request_counts": {
                        "total": job.n_requests,
                        "completed": if has_ended { n_answers } else { 0 },
                        "failed": if has_ended { n_errors } else { 0 },
                    },
                })
            }
            Api::Anthropic => {
                let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(made(i));
                json!({
                    "id": format!("msgbatch_{i}"), "type": "message_batch",
                    "processing_status": if has_ended { "ended" } else { "in_progress" },
                    "created_at": humantime::format_rfc3339_micros(date).to_string(),
                    "archived_at": null,
                    // Where the key must not go.
                    "results_url": format!("http://elsewhere.invalid/msgbatch_{i}"),
                    "request_counts": {
                        "processing": if has_ended { 0 } else { job.n_requests },
                        "succeeded": if has_ended { n_answers } else { 0 },
                        "errored": if has_ended { job.n_requests - n_answers } else { 0 },
                        "canceled": 0, "expired": 0,
                    },
                })
            }
        }
    }
}

/// When the `i`-th job was made, a second after the other: now, as far as clients need to know.
fn made(i: usize) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs() + i as u64
}

fn number(id: &str) -> Option<usize> {
    id.split_once('_')?.1.parse().ok()
}

/// The file in a form.
fn file_of(form: &str) -> Option<String> {
    let boundary = form.lines().next()?;
    let part = form
        .split(boundary)
        .find(|part| part.contains("filename="))?;
    let (_, content) = part.split_once("\r\n\r\n")?;
    content.strip_suffix("\r\n").map(str::to_owned)
}

fn openai_requests(file: &str) -> Vec<(String, String, String)> {
    let text = |line: &str, key: &str| {
        let member = raw_json::member(line, key).unwrap_or("null");
        serde_json::from_str::<String>(member).unwrap_or_default()
    };
    (file.lines())
        .map(|line| {
            let body = raw_json::member(line, "body").unwrap_or_default();
            (text(line, "custom_id"), text(line, "url"), body.to_owned())
        })
        .collect()
}

fn anthropic_requests(body: &str) -> Option<Vec<(String, String, String)>> {
    let requests = raw_json::elements(raw_json::member(body, "requests")?)?;
    let requests = requests.into_iter().map(|request| {
        let id = raw_json::member(request, "custom_id")?;
        let id = serde_json::from_str::<String>(id).ok()?;
        let is_one = (1..=64).contains(&id.len())
            && id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let params = raw_json::member(request, "params")?.to_owned();
        is_one.then(|| (id, "/v1/messages".to_owned(), params))
    });
    requests.collect()
}

fn answered(api: Api, id: &str, status: u16, body: &Value) -> String {
    let line = match (api, status < 300) {
        (Api::OpenAi, _) => json!({
            "id": "batch_req", "custom_id": id, "error": null,
            "response": { "status_code": status, "request_id": "r", "body": body },
        }),
        (Api::Anthropic, true) => {
            json!({ "custom_id": id, "result": { "type": "succeeded", "message": body } })
        }
        (Api::Anthropic, false) => {
            json!({ "custom_id": id, "result": { "type": "errored", "error": body } })
        }
    };
    format!("{line}\n")
}

fn expired(api: Api, id: &str) -> String {
    let line = match api {
        Api::OpenAi => json!({
            "id": "batch_req", "custom_id": id, "response": null,
            "error": { "code": "batch_expired", "message": "This request could not be executed in time." },
        }),
        Api::Anthropic => json!({ "custom_id": id, "result": { "type": "expired" } }),
    };
    format!("{line}\n")
}
