//! Connections: taken, answered, and given up where nothing comes.
//!
//! ```text
//! connection ──► a request's head, within a time ──► its body, within a time (`router.rs`) ──► a page
//!     └──────────────────── the next request, within that time ◄──────────────────────────────────┘
//! ```
//!
//! Whoever sends a byte now and then, or nothing, holds a connection for that time and no longer. Pages that are watched while a run
//! goes on are answers, and may take as long as they like.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::middleware::AddExtension;
use axum::serve::Listener;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service as _;

/// Pages for one connection, which know where it comes from.
type Pages = TowerToHyperService<AddExtension<Router, ConnectInfo<SocketAddr>>>;

/// Takes connections and answers them until `ends` is true; returns when all of them are over.
pub(crate) async fn serve(
    mut listener: TcpListener,
    pages: Router,
    patience: Duration,
    mut ends: watch::Receiver<bool>,
) {
    let mut pages: IntoMakeServiceWithConnectInfo<Router, SocketAddr> =
        pages.into_make_service_with_connect_info();
    let mut open = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            connection = Listener::accept(&mut listener) => connection,
            _ = ends.wait_for(|ends| *ends) => break,
        };
        while open.try_join_next().is_some() {}
        let pages = match pages.call(address).await {
            Ok(pages) => TowerToHyperService::new(pages),
            Err(never) => match never {},
        };
        open.spawn(answer(stream, pages, patience, ends.clone()));
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// Answers the requests of one connection.
async fn answer(
    stream: TcpStream,
    pages: Pages,
    patience: Duration,
    mut ends: watch::Receiver<bool>,
) {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), pages));
    // How a connection failed concerns whoever is at its other end.
    tokio::select! {
        served = connection.as_mut() => {
            drop(served);
            return;
        }
        _ = ends.wait_for(|ends| *ends) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}
