//! More connections than there are places, and more of one address than it may have.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::proxy::app;
use crate::harness::{App, PATIENCE, Proxy, Visitor};

/// More than there are places.
const ATTACKERS: usize = 1500;
const PLACES: &str =
    "connections = 1000\nhead_timeout = '60s'\nbody_timeout = '60s'\nwrite_timeout = '60s'\n";

/// Attackers who send this and then nothing, until they are dropped; who is turned out comes again.
///
/// Each reads so many bytes of what comes, ten times a second.
async fn attack(proxy: &Proxy, opening: &'static str, reads: usize) -> tokio::task::JoinHandle<()> {
    let to = proxy.http;
    let mut streams = Vec::new();
    for _ in 0..ATTACKERS {
        streams.push(slow(to, opening).await);
    }
    tokio::spawn(async move {
        let mut bytes = vec![0; reads];
        loop {
            for stream in &mut streams {
                let ended = match stream.try_read(&mut bytes) {
                    Ok(length) => length == 0,
                    Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                };
                if ended {
                    *stream = slow(to, opening).await;
                }
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}

async fn slow(to: std::net::SocketAddr, opening: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("socket");
    // The kernels between us shall not read in their place.
    socket.set_recv_buffer_size(4096).expect("buffer");
    let stream = socket.connect(to).await.expect("connect");
    stream.writable().await.expect("a connection");
    // The proxy may have closed already.
    drop(stream.try_write(opening.as_bytes()));
    stream
}

async fn others_are_served(proxy: &Proxy) {
    for _ in 0..30 {
        let ask = Visitor::get(proxy.http, "/");
        let answer = tokio::time::timeout(PATIENCE, ask).await;
        assert_eq!(answer.expect("an answer in time").status, 200);
    }
}

async fn survives(opening: &'static str, reads: usize) {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, PLACES);
    let attackers = attack(&proxy, opening, reads).await;
    others_are_served(&proxy).await;
    attackers.abort();
}

#[tokio::test]
async fn fifteen_hundred_slow_heads_leave_nobody_unserved() {
    survives("GET / HTTP/1.1\r\nHost: a\r\nX-", 1).await;
}

#[tokio::test]
async fn fifteen_hundred_silent_connections_leave_nobody_unserved() {
    survives("", 1).await;
}

#[tokio::test]
async fn fifteen_hundred_slow_bodies_leave_nobody_unserved() {
    survives(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc",
        1,
    )
    .await;
}

const LARGE: &str = "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn fifteen_hundred_who_hardly_read_leave_nobody_unserved() {
    survives(LARGE, 1).await;
}

#[tokio::test]
async fn fifteen_hundred_slow_readers_leave_nobody_unserved() {
    survives(LARGE, 500).await;
}

#[tokio::test]
async fn a_request_at_work_keeps_its_place() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "connections = 2");
    let mut worker = Visitor::connect(proxy.http).await;
    worker
        .send("GET /slow/1500 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    crate::harness::until("it is at work", || app.begun() == 1).await;
    // Each takes the second place from the one before.
    for _ in 0..20 {
        let mut idle = Visitor::connect(proxy.http).await;
        assert_eq!(idle.get_again("/").await.status, 200);
        std::mem::forget(idle);
    }
    assert_eq!(worker.answer(false).await.status, 200);
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "connections_per_address = 3");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut visitor = Visitor::connect(proxy.http).await;
        assert_eq!(visitor.get_again("/").await.status, 200);
        open.push(visitor);
    }
    let mut refused = Visitor::connect(proxy.http).await;
    assert_eq!(refused.answer(false).await.status, 429);
    assert!(refused.ends().await);
    drop(open);
    let free = async {
        loop {
            let mut visitor = Visitor::connect(proxy.http).await;
            visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            if visitor.answer(false).await.status == 200 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, free)
        .await
        .expect("the places are free again");
}

#[tokio::test]
async fn an_address_has_so_many_requests_at_work_and_no_more() {
    let app = App::start().await;
    let settings = format!(
        "trusted = '127.0.0.1'\n[proxy.limits]\nrequests_per_address = 2\n{}",
        app_settings(&app)
    );
    let proxy = Proxy::start(&settings);
    let ask = |address: &'static str, path: &'static str| {
        let to = proxy.http;
        async move {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n");
            Visitor::ask(to, &request).await.status
        }
    };
    let working = tokio::spawn({
        let (one, two) = (ask("9.9.9.9", "/slow/1500"), ask("9.9.9.9", "/slow/1500"));
        async move { tokio::join!(one, two) }
    });
    crate::harness::until("they are at work", || app.begun() == 2).await;
    assert_eq!(ask("9.9.9.9", "/").await, 429);
    assert_eq!(ask("9.9.9.8", "/").await, 200);
    assert_eq!(working.await.expect("both"), (200, 200));
    assert_eq!(ask("9.9.9.9", "/").await, 200);
}

fn app_settings(application: &App) -> String {
    app(&application.target)
}

#[tokio::test]
async fn fifteen_hundred_handshakes_that_do_not_go_on_leave_nobody_unserved() {
    let app = App::start().await;
    let settings = format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\ndirectory = '$DIR/tls'\n[proxy.limits]\n{PLACES}handshake_timeout = '60s'\n{}",
        app_settings(&app)
    );
    let proxy = Proxy::start(&settings);
    let to = proxy.https.expect("https");
    let mut streams = Vec::new();
    for _ in 0..ATTACKERS {
        streams.push(slow(to, "\u{16}\u{3}\u{1}").await);
    }
    others_are_served(&proxy).await;
    let mut rest = [0; 1];
    let first = streams.first_mut().expect("one");
    drop(
        tokio::time::timeout(PATIENCE, first.read(&mut rest))
            .await
            .expect("it had to go"),
    );
}
