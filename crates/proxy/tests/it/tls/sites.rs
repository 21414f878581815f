//! Which certificate a visitor is shown, by name and by what the visitor can verify.

use std::process::{Command, Stdio};

use rustls::NamedGroup;
use rustls::version::{TLS12, TLS13};

use super::kit::{Authority, Client};
use crate::harness::proxy::output;
use crate::harness::{Proxy, Visitor, until};

fn site(hosts: &str, more: &str) -> String {
    format!(
        "[[proxy.sites]]\nhosts = '{hosts}'\n{more}\n[[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'of {hosts}' }}\n"
    )
}

#[tokio::test]
async fn each_site_shows_its_own_certificate() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let one = authority.server(&["one.example"]);
    let two = authority.server(&["*.two.example"]);
    let settings = format!(
        "https = '127.0.0.1:0'\n{}{}",
        site(
            "one.example",
            &format!("tls = {}", one.table(files.path(), "one"))
        ),
        site(
            "*.two.example",
            &format!("tls = {}", two.table(files.path(), "two"))
        ),
    );
    let proxy = Proxy::start(&settings);
    let (to, visitor) = (proxy.https.expect("https"), authority.visitor());
    assert_eq!(visitor.shown(to, "one.example").await, one.der);
    assert_eq!(visitor.shown(to, "ONE.example").await, one.der);
    assert_eq!(visitor.shown(to, "x.two.example").await, two.der);
    let mut stream = Visitor::new(
        visitor
            .connect(to, "x.two.example")
            .await
            .expect("handshake"),
    );
    stream
        .send("GET / HTTP/1.1\r\nHost: x.two.example\r\n\r\n")
        .await;
    assert_eq!(stream.answer(false).await.text(), "of *.two.example");
}

#[tokio::test]
async fn an_unknown_name_gets_the_first_certificate_or_none_by_a_switch() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let one = authority.server(&["one.example", "other.example"]);
    let table = one.table(files.path(), "one");
    let site = site("one.example", &format!("tls = {table}"));
    let settings = |switch: &str| {
        format!("https = '127.0.0.1:0'\n[proxy.tls]\nmode = 'files'\n{switch}\n{site}")
    };
    let visitor = authority.visitor();
    let open = Proxy::start(&settings(""));
    let to = open.https.expect("https");
    assert_eq!(visitor.shown(to, "other.example").await, one.der);
    let closed = Proxy::start(&settings("refuse_unknown = true"));
    let to = closed.https.expect("https");
    assert!(visitor.connect(to, "other.example").await.is_err());
    assert_eq!(visitor.shown(to, "one.example").await, one.der);
}

