//! Live updates over real WebSockets and a real Redis.

use std::time::{Duration, Instant};

use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::{SinkExt, StreamExt};
use kiuas_common::listener::Stream;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_web::{WebError, live};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::harness::{Running, soon, start};

fn routes(config: &mut ServiceConfig) {
    config.route("/live", web::get().to(watch));
}

async fn watch(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let snapshot = async || Ok::<_, WebError>("snapshot".to_owned());
    live::socket(&request, body, "votes", snapshot)
}

async fn open(
    server: &Running,
    origin: &'static str,
) -> Result<WebSocketStream<Stream>, SocketError> {
    let mut request = "ws://site.test/live".into_client_request()?;
    let origin = origin.parse().expect("header");
    request.headers_mut().insert("Origin", origin);
    let stream = Stream::connect(&server.address).await?;
    Ok(client_async(request, stream).await?.0)
}

async fn text(socket: &mut WebSocketStream<Stream>) -> String {
    loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("no text: {other:?}"),
        }
    }
}

/// Publishes until somebody hears it: the subscription may not be there yet.
async fn publish_until(server: &Running, socket: &mut WebSocketStream<Stream>, message: &str) {
    let heard = async { while text(socket).await != message {} };
    let publish = async {
        loop {
            server
                .live
                .publish("votes", message)
                .await
                .expect("publish");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = heard => {}
        () = publish => {}
    }
}

#[tokio::test]
async fn a_page_gets_a_snapshot_and_then_what_is_published() {
    let server = start(routes).await;
    let mut socket = open(&server, "http://site.test").await.expect("socket");
    assert_eq!(text(&mut socket).await, "snapshot");
    soon(publish_until(&server, &mut socket, "{\"total\":1}")).await;
}

#[tokio::test]
async fn another_sites_page_gets_nothing() {
    let server = start(routes).await;
    match open(&server, "https://evil.test").await {
        Err(SocketError::Http(answer)) => assert_eq!(answer.status().as_u16(), 403),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_request_that_is_no_websocket_is_a_400() {
    let server = start(routes).await;
    assert_eq!(server.get("/live").await.status, 400);
}

#[tokio::test]
async fn sockets_are_closed_with_1001_and_do_not_hold_up_the_drain() {
    let server = start(routes).await;
    let mut socket = open(&server, "http://site.test").await.expect("socket");
    assert_eq!(text(&mut socket).await, "snapshot");
    let begin = Instant::now();
    server.shutdown.begin();
    let close = loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Close(frame))) => break frame.expect("code"),
            Some(Ok(_)) => {}
            other => panic!("no close: {other:?}"),
        }
    };
    assert_eq!(close.code, CloseCode::Away);
    assert_eq!(server.stop().await, DrainOutcome::Complete);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_visitor_who_talks_is_shown_out() {
    let server = start(routes).await;
    let mut socket = open(&server, "http://site.test").await.expect("socket");
    socket.send(Message::text("hello")).await.expect("sent");
    let close = loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Close(frame))) => break frame.expect("code"),
            Some(Ok(_)) => {}
            other => panic!("no close: {other:?}"),
        }
    };
    assert_eq!(close.code, CloseCode::Policy);
}

#[tokio::test]
async fn after_a_reconnect_a_page_gets_a_fresh_snapshot() {
    let server = start(routes).await;
    let mut socket = open(&server, "http://site.test").await.expect("socket");
    assert_eq!(text(&mut socket).await, "snapshot");
    soon(publish_until(&server, &mut socket, "before")).await;
    let redis = kiuas_common::redis::Redis::cache(&server.redis.settings()).expect("Redis");
    let mut connection = redis.get().await.expect("Redis");
    redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "pubsub"])
        .query_async::<i64>(&mut connection)
        .await
        .expect("kill");
    while text(&mut socket).await != "snapshot" {}
    soon(publish_until(&server, &mut socket, "after")).await;
}
