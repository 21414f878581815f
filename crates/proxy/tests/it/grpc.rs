//! gRPC: a server that speaks HTTP/2 alone, behind the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::Proxy;
use crate::tls;

/// What a server saw.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: parking_lot::Mutex<Vec<http::request::Parts>>,
}

/// Echoes every piece as it comes and ends with `grpc-status`. `/refuse` has trailers only.
async fn serve(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    seen: Arc<Seen>,
) {
    let (parts, mut body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    seen.requests.lock().push(parts);
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert("content-type", "application/grpc".parse().expect("value"));
    if path == "/refuse" {
        headers.insert("grpc-status", "7".parse().expect("value"));
        drop(respond.send_response(response, true));
        return;
    }
    let Ok(mut send) = respond.send_response(response, false) else {
        return;
    };
    while let Some(Ok(piece)) = body.data().await {
        drop(body.flow_control().release_capacity(piece.len()));
        if send.send_data(piece, false).is_err() {
            return;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("value"));
    if let Ok(Some(theirs)) = body.trailers().await {
        trailers.extend(theirs);
    }
    drop(send.send_trailers(trailers));
}

async fn server() -> (String, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    let seen = Arc::new(Seen::default());
    let all = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&all);
            seen.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("handshake");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(serve(request, respond, Arc::clone(&seen)));
                }
            });
        }
    });
    (target, seen)
}

fn start(target: &str) -> Proxy {
    Proxy::start(&format!(
        "{}protocol = 'h2c'\nresponse_timeout = '10s'\n",
        tls::settings_for(target)
    ))
}

fn call<B>(path: &str, body: B) -> Request<B> {
    Request::post(format!("https://site.example{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "5S")
        .body(body)
        .expect("request")
}

async fn piece(body: &mut Incoming) -> Bytes {
    let frame = body.frame().await.expect("a frame").expect("a frame");
    frame.into_data().expect("data")
}

#[tokio::test]
async fn a_conversation_flows_in_both_directions_and_ends_with_trailers() {
    let (target, seen) = server().await;
    let proxy = start(&target);
    let mut sender = tls::h2(proxy.directory(), proxy.https.expect("https")).await;
    let (say, said) = mpsc::channel::<Result<Frame<Bytes>, std::convert::Infallible>>(1);
    let said = futures_util::stream::unfold(said, |mut said| async move {
        said.recv().await.map(|frame| (frame, said))
    });
    let response = sender
        .send_request(call("/Chat/Talk", StreamBody::new(said.boxed())))
        .await
        .expect("an answer");
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let mut body = response.into_body();
    for number in 0..5 {
        // The next one is said only when the one before has come back.
        let message = Bytes::from(format!("message {number}"));
        say.send(Ok(Frame::data(message.clone())))
            .await
            .expect("said");
        assert_eq!(piece(&mut body).await, message);
    }
    drop(say);
    let trailers = body.frame().await.expect("a frame").expect("a frame");
    let trailers = trailers.into_trailers().expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
    let requests = seen.requests.lock();
    assert_eq!(requests[0].headers["te"], "trailers");
    assert_eq!(requests[0].headers["grpc-timeout"], "5S");
    assert_eq!(requests[0].headers["x-forwarded-proto"], "https");
    assert_eq!(
        requests[0].uri.authority().expect("authority"),
        "site.example"
    );
    assert!(!requests[0].headers.contains_key("host"));
}

#[tokio::test]
async fn calls_share_one_connection_and_trailers_alone_are_an_answer() {
    let (target, seen) = server().await;
    let proxy = start(&target);
    let sender = tls::h2(proxy.directory(), proxy.https.expect("https")).await;
    let calls = (0..50).map(|number| {
        let mut sender = sender.clone();
        async move {
            let text = format!("{number}").repeat(10_000);
            let request = call("/Echo/Say", Full::new(Bytes::from(text.clone())));
            let response = sender.send_request(request).await.expect("an answer");
            let whole = response.into_body().collect().await.expect("a body");
            assert_eq!(whole.trailers().expect("trailers")["grpc-status"], "0");
            assert!(whole.to_bytes() == text.as_bytes());
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    let refused = sender
        .clone()
        .send_request(call("/refuse", Full::default()))
        .await;
    let refused = refused.expect("an answer");
    assert_eq!(refused.headers()["grpc-status"], "7");
    assert!(refused.body().is_end_stream());
}

#[tokio::test]
async fn a_server_that_is_gone_is_502_and_one_that_comes_back_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    drop(listener);
    let proxy = start(&target);
    let mut sender = tls::h2(proxy.directory(), proxy.https.expect("https")).await;
    let response = sender
        .send_request(call("/Echo/Say", Full::new(Bytes::from("a"))))
        .await;
    assert_eq!(response.expect("an answer").status(), 502);
}

#[tokio::test]
async fn visitors_over_http_1_are_answered_too() {
    let (target, _) = server().await;
    let proxy = start(&target);
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let answer = crate::harness::Visitor::ask(proxy.http, request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("hello"), "{}", answer.text());
}
