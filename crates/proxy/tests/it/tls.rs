//! HTTPS with the local authority: HTTP/1.1, HTTP/2, keys, renewal, redirection.

mod acme;
mod ari;
mod client;
mod kit;
mod ocsp;
mod resume;
mod sites;
mod transport;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{App, Proxy, Visitor, proxy};

fn settings(app: &App) -> String {
    settings_for(&app.target)
}

/// Everything, also over HTTPS, to one upstream at `target`.
pub(crate) fn settings_for(target: &str) -> String {
    format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\ndirectory = '$DIR/tls'\n{}",
        proxy::app(target).replace("hosts = '*'", "hosts = '*, site.example'")
    )
}

pub(crate) async fn connect(
    directory: &Path,
    to: SocketAddr,
    protocol: &str,
) -> TlsStream<TcpStream> {
    let authority = CertificateDer::from_pem_file(directory.join("tls/authority.pem"));
    let mut roots = RootCertStore::empty();
    roots.add(authority.expect("authority")).expect("root");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(to).await.expect("connection");
    let name = ServerName::try_from("site.example").expect("name");
    let stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .expect("handshake");
    assert_eq!(
        stream.get_ref().1.alpn_protocol(),
        Some(protocol.as_bytes())
    );
    stream
}

pub(crate) async fn h2<B>(directory: &Path, to: SocketAddr) -> SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes, Error: std::error::Error + Send + Sync>
        + Send
        + Unpin
        + 'static,
{
    let stream = TokioIo::new(connect(directory, to, "h2").await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .expect("HTTP/2");
    tokio::spawn(async move { drop(connection.await) });
    sender
}

#[tokio::test]
async fn http_1_over_tls_tells_the_application_https() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    let stream = connect(proxy.directory(), proxy.https.expect("https"), "http/1.1").await;
    let mut visitor = Visitor::new(stream);
    visitor
        .send("GET / HTTP/1.1\r\nHost: site.example\r\n\r\n")
        .await;
    assert_eq!(visitor.answer(false).await.status, 200);
    assert_eq!(app.only().header("x-forwarded-proto"), "https");
    visitor
        .send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        .await;
    assert_eq!(visitor.answer(false).await.status, 400);
}

#[tokio::test]
async fn many_streams_share_one_http_2_connection() {
    let app = App::start_unix().await;
    let proxy = Proxy::start(&settings(&app));
    let sender = h2(proxy.directory(), proxy.https.expect("https")).await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..60 {
        let mut sender = sender.clone();
        requests.spawn(async move {
            let body = Full::new(Bytes::from(format!("{number}").repeat(2000)));
            let request = Request::post("https://site.example/echo")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .body(body.clone())
                .expect("request");
            let answer = sender.send_request(request).await.expect("answer");
            assert_eq!(
                (answer.status(), answer.version()),
                (StatusCode::OK, Version::HTTP_2)
            );
            let echoed = answer.collect().await.expect("body").to_bytes();
            assert_eq!(echoed, body.collect().await.expect("body").to_bytes());
        });
    }
    while let Some(outcome) = requests.join_next().await {
        outcome.expect("stream");
    }
    let seen = app.take();
    assert_eq!(seen.len(), 60);
    assert_eq!(seen[0].header("host"), "site.example");
    assert_eq!(seen[0].header("cookie"), "a=1; b=2");
    assert_eq!(seen[0].target, "/echo");
}

#[tokio::test]
async fn the_gate_stands_before_http_2_as_well() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    let mut sender = h2(proxy.directory(), proxy.https.expect("https")).await;
    for (request, status) in [
        (Request::get("https://site.example/a/%2e%2e/b"), 400),
        (
            Request::get("https://site.example/").header("host", "other.example"),
            400,
        ),
        (
            Request::get("https://site.example/").header("expect", "wonders"),
            417,
        ),
        (
            Request::builder()
                .method("TRACE")
                .uri("https://site.example/"),
            405,
        ),
        (
            Request::get("https://site.example/").header("host", "site.example"),
            200,
        ),
    ] {
        let request = request.body(Empty::<Bytes>::new()).expect("request");
        let answer = sender.send_request(request).await.expect("answer");
        assert_eq!(answer.status().as_u16(), status);
    }
    assert_eq!(app.take().len(), 1);
}

#[tokio::test]
async fn the_drain_says_goaway_and_finishes_streams() {
    let app = App::start().await;
    let mut proxy = Proxy::start(&settings(&app));
    let mut sender = h2(proxy.directory(), proxy.https.expect("https")).await;
    let request = Request::get("https://site.example/slow/600");
    let slow = sender.send_request(request.body(Empty::<Bytes>::new()).expect("request"));
    let slow = tokio::spawn(slow);
    crate::harness::until("it is at work", || app.begun() == 1).await;
    proxy.terminate();
    assert_eq!(slow.await.expect("task").expect("answer").status(), 200);
    assert!(proxy.ended().await.success());
    assert!(sender.ready().await.is_err(), "the connection is closed");
}

#[tokio::test]
async fn private_keys_are_private_and_the_authority_is_kept() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    let tls = proxy.directory().join("tls");
    let mode = |name: &str| {
        let metadata = std::fs::metadata(tls.join(name)).expect("file");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(
        (mode("authority-key.pem"), mode("server-key.pem")),
        (0o600, 0o600)
    );
    assert!(proxy.log().contains("authority.pem"), "{}", proxy.log());
    let read = |name: &str| std::fs::read(tls.join(name)).expect("file");
    let (authority, server) = (read("authority.pem"), read("server.pem"));
    let again = Proxy::start(&settings(&app).replace("$DIR", &proxy.directory().to_string_lossy()));
    assert_eq!(read("authority.pem"), authority);
    assert_eq!(read("server.pem"), server);
    drop(connect(proxy.directory(), again.https.expect("https"), "h2").await);
    // Another name: a new certificate from the same authority.
    let other = settings(&app)
        .replace("$DIR", &proxy.directory().to_string_lossy())
        .replace("'*, site.example'", "'*, site.example, more.example'");
    let third = Proxy::start(&other);
    assert_ne!(read("server.pem"), server);
    assert_eq!(read("authority.pem"), authority);
    drop(connect(proxy.directory(), third.https.expect("https"), "http/1.1").await);
}

#[tokio::test]
async fn certificates_may_come_from_files() {
    let app = App::start().await;
    let maker = Proxy::start(&settings(&app));
    let tls = maker.directory().join("tls").to_string_lossy().into_owned();
    let files = format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\nmode = 'files'\ncertificate = '{tls}/server.pem'\nkey = '{tls}/server-key.pem'\n{}",
        proxy::app(&app.target)
    );
    let proxy = Proxy::start(&files);
    let stream = connect(maker.directory(), proxy.https.expect("https"), "http/1.1").await;
    let mut visitor = Visitor::new(stream);
    visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(visitor.answer(false).await.status, 200);
}
