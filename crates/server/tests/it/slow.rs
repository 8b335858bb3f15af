//! Somebody whose requests trickle in: told or let go, and nobody else waits for them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use trimtab_server::{AskingConfig, ServeOptions, Server};

use crate::material::{SMALL, make_run};
use crate::visit::options;

/// Sends `begins`, and then a byte at a time until the other end hangs up; what was read.
async fn trickle(address: std::net::SocketAddr, begins: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(begins.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let writing = tokio::spawn(async move {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = Vec::new();
    // Who is hung up on while writing may read an error at the end.
    drop(from.read_to_end(&mut answer).await);
    writing.abort();
    String::from_utf8(answer).unwrap()
}

/// One page over a connection of its own.
async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_holds_a_connection_by_sending_slowly() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    make_run(&run, SMALL);
    let options = ServeOptions {
        patience: Duration::from_millis(300),
        ..options(AskingConfig::default())
    };
    let server = Server::open(&run, options).await.unwrap();
    let address = server.address().unwrap();
    let (end, ends) = oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async move { drop(ends.await) }));

    let post = "POST /judge/x/step HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n";
    let (head, body, nothing, page) = tokio::join!(
        trickle(address, "GET /judge HTTP/1.1\r\nhost: "),
        trickle(address, post),
        async {
            let mut silent = TcpStream::connect(address).await.unwrap();
            let mut answer = Vec::new();
            silent.read_to_end(&mut answer).await.map(|_| answer)
        },
        get(address, "/static/style.css"),
    );
    assert_eq!(head, "", "a head that never ends is no request");
    assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    assert!(
        body.contains("nothing that you sent just now is stored"),
        "{body}"
    );
    assert_eq!(nothing.unwrap(), b"");
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    // It goes on, and ends when it is told to.
    assert!(get(address, "/judge").await.starts_with("HTTP/1.1 401 "));
    end.send(()).unwrap();
    served.await.unwrap();
}
