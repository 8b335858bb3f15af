//! Connections to one server over plain HTTP/1.1, kept open and used again.
//!
//! A call takes a connection, or opens one, and drives it itself until the answer is there: no task of the connection's own
//! is woken for it, and nothing is looked up, parsed or followed for a request that goes where all others went. To a server
//! nearby that is half of what a call costs. TLS and proxies are left to the client of all other requests
//! ([`crate::exchange`]).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::net::TcpStream;
use tower_service::Service;

/// A connection that was not used for so long is closed.
const IDLE: Duration = Duration::from_secs(90);
/// What is asked after on a silent connection, how often, and for how long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_RETRIES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Connections to one endpoint.
pub(crate) struct Connections {
    connector: HttpConnector,
    server: Uri,
    path: Uri,
    headers: HeaderMap,
    /// The last one used is the last.
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// Why no response began.
#[derive(Debug)]
pub(crate) enum NoResponse {
    /// There was no connection.
    Connect(Box<dyn std::error::Error + Send + Sync>),
    /// It was lost.
    Lost(hyper::Error),
}

/// A connection, and what makes it work.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Nothing when the connection is closed.
    driver: Option<Box<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
}

/// A response whose body is read from its connection.
pub(crate) struct Receiving<'a> {
    connections: &'a Connections,
    connection: Option<Connection>,
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
}

impl Connections {
    /// Connections to `endpoint`, if it is one for them: plain HTTP, without a user's name in it.
    pub(crate) fn new(
        endpoint: &Url,
        mut headers: HeaderMap,
        user_agent: &'static str,
        connect: Duration,
    ) -> Option<Self> {
        let is_plain = endpoint.scheme() == "http" && endpoint.username().is_empty();
        let host = endpoint
            .host_str()
            .filter(|_| is_plain && endpoint.password().is_none())?;
        let host = match endpoint.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = match endpoint.query() {
            Some(query) => format!("{}?{query}", endpoint.path()),
            None => endpoint.path().to_owned(),
        };
        headers.insert(HOST, HeaderValue::try_from(&host).ok()?);
        headers.insert(USER_AGENT, HeaderValue::from_static(user_agent));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect));
        connector.set_keepalive(Some(KEEP_ALIVE));
        connector.set_keepalive_interval(Some(KEEP_ALIVE));
        connector.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Some(Self {
            connector,
            server: format!("http://{host}/").parse().ok()?,
            path: path.parse().ok()?,
            headers,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Sends `body`, once. A connection that the server has closed meanwhile is another's place: then nothing was sent.
    pub(crate) async fn post(&self, body: Bytes) -> Result<Receiving<'_>, NoResponse> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        while let Some(connection) = self.take() {
            match self.send(connection, request).await {
                Ok(receiving) => return Ok(receiving),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(NoResponse::Lost(error.into_error())),
                },
            }
        }
        let connection = self.open().await?;
        let sent = self.send(connection, request).await;
        sent.map_err(|error| NoResponse::Lost(error.into_error()))
    }

    async fn open(&self) -> Result<Connection, NoResponse> {
        let mut connector = self.connector.clone();
        let stream = connector.call(self.server.clone()).await;
        let stream = stream.map_err(|error| NoResponse::Connect(error.into()))?;
        // Head and body in one buffer: bodies are short, and one write of it costs less than one of two.
        let made = http1::Builder::new().writev(false).handshake(stream).await;
        let (sender, driver) = made.map_err(NoResponse::Lost)?;
        Ok(Connection {
            sender,
            driver: Some(Box::new(driver)),
        })
    }

    async fn send(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Receiving<'_>, TrySendError<Request<Full<Bytes>>>> {
        let mut sent = pin!(connection.sender.try_send_request(request));
        let driver = &mut connection.driver;
        let response = poll_fn(|cx| {
            drive(driver, cx);
            sent.as_mut().poll(cx)
        });
        let (head, body) = response.await?.into_parts();
        Ok(Receiving {
            connections: self,
            connection: Some(connection),
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// The connection that was used last.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, since) = idle.pop()?;
        if since.elapsed() > IDLE {
            // All others were used before.
            idle.clear();
            return None;
        }
        Some(connection)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
    }
}

/// Lets a connection read and write. What it has come to is told to who waits for a response or a body.
fn drive(
    driver: &mut Option<Box<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
    cx: &mut Context<'_>,
) {
    let is_over = (driver.as_mut()).is_some_and(|driver| Pin::new(driver).poll(cx).is_ready());
    if is_over {
        *driver = None;
    }
}

impl Receiving<'_> {
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next part of the body; at its end, the connection is kept for others.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, hyper::Error>> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(Ok(None));
        };
        // Asked for, more of the body is read: the second time there may be some.
        for _ in 0..2 {
            drive(&mut connection.driver, cx);
            while let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
                let Some(frame) = frame.transpose()? else {
                    self.end(cx);
                    return Poll::Ready(Ok(None));
                };
                // Trailers say nothing.
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Ok(Some(data)));
                }
            }
        }
        Poll::Pending
    }

    /// Keeps the connection, if it takes another request.
    fn end(&mut self, cx: &mut Context<'_>) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        drive(&mut connection.driver, cx);
        if connection.driver.is_some() && connection.sender.is_ready() {
            self.connections.keep(connection);
        }
    }
}

impl NoResponse {
    /// Whether there was no connection.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }

    pub(crate) fn error(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::Connect(error) => error.as_ref(),
            Self::Lost(error) => error,
        }
    }
}