#[tokio::test]
async fn a_visitor_without_ecdsa_gets_the_rsa_certificate() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let rsa = authority.rsa_server(&["one.example"]);
    let ecdsa = authority.server(&["one.example"]);
    let tables = format!(
        "tls = [{}, {}]",
        rsa.table(files.path(), "rsa"),
        ecdsa.table(files.path(), "ecdsa")
    );
    let proxy = Proxy::start(&format!(
        "https = '127.0.0.1:0'\n{}",
        site("one.example", &tables)
    ));
    let to = proxy.https.expect("https");
    assert_eq!(
        authority.visitor().shown(to, "one.example").await,
        ecdsa.der
    );
    for version in [&TLS12, &TLS13] {
        let shown = openssl(
            to,
            &[
                "-servername",
                "one.example",
                "-sigalgs",
                "RSA-PSS+SHA256:RSA+SHA256",
                if version.version == rustls::ProtocolVersion::TLSv1_2 {
                    "-tls1_2"
                } else {
                    "-tls1_3"
                },
            ],
        );
        let Some(shown) = shown else { return };
        assert!(
            shown.contains("Public Key Algorithm: rsaEncryption"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_intermediate_profile_has_two_versions_and_the_modern_one() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let pair = authority.server(&["one.example"]);
    let site = site(
        "one.example",
        &format!("tls = {}", pair.table(files.path(), "a")),
    );
    let roots = || vec![authority.certificate.clone()];
    let (old, new) = (
        Client::new(roots(), None, &[&TLS12]),
        Client::new(roots(), None, &[&TLS13]),
    );
    let proxy = Proxy::start(&format!("https = '127.0.0.1:0'\n{site}"));
    let to = proxy.https.expect("https");
    assert!(old.connect(to, "one.example").await.is_ok());
    let stream = new.connect(to, "one.example").await.expect("handshake");
    let group = stream.get_ref().1.negotiated_key_exchange_group();
    assert_eq!(group.expect("group").name(), NamedGroup::X25519MLKEM768);
    for weak in [
        "AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA256",
        "DHE-RSA-AES128-GCM-SHA256",
    ] {
        let shown = openssl(to, &["-tls1_2", "-cipher", &format!("{weak}:@SECLEVEL=0")]);
        let Some(shown) = shown else { continue };
        assert!(shown.contains("(NONE)"), "{weak}: {shown}");
    }
    let modern = Proxy::start(&format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\nprofile = 'modern'\n{site}"
    ));
    let to = modern.https.expect("https");
    assert!(old.connect(to, "one.example").await.is_err());
    assert!(new.connect(to, "one.example").await.is_ok());
}

#[tokio::test]
async fn changed_files_are_used_and_broken_ones_are_told_of_once() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let first = authority.server(&["one.example"]);
    let table = first.table(files.path(), "a");
    let proxy = Proxy::start(&format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\nmode = 'files'\nwatch = '20ms'\n{}",
        site("one.example", &format!("tls = {table}"))
    ));
    let (to, visitor) = (proxy.https.expect("https"), authority.visitor());
    let mut open = Visitor::new(visitor.connect(to, "one.example").await.expect("handshake"));
    let broken = "the new certificate in";
    std::fs::write(files.path().join("a.pem"), "nonsense").expect("file");
    until("it is told of", || proxy.log().contains(broken)).await;
    assert_eq!(visitor.shown(to, "one.example").await, first.der);
    let second = authority.server(&["one.example"]);
    second.write(files.path(), "a");
    until("it is read", || {
        proxy.log().contains("certificates were replaced")
    })
    .await;
    let fresh = authority.visitor();
    assert_eq!(fresh.shown(to, "one.example").await, second.der);
    assert!(proxy.log().matches(broken).count() <= 2, "{}", proxy.log());
    open.send("GET / HTTP/1.1\r\nHost: one.example\r\n\r\n")
        .await;
    assert_eq!(open.answer(false).await.status, 200);
}

#[tokio::test]
async fn ctl_and_metrics_know_the_certificates() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let pair = authority.server(&["one.example", "www.one.example"]);
    let proxy = Proxy::start(&format!(
        "https = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\ncontrol = 'unix:$DIR/control.sock'\n{}",
        site(
            "one.example",
            &format!("tls = {}", pair.table(files.path(), "a"))
        )
    ));
    let answer = proxy.ctl_json(&["certs"]).await;
    let one = &answer["certificates"][0];
    assert_eq!(one["names"][1], "www.one.example");
    assert_eq!(one["issuer"], "CN=test authority");
    assert_eq!(one["not_after"], "2040-01-01T00:00:00Z");
    assert_eq!(one["ocsp"]["state"], "none");
    assert_eq!(one["key"], "ecdsa");
    let (code, said, _) = proxy.ctl(&["certs"]).await;
    assert_eq!(code, 0);
    assert!(
        said.contains("one.example, www.one.example\n") && said.contains("a.pem"),
        "{said}"
    );
    let admin = proxy.admin.expect("admin");
    let metrics = Visitor::get(admin, "/metrics").await.text();
    let line = "kiuas_proxy_certificate_expiry_timestamp_seconds{name=\"one.example\"} 2208988800";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn a_reload_brings_other_certificates_and_keeps_connections() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let one = authority.server(&["one.example"]);
    let two = authority.server(&["one.example", "two.example"]);
    let settings = |hosts: &str, table: &str| {
        format!(
            "https = '127.0.0.1:0'\ncontrol = 'unix:$DIR/control.sock'\n{}",
            site(hosts, &format!("tls = {table}"))
        )
    };
    let proxy = Proxy::start(&settings("one.example", &one.table(files.path(), "one")));
    let (to, visitor) = (proxy.https.expect("https"), authority.visitor());
    let mut open = Visitor::new(visitor.connect(to, "one.example").await.expect("handshake"));
    proxy.rewrite(&settings(
        "one.example",
        "{ certificate = '/nowhere', key = '/nowhere' }",
    ));
    let (code, _, err) = proxy.ctl(&["reload"]).await;
    assert!(code != 0 && err.contains("/nowhere"), "{err}");
    assert_eq!(visitor.shown(to, "one.example").await, one.der);
    let hosts = "one.example, two.example";
    proxy.rewrite(&settings(hosts, &two.table(files.path(), "two")));
    assert_eq!(proxy.ctl(&["reload"]).await.0, 0);
    let fresh = authority.visitor();
    assert_eq!(fresh.shown(to, "two.example").await, two.der);
    open.send("GET / HTTP/1.1\r\nHost: one.example\r\n\r\n")
        .await;
    assert_eq!(open.answer(false).await.status, 200);
}

