//! Sites whose visitors show certificates.

use std::path::Path;

use rustls::HandshakeKind;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::kit::{Authority, Client, Pair};
use crate::harness::{App, Proxy, Visitor, until};

struct World {
    authority: Authority,
    files: tempfile::TempDir,
    app: App,
    proxy: Proxy,
}

/// `closed.example` with a demand, `open.example` without one; both to one application.
async fn world(demand: &str) -> World {
    let (authority, app) = (Authority::new(), App::start().await);
    let files = tempfile::tempdir().expect("directory");
    std::fs::write(files.path().join("ca.pem"), &authority.pem).expect("file");
    std::fs::write(files.path().join("crl.pem"), authority.revoke(99)).expect("file");
    let pair = authority.server(&["closed.example", "open.example"]);
    let table = pair.table(files.path(), "server");
    let demand = demand.replace("FILES", &files.path().display().to_string());
    let proxy = Proxy::start(&format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\nmode = 'files'\nwatch = '20ms'\n\
         [[proxy.sites]]\nhosts = 'closed.example'\ntls = {table}\nclient_auth = {demand}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [[proxy.sites]]\nhosts = 'open.example'\ntls = {table}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    ));
    World {
        authority,
        files,
        app,
        proxy,
    }
}

impl World {
    fn visitor(&self, own: Option<&Pair>) -> Client {
        Client::new(
            vec![self.authority.certificate.clone()],
            own,
            rustls::ALL_VERSIONS,
        )
    }

    /// The status of a request for `host` over a connection for `name`; `None` if there is none.
    async fn ask(&self, client: &Client, name: &str, host: &str) -> Option<u16> {
        let to = self.proxy.https.expect("https");
        let mut stream = client.connect(to, name).await.ok()?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nX-Client-Verify: SUCCESS\r\nX-Client-Cert-Subject: CN=root\r\nX_Client_Verify: SUCCESS\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8_lossy(answer.get(9..12)?).parse().ok()
    }
}

const REQUIRED: &str = "{ ca = 'FILES/ca.pem', crl = 'FILES/crl.pem' }";
const OPTIONAL: &str = "{ ca = 'FILES/ca.pem', mode = 'optional' }";

#[tokio::test]
async fn only_a_verified_certificate_comes_in_and_its_subject_is_told() {
    let world = world(REQUIRED).await;
    let alice = world.authority.client("alice", 7);
    let stranger = Authority::new().client("mallory", 7);
    let revoked = world.authority.client("bob", 99);
    let ask = async |own: Option<&Pair>| {
        world
            .ask(&world.visitor(own), "closed.example", "closed.example")
            .await
    };
    assert_eq!(ask(None).await, None);
    assert_eq!(ask(Some(&stranger)).await, None);
    assert_eq!(ask(Some(&revoked)).await, None);
    assert!(world.app.take().is_empty());
    assert_eq!(ask(Some(&alice)).await, Some(200));
    let seen = world.app.only();
    assert_eq!(seen.header("x-client-verify"), "SUCCESS");
    assert_eq!(seen.header("x-client-cert-subject"), "CN=alice");
    assert_eq!(seen.headers.get_all("x-client-verify").iter().count(), 1);
    assert!(!seen.headers.contains_key("x_client_verify"));
}

#[tokio::test]
async fn strangers_words_about_certificates_are_dropped_everywhere() {
    let world = world(OPTIONAL).await;
    let anonymous = world.visitor(None);
    assert_eq!(
        world.ask(&anonymous, "open.example", "open.example").await,
        Some(200)
    );
    let seen = world.app.take().remove(0);
    assert!(!seen.headers.contains_key("x-client-verify"));
    assert!(!seen.headers.contains_key("x-client-cert-subject"));
    assert_eq!(
        world
            .ask(&anonymous, "closed.example", "closed.example")
            .await,
        Some(200)
    );
    let seen = world.app.take().remove(0);
    assert_eq!(seen.header("x-client-verify"), "NONE");
    assert!(!seen.headers.contains_key("x-client-cert-subject"));
}

#[tokio::test]
async fn a_connection_for_an_open_site_is_no_way_into_a_closed_one() {
    let world = world(REQUIRED).await;
    let alice = world.authority.client("alice", 7);
    for client in [world.visitor(None), world.visitor(Some(&alice))] {
        assert_eq!(
            world.ask(&client, "open.example", "closed.example").await,
            Some(421)
        );
    }
    let plain = Visitor::ask(
        world.proxy.http,
        "GET / HTTP/1.1\r\nHost: closed.example\r\n\r\n",
    )
    .await;
    assert_eq!(plain.status, 403);
    assert!(world.app.take().is_empty());
}

#[tokio::test]
async fn a_session_is_not_resumed_after_its_certificate_was_revoked() {
    let world = world(REQUIRED).await;
    let alice = world.authority.client("alice", 7);
    let client = Client::new(
        vec![world.authority.certificate.clone()],
        Some(&alice),
        &[&TLS13],
    );
    let to = world.proxy.https.expect("https");
    let kind = async || {
        let mut stream = client.connect(to, "closed.example").await.ok()?;
        let request = b"GET / HTTP/1.1\r\nHost: closed.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        answer.starts_with(b"HTTP/1.1 200").then_some(())?;
        stream.get_ref().1.handshake_kind()
    };
    assert_eq!(kind().await, Some(HandshakeKind::Full));
    assert_eq!(kind().await, Some(HandshakeKind::Resumed));
    let seen = world.app.take();
    assert_eq!(seen[1].header("x-client-cert-subject"), "CN=alice");
    revoke(&world.authority, world.files.path(), 7);
    until("the list is read", || {
        world.proxy.log().contains("were read again")
    })
    .await;
    assert_eq!(kind().await, None);
}

fn revoke(authority: &Authority, files: &Path, serial: u8) {
    let next = files.join("next.pem");
    std::fs::write(&next, authority.revoke(serial)).expect("file");
    std::fs::rename(next, files.join("crl.pem")).expect("file");
}

#[tokio::test]
async fn an_authority_needs_no_certificate_to_ask_whether_a_name_is_ours() {
    let world = world(REQUIRED).await;
    let mut authority = world.visitor(None);
    authority.config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let to = world.proxy.https.expect("https");
    let failed = authority.connect(to, "closed.example").await;
    // Nothing is on order here: refused for want of a proof, not of a certificate.
    let said = failed.expect_err("no proof").to_string();
    assert!(!said.contains("CertificateRequired"), "{said}");
    assert!(
        said.contains("AccessDenied") || said.contains("HandshakeFailure"),
        "{said}"
    );
}
