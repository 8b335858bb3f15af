//! Which connections calls go by, against a server that counts them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use trimtab_llm::ServerConfig;

use super::{ask, ask_one, connect, quick, reply_of, say};

/// What a server saw: the head of a request, or that it has closed a connection.
#[derive(Debug, PartialEq)]
enum Seen {
    Head(usize, String),
    Closed,
}

/// Answers so many requests on each connection, and closes it without a word.
fn server(n_requests: usize) -> (SocketAddr, Receiver<Seen>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let (stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || serve(connection, stream, n_requests, &sender));
        }
    });
    (address, seen)
}

fn serve(connection: usize, mut stream: TcpStream, n_requests: usize, sender: &Sender<Seen>) {
    for _ in 0..n_requests {
        let Some(head) = read(&mut stream) else {
            return;
        };
        sender.send(Seen::Head(connection, head)).ok();
        let body = r#"{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}"#;
        let n = body.len();
        let kind = "content-type: application/json";
        let answer = format!("HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {n}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).unwrap();
    }
    drop(stream);
    sender.send(Seen::Closed).ok();
}

/// The head of the next request, whose body is read too.
fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    stream
        .read_exact(&mut vec![0; length?.parse().unwrap()])
        .unwrap();
    Some(head)
}

#[test]
fn calls_one_after_the_other_go_by_one_connection() {
    let (address, seen) = server(100);
    let server = connect(&format!("openai:m@http://{address}/v1"), Some("k"), quick());
    for _ in 0..3 {
        assert_eq!(reply_of(&ask_one(&server, say("hi")).outcome).text, "yes");
        let Seen::Head(connection, head) = seen.recv().unwrap() else {
            panic!("a connection was closed");
        };
        assert_eq!(connection, 0);
        assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"));
        for field in [
            &*format!("host: {address}"),
            "authorization: bearer k",
            "content-type: application/json",
            "accept: */*",
            concat!("user-agent: trimtab/", env!("CARGO_PKG_VERSION")),
        ] {
            assert_eq!(head.lines().filter(|l| *l == field).count(), 1, "{field}");
        }
    }
}

#[test]
fn a_connection_that_the_server_has_closed_is_not_an_attempt() {
    let (address, seen) = server(1);
    let server = connect(&format!("openai:m@http://{address}/v1"), None, quick());
    for call in 0..3 {
        let answered = ask_one(&server, say("hi"));
        assert_eq!(reply_of(&answered.outcome).text, "yes");
        assert_eq!(answered.n_attempts, 1);
        assert!(matches!(seen.recv().unwrap(), Seen::Head(at, _) if at == call));
        assert_eq!(seen.recv().unwrap(), Seen::Closed);
        // The client's system learns of it.
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn with_a_proxy_calls_go_to_it() {
    let (address, seen) = server(100);
    let config = ServerConfig {
        proxy: Some(format!("http://{address}")),
        ..quick()
    };
    let server = connect("openai:m@http://model.invalid/v1", None, config);
    let answered = ask(&server, vec![say("hi")]).unwrap().remove(0);
    assert_eq!(reply_of(&answered.outcome).text, "yes");
    let Seen::Head(_, head) = seen.recv().unwrap() else {
        panic!("a connection was closed");
    };
    assert!(head.starts_with("post http://model.invalid/v1/chat/completions http/1.1\r\n"));
}