#[test]
fn check_names_what_is_wrong_with_certificates() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let directory = files.path();
    let good = authority.server(&["one.example"]);
    let other = authority.server(&["other.example"]);
    let key = rcgen::KeyPair::generate().expect("key");
    let expired = authority.make(&["one.example"], &key, |params| {
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    });
    let run = |table: &str| {
        let settings = format!(
            "https = '127.0.0.1:0'\n{}",
            site("one.example", &format!("tls = {table}"))
        );
        let output = output(&settings, &["check"]);
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().expect("code"),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (code, said) = run(&good.table(directory, "good"));
    assert_eq!((code, said.contains("warning")), (0, false), "{said}");
    let (code, said) = run(&other.table(directory, "other"));
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("warning: `proxy.sites[0].tls`: the certificate is not good for `one.example`, only for other.example"),
        "{said}"
    );
    let (code, said) = run(&expired.table(directory, "expired"));
    assert_eq!(code, 64, "{said}");
    assert!(
        said.contains("`proxy.sites[0].tls` in ")
            && said.contains("default.toml:9: the certificate expired on 2021-02-03"),
        "{said}"
    );
    let (certificate, _) = good.write(directory, "good");
    let (_, wrong) = other.write(directory, "other");
    let mismatch = format!(
        "{{ certificate = '{}', key = '{}' }}",
        certificate.display(),
        wrong.display()
    );
    let (code, said) = run(&mismatch);
    assert_eq!(code, 64, "{said}");
    assert!(
        said.contains("good.pem") && said.contains("other-key.pem"),
        "{said}"
    );
    let turned = format!("{}{}", authority.pem, good.certificate);
    std::fs::write(directory.join("good.pem"), turned).expect("file");
    assert_eq!(run(&good_table(directory)).0, 64);
    let (code, said) = run("{ certificate = '/nowhere/a.pem', key = '/nowhere/b.pem' }");
    assert_eq!(code, 64);
    assert!(said.contains("/nowhere/a.pem"), "{said}");
}

fn good_table(directory: &std::path::Path) -> String {
    format!(
        "{{ certificate = '{0}/good.pem', key = '{0}/good-key.pem' }}",
        directory.display()
    )
}

/// What `openssl s_client` says; `None`, loudly, without it.
pub(super) fn openssl(to: std::net::SocketAddr, arguments: &[&str]) -> Option<String> {
    let run = Command::new("openssl")
        .args(["s_client", "-connect", &to.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    match run {
        Ok(output) => {
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            // The text form of the certificate, for the kind of its key.
            if let Some(certificate) = between(&text) {
                text.push_str(&x509(&certificate));
            }
            Some(text)
        }
        Err(error) => {
            kiuas_common::testing::skip(&format!("openssl cannot be run: {error}"));
            None
        }
    }
}

fn between(text: &str) -> Option<String> {
    let begin = text.find("-----BEGIN CERTIFICATE-----")?;
    let end = text.find("-----END CERTIFICATE-----")?;
    Some(format!("{}-----END CERTIFICATE-----\n", &text[begin..end]))
}

fn x509(pem: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), pem).expect("file");
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in"])
        .arg(file.path())
        .output()
        .expect("openssl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
