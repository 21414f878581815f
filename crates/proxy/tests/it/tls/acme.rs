//! Certificates ordered from `pebble`, Debian's ACME server for tests.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::kit::{Authority, Client, first};
use crate::harness::{Proxy, Visitor, until};
use kiuas_common::testing::skip;

/// An ACME server and the DNS server that sends every name to this machine; killed when dropped.
pub(super) struct Pebble {
    _servers: [Killed; 2],
    /// Where it speaks ACME.
    pub(super) acme: SocketAddr,
    /// Its directory's URL.
    pub(super) url: String,
    management: SocketAddr,
    files: tempfile::TempDir,
    pub(super) authority: Authority,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port that nobody listens on at the moment.
pub(super) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    listener.local_addr().expect("address").port()
}

impl Pebble {
    /// Proofs are asked for at these ports. `None`, loudly, if it is not installed.
    pub(super) async fn start(http: u16, https: u16, more: &str) -> Option<Self> {
        let files = tempfile::tempdir().expect("directory");
        let authority = Authority::new();
        let (certificate, key) = authority
            .server(&["localhost"])
            .write(files.path(), "pebble");
        let (port, management, dns) = (free_port(), free_port(), free_port());
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "127.0.0.1:{port}", "managementListenAddress": "127.0.0.1:{management}",
            "certificate": "{}", "privateKey": "{}", "httpPort": {http}, "tlsPort": {https}, "ocspResponderURL": ""{more}}}}}"#,
            certificate.display(),
            key.display()
        );
        std::fs::write(files.path().join("pebble.json"), config).expect("file");
        std::fs::write(files.path().join("ca.pem"), &authority.pem).expect("file");
        let names = spawn(
            Command::new("pebble-challtestsrv")
                .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
                .args(["-defaultIPv6", "", "-dns01", &format!("127.0.0.1:{dns}")])
                .args(["-management", &format!("127.0.0.1:{}", free_port())]),
            &files.path().join("dns.log"),
        )?;
        let acme = spawn(
            Command::new("pebble")
                .args([
                    "-strict",
                    "-dnsserver",
                    &format!("127.0.0.1:{dns}"),
                    "-config",
                ])
                .arg(files.path().join("pebble.json"))
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_VA_ALWAYS_VALID", "0")
                .env("PEBBLE_WFE_NONCEREJECT", "5"),
            &files.path().join("pebble.log"),
        )?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        until("pebble listens", || {
            std::net::TcpStream::connect(address).is_ok()
        })
        .await;
        Some(Self {
            _servers: [names, acme],
            acme: address,
            url: format!("https://localhost:{port}/dir"),
            management: SocketAddr::from(([127, 0, 0, 1], management)),
            files,
            authority,
        })
    }

    /// The root of its certificates: another one each time it starts.
    pub(super) async fn root(&self) -> CertificateDer<'static> {
        let client = Client::trusting(vec![self.authority.certificate.clone()]);
        let stream = client.connect(self.management, "localhost").await;
        let mut visitor = Visitor::new(stream.expect("handshake"));
        visitor
            .send("GET /roots/0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        let answer = visitor.answer(false).await;
        CertificateDer::from_pem_slice(&answer.body).expect("root")
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("pebble.log")).unwrap_or_default()
    }

    fn orders(&self) -> usize {
        self.log().matches("Issued certificate serial").count()
    }

    pub(super) fn settings(&self, http: u16, https: u16, state: &Path, more: &str) -> String {
        format!(
            "[proxy]\nhttp = '127.0.0.1:{http}'\nhttps = '127.0.0.1:{https}'\nthreads = 2\n\
             [proxy.tls]\nmode = 'acme'\ndirectory = '{}'\nwatch = '100ms'\n\
             [proxy.tls.acme]\ndirectory_url = '{}'\nca_path = '{}/ca.pem'\ncontact = 'admin@one.example'\nagree = true\n{more}\n\
             [[proxy.sites]]\nhosts = ['one.example', 'www.one.example']\nredirect_https = true\n\
             [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'x' }}\n",
            state.display(),
            self.url,
            self.files.path().display()
        )
    }
}

fn spawn(command: &mut Command, log: &Path) -> Option<Killed> {
    let output = std::fs::File::create(log).expect("log");
    let errors = output.try_clone().expect("log");
    let child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn();
    match child {
        Ok(child) => Some(Killed(child)),
        Err(error) => {
            skip(&format!(
                "ACME end to end: {} cannot be run ({error}); Debian's package is `pebble`",
                command.get_program().display()
            ));
            None
        }
    }
}

/// Orders by one kind of proof and shows what came.
async fn ordered_by(challenge: &str) {
    let (http, https) = (free_port(), free_port());
    let Some(pebble) = Pebble::start(http, https, "").await else {
        return;
    };
    let state = tempfile::tempdir().expect("directory");
    let more = format!("challenges = '{challenge}'");
    let settings = pebble.settings(http, https, state.path(), &more);
    let proxy = Proxy::start(&settings);
    let to = proxy.https.expect("https");
    assert!(
        proxy.log().contains("a placeholder is shown"),
        "{}",
        proxy.log()
    );
    until("it is ordered", || {
        proxy.log().contains("certificates were replaced")
    })
    .await;
    let visitor = Client::trusting(vec![pebble.root().await]);
    for name in ["one.example", "www.one.example"] {
        let stream = visitor.connect(to, name).await.expect("a good certificate");
        let chain = stream.get_ref().1.peer_certificates().expect("chain");
        assert_eq!(chain.len(), 2, "the whole chain but the root");
    }
    let before = visitor.shown(to, "one.example").await;
    drop(proxy);
    // Another process finds account and certificate.
    let again = Proxy::start(&settings);
    assert!(!again.log().contains("placeholder"), "{}", again.log());
    let shown = visitor
        .shown(again.https.expect("https"), "one.example")
        .await;
    assert_eq!(shown, before);
    assert_eq!(pebble.orders(), 1, "{}", pebble.log());
    private(state.path());
}

