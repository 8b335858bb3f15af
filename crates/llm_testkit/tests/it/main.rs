//! The scripted server on the wire, with no client of ours: what is sent, and how it breaks.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use trimtab_core::Seed;
use trimtab_core::chat::{Answer, Ask, ChatModel, Finish, Generation, Message, Request, Role};
use trimtab_llm_testkit::amplify::amplify;
use trimtab_llm_testkit::server::echo;
use trimtab_llm_testkit::{AmplifyScript, Fault, Faults, HintForm, ScriptedServer};

/// Sends one chat completion and reads until the other side closes, or half a second passes.
fn post(url: &str, text: &str) -> std::io::Result<String> {
    let address = url.strip_prefix("http://").unwrap();
    let address = address.strip_suffix("/v1").unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(std::time::Duration::from_millis(500)))?;
    let body =
        serde_json::json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
    let body = body.to_string();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// The length that the head promises, and the body.
fn split(answer: &str) -> (usize, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    (length.unwrap().parse().unwrap(), body)
}

#[test]
fn an_expert_and_an_assistant_answer_by_what_they_are_asked() {
    let server = ScriptedServer::builder(amplify).start().unwrap();
    let said = |text: &str| {
        let answer = post(&server.url(), text).unwrap();
        let (_, body) = split(&answer);
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let choice = &body["choices"][0];
        let finish = choice["finish_reason"].as_str().unwrap().to_owned();
        (
            choice["message"]["content"].as_str().unwrap().to_owned(),
            finish,
        )
    };
    let question = |text: &str| format!("<question>\n{text}\n</question>\n");
    let (text, _) = said(&question("What is 3 × 4?"));
    assert_eq!(text, "Answer: 12");
    let split = question("What is (3 × 4) − 5?") + "Now split it into smaller questions";
    assert_eq!(
        said(&split),
        ("Question: What is 3 × 4?".into(), "stop".into())
    );
    let choose = question("What is 3 × 4?")
        + "Which of these is the answer to the question?\n\nA. 7\nB. 12\n\nAnswer with the letter alone.";
    assert_eq!(said(&choose).0, "B");
    // One question in fifty is declined, here as in this process.
    let model = AmplifyScript::with_everything().model("m");
    let asked = (0..).map(|i| question(&format!("What is 1 + {i}?")));
    let is_refused = |text: &String| {
        let request = Request {
            messages: vec![Message::new(Role::User, text.as_str())],
            ask: Ask::Reply(Generation::default()),
            sample_idx: 0,
            seed: Seed(0),
        };
        let model: &dyn ChatModel = &model;
        let answers = model.ask_all(vec![request]).unwrap();
        matches!(&answers[0], Ok(Answer::Reply(reply)) if reply.finish == Finish::Refused)
    };
    let refused: Vec<String> = asked.take(500).filter(is_refused).collect();
    assert!((2..=25).contains(&refused.len()), "{}", refused.len());
    assert_eq!(said(&refused[0]).1, "content_filter");
}

#[test]
fn an_answer_is_whole_and_counted() {
    let server = ScriptedServer::builder(echo).start().unwrap();
    let answer = post(&server.url(), "hello").unwrap();
    let (length, body) = split(&answer);
    assert_eq!(length, body.len());
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "hello");
    post(&server.url(), "hello").unwrap();
    let log = server.log();
    assert_eq!((log.n_received(), log.n_calls()), (2, 1));
    assert_eq!((log.n_answered(), log.n_answered_again()), (2, 1));
}

#[test]
fn faults_break_what_they_say() {
    let with = |fault| {
        let server = ScriptedServer::builder(echo).faults(Faults::always(fault));
        let server = server.start().unwrap();
        let answer = post(&server.url(), "hello");
        assert_eq!(server.log().n_answered(), 0, "{fault:?}");
        answer
    };
    let truncated = with(Fault::Truncated).unwrap();
    let (length, body) = split(&truncated);
    assert!(body.len() < length);
    let malformed = with(Fault::MalformedJson).unwrap();
    let (length, body) = split(&malformed);
    assert_eq!(body.len(), length);
    assert!(serde_json::from_str::<serde_json::Value>(body).is_err());
    let reset = with(Fault::Reset).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    let limited = with(Fault::RateLimit(HintForm::Milliseconds)).unwrap();
    assert!(limited.starts_with("HTTP/1.1 429"));
    assert!(limited.contains("retry-after-ms: 5\r\n"));
    assert!(
        with(Fault::ServerError(529))
            .unwrap()
            .starts_with("HTTP/1.1 529")
    );
}

#[test]
fn the_process_says_where_it_listens_and_answers() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_scripted_server"))
        .args(["--latency-ms", "1", "--script", "echo"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    stdout.read_line(&mut url).unwrap();
    let answer = post(url.trim(), "are you there").unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(answer.contains("are you there"));
    let refused = Command::new(env!("CARGO_BIN_EXE_scripted_server"))
        .args(["--script", "sing"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(
        message,
        "scripted_server: --script sing: echo, judge, debate or amplify\n"
    );
}
