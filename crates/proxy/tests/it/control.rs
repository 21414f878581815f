//! The control socket and `kiuas-proxy ctl`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::proxy::{app, output};
use crate::harness::{PATIENCE, Proxy};

/// A proxy with a control socket in its directory.
fn controlled(settings: &str) -> Proxy {
    Proxy::start(&format!("control = 'unix:$DIR/control.sock'\n{settings}"))
}

fn socket(proxy: &Proxy) -> &Path {
    proxy.control.as_deref().expect("a control socket")
}

/// Sends bytes and reads to the end; hyper keeps a good connection open, so the request must close it.
async fn raw(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.expect("connection");
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    drop(tokio::time::timeout(PATIENCE, read).await.expect("an end"));
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_socket_is_its_owners_alone() {
    let proxy = controlled(&app("127.0.0.1:1"));
    let metadata = std::fs::metadata(socket(&proxy)).expect("socket");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn nothing_is_there_unless_asked_for_and_never_on_tcp() {
    let proxy = Proxy::to("127.0.0.1:1");
    let (code, _, err) = proxy.ctl(&["status"]).await;
    assert_eq!(code, 64);
    assert!(err.contains("write `control = "), "{err}");
    let tcp = output("control = '127.0.0.1:0'\n", &["check"]);
    assert_eq!(tcp.status.code(), Some(64));
    let err = String::from_utf8_lossy(&tcp.stderr).into_owned();
    assert!(err.contains("`proxy.control`"), "{err}");
}

#[tokio::test]
async fn ctl_asks_and_its_exit_status_says_how_it_went() {
    let proxy = controlled(&app("127.0.0.1:1"));
    let (code, out, _) = proxy.ctl(&["status"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("serving"), "{out}");
    let status = proxy.ctl_json(&["status"]).await;
    assert_eq!(status["draining"], false);
    assert_eq!(proxy.ctl(&["staus"]).await.0, 64);
    let (code, _, err) = proxy.ctl(&["--socket", "/nowhere.sock", "status"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("no proxy answers at /nowhere.sock"), "{err}");
}

#[tokio::test]
async fn rubbish_on_the_socket_is_refused_and_the_next_one_is_served() {
    let proxy = controlled(&app("127.0.0.1:1"));
    let path = socket(&proxy);
    let large = post("/v1/status", &"x".repeat(70_000));
    for (bytes, status) in [
        (b"\0\xff rubbish\r\n\r\n".to_vec(), "400"),
        (post("/v1/nonsense", "{}").into_bytes(), "404"),
        (post("/", "{}").into_bytes(), "404"),
        (post("/v1/status", "[").into_bytes(), "400"),
        (post("/v1/status", "{\"a\":1}").into_bytes(), "400"),
        (large.into_bytes(), "400"),
        (
            b"GET /v1/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
            "405",
        ),
    ] {
        let answer = raw(path, &bytes).await;
        let found = answer.get(9..12).unwrap_or_default();
        assert_eq!(found, status, "{answer}");
    }
    let answer = raw(path, post("/v1/status", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_dead_ones_socket_is_replaced_and_a_live_ones_is_not() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("socket"));
    let settings = format!(
        "control = 'unix:{}'\n{}",
        path.display(),
        app("127.0.0.1:1")
    );
    let first = Proxy::start(&settings);
    assert_eq!(first.ctl(&["status"]).await.0, 0);
    let second = output(&settings, &["serve"]);
    assert_eq!(second.status.code(), Some(1));
    let err = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(err.contains("already uses it"), "{err}");
    assert_eq!(first.ctl(&["status"]).await.0, 0);
}
