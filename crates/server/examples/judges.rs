//! Judges by the hundred: how long pages take, and how long a long run takes to open.
//!
//! ```text
//! cargo run --release -p trimtab-server --example judges -- [JUDGES] [ITEMS]
//! ```
//!
//! Server and judges share this machine and this process, so that what is measured is an upper bound: each judge keeps one
//! connection, reads the pages of its items, and sends what its forms ask for. Three loads:
//!
//! * `thinking`: a second between pages on average, ten times as fast as anybody reads;
//! * `at once`: every judge sends a step in the same moment, again and again;
//! * `restless`: no pause at all.
//!
//! A page's latency is from the first byte sent to the last byte received. A step is measured until the server says that it is
//! stored, synced to the disk. Every answer that is not the one expected is counted.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails is no measurement, and it prints what it measures"
)]

#[path = "../tests/it/material.rs"]
#[expect(dead_code, reason = "tests look for more in it")]
mod material;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use material::{Size, make_run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use trimtab_core::Seed;
use trimtab_server::{ServeOptions, Server, runtime};

/// How judges behave between pages.
#[derive(Debug, Clone)]
enum Load {
    Thinking,
    AtOnce(Arc<Barrier>),
    Restless,
}

/// What a judge saw: seconds of each page read and of each step sent, and answers that were not expected.
#[derive(Debug, Default)]
struct Seen {
    pages: Vec<f64>,
    steps: Vec<f64>,
    n_unexpected: usize,
}

struct Judge {
    stream: TcpStream,
    cookie: String,
    seen: Seen,
}

impl Judge {
    async fn request(&mut self, method: &str, path: &str, body: &str) -> (String, String) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        let began = Instant::now();
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::with_capacity(1 << 14);
        loop {
            let n = self.stream.read_buf(&mut bytes).await.unwrap();
            assert!(n > 0, "the server hung up");
            let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let len: usize = header(&head, "content-length").map_or(0, |len| len.parse().unwrap());
            if bytes.len() == end + 4 + len {
                let secs = began.elapsed().as_secs_f64();
                if method == "GET" {
                    self.seen.pages.push(secs);
                } else {
                    self.seen.steps.push(secs);
                }
                return (head, String::from_utf8(bytes[end + 4..].to_vec()).unwrap());
            }
        }
    }

    async fn judge(&mut self, load: &Load, mut think: impl FnMut() -> f64) {
        let (head, _) = self.request("GET", "/judge", "").await;
        let Some(task) = header(&head, "location") else {
            self.seen.n_unexpected += 1;
            return;
        };
        loop {
            let (_, page) = self.request("GET", &task, "").await;
            match load {
                Load::Thinking => tokio::time::sleep(Duration::from_secs_f64(2.0 * think())).await,
                Load::AtOnce(barrier) => {
                    barrier.wait().await;
                }
                Load::Restless => {}
            }
            let mut body = String::from("belief=70&reason=the+quote+shows+it");
            for name in ["form", "step", "revision", "kind", "page_made"] {
                write!(body, "&{name}={}", hidden(&page, name).unwrap_or_default()).unwrap();
            }
            let (head, _) = self.request("POST", &format!("{task}/step"), &body).await;
            if !head.starts_with("HTTP/1.1 303") {
                self.seen.n_unexpected += 1;
            }
            if body.contains("kind=final") {
                let (_, page) = self.request("GET", &task, "").await;
                self.seen.n_unexpected += usize::from(!page.contains("It is on the disk"));
                return;
            }
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    (head.lines())
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
}

fn hidden(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len()) - 1]
}

fn line(name: &str, what: &str, mut secs: Vec<f64>, wall: f64) {
    secs.sort_by(f64::total_cmp);
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|q| 1000.0 * quantile(&secs, q));
    let rate = secs.len() as f64 / wall;
    println!(
        "{name}\t{what}\t{}\t{p50:.2}\t{p99:.2}\t{most:.2}\t{rate:.0}",
        secs.len()
    );
}

