//! `trimtab serve`: what it prints, what it refuses, and what a killed server has kept.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::material::{Stream, small};
use crate::workplace::{Workplace, say};

const N_QUESTIONS: usize = 400;

/// A run with questions that nobody argues about: each is judged in one step.
fn place() -> Workplace {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let transcripts: Vec<String> = (0..N_QUESTIONS)
        .map(|q| {
            let arm = serde_json::json!({"order": "as-listed", "speakers": "nobody", "first": "A"});
            let transcript = serde_json::json!({
                "id": format!("t{q}"), "question": format!("q{q}"), "text": format!("Is {q} even?"),
                "answers": ["yes", "no"], "arm": arm, "simultaneous": false, "events": [],
            });
            transcript.to_string()
        })
        .collect();
    place.write(
        "runs/small/debates/0-0-naive/transcripts.jsonl",
        transcripts.join(
            "
",
        ) + "
",
    );
    place
}

/// A server of a process of its own.
struct Serving {
    process: Child,
    address: String,
    links: Vec<(String, String)>,
}

impl Serving {
    fn start(place: &Workplace, arguments: &[&str]) -> Self {
        let mut all = vec!["serve", "runs/small", "--port", "0"];
        all.extend(arguments);
        let mut process = place.trimtab(&all).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (_, url) = split(&lines.next().unwrap().unwrap());
        // Links come in one write with the address; of a second start there are none.
        let links = if arguments.is_empty() {
            Vec::new()
        } else {
            lines
                .by_ref()
                .take(2)
                .map(|line| split(&line.unwrap()))
                .collect()
        };
        let address = url.strip_prefix("http://").unwrap().to_owned();
        Self {
            process,
            address,
            links,
        }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        assert_eq!(self.process.wait().unwrap().signal(), Some(9));
    }
}

fn split(line: &str) -> (String, String) {
    let (name, value) = line.split_once('\t').unwrap();
    (name.to_owned(), value.to_owned())
}

/// One request on a connection of its own: the head and the body; none where the server is gone.
fn request(
    address: &str,
    method: &str,
    path: &str,
    cookie: &str,
    body: &str,
) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
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

/// Judges one item; whether the server said that it is stored.
fn judge(address: &str, cookie: &str) -> Option<bool> {
    let (head, _) = request(address, "GET", "/judge", cookie, "")?;
    let task = header(&head, "location")?;
    let (_, page) = request(address, "GET", &task, cookie, "")?;
    let form = hidden(&page, "form")?;
    let body = format!(
        "form={form}&step=0&revision=0&kind=final&belief=70&reason=it+is+plain&page_made=1"
    );
    let (head, _) = request(address, "POST", &format!("{task}/step"), cookie, &body)?;
    Some(head.starts_with("HTTP/1.1 303"))
}

fn n_stored(place: &Workplace) -> usize {
    let path = place.path("runs/small/people.sqlite");
    let connection = rusqlite::Connection::open(path).unwrap();
    let count = "SELECT count(*) FROM step JOIN task USING (task) WHERE finished IS NOT NULL AND step.kind = 'final'";
    connection.query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn killed_in_the_middle_everything_that_was_acknowledged_is_there() {
    let place = place();
    let server = Serving::start(&place, &["--rater", "ann"]);
    let link = &server.links[1].1;
    let path = &link[link.find("/enter/").unwrap()..];
    let (head, _) = request(&server.address, "GET", path, "", "").unwrap();
    let cookie = header(&head, "set-cookie").unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let acknowledged = AtomicUsize::new(0);
    let mut stream = Stream(6);
    let mut server = Some(server);
    for round in 0..8 {
        let serving = server.take().unwrap_or_else(|| Serving::start(&place, &[]));
        let address = serving.address.clone();
        let before = acknowledged.load(Ordering::SeqCst);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while let Some(stored) = judge(&address, &cookie) {
                    assert!(stored, "refused");
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
            // Once it works, at any moment.
            let began = Instant::now();
            while acknowledged.load(Ordering::SeqCst) == before {
                assert!(
                    began.elapsed() < Duration::from_secs(20),
                    "nothing is acknowledged"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(5).mul_f64(1.0 + 9.0 * stream.uniform()));
            serving.kill();
        });
        let (told, stored) = (acknowledged.load(Ordering::SeqCst), n_stored(&place));
        say(&format!(
            "round {round}: {told} acknowledged, {stored} stored"
        ));
        assert!(told <= stored, "something that was acknowledged is lost");
        // What was stored and not yet acknowledged when the server died: at most one a round.
        assert!(stored <= told + round + 1);
    }
}

#[test]
fn it_ends_cleanly_and_says_what_it_did() {
    let place = place();
    let server = Serving::start(&place, &["--raters", "1", "--host", "127.0.0.1"]);
    let names: Vec<&str> = server.links.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["admin", "rater-1"]);
    let mut process = server.process;
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    let status = Command::new("kill")
        .args(["-INT", &process.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let status = process.wait().unwrap();
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    insta::assert_snapshot!(said);
    for (_, url) in &server.links {
        assert!(!said.contains(url.as_str()));
    }
}

#[test]
fn what_cannot_be_served_is_refused() {
    let place = place();
    place.write("none/file", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut gallery = String::new();
    for (what, arguments) in [
        ("no run", vec!["serve", "none"]),
        (
            "a port in use",
            vec!["serve", "runs/small", "--port", &port],
        ),
        (
            "an address of another machine",
            vec!["serve", "runs/small", "--port", "0", "--host", "192.0.2.1"],
        ),
        (
            "a share above one",
            vec!["serve", "runs/small", "--port", "0", "--repeat-share", "3"],
        ),
        (
            "the admin as a rater",
            vec!["serve", "runs/small", "--port", "0", "--rater", "admin"],
        ),
    ] {
        let refused = place.refuse(&arguments).replace(&port, "PORT");
        writeln!(gallery, "━━ {what}\n{refused}").unwrap();
    }
    insta::assert_snapshot!(gallery);
    place.write(
        "runs/small/debates/0-0-naive/transcripts.jsonl",
        "{\"id\": 1}\n",
    );
    let refused = place.refuse(&["serve", "runs/small", "--port", "0"]);
    assert!(refused.contains("line 1 cannot be read"), "{refused}");
}
