//! Renewal when the authority says so (RFC 9773). Debian's `pebble` does not know it: a small server in
//! front of it adds the resource to its directory, answers for it, and accepts what an order replaces.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use super::acme::{Pebble, free_port};
use super::kit::Client;
use crate::harness::{Proxy, Visitor, until};

/// What the server was asked.
#[derive(Debug, Default)]
struct Heard {
    /// Identifiers that windows were asked for, each once.
    asked: Vec<String>,
    /// What orders replace.
    replaced: Vec<String>,
}

/// The server before pebble.
struct Ari {
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Ari {
    async fn before(pebble: &Pebble) -> Self {
        let pair = pebble.authority.server(&["localhost"]);
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
        let config = ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("certificate")], key.expect("key"))
        .expect("pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let port = listener.local_addr().expect("address").port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (behind, to) = (
            Client::trusting(vec![pebble.authority.certificate.clone()]),
            pebble.acme,
        );
        let memory = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind, heard) =
                    (acceptor.clone(), behind.clone(), Arc::clone(&memory));
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await.expect("handshake");
                    let Some((head, body)) = request(&mut stream).await else {
                        return;
                    };
                    let answer = answer(&head, &body, port, &heard, async || {
                        forwarded(&behind, to, &head, &body).await
                    });
                    stream.write_all(&answer.await).await.expect("sent");
                    drop(stream.shutdown().await);
                });
            }
        });
        Self { port, heard }
    }
}

type Tls = tokio_rustls::server::TlsStream<TcpStream>;

/// One request: its head and its body.
async fn request(stream: &mut Tls) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end + 4].to_vec()).expect("text");
        let length = field(&head, "content-length").map_or(0, |text| text.parse().expect("length"));
        if bytes.len() >= end + 4 + length {
            return Some((head, bytes[end + 4..][..length].to_vec()));
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// What pebble says: status line and fields, and body.
async fn forwarded(
    behind: &Client,
    to: std::net::SocketAddr,
    head: &str,
    body: &[u8],
) -> (String, Vec<u8>) {
    let stream = behind.connect(to, "localhost").await.expect("pebble");
    let mut visitor = Visitor::new(stream);
    // HTTP/1.0: no chunks come back.
    visitor.send(head.replacen("HTTP/1.1", "HTTP/1.0", 1)).await;
    visitor.send(body).await;
    let answer = visitor.answer(head.starts_with("HEAD")).await;
    (answer.head, answer.body)
}

async fn answer(
    head: &str,
    body: &[u8],
    port: u16,
    heard: &Mutex<Heard>,
    forward: impl AsyncFnOnce() -> (String, Vec<u8>),
) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if let Some(id) = path.strip_prefix("/renewal-info/") {
        return window(id, heard);
    }
    let (said, mut body_back) = forward().await;
    if path == "/dir" {
        let url = format!("https://localhost:{port}/renewal-info");
        body_back = with(&body_back, "renewalInfo", url);
    }
    if let Some(replaces) = replaces(body) {
        // RFC 9773 5: an accepted field comes back.
        body_back = with(&body_back, "replaces", replaces.clone());
        heard.lock().replaced.push(replaces);
    }
    let mut back = String::new();
    for line in said.lines().filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if !["content-length", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            back.push_str(&line.replacen("HTTP/1.0", "HTTP/1.1", 1));
            back.push_str("\r\n");
        }
    }
    back.push_str(&format!(
        "Connection: close\r\nContent-Length: {}\r\n\r\n",
        body_back.len()
    ));
    [back.into_bytes(), body_back].concat()
}

/// RFC 9773 4.2: the first certificate should have been renewed a year ago, any other in years.
fn window(id: &str, heard: &Mutex<Heard>) -> Vec<u8> {
    let mut heard = heard.lock();
    if !heard.asked.iter().any(|asked| asked == id) {
        heard.asked.push(id.to_owned());
    }
    let year = if heard.asked.first().is_some_and(|first| first == id) {
        2020
    } else {
        2100
    };
    let body = json!({"suggestedWindow": {
        "start": format!("{year}-01-01T00:00:00Z"),
        "end": format!("{year}-01-02T00:00:00Z"),
    }})
    .to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRetry-After: 21600\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn with(object: &[u8], name: &str, value: String) -> Vec<u8> {
    let mut object: Value = serde_json::from_slice(object).expect("an object");
    object[name] = Value::String(value);
    object.to_string().into_bytes()
}

/// What the order in a signed message replaces.
fn replaces(message: &[u8]) -> Option<String> {
    let message: Value = serde_json::from_slice(message).ok()?;
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(message["payload"].as_str()?)
        .ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    Some(payload["replaces"].as_str()?.to_owned())
}

/// RFC 9773 4.1: the issuer's key identifier and the serial number as DER has them.
fn identifier(issued_by_the_same: &CertificateDer<'_>, serial: &str) -> String {
    let (_, certificate) = X509Certificate::from_der(issued_by_the_same).expect("certificate");
    let key = certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.clone(),
            _ => None,
        })
        .expect("the issuer's key");
    let digits = if serial.len().is_multiple_of(2) {
        serial.to_owned()
    } else {
        format!("0{serial}")
    };
    let mut number: Vec<u8> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect();
    if number[0] & 0x80 != 0 {
        number.insert(0, 0);
    }
    format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(key.0),
        BASE64_URL_SAFE_NO_PAD.encode(number)
    )
}

#[tokio::test]
async fn a_certificate_is_renewed_when_the_authority_says_so_and_names_its_predecessor() {
    let (http, https) = (free_port(), free_port());
    let Some(mut pebble) = Pebble::start(http, https, "").await else {
        return;
    };
    let ari = Ari::before(&pebble).await;
    pebble.url = format!("https://localhost:{}/dir", ari.port);
    let state = tempfile::tempdir().expect("directory");
    let proxy = Proxy::start(&pebble.settings(http, https, state.path(), ""));
    until("both certificates were asked for", || {
        ari.heard.lock().asked.len() == 2
    })
    .await;
    let visitor = Client::trusting(vec![pebble.root().await]);
    let shown = visitor
        .shown(proxy.https.expect("https"), "one.example")
        .await;
    let log = pebble.log();
    let serials: Vec<&str> = log
        .split("Issued certificate serial ")
        .skip(1)
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    let [first, second] = serials[..] else {
        panic!("{serials:?}: {log}");
    };
    let (_, certificate) = X509Certificate::from_der(&shown).expect("certificate");
    assert_eq!(
        certificate.tbs_certificate.serial.to_str_radix(16),
        second.trim_start_matches('0')
    );
    let ids = [identifier(&shown, first), identifier(&shown, second)];
    let heard = ari.heard.lock();
    assert_eq!(heard.asked, ids);
    // An order is sent anew when the authority refuses its nonce, which pebble does now and then.
    let mut replaced = heard.replaced.clone();
    replaced.dedup();
    assert_eq!(replaced, ids[..1]);
}
