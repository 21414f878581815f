//! WebSockets over HTTP/2 (RFC 8441).

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::harness::load::echo;
use crate::harness::raw::says;
use crate::harness::{App, Proxy};
use crate::tls;

type Sender = SendRequest<Empty<Bytes>>;

async fn start(target: &str) -> (Proxy, Sender) {
    let proxy = Proxy::start(&tls::settings_for(target));
    let mut sender = tls::h2(proxy.directory(), proxy.https.expect("https")).await;
    // The answer to this comes after the proxy's word that it knows extended CONNECT.
    let plain = Request::get("https://site.example/").body(Empty::new());
    drop(sender.send_request(plain.expect("request")).await);
    (proxy, sender)
}

async fn connect(sender: &mut Sender, protocol: &'static str) -> Response<Incoming> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "https://site.example/live?room=7".parse().expect("address");
    request
        .extensions_mut()
        .insert(Protocol::from_static(protocol));
    for (name, value) in [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
        ("origin", "https://site.example"),
    ] {
        let value = value.parse().expect("value");
        request.headers_mut().insert(name, value);
    }
    sender.send_request(request).await.expect("an answer")
}

async fn socket(response: Response<Incoming>) -> WebSocketStream<TokioIo<Upgraded>> {
    assert_eq!(response.status(), StatusCode::OK);
    let upgraded = hyper::upgrade::on(response).await.expect("a tunnel");
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
}

#[tokio::test]
async fn messages_pass_in_both_directions_and_streams_share_a_connection() {
    let (_proxy, mut sender) = start(&echo().await).await;
    let mut one = socket(connect(&mut sender, "websocket").await).await;
    let mut other = socket(connect(&mut sender, "websocket").await).await;
    for number in 0..20 {
        for socket in [&mut one, &mut other] {
            let text = Message::text(format!("{number} ").repeat(number * 500 + 1));
            socket.send(text.clone()).await.expect("sent");
            assert_eq!(
                socket.next().await.expect("message").expect("message"),
                text
            );
        }
    }
    one.close(None).await.expect("closed");
    while let Some(Ok(_)) = one.next().await {}
    let large = Message::text("x".repeat(1 << 20));
    other.send(large.clone()).await.expect("sent");
    assert!(other.next().await.expect("message").expect("message") == large);
}

#[tokio::test]
async fn the_application_sees_a_websocket_of_http_1() {
    let app = App::start().await;
    let (_proxy, mut sender) = start(&app.target).await;
    app.take();
    // This application knows no WebSockets: its answer to GET is no tunnel.
    let response = connect(&mut sender, "websocket").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let seen = app.only();
    assert_eq!((&*seen.method, &*seen.target), ("GET", "/live?room=7"));
    assert_eq!(seen.header("upgrade"), "websocket");
    assert_eq!(seen.header("connection"), "upgrade");
    assert_eq!(seen.header("sec-websocket-version"), "13");
    assert_eq!(seen.header("sec-websocket-protocol"), "chat");
    assert_eq!(seen.header("sec-websocket-key").len(), 24);
    assert_eq!(seen.header("host"), "site.example");
}

#[tokio::test]
async fn an_answer_to_another_handshake_opens_no_tunnel() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (target, _) = says(answer).await;
    let (_proxy, mut sender) = start(&target).await;
    let response = connect(&mut sender, "websocket").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn an_application_may_refuse() {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let (target, _) = says(answer).await;
    let (_proxy, mut sender) = start(&target).await;
    let response = connect(&mut sender, "websocket").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn connect_is_for_websockets_alone() {
    let app = App::start().await;
    let (_proxy, mut sender) = start(&app.target).await;
    app.take();
    let response = connect(&mut sender, "connect-udp").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "site.example:443".parse().expect("address");
    let answer = sender.send_request(request).await;
    let refused = answer.map_or(true, |answer| answer.status().is_client_error());
    assert!(refused, "CONNECT is refused");
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn a_drain_ends_each_of_them_with_1012() {
    let limits = "[proxy.limits]\ndrain_grace = '50ms'\ndrain_timeout = '100ms'\n\
        tunnel_drain = '300ms'\ntunnel_spread = '0s'\n";
    let settings = tls::settings_for(&echo().await);
    let mut proxy = Proxy::start(&format!("{settings}{limits}"));
    let mut sender = tls::h2(proxy.directory(), proxy.https.expect("https")).await;
    let plain = Request::get("https://site.example/").body(Empty::new());
    drop(sender.send_request(plain.expect("request")).await);
    let mut one = socket(connect(&mut sender, "websocket").await).await;
    let mut other = socket(connect(&mut sender, "websocket").await).await;
    proxy.terminate();
    for socket in [&mut one, &mut other] {
        let end = tokio::time::timeout(crate::harness::PATIENCE, socket.next()).await;
        let Some(Ok(Message::Close(Some(frame)))) = end.expect("an end in time") else {
            panic!("no close frame");
        };
        assert_eq!(u16::from(frame.code), 1012);
        // The visitor's own close frame.
        while let Some(Ok(_)) = socket.next().await {}
    }
    assert!(proxy.ended().await.success());
}