async fn measure(name: &str, n_judges: usize, n_items: usize, load: Load) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    make_run(
        &run,
        Size {
            questions: 60,
            pairs: 0,
            words: 120,
        },
    );
    let options = ServeOptions {
        port: 0,
        raters: (0..n_judges).map(|i| format!("judge-{i}")).collect(),
        ..ServeOptions::default()
    };
    let server = Server::open(&run, options).await.unwrap();
    let address = server.address().unwrap();
    let links: Vec<String> = (server.links().iter())
        .filter(|link| link.name != "admin")
        .map(|link| link.url[link.url.find("/enter/").unwrap()..].to_owned())
        .collect();
    let (end, ends) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { ends.await.unwrap_or_default() }));
    // Everybody has come in and has their items before the clock starts.
    let mut judges = Vec::new();
    for link in links {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut judge = Judge {
            stream,
            cookie: String::new(),
            seen: Seen::default(),
        };
        let (head, _) = judge.request("GET", &link, "").await;
        let cookie = header(&head, "set-cookie").unwrap();
        judge.cookie = cookie.split(';').next().unwrap().to_owned();
        judge.request("GET", "/judge", "").await;
        judge.seen = Seen::default();
        judges.push(judge);
    }
    let began = Instant::now();
    let tasks: Vec<_> = (judges.into_iter().enumerate())
        .map(|(i, mut judge)| {
            let load = load.clone();
            tokio::spawn(async move {
                let mut stream = Seed(i as u64).stream();
                for _ in 0..n_items {
                    judge.judge(&load, || stream.next_f64()).await;
                }
                judge.seen
            })
        })
        .collect();
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await.unwrap();
        all.pages.extend(seen.pages);
        all.steps.extend(seen.steps);
        all.n_unexpected += seen.n_unexpected;
    }
    let wall = began.elapsed().as_secs_f64();
    line(name, "pages", all.pages, wall);
    line(name, "steps stored", all.steps, wall);
    if all.n_unexpected > 0 {
        println!("{name}\tunexpected answers\t{}", all.n_unexpected);
    }
    end.send(()).unwrap();
    serving.await.unwrap();
}

async fn long_run(n_events: usize) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    make_run(
        &run,
        Size {
            questions: 4,
            pairs: 0,
            words: 40,
        },
    );
    let mut lines = String::new();
    for i in 0..n_events {
        writeln!(
            lines,
            "{{\"at\":{i}.5,\"event\":\"step\",\"variant\":{},\"seed\":{},\"training\":\"strong\",\"step\":{i},\"n_steps\":{n_events},\"loss\":0.25,\"learning_rate\":0.001,\"gradient_norm\":1.0}}",
            i % 4,
            i % 3
        )
        .unwrap();
    }
    std::fs::write(run.join("events.jsonl"), lines).unwrap();
    let began = Instant::now();
    let options = ServeOptions {
        port: 0,
        ..ServeOptions::default()
    };
    let server = Server::open(&run, options).await.unwrap();
    let opened = began.elapsed().as_secs_f64();
    let address = server.address().unwrap();
    let link = server.links()[0].url.clone();
    let (end, ends) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { ends.await.unwrap_or_default() }));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut admin = Judge {
        stream,
        cookie: String::new(),
        seen: Seen::default(),
    };
    let (head, _) = admin
        .request("GET", &link[link.find("/enter/").unwrap()..], "")
        .await;
    let cookie = header(&head, "set-cookie").unwrap();
    admin.cookie = cookie.split(';').next().unwrap().to_owned();
    for path in ["/run", "/run/events", "/run/events?page=50"] {
        let began = Instant::now();
        let (head, _) = admin.request("GET", path, "").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        println!(
            "{n_events} events\t{path}\t{:.1} ms",
            1000.0 * began.elapsed().as_secs_f64()
        );
    }
    println!("{n_events} events\topened\t{:.1} ms", 1000.0 * opened);
    end.send(()).unwrap();
    serving.await.unwrap();
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().unwrap());
    let n_judges = arguments.next().unwrap_or(200);
    let n_items = arguments.next().unwrap_or(8);
    runtime().unwrap().block_on(async {
        println!("load\twhat\tn\tp50 ms\tp99 ms\tmost ms\ta second");
        measure("thinking", n_judges, n_items, Load::Thinking).await;
        let barrier = Arc::new(Barrier::new(n_judges));
        measure("at once", n_judges, n_items, Load::AtOnce(barrier)).await;
        measure("restless", n_judges, n_items, Load::Restless).await;
        long_run(100_000).await;
    });
}
