//! A server without a port, and somebody who visits it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use tower::ServiceExt as _;
use trimtab_server::{AskingConfig, ServeOptions, Server};

use crate::material::{Size, make_run};

/// A run that is served, without a port for visitors.
pub(crate) struct Served {
    pub(crate) server: Server,
    folder: tempfile::TempDir,
}

/// Somebody with a cookie.
#[derive(Clone)]
pub(crate) struct Visitor {
    router: Router,
    pub(crate) cookie: Option<String>,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Options for tests: any port, two raters.
pub(crate) fn options(asking: AskingConfig) -> ServeOptions {
    ServeOptions {
        port: 0,
        raters: vec!["rater-1".into(), "rater-2".into()],
        asking,
        ..ServeOptions::default()
    }
}

impl Served {
    pub(crate) async fn new(size: Size, asking: AskingConfig) -> Self {
        Self::of(|run| make_run(run, size), asking).await
    }

    /// A run that `make` makes.
    pub(crate) async fn of(make: impl FnOnce(&Path), asking: AskingConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("run"));
        let server = Server::open(&folder.path().join("run"), options(asking))
            .await
            .unwrap();
        Self { server, folder }
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The path of somebody's link.
    pub(crate) fn link(&self, name: &str) -> String {
        let link = self.server.links().iter().find(|link| link.name == name);
        let url = &link.unwrap().url;
        url[url.find("/enter/").unwrap()..].to_owned()
    }

    /// Somebody without a cookie.
    pub(crate) fn stranger(&self) -> Visitor {
        Visitor::stranger(self.server.router())
    }

    /// Somebody who came in by their link.
    pub(crate) async fn visitor(&self, name: &str) -> Visitor {
        let mut visitor = self.stranger();
        let page = visitor.get(&self.link(name)).await;
        assert_eq!(page.status, StatusCode::OK);
        visitor.cookie = Some(page.cookie());
        visitor
    }
}

impl Visitor {
    /// Somebody without a cookie.
    pub(crate) fn stranger(router: Router) -> Self {
        Self {
            router,
            cookie: None,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Page {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    fn request(&self, method: &str, address: &str) -> axum::http::request::Builder {
        let mut request = Request::builder().method(method).uri(address);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        request
    }

    pub(crate) async fn get(&self, address: &str) -> Page {
        let request = self.request("GET", address).body(Body::empty()).unwrap();
        self.send(request).await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, address: &str, fields: &BTreeMap<String, String>) -> Page {
        let body: Vec<String> = (fields.iter())
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let kind = "application/x-www-form-urlencoded";
        let request = self
            .request("POST", address)
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body.join("&")))
            .unwrap();
        self.send(request).await
    }

    /// The visitor's present task: its address and page.
    pub(crate) async fn task(&self) -> (String, Page) {
        let to = self.get("/judge").await;
        assert_eq!(to.status, StatusCode::SEE_OTHER, "{}", to.text);
        let address = to.location();
        let page = self.get(&address).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        (address, page)
    }

    /// Says something in a task's form.
    pub(crate) async fn say(&self, address: &str, page: &Page, belief: u8, reason: &str) -> Page {
        let mut form = page.form();
        form.insert("belief".into(), belief.to_string());
        form.insert("reason".into(), reason.into());
        self.post(&format!("{address}/step"), &form).await
    }

    /// Judges the present task from beginning to end.
    pub(crate) async fn judge(&self, belief: u8) -> String {
        let (address, mut page) = self.task().await;
        loop {
            let is_last = page.form()["kind"] == "final";
            let to = self
                .say(&address, &page, belief, "the quote shows it")
                .await;
            assert_eq!(to.status, StatusCode::SEE_OTHER, "{}", to.text);
            if is_last {
                return address;
            }
            page = self.get(&address).await;
        }
    }
}

impl Page {
    pub(crate) fn location(&self) -> String {
        self.headers[header::LOCATION].to_str().unwrap().to_owned()
    }

    /// What a browser would send back of the cookie that was set.
    pub(crate) fn cookie(&self) -> String {
        let set = self.headers[header::SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    /// Hidden fields of the page's forms, the first of each name.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        for tag in self.text.split("<input type=\"hidden\"").skip(1) {
            let tag = tag.split('>').next().unwrap();
            let value = |name: &str| {
                let (_, rest) = tag.split_once(&format!("{name}=\""))?;
                Some(rest.split('"').next()?.to_owned())
            };
            fields
                .entry(value("name").unwrap())
                .or_insert(value("value").unwrap());
        }
        fields
    }
}

fn encoded(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}
