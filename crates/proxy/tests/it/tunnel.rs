//! WebSockets through the proxy.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

use crate::harness::load::echo;
use crate::harness::{App, Proxy, Visitor};

#[tokio::test]
async fn messages_pass_in_both_directions() {
    let proxy = Proxy::to(&echo().await);
    let stream = TcpStream::connect(proxy.http).await.expect("connection");
    let (mut socket, answer) = client_async("ws://site/live", stream)
        .await
        .expect("handshake");
    assert_eq!(answer.status(), 101);
    assert!(answer.headers().contains_key("x-request-id"));
    for number in 0..50 {
        let text = Message::text(format!("{number}").repeat(number * 40 + 1));
        socket.send(text.clone()).await.expect("sent");
        assert_eq!(
            socket.next().await.expect("message").expect("message"),
            text
        );
    }
    socket.close(None).await.expect("closed");
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn large_messages_pass_whole() {
    let proxy = Proxy::to(&echo().await);
    let stream = TcpStream::connect(proxy.http).await.expect("connection");
    let (mut socket, _) = client_async("ws://site/live", stream)
        .await
        .expect("handshake");
    for number in 1..=4 {
        let text = Message::text(format!("{number}").repeat(1 << 20));
        socket.send(text.clone()).await.expect("sent");
        assert!(socket.next().await.expect("message").expect("message") == text);
    }
}

#[tokio::test]
async fn a_refused_upgrade_leaves_the_connection_usable() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    let upgrade = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // What follows is a request again if the answer is no 101, and only then.
    visitor
        .send(format!("{upgrade}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await;
    assert_eq!(visitor.answer(false).await.status, 200);
    assert_eq!(visitor.answer(false).await.status, 200);
    let seen = app.take();
    assert_eq!(seen[0].header("upgrade"), "websocket");
    assert_eq!(seen[0].header("connection"), "upgrade");
    assert_eq!(
        seen[0].header("sec-websocket-key"),
        "dGhlIHNhbXBsZSBub25jZQ=="
    );
    assert_eq!(seen[1].target, "/next");
}

#[tokio::test]
async fn a_silent_tunnel_is_closed() {
    let target = echo().await;
    let proxy = Proxy::with_limits(&target, "tunnel_timeout = '300ms'");
    let stream = TcpStream::connect(proxy.http).await.expect("connection");
    let (mut socket, _) = client_async("ws://site/live", stream)
        .await
        .expect("handshake");
    let end = tokio::time::timeout(crate::harness::PATIENCE, socket.next()).await;
    assert!(!matches!(end.expect("an end in time"), Some(Ok(_))));
}

#[tokio::test]
async fn a_drain_waits_for_tunnels_until_its_deadline() {
    let target = echo().await;
    let limits = "drain_grace = '100ms'\ndrain_timeout = '1s'\ntunnel_spread = '0s'";
    let mut proxy = Proxy::with_limits(&target, limits);
    let stream = TcpStream::connect(proxy.http).await.expect("connection");
    let (mut socket, _) = client_async("ws://site/live", stream)
        .await
        .expect("handshake");
    proxy.terminate();
    tokio::time::sleep(Duration::from_millis(400)).await;
    socket
        .send(Message::text("still there"))
        .await
        .expect("sent");
    let message = socket.next().await.expect("message").expect("message");
    assert_eq!(message, Message::text("still there"));
    let end = tokio::time::timeout(crate::harness::PATIENCE, socket.next()).await;
    let end = end.expect("an end in time");
    assert!(matches!(end, Some(Ok(Message::Close(_)))), "{end:?}");
    assert!(proxy.ended().await.success());
}

/// A visitor's WebSocket, and the close code it ends with.
async fn close_code(proxy: &Proxy) -> impl Future<Output = Option<u16>> + use<> {
    let stream = TcpStream::connect(proxy.http).await.expect("connection");
    let (mut socket, _) = client_async("ws://site/live", stream)
        .await
        .expect("handshake");
    async move {
        let mut code = None;
        // Reading on sends the visitor's own close frame.
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code.into());
            }
        }
        code
    }
}

#[tokio::test]
async fn at_the_final_cut_visitors_are_told_1012_and_the_application_sees_a_close() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    let application = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("connection");
        let mut socket = accept_async(stream).await.expect("handshake");
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                _ => return None,
            }
        }
    });
    let limits = "drain_grace = '50ms'\ndrain_timeout = '100ms'\ntunnel_drain = '300ms'\ntunnel_spread = '0s'";
    let mut proxy = Proxy::with_limits(&target, limits);
    let visitor = tokio::spawn(close_code(&proxy).await);
    proxy.terminate();
    assert_eq!(visitor.await.expect("visitor"), Some(1012));
    assert_eq!(application.await.expect("application"), Some(1012_u16));
    assert!(proxy.ended().await.success());
    assert!(proxy.log().contains("nothing was cut"), "{}", proxy.log());
}

#[tokio::test]
async fn the_last_words_are_spread_out() {
    let target = echo().await;
    let limits = "drain_grace = '50ms'\ndrain_timeout = '100ms'\ntunnel_drain = '100ms'\ntunnel_spread = '1s'";
    let mut proxy = Proxy::with_limits(&target, limits);
    let mut visitors = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let code = close_code(&proxy).await;
        visitors.spawn(async move { (code.await, std::time::Instant::now()) });
    }
    proxy.terminate();
    let ends = visitors.join_all().await;
    assert!(ends.iter().all(|(code, _)| *code == Some(1012)));
    let first = ends.iter().map(|(_, at)| *at).min().expect("visitors");
    let last = ends.iter().map(|(_, at)| *at).max().expect("visitors");
    // Twenty random moments within a second lie this close together once in a million runs.
    assert!(last - first > Duration::from_millis(300));
    assert!(proxy.ended().await.success());
}

#[tokio::test]
async fn a_second_signal_cuts_websockets_too() {
    let target = echo().await;
    let mut proxy = Proxy::with_limits(&target, "tunnel_drain = '1h'\ndrain_grace = '10ms'");
    let visitor = tokio::spawn(close_code(&proxy).await);
    proxy.terminate();
    crate::harness::until("it drains", || proxy.log().contains("nothing was cut")).await;
    proxy.terminate();
    assert_eq!(visitor.await.expect("visitor"), None);
    assert!(proxy.ended().await.success());
}
