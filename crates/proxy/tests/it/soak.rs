//! A day of a small site in three minutes: what was needed for one request is not kept for the next.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::load::echo;
use crate::harness::{App, Proxy, Visitor};

/// Tables, caches and the allocator's pools fill meanwhile.
const WARM_UP: Duration = Duration::from_secs(60);
const SOAK: Duration = Duration::from_secs(120);
/// A leak of 200 bytes a request would be more.
const MOST_GROWTH_KIB: u64 = 6 * 1024;

fn settings(app: &App, sockets: &str, files: &Path) -> String {
    format!(
        "[proxy.cache]\nmemory = '4MiB'\n\
         [[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/files/'\nfiles = {{ root = '{}' }}\ncompress = true\n\
         [[proxy.sites.routes]]\npath = '/live'\nupstream = 'live'\n\
         [[proxy.sites.routes]]\nprefix = '/cached/'\nupstream = 'app'\ncache = {{ default_ttl = '1m' }}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\ncompress = true\n\
         [proxy.upstreams.app]\ntargets = '{}'\n\
         [proxy.upstreams.live]\ntargets = '{sockets}'\n",
        files.display(),
        app.target
    )
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    turns: AtomicUsize,
}

/// Everything that visitors do, in turn, again and again.
async fn visit(to: SocketAddr, state: Arc<State>) {
    while !state.stop.load(Ordering::SeqCst) {
        let turn = state.turns.fetch_add(1, Ordering::SeqCst);
        kept(to, turn).await;
        body(to).await;
        ill_formed(to).await;
        leaves(to).await;
        if turn.is_multiple_of(8) {
            socket(to).await;
        }
    }
}

async fn kept(to: SocketAddr, turn: usize) {
    let mut visitor = Visitor::connect(to).await;
    for path in [
        "/".to_owned(),
        "/files/page.html".to_owned(),
        "/files/missing".to_owned(),
        format!("/cached/{turn}"),
        format!("/cached/{}", turn % 50),
        format!("/files/{turn}"),
    ] {
        let request = format!(
            "GET {path}?{turn} HTTP/1.1\r\nHost: host-{}\r\nAccept-Encoding: gzip\r\n\r\n",
            turn % 1000
        );
        visitor.send(request).await;
        assert!(visitor.try_answer(false).await.is_some(), "{path}");
    }
}

async fn body(to: SocketAddr) {
    let length = 100_000;
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let answer = Visitor::ask(to, &(head + &"x".repeat(length))).await;
    assert_eq!(answer.body.len(), length);
}

async fn ill_formed(to: SocketAddr) {
    let answer = Visitor::ask(to, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    assert_eq!(answer.status, 400);
}

/// Asks for much, and goes.
async fn leaves(to: SocketAddr) {
    let mut stream = TcpStream::connect(to).await.expect("connection");
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
}

async fn socket(to: SocketAddr) {
    let stream = TcpStream::connect(to).await.expect("connection");
    let (mut socket, _) = client_async("ws://site/live", stream)
        .await
        .expect("handshake");
    for _ in 0..3 {
        socket.send(Message::text("hello")).await.expect("sent");
        assert!(socket.next().await.is_some_and(|message| message.is_ok()));
    }
    drop(socket.close(None).await);
}

#[tokio::test(flavor = "current_thread")]
async fn memory_stays_flat_through_a_day_of_requests() {
    let app = App::start().await;
    let files = tempfile::tempdir().expect("directory");
    std::fs::write(files.path().join("page.html"), "text ".repeat(4000)).expect("file");
    let proxy = Proxy::start(&settings(&app, &echo().await, files.path()));
    let state = Arc::new(State::default());
    let visitors: Vec<_> = (0..4)
        .map(|_| tokio::spawn(visit(proxy.http, Arc::clone(&state))))
        .collect();
    let begun = Instant::now();
    while begun.elapsed() < WARM_UP {
        app.take();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (before, turns) = (proxy.private_kib(), state.turns.load(Ordering::SeqCst));
    let mut most = 0;
    while begun.elapsed() < WARM_UP + SOAK {
        app.take();
        most = most.max(proxy.private_kib());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    state.stop.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.expect("a visitor");
    }
    let after = proxy.private_kib();
    let turns = state.turns.load(Ordering::SeqCst) - turns;
    assert!(
        turns > 500,
        "only {turns} turns: this machine is too slow to tell"
    );
    assert!(
        after < before + MOST_GROWTH_KIB,
        "{before} KiB before, {after} KiB after {turns} turns, at most {most} KiB"
    );
}
