//! One attempt at a call: a body goes out, and an answer comes back, or trouble.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde_json::Value;
use trimtab_core::chat::{Failure, FailureClass};

use crate::address::{ModelAddress, Provider};
use crate::completion::{Completion, NoCompletion};
use crate::connections::{Connections, NoResponse, Receiving};
use crate::secret::Secret;
use crate::server_config::{Durations, ServerConfig, Transfer};
use crate::server_error::ServerError;
use crate::shown::shown;
use crate::trouble::{self, Again, AgainKind, Trouble};
use crate::{anthropic, events, hints, openai};

/// The largest body that is read.
const LONGEST_BODY: usize = 16 << 20;
/// The largest body of an error that is read.
const LONGEST_ERROR: usize = 64 << 10;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(20);
/// How many models are named where one is not there.
const N_NAMED: usize = 8;

/// What the program calls itself.
const USER_AGENT: &str = concat!("trimtab/", env!("CARGO_PKG_VERSION"));

/// How to reach one endpoint.
pub(crate) struct Exchange {
    /// For what is not a call, and for calls by TLS or through a proxy.
    client: Client,
    /// For calls by plain HTTP.
    connections: Option<Connections>,
    address: ModelAddress,
    endpoint: Url,
    key: Option<Secret>,
    timeout: Duration,
    transfer: Transfer,
    /// Whether anything ever came back.
    is_reached: AtomicBool,
}

/// A completion, and the body that it came in.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) completion: Completion,
    /// Nothing where a refusal came as an error.
    pub(crate) raw: Option<String>,
}

impl Exchange {
    pub(crate) fn new(
        address: ModelAddress,
        key: Option<Secret>,
        config: &ServerConfig,
        durations: &Durations,
    ) -> Result<Self, ServerError> {
        let no_client = |error: reqwest::Error| ServerError::NoClient {
            message: describe(&error.without_url()),
        };
        let headers = headers(&address, key.as_ref())?;
        let mut client = Client::builder()
            .no_proxy()
            .default_headers(headers.clone())
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(usize::MAX)
            .user_agent(USER_AGENT);
        if let Some(proxy) = &config.proxy {
            client = client.proxy(reqwest::Proxy::all(proxy).map_err(no_client)?);
        }
        let path = match address.provider() {
            Provider::OpenAi => "chat/completions",
            Provider::Anthropic => "v1/messages",
        };
        let endpoint = address.endpoint(path);
        let connections = match config.proxy {
            Some(_) => None,
            None => Connections::new(&endpoint, headers, USER_AGENT, CONNECT),
        };
        Ok(Self {
            client: client.build().map_err(no_client)?,
            connections,
            endpoint,
            address,
            key,
            timeout: durations.timeout,
            transfer: config.transfer,
            is_reached: AtomicBool::new(false),
        })
    }

    pub(crate) fn address(&self) -> &ModelAddress {
        &self.address
    }

    /// A request for what is at `url`, with the key.
    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// A request that takes `body` to `url`, with the key.
    pub(crate) fn post(&self, url: Url, body: Bytes) -> RequestBuilder {
        self.client.post(url).body(body)
    }

    /// Sends a request that is not a call, once: the body of its answer.
    pub(crate) async fn fetch(&self, request: RequestBuilder) -> Result<String, Trouble> {
        let fetched = within(self.timeout, async {
            let mut response = self.opened(request).await?;
            self.body(&mut response, LONGEST_BODY).await
        });
        let fetched = fetched.await.unwrap_or_else(|| Err(self.silent()));
        fetched.map_err(|trouble| self.scrub(trouble))
    }

    /// Sends a request that is not a call, once, and hands over each line of its answer. A line is as long as a body may
    /// be; the whole may be longer, and may not fall silent.
    pub(crate) async fn lines(
        &self,
        request: RequestBuilder,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<(), Trouble> {
        let opened = within(self.timeout, self.opened(request)).await;
        let opened = opened.unwrap_or_else(|| Err(self.silent()));
        let mut response = opened.map_err(|trouble| self.scrub(trouble))?;
        let mut rest: Vec<u8> = Vec::new();
        loop {
            let chunk = within(self.timeout, response.chunk()).await;
            let chunk = chunk.ok_or_else(|| self.silent())??;
            let is_last = chunk.is_none();
            let chunk = chunk.unwrap_or_default();
            let n_whole = match chunk.iter().rposition(|byte| *byte == b'\n') {
                _ if is_last => rest.len(),
                Some(end) => rest.len() + end + 1,
                None => 0,
            };
            rest.extend_from_slice(&chunk);
            for line in rest[..n_whole].split(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(line);
                if !line.trim().is_empty() {
                    on_line(&line);
                }
            }
            rest.drain(..n_whole);
            if is_last {
                return Ok(());
            }
            if rest.len() > LONGEST_BODY {
                return Err(too_long(LONGEST_BODY));
            }
        }
    }

    fn silent(&self) -> Trouble {
        again(
            AgainKind::Failed,
            format!("no answer in {:?}", self.timeout),
        )
    }

    /// An answer that is a success, before its body.
    async fn opened(&self, request: RequestBuilder) -> Result<Opened<'_>, Trouble> {
        let response = request.send().await.map_err(|error| {
            let is_connect = error.is_connect();
            self.no_response(is_connect, describe(&error.without_url()))
        })?;
        self.succeeds(Opened::Client(response)).await
    }

