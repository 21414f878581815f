//! Sessions are resumed: by tickets that all threads open, and without tickets by TLS 1.2 ids.

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use super::kit::{Authority, Client};
use super::sites::openssl;
use crate::harness::{Proxy, Visitor, until};
use crate::upgrade::Successor;

fn settings(authority: &Authority, files: &std::path::Path) -> String {
    let pair = authority.server(&["one.example"]);
    format!(
        "https = '127.0.0.1:0'\n[[proxy.sites]]\nhosts = 'one.example'\ntls = {}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'x' }}\n",
        pair.table(files, "a")
    )
}

/// Kinds of `count` handshakes, one after the other, with a request in each.
async fn kinds(client: &Client, to: std::net::SocketAddr, count: usize) -> Vec<HandshakeKind> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        let mut stream = client.connect(to, "one.example").await.expect("handshake");
        let request = b"GET / HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("request");
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        kinds.push(stream.get_ref().1.handshake_kind().expect("kind"));
    }
    kinds
}

#[tokio::test]
async fn every_thread_opens_the_tickets_of_the_others() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let text = settings(&authority, files.path());
    let proxy = Proxy::start(&format!(
        "[proxy]\nhttp = '127.0.0.1:0'\nthreads = 4\nadmin = '127.0.0.1:0'\n{text}"
    ));
    let to = proxy.https.expect("https");
    for version in [&TLS12, &TLS13] {
        let client = Client::new(vec![authority.certificate.clone()], None, &[version]);
        let kinds = kinds(&client, to, 12).await;
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert!(
            kinds[1..]
                .iter()
                .all(|kind| *kind == HandshakeKind::Resumed),
            "{kinds:?}"
        );
    }
    let metrics = Visitor::get(proxy.admin.expect("admin"), "/metrics").await;
    for line in [
        "kiuas_proxy_tls_handshakes_total{kind=\"full\"} 2",
        "kiuas_proxy_tls_handshakes_total{kind=\"resumed\"} 22",
    ] {
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
}

#[tokio::test]
async fn tls_1_2_without_tickets_is_resumed_by_id() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let proxy = Proxy::start(&settings(&authority, files.path()));
    let to = proxy.https.expect("https");
    let arguments = [
        "-servername",
        "one.example",
        "-tls1_2",
        "-no_ticket",
        "-reconnect",
    ];
    let Some(said) = openssl(to, &arguments) else {
        return;
    };
    assert!(said.matches("Reused, TLSv1.2").count() >= 5, "{said}");
}

#[tokio::test]
async fn visitors_resume_with_the_process_that_takes_over() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let proxy = Proxy::start(&format!(
        "control = 'unix:$DIR/control.sock'\n{}",
        settings(&authority, files.path())
    ));
    let to = proxy.https.expect("https");
    let client = Client::new(vec![authority.certificate.clone()], None, &[&TLS13]);
    assert_eq!(kinds(&client, to, 1).await, [HandshakeKind::Full]);
    let old = proxy.pid();
    let _successor = Successor::of(&proxy.ctl_json(&["upgrade"]).await);
    until("the old process is gone", || {
        !std::path::Path::new(&format!("/proc/{old}/exe")).exists()
    })
    .await;
    assert_eq!(kinds(&client, to, 1).await, [HandshakeKind::Resumed]);
}
