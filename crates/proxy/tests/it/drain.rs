//! The end: nobody's request is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::harness::{App, Proxy, Visitor, proxy, until};

#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    lost: AtomicUsize,
    stop: AtomicBool,
}

/// Asks over one connection after the other until none can be made.
async fn keep_asking(to: SocketAddr, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::SeqCst) {
        let Ok(stream) = TcpStream::connect(to).await else {
            // Refused: nothing was lost.
            return;
        };
        let mut visitor = Visitor::new(stream);
        loop {
            visitor
                .send("GET /slow/3 HTTP/1.1\r\nHost: a\r\n\r\n")
                .await;
            let Some(answer) = visitor.try_answer(false).await else {
                tally.lost.fetch_add(1, Ordering::SeqCst);
                break;
            };
            assert_eq!(answer.status, 200);
            tally.answered.fetch_add(1, Ordering::SeqCst);
            if answer.header("connection") == "close" {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_loses_no_request() {
    let app = App::start_unix().await;
    let two_threads = "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 2\n";
    let mut proxy = Proxy::start(&format!("{two_threads}{}", proxy::app(&app.target)));
    let tally = Arc::new(Tally::default());
    let visitors: Vec<_> = (0..32)
        .map(|_| tokio::spawn(keep_asking(proxy.http, Arc::clone(&tally))))
        .collect();
    until("the load runs", || {
        tally.answered.load(Ordering::SeqCst) > 500
    })
    .await;
    proxy.terminate();
    assert!(proxy.ended().await.success(), "{}", proxy.log());
    tally.stop.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.expect("visitor");
    }
    assert_eq!(tally.lost.load(Ordering::SeqCst), 0, "requests were lost");
    assert!(proxy.log().contains("nothing was cut"), "{}", proxy.log());
}

#[tokio::test]
async fn an_answer_under_way_is_finished() {
    let app = App::start().await;
    let mut proxy = Proxy::with_limits(&app.target, "drain_grace = '50ms'");
    let slow = tokio::spawn(Visitor::get(proxy.http, "/slow/700"));
    until("it is at work", || app.begun() == 1).await;
    proxy.terminate();
    let answer = slow.await.expect("visitor");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert!(proxy.ended().await.success());
}

#[tokio::test]
async fn an_idle_connection_may_ask_once_more_and_is_told_to_close() {
    let app = App::start().await;
    let mut proxy = Proxy::with_limits(&app.target, "drain_grace = '10s'");
    let mut visitor = Visitor::connect(proxy.http).await;
    assert!(!visitor.get_again("/").await.has("connection"));
    proxy.terminate();
    until("it drains", || proxy.log().contains("draining")).await;
    let answer = visitor.get_again("/").await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    assert!(visitor.ends().await);
    assert!(proxy.ended().await.success());
}

#[tokio::test]
async fn what_does_not_finish_is_cut_at_the_deadline() {
    let app = App::start().await;
    let limits = "drain_grace = '50ms'\ndrain_timeout = '400ms'";
    let mut proxy = Proxy::with_limits(&app.target, limits);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("GET /slow/60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    until("it is at work", || app.begun() == 1).await;
    proxy.terminate();
    assert!(proxy.ended().await.success());
    assert!(proxy.log().contains("cut"), "{}", proxy.log());
}

#[tokio::test]
async fn an_inherited_socket_is_served_and_outlives_us() {
    let app = App::start().await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = socket.local_addr().expect("address");
    let copy = socket.try_clone().expect("descriptor");
    let settings = proxy::app(&app.target);
    let mut first = Proxy::inheriting(copy.into(), &settings);
    assert_eq!(first.http, address);
    assert_eq!(Visitor::get(address, "/").await.status, 200);
    first.terminate();
    assert!(first.ended().await.success());
    // Connects although nobody accepts, and is answered by the next process.
    let mut waiting = Visitor::connect(address).await;
    let _second = Proxy::inheriting(socket.into(), &settings);
    let answer = tokio::time::timeout(Duration::from_secs(10), waiting.get_again("/")).await;
    assert_eq!(answer.expect("in time").status, 200);
}
