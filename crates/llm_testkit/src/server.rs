//! A scripted HTTP server on loopback: `POST …/chat/completions`, `POST …/messages`, `GET …/models`; with
//! [`jobs`], batch jobs of both kinds.
//!
//! It writes HTTP/1.1 itself, so that it can break it: bodies that end too soon, connections that are reset. It keeps
//! connections open, takes bodies with a `content-length` only, and stops when it is dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use trimtab_core::Seed;

use crate::call_log::CallLog;
use crate::fault::{Fault, Faults, HintForm};
use crate::jobs::{self, JobResponse, JobScript, Jobs};
use crate::request_view::RequestView;
use crate::script::{Scripted, ScriptedToken};
use crate::shape::{LogProbShape, Said, body};

type Script = Box<dyn Fn(&RequestView) -> Scripted + Send + Sync>;

/// The largest request taken.
const LONGEST_REQUEST: usize = 64 << 20;

struct Setting {
    script: Script,
    latency: Duration,
    faults: Faults,
    log_probs: LogProbShape,
    key: Option<String>,
    models: Vec<String>,
    capacity: usize,
    port: u16,
    jobs: Option<Jobs>,
}

/// What a scripted server does.
pub struct ScriptedServerBuilder(Setting);

impl ScriptedServerBuilder {
    /// How long every answer takes.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.0.latency = latency;
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.0.faults = faults;
        self
    }

    /// How log-probabilities are shown.
    #[must_use]
    pub fn log_probs(mut self, shape: LogProbShape) -> Self {
        self.0.log_probs = shape;
        self
    }

    /// Without this key, 401.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    /// For any other model, 404. Without this, every model is known and `GET /models` fails.
    #[must_use]
    pub fn models<const N: usize>(mut self, models: [&str; N]) -> Self {
        self.0.models = models.map(str::to_owned).to_vec();
        self
    }

    /// With more than this in flight, 429.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.0.capacity = capacity;
        self
    }

    /// Takes batch jobs; without this, 404.
    #[must_use]
    pub fn jobs(mut self, script: JobScript) -> Self {
        self.0.jobs = Some(Jobs::new(script));
        self
    }

    /// Which port; 0, as it is without this, for any that is free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.0.port = port;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the port is taken, or the system gives no thread.
    pub fn start(self) -> io::Result<ScriptedServer> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("scripted-server")
            .enable_all()
            .build()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.0.port));
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        let log = Arc::new(CallLog::default());
        let setting = Arc::new(self.0);
        runtime.spawn(accept(listener, Arc::clone(&setting), Arc::clone(&log)));
        let runtime = Some(runtime);
        Ok(ScriptedServer {
            runtime,
            address,
            setting,
            log,
        })
    }
}

/// A running server.
pub struct ScriptedServer {
    runtime: Option<Runtime>,
    address: SocketAddr,
    setting: Arc<Setting>,
    log: Arc<CallLog>,
}

impl ScriptedServer {
    /// A server that answers with what `script` makes of a request.
    pub fn builder(
        script: impl Fn(&RequestView) -> Scripted + Send + Sync + 'static,
    ) -> ScriptedServerBuilder {
        ScriptedServerBuilder(Setting {
            script: Box::new(script),
            latency: Duration::ZERO,
            faults: Faults::none(),
            log_probs: LogProbShape::Chat,
            key: None,
            models: Vec::new(),
            capacity: usize::MAX,
            port: 0,
            jobs: None,
        })
    }

    /// Its base address: `http://127.0.0.1:PORT/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many batch jobs were made.
    pub fn n_jobs(&self) -> usize {
        self.setting.jobs.as_ref().map_or(0, Jobs::n_jobs)
    }

    /// What it was asked so far.
    pub fn log(&self) -> &CallLog {
        &self.log
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, setting: Arc<Setting>, log: Arc<CallLog>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files: some connection may close.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (setting, log) = (Arc::clone(&setting), Arc::clone(&log));
        tokio::spawn(async move {
            // A client that goes away is its own affair.
            serve(stream, &setting, &log).await.ok();
        });
    }
}