    /// A call's answer that is a success, before its body.
    async fn called(&self, body: Bytes) -> Result<Opened<'_>, Trouble> {
        let Some(connections) = &self.connections else {
            return (self.opened(self.client.post(self.endpoint.clone()).body(body))).await;
        };
        let receiving = connections.post(body).await;
        let receiving = receiving.map_err(|error: NoResponse| {
            self.no_response(error.is_connect(), describe(error.error()))
        })?;
        self.succeeds(Opened::Own(receiving)).await
    }

    async fn succeeds<'a>(&self, mut response: Opened<'a>) -> Result<Opened<'a>, Trouble> {
        let status = response.status();
        if !(200..300).contains(&status) {
            let hint = hints::wait(response.headers(), SystemTime::now());
            self.is_reached.store(true, Ordering::Relaxed);
            let body = self
                .body(&mut response, LONGEST_ERROR)
                .await
                .unwrap_or_default();
            return Err(trouble::of_response(status, &body, hint));
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if is_page && !self.is_reached.load(Ordering::Relaxed) {
            let url = self.address.url().to_owned();
            return Err(Trouble::Fatal(ServerError::WebPage { url }));
        }
        self.is_reached.store(true, Ordering::Relaxed);
        Ok(response)
    }

    /// Sends `body`, once.
    pub(crate) async fn send(&self, body: Bytes) -> Result<Received, Trouble> {
        let sent = within(self.timeout, self.receive(body)).await;
        match sent {
            None => Err(self.silent()),
            Some(received) => received.map_err(|trouble| self.scrub(trouble)),
        }
    }

    async fn receive(&self, body: Bytes) -> Result<Received, Trouble> {
        let mut response = self.called(body).await?;
        let kind = response.headers().get(CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let raw = self.body(&mut response, LONGEST_BODY).await?;
        let read = match (self.address.provider(), is_stream) {
            (Provider::OpenAi, false) => openai::read(&raw),
            (Provider::OpenAi, true) => openai::read_events(&events::data(&raw)),
            (Provider::Anthropic, false) => anthropic::read(&raw),
            (Provider::Anthropic, true) => anthropic::read_events(&events::data(&raw)),
        };
        match read {
            Ok(completion) => Ok(Received {
                completion,
                raw: Some(self.clean(raw)),
            }),
            Err(NoCompletion::Error(error)) => Err(trouble::of_error_in_success(&error)),
            Err(NoCompletion::Malformed(why)) => {
                let message = format!("what came back could not be read: {}", shown(&why));
                Err(again(AgainKind::Malformed, message))
            }
        }
    }

    /// The whole of a body, if it is not too long. A stream may not fall silent.
    async fn body(&self, response: &mut Opened<'_>, longest: usize) -> Result<String, Trouble> {
        let mut body: Vec<u8> = Vec::new();
        loop {
            let chunk = match self.transfer {
                Transfer::Whole => response.chunk().await,
                Transfer::Stream { idle_timeout_secs } => {
                    let idle = Duration::from_secs(u64::from(idle_timeout_secs));
                    let chunk = within(idle, response.chunk()).await;
                    chunk.ok_or_else(|| {
                        let message = format!("the stream was silent for {idle:?}");
                        again(AgainKind::Failed, message)
                    })?
                }
            };
            let Some(chunk) = chunk? else {
                break;
            };
            if body.len() + chunk.len() > longest {
                return Err(too_long(longest));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8(body)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn no_response(&self, is_connect: bool, message: String) -> Trouble {
        if is_connect && !self.is_reached.load(Ordering::Relaxed) {
            let url = self.address.url().to_owned();
            return Trouble::Fatal(ServerError::Unreachable { url, message });
        }
        again(AgainKind::Failed, format!("no answer: {message}"))
    }

    /// Which models there are, the likeliest first.
    pub(crate) async fn no_such_model(&self, message: String) -> ServerError {
        let path = match self.address.provider() {
            Provider::OpenAi => "models",
            Provider::Anthropic => "v1/models",
        };
        let asked = self.client.get(self.address.endpoint(path)).send();
        let mut models = match within(Duration::from_secs(5), asked).await {
            Some(Ok(response)) if response.status().is_success() => {
                let body = self
                    .body(&mut Opened::Client(response), LONGEST_BODY)
                    .await
                    .unwrap_or_default();
                let list: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
                let data = list["data"].as_array();
                (data.into_iter().flatten())
                    .filter_map(|model| model["id"].as_str().map(shown))
                    .collect()
            }
            _ => Vec::new(),
        };
        let model = self.address.model();
        models.sort_by_cached_key(|name: &String| strsim::levenshtein(name, model));
        models.truncate(N_NAMED);
        ServerError::NoSuchModel {
            model: model.to_owned(),
            message,
            models,
        }
    }

    /// `text` without the key.
    pub(crate) fn clean(&self, text: String) -> String {
        match &self.key {
            Some(key) => key.scrub(text),
            None => text,
        }
    }

    /// The same without the key, which some servers repeat.
    pub(crate) fn scrub(&self, trouble: Trouble) -> Trouble {
        match trouble {
            Trouble::Fatal(ServerError::WrongKey { message }) => {
                let message = self.clean(message);
                Trouble::Fatal(match self.key {
                    Some(_) => ServerError::WrongKey { message },
                    None => ServerError::NoKey {
                        variable: self.address.key_variable().name(),
                        message,
                    },
                })
            }
            Trouble::Fatal(ServerError::Spent { message }) => Trouble::Fatal(ServerError::Spent {
                message: self.clean(message),
            }),
            Trouble::Fatal(ServerError::Elsewhere { message }) => {
                Trouble::Fatal(ServerError::Elsewhere {
                    message: self.clean(message),
                })
            }
            Trouble::Fatal(error) => Trouble::Fatal(error),
            Trouble::NotFound(message) => Trouble::NotFound(self.clean(message)),
            Trouble::Failed(mut failure) => {
                failure.message = self.clean(failure.message);
                Trouble::Failed(failure)
            }
            Trouble::Refused(message) => Trouble::Refused(self.clean(message)),
            Trouble::NoLogProbs(message) => Trouble::NoLogProbs(self.clean(message)),
            Trouble::Again(mut again) => {
                again.message = self.clean(again.message);
                Trouble::Again(again)
            }
        }
    }
}

/// An answer, by whichever client.
enum Opened<'a> {
    Client(Response),
    Own(Receiving<'a>),
}

impl Opened<'_> {
    fn status(&self) -> u16 {
        match self {
            Self::Client(response) => response.status().as_u16(),
            Self::Own(receiving) => receiving.status().as_u16(),
        }
    }

    fn headers(&self) -> &HeaderMap {
        match self {
            Self::Client(response) => response.headers(),
            Self::Own(receiving) => receiving.headers(),
        }
    }

    /// The next part of its body.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Trouble> {
        let breaks_off = |message| {
            again(
                AgainKind::Failed,
                format!("the answer breaks off: {message}"),
            )
        };
        match self {
            Self::Client(response) => {
                (response.chunk().await).map_err(|error| breaks_off(describe(&error.without_url())))
            }
            Self::Own(receiving) => {
                (receiving.chunk().await).map_err(|error| breaks_off(describe(&error)))
            }
        }
    }
}

/// Another attempt would cost the same and be as long.
fn too_long(longest: usize) -> Trouble {
    Trouble::Failed(Failure {
        class: FailureClass::Malformed,
        message: format!("the answer is longer than {longest} bytes"),
    })
}

fn again(kind: AgainKind, message: String) -> Trouble {
    Trouble::Again(Again {
        kind,
        message,
        hint: None,
    })
}

/// What `future` comes to, if it comes to it in time.
async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, future).await.ok()
}

fn headers(address: &ModelAddress, key: Option<&Secret>) -> Result<HeaderMap, ServerError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if address.provider() == Provider::Anthropic {
        let version = HeaderValue::from_static(anthropic::VERSION);
        headers.insert(HeaderName::from_static("anthropic-version"), version);
    }
    if let Some(key) = key {
        let (name, value) = match address.provider() {
            Provider::OpenAi => ("authorization", format!("Bearer {}", key.expose())),
            Provider::Anthropic => ("x-api-key", key.expose().to_owned()),
        };
        let mut value = HeaderValue::try_from(value).map_err(|_| ServerError::BadKey)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// An error and what is behind it, on one line.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        text = format!("{text}: {behind}");
        source = behind.source();
    }
    shown(&text)
}
