//! HTTP and HTTPS side by side: strict transport security, redirection, HTTP/2 without TLS.

use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::kit::Authority;
use crate::harness::{Proxy, Visitor};

fn settings(authority: &Authority, files: &std::path::Path, site: &str) -> String {
    let pair = authority.server(&["one.example", "two.example"]);
    let table = pair.table(files, "a");
    format!(
        "https = '127.0.0.1:0'\nh2c = true\n\
         [[proxy.sites]]\nhosts = 'one.example'\ntls = {table}\n{site}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'one' }}\n\
         [[proxy.sites.routes]]\nprefix = '/gone'\nrespond = {{ status = 410 }}\n\
         [[proxy.sites]]\nhosts = 'two.example'\ntls = {table}\nhsts = {{ max_age = '0s' }}\n"
    )
}

#[tokio::test]
async fn strict_transport_security_is_said_over_https_alone() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let proxy = Proxy::start(&settings(&authority, files.path(), "hsts = true"));
    let to = proxy.https.expect("https");
    for (host, path, said) in [
        ("one.example", "/", "max-age=63072000"),
        ("one.example", "/gone", "max-age=63072000"),
        ("two.example", "/nothing", "max-age=0"),
    ] {
        let stream = authority
            .visitor()
            .connect(to, host)
            .await
            .expect("handshake");
        let mut visitor = Visitor::new(stream);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        visitor.send(&request).await;
        let answer = visitor.answer(false).await;
        assert_eq!(
            answer.header("strict-transport-security"),
            said,
            "{host}{path}"
        );
        let plain = Visitor::ask(proxy.http, &request).await;
        assert!(!plain.has("strict-transport-security"), "{}", plain.head);
    }
}

#[tokio::test]
async fn everything_but_an_authoritys_question_is_sent_to_https() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let proxy = Proxy::start(&settings(&authority, files.path(), "redirect_https = true"));
    let ask = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: one.example\r\n\r\n");
        Visitor::ask(proxy.http, &request).await
    };
    let port = proxy.https.expect("https").port();
    let sent = ask("/a?b=c").await;
    assert_eq!(sent.status, 308);
    assert_eq!(
        sent.header("location"),
        format!("https://one.example:{port}/a?b=c")
    );
    let kept = ask("/.well-known/acme-challenge/token").await;
    assert_eq!((kept.status, kept.text().as_str()), (200, "one"));
}

#[tokio::test]
async fn both_versions_of_http_share_a_plain_listener_by_a_switch() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let settings = settings(&authority, files.path(), "");
    let proxy = Proxy::start(&settings);
    let stream = TokioIo::new(TcpStream::connect(proxy.http).await.expect("connection"));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .expect("HTTP/2");
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::get("http://one.example/")
        .body(Empty::<bytes::Bytes>::new())
        .expect("request");
    let answer = sender.send_request(request).await.expect("answer");
    assert_eq!(
        (answer.status(), answer.version()),
        (http::StatusCode::OK, Version::HTTP_2)
    );
    assert_eq!(answer.collect().await.expect("body").to_bytes(), "one");
    // The same first letter as the preface's, and byte by byte.
    let mut visitor = Visitor::connect(proxy.http).await;
    for byte in b"PUT / HTTP/1.1\r\nHost: one.example\r\nContent-Length: 0\r\n\r\n" {
        visitor.send([*byte]).await;
    }
    assert_eq!(visitor.answer(false).await.status, 200);
    let off = Proxy::start(&settings.replace("h2c = true", "h2c = false"));
    let mut visitor = Visitor::connect(off.http).await;
    visitor.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(visitor.answer(false).await.status >= 400);
}