/// Answers requests of one connection until it ends.
async fn serve(mut stream: TcpStream, setting: &Setting, log: &CallLog) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    while let Some((mut request, raw)) = read(&mut stream, &mut buffer).await? {
        if let (Some(jobs), true) = (&setting.jobs, jobs::is_path(&request.path)) {
            match about_jobs(jobs, &request, &raw, setting, log) {
                JobResponse::Whole(status, body) => {
                    let bytes = http(status, &[], "application/json", &body);
                    stream.write_all(&bytes).await?;
                    continue;
                }
                JobResponse::Cut(body) => {
                    // The head promises a byte more.
                    let mut bytes = http(200, &[], "application/json", &(body + " "));
                    bytes.pop();
                    stream.write_all(&bytes).await?;
                    return stream.shutdown().await;
                }
                JobResponse::Reset => return stream.set_zero_linger(),
            }
        }
        let (attempt, in_flight) = log.receive(request.hash);
        let _in_flight = InFlight(log);
        request.attempt = attempt;
        let response = respond(&request, setting, in_flight).await;
        match response {
            Response::Whole { bytes, answers } => {
                // Before it is sent, so that a client that has it finds it here.
                if answers {
                    log.answer(request.hash);
                }
                stream.write_all(&bytes).await?;
            }
            Response::Drip { bytes, pause } => {
                log.answer(request.hash);
                let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
                let (head, body) = bytes.split_at(head.map_or(0, |at| at + 4));
                stream.write_all(head).await?;
                for &byte in body {
                    stream.write_all(&[byte]).await?;
                    sleep(pause).await;
                }
            }
            Response::Cut(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Response::Reset => return stream.set_zero_linger(),
        }
    }
    Ok(())
}

/// Counts a call out, however it ends.
struct InFlight<'a>(&'a CallLog);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Answers a request about batch jobs.
fn about_jobs(
    jobs: &Jobs,
    request: &RequestView,
    raw: &str,
    setting: &Setting,
    log: &CallLog,
) -> JobResponse {
    if let Some(Scripted::Status { status, body, .. }) = wrong_key(request, setting) {
        return JobResponse::Whole(status, body);
    }
    let answer = |view: &RequestView| {
        let scripted = gate(view, setting).unwrap_or_else(|| (setting.script)(view));
        let (status, body) = match scripted {
            Scripted::Status { status, body, .. } => (status, body),
            Scripted::Completion {
                text,
                finish,
                tokens,
                ..
            } => {
                let (text, tokens) = cut(view, text, tokens);
                let said = Said {
                    text: &text,
                    finish: &finish,
                    tokens: &tokens,
                };
                (200, body(view, &said, setting.log_probs).0)
            }
        };
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    };
    jobs.respond(request, raw, &answer, log)
}

/// Tokens, cut to the longest reply asked for, are the text where there are any.
fn cut(
    request: &RequestView,
    text: String,
    mut tokens: Vec<ScriptedToken>,
) -> (String, Vec<ScriptedToken>) {
    if tokens.is_empty() {
        return (text, tokens);
    }
    tokens.truncate(request.max_tokens().unwrap_or(usize::MAX));
    let text = tokens.iter().map(|token| token.text.as_str()).collect();
    (text, tokens)
}