/// Everything with a key in it is readable by its owner alone.
fn private(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for entry in std::fs::read_dir(directory).expect("directory") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            private(&path);
        } else if path.extension().is_some_and(|kind| kind == "pem")
            || path.ends_with("account.json")
        {
            let mode = std::fs::metadata(&path).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_certificate_is_ordered_by_a_proof_in_the_handshake_and_kept() {
    ordered_by("tls-alpn-01").await;
}

#[tokio::test]
async fn a_certificate_is_ordered_by_a_proof_over_plain_http_and_kept() {
    ordered_by("http-01").await;
}

#[tokio::test]
async fn a_proof_that_fails_is_told_with_its_name_and_waits_across_a_restart() {
    let (http, https) = (free_port(), free_port());
    // The proofs are asked for where nobody listens.
    let Some(pebble) = Pebble::start(free_port(), free_port(), "").await else {
        return;
    };
    let state = tempfile::tempdir().expect("directory");
    let settings = pebble.settings(http, https, state.path(), "");
    let proxy = Proxy::start(&settings);
    until("it fails", || proxy.log().contains("trying again at")).await;
    let log = proxy.log();
    assert!(log.contains("one.example` could not be proved"), "{log}");
    let visitor = Client::trusting(vec![pebble.root().await]);
    let to = proxy.https.expect("https");
    assert!(
        visitor.connect(to, "one.example").await.is_err(),
        "a placeholder"
    );
    drop(proxy);
    let orders = || pebble.log().matches("POST /order-plz").count();
    let before = orders();
    let again = Proxy::start(&settings);
    let to = again.https.expect("https");
    // Several looks at what is due.
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        drop(visitor.connect(to, "one.example").await);
    }
    assert_eq!(orders(), before, "{}", again.log());
}

#[tokio::test]
async fn a_new_name_is_ordered_while_the_old_certificate_stands_in() {
    let (http, https) = (free_port(), free_port());
    let Some(pebble) = Pebble::start(http, https, "").await else {
        return;
    };
    let state = tempfile::tempdir().expect("directory");
    let settings = pebble.settings(http, https, state.path(), "");
    let proxy = Proxy::start(&settings);
    let replaced = "certificates were replaced";
    until("it is ordered", || proxy.log().contains(replaced)).await;
    let visitor = Client::trusting(vec![pebble.root().await]);
    let to = proxy.https.expect("https");
    let old = visitor.shown(to, "one.example").await;
    drop(proxy);
    let settings = settings.replace("'www.one.example'", "'www.one.example', 'new.one.example'");
    let proxy = Proxy::start(&settings);
    let to = proxy.https.expect("https");
    // Whichever it is by now, browsers accept it.
    visitor
        .connect(to, "one.example")
        .await
        .expect("a good one");
    until("it is ordered", || proxy.log().contains(replaced)).await;
    let stream = visitor
        .connect(to, "new.one.example")
        .await
        .expect("a good one");
    assert_ne!(first(stream.get_ref().1), old);
    assert_eq!(pebble.orders(), 2, "{}", pebble.log());
}

#[tokio::test]
async fn two_processes_with_one_directory_order_once() {
    let (http, https) = (free_port(), free_port());
    let Some(pebble) = Pebble::start(http, https, "").await else {
        return;
    };
    let state = tempfile::tempdir().expect("directory");
    let first = Proxy::start(&pebble.settings(http, https, state.path(), ""));
    let second = Proxy::start(&pebble.settings(free_port(), free_port(), state.path(), ""));
    let visitor = Client::trusting(vec![pebble.root().await]);
    let mut shown = Vec::new();
    for proxy in [&first, &second] {
        let to = proxy.https.expect("https");
        while visitor.connect(to, "one.example").await.is_err() {
            assert!(!proxy.log().contains("trying again at"), "{}", proxy.log());
            tokio::task::yield_now().await;
        }
        shown.push(visitor.shown(to, "one.example").await);
    }
    assert_eq!(shown[0], shown[1]);
    assert_eq!(pebble.orders(), 1, "{}", pebble.log());
}

#[tokio::test]
async fn an_account_may_be_bound_to_one_elsewhere() {
    let (http, https) = (free_port(), free_port());
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let binding = format!(
        r#", "externalAccountBindingRequired": true, "externalAccountMACKeys": {{"kid-1": "{key}"}}"#
    );
    let Some(pebble) = Pebble::start(http, https, &binding).await else {
        return;
    };
    let state = tempfile::tempdir().expect("directory");
    let path = pebble.files.path().join("mac");
    std::fs::write(&path, format!("{key}\n")).expect("file");
    let more = format!(
        "external_account = {{ key_id = 'kid-1', key_path = '{}' }}",
        path.display()
    );
    let proxy = Proxy::start(&pebble.settings(http, https, state.path(), &more));
    until("it is ordered", || {
        proxy.log().contains("certificates were replaced")
    })
    .await;
    assert!(!proxy.log().contains(key));
}
