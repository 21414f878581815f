//! OCSP answers from `openssl ocsp`, stapled.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rcgen::{CustomExtension, KeyPair, SerialNumber};

use super::kit::{Authority, Pair};
use super::sites::openssl;
use crate::harness::{Proxy, until};
use kiuas_common::testing::skip;

/// id-pe-authorityInfoAccess.
const ACCESS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 1];
/// 1.3.6.1.5.5.7.48.1, as DER.
const OCSP: [u8; 10] = [6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];

struct Responder(Child);

impl Drop for Responder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// `openssl ocsp` with one certificate in its index; `state` is `V` or `R`.
fn respond(files: &Path, authority: &Authority, port: u16, state: &str) -> Option<Responder> {
    let revoked = if state == "R" { "240101000000Z" } else { "" };
    let line = format!("{state}\t400101000000Z\t{revoked}\t2A\tunknown\t/CN=one.example\n");
    std::fs::write(files.join("index.txt"), line).expect("index");
    std::fs::write(files.join("ca.pem"), &authority.pem).expect("file");
    std::fs::write(
        files.join("ca-key.pem"),
        authority.issuer.key().serialize_pem(),
    )
    .expect("file");
    match run(files, "ca.pem", port) {
        Ok(responder) => Some(responder),
        Err(error) => {
            skip(&format!("OCSP stapling: openssl cannot be run ({error})"));
            None
        }
    }
}

/// It says so itself: a connection without a question would hang it up.
async fn listens(files: &Path) {
    until("the responder listens", || {
        std::fs::read_to_string(files.join("ocsp.log")).is_ok_and(|log| log.contains("waiting for"))
    })
    .await;
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    listener.local_addr().expect("address").port()
}

/// A certificate that names a responder at `port`, with the serial number 42.
fn certificate(authority: &Authority, port: u16) -> Pair {
    let key = KeyPair::generate().expect("key");
    authority.make(&["one.example"], &key, |params| {
        params.serial_number = Some(SerialNumber::from(vec![42]));
        let url = format!("http://127.0.0.1:{port}/");
        let mut description = OCSP.to_vec();
        description.push(0x86);
        description.push(u8::try_from(url.len()).expect("short"));
        description.extend_from_slice(url.as_bytes());
        let sequence = |content: &[u8]| {
            let length = u8::try_from(content.len()).expect("short");
            [&[0x30, length][..], content].concat()
        };
        let content = sequence(&sequence(&description));
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&ACCESS, content));
    })
}

fn proxy(pair: &Pair, files: &Path) -> Proxy {
    Proxy::start(&format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\nwatch = '50ms'\n[[proxy.sites]]\nhosts = 'one.example'\ntls = {}\n",
        pair.table(files, "a")
    ))
}

fn status(to: SocketAddr) -> Option<String> {
    openssl(to, &["-servername", "one.example", "-status"])
}

#[tokio::test]
async fn a_responders_word_is_stapled() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let port = free_port();
    let Some(_responder) = respond(files.path(), &authority, port, "V") else {
        return;
    };
    listens(files.path()).await;
    let proxy = proxy(&certificate(&authority, port), files.path());
    let to = proxy.https.expect("https");
    until("it is stapled", || {
        status(to).is_some_and(|said| said.contains("Cert Status: good"))
    })
    .await;
}

#[tokio::test]
async fn a_revoked_certificate_and_a_strangers_word_are_not_stapled() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().expect("directory"));
    let port = free_port();
    let Some(revoking) = respond(files.path(), &authority, port, "R") else {
        return;
    };
    listens(files.path()).await;
    let told = proxy(&certificate(&authority, port), files.path());
    until("it is told of", || told.log().contains("is revoked")).await;
    let said = status(told.https.expect("https")).expect("openssl");
    assert!(said.contains("no response sent"), "{said}");
    drop((revoking, told));
    // The same question, answered by somebody else's key.
    let stranger = Authority::new();
    let port = free_port();
    let other = tempfile::tempdir().expect("directory");
    drop(respond(other.path(), &stranger, port, "V"));
    let _lying = lie(other.path(), &authority, &stranger, port);
    listens(other.path()).await;
    let proxy = proxy(&certificate(&authority, port), files.path());
    until("it is not believed", || {
        proxy.log().contains("not signed by the issuer")
    })
    .await;
    let said = status(proxy.https.expect("https")).expect("openssl");
    assert!(said.contains("no response sent"), "{said}");
}

/// A responder that knows the authority's certificate but not its key.
fn lie(files: &Path, authority: &Authority, stranger: &Authority, port: u16) -> Responder {
    std::fs::write(files.join("ca.pem"), &authority.pem).expect("file");
    std::fs::write(files.join("signer.pem"), &stranger.pem).expect("file");
    run(files, "signer.pem", port).expect("openssl")
}

fn run(files: &Path, signer: &str, port: u16) -> std::io::Result<Responder> {
    let log = std::fs::File::create(files.join("ocsp.log"))?;
    let child = Command::new("openssl")
        .args(["ocsp", "-index", "index.txt", "-CA", "ca.pem"])
        .args(["-rsigner", signer, "-rkey", "ca-key.pem"])
        .args(["-port", &port.to_string(), "-nmin", "60"])
        .current_dir(files)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(Responder(child))
}