/// The next request, and its body where it is about batch jobs; none when the client is done.
async fn read(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<(RequestView, String)>> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    loop {
        if buffer.is_empty() && stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        let parsed = head
            .parse(buffer)
            .map_err(|error| bad(&error.to_string()))?;
        if let httparse::Status::Complete(n_head) = parsed {
            let length = head
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let n_body: usize = match length.map(|header| str::from_utf8(header.value)) {
                Some(value) => value
                    .ok()
                    .and_then(|value| value.trim().parse().ok())
                    .ok_or_else(|| bad("content-length"))?,
                None => 0,
            };
            let method = head.method.unwrap_or_default().to_owned();
            let path = head.path.unwrap_or_default().to_owned();
            if n_body > LONGEST_REQUEST {
                return Err(bad("a request too long"));
            }
            while buffer.len() < n_head + n_body {
                if stream.read_buf(buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let (head, body) = buffer[..n_head + n_body].split_at(n_head);
            let request = RequestView::new(&method, &path, head, body);
            let raw = if jobs::is_path(&path) {
                String::from_utf8_lossy(body).into_owned()
            } else {
                String::new()
            };
            buffer.drain(..n_head + n_body);
            return Ok(Some((request, raw)));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

enum Response {
    Whole { bytes: Vec<u8>, answers: bool },
    Drip { bytes: Vec<u8>, pause: Duration },
    Cut(Vec<u8>),
    Reset,
}

async fn respond(request: &RequestView, setting: &Setting, in_flight: usize) -> Response {
    let refuse = |scripted: &Scripted| match scripted {
        Scripted::Status {
            status,
            headers,
            body,
        } => Response::Whole {
            bytes: http(*status, headers, "application/json", body),
            answers: false,
        },
        Scripted::Completion { .. } => unreachable!("a refusal has a status"),
    };
    if let Some(scripted) = wrong_key(request, setting).or_else(|| gate(request, setting)) {
        return refuse(&scripted);
    }
    if request.method == "GET" {
        return refuse(&models(request, setting));
    }
    if in_flight > setting.capacity {
        return refuse(&rate_limit(HintForm::None, Duration::ZERO));
    }
    let scripted = (setting.script)(request);
    let (text, finish, tokens, delay) = match scripted {
        Scripted::Status { .. } => {
            sleep(setting.latency).await;
            return refuse(&scripted);
        }
        Scripted::Completion {
            text,
            finish,
            tokens,
            delay,
        } => (text, finish, tokens, delay),
    };
    let wait = setting.latency + delay;
    if wait > Duration::ZERO {
        sleep(wait).await;
    }
    let fault = setting.faults.draw(request.hash, request.attempt);
    let (text, tokens) = cut(request, text, tokens);
    let shape = match fault {
        Some(Fault::NoLogProbs) => LogProbShape::Ignored,
        _ => setting.log_probs,
    };
    let said = Said {
        text: &text,
        finish: &finish,
        tokens: &tokens,
    };
    let (text, kind) = body(request, &said, shape);
    let bytes = http(200, &[], kind, &text);
    match fault {
        None | Some(Fault::NoLogProbs) => Response::Whole {
            bytes,
            answers: true,
        },
        Some(Fault::RateLimit(form)) => refuse(&rate_limit(form, setting.faults.hint)),
        Some(Fault::ServerError(status)) => {
            refuse(&Scripted::status(status, "<html>upstream error</html>"))
        }
        Some(Fault::Truncated) => {
            let n = bytes.len() - text.len() / 2 - 1;
            Response::Cut(bytes[..n].to_vec())
        }
        Some(Fault::MalformedJson) => {
            let n = (0..=text.len() / 2)
                .rev()
                .find(|&n| text.is_char_boundary(n));
            let half = &text[..n.unwrap_or_default()];
            Response::Whole {
                bytes: http(200, &[], kind, half),
                answers: false,
            }
        }
        Some(Fault::SlowDrip { pause_ms }) => Response::Drip {
            bytes,
            pause: Duration::from_millis(u64::from(pause_ms)),
        },
        Some(Fault::Reset) => Response::Reset,
    }
}

/// Why a request with this key gets no answer, if so.
fn wrong_key(request: &RequestView, setting: &Setting) -> Option<Scripted> {
    let key = setting.key.as_ref()?;
    let bearer = (request.header("authorization")).and_then(|v| v.strip_prefix("Bearer "));
    let given = request.header("x-api-key").or(bearer).unwrap_or_default();
    if given == key {
        return None;
    }
    // Real servers repeat part of the key; this one repeats all of it.
    let message = format!("Incorrect API key provided: {given}.");
    Some(if request.is_anthropic() {
        Scripted::anthropic_error(401, "authentication_error", &message)
    } else {
        Scripted::openai_error(401, "invalid_api_key", &message)
    })
}

/// Why a request with the right key gets no answer, if so: a path or model that is not there.
fn gate(request: &RequestView, setting: &Setting) -> Option<Scripted> {
    let anthropic = request.is_anthropic();
    let path = request.path.split('?').next().unwrap_or_default();
    let known = ["/v1/chat/completions", "/v1/messages", "/v1/models"];
    if !known.contains(&path) {
        return Some(Scripted::status(404, r#"{"detail":"Not Found"}"#));
    }
    let model = request.model();
    let is_known = setting.models.is_empty() || setting.models.iter().any(|name| name == model);
    if request.method == "POST" && !is_known {
        let message = format!("The model `{model}` does not exist.");
        return Some(if anthropic {
            Scripted::anthropic_error(404, "not_found_error", &format!("model: {model}"))
        } else {
            Scripted::openai_error(404, "model_not_found", &message)
        });
    }
    None
}

fn models(request: &RequestView, setting: &Setting) -> Scripted {
    if request.path != "/v1/models" || setting.models.is_empty() {
        return Scripted::status(500, "Internal Server Error");
    }
    let data: Vec<Value> = (setting.models.iter())
        .map(|name| json!({ "id": name, "object": "model" }))
        .collect();
    let list = json!({ "object": "list", "data": data });
    Scripted::status(200, list.to_string())
}

fn rate_limit(form: HintForm, wait: Duration) -> Scripted {
    let headers = hint(form, wait, SystemTime::now());
    Scripted::Status {
        status: 429,
        headers: (headers.into_iter())
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        body: json!({
            "error": { "message": "Rate limit reached.", "type": "requests", "code": "rate_limit_exceeded" },
        })
        .to_string(),
    }
}

fn hint(form: HintForm, wait: Duration, now: SystemTime) -> Option<(&'static str, String)> {
    let until = now + wait;
    match form {
        HintForm::None => None,
        HintForm::Milliseconds => Some(("retry-after-ms", wait.as_millis().to_string())),
        HintForm::Seconds => Some(("retry-after", wait.as_secs().to_string())),
        HintForm::Date => Some(("retry-after", httpdate::fmt_http_date(until))),
        HintForm::OpenAi => {
            let value = format!("{}ms", wait.as_millis());
            Some(("x-ratelimit-reset-requests", value))
        }
        HintForm::Anthropic => Some((
            "anthropic-ratelimit-requests-reset",
            humantime::format_rfc3339_seconds(until).to_string(),
        )),
    }
}

fn http(status: u16, headers: &[(String, String)], kind: &str, body: &str) -> Vec<u8> {
    use std::fmt::Write as _;
    // Writing to a string does not fail.
    let mut head = String::with_capacity(body.len() + 256);
    write!(
        head,
        "HTTP/1.1 {status} Scripted\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n",
        body.len()
    )
    .ok();
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").ok();
    }
    head.push_str("\r\n");
    head.push_str(body);
    head.into_bytes()
}

/// Says what it is told.
pub fn echo(request: &RequestView) -> Scripted {
    Scripted::text(request.last_message())
}

/// Judges: `A` or `B`, with probabilities that are the request's hash.
pub fn judge(request: &RequestView) -> Scripted {
    let p = Seed(request.hash).stream().next_f64();
    Scripted::tokens(&[&[("A", 0.9 * p), ("B", 0.9 * (1.0 - p)), ("The", 0.05)]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_hint_names_the_wait() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let value = |form| hint(form, Duration::from_secs(7), now).map(|(_, value)| value);
        assert_eq!(value(HintForm::None), None);
        assert_eq!(value(HintForm::Milliseconds).unwrap(), "7000");
        assert_eq!(value(HintForm::Seconds).unwrap(), "7");
        assert_eq!(
            value(HintForm::Date).unwrap(),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(value(HintForm::OpenAi).unwrap(), "7000ms");
        assert_eq!(value(HintForm::Anthropic).unwrap(), "1994-11-06T08:49:37Z");
    }
}
