//! What strangers send harms nobody else, and a lost application is one clear page.

use std::time::Duration;

use http::StatusCode;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::eventually::{PATIENCE, eventually};
use crate::harness::ground::Options;
use crate::harness::stack::Stack;
use crate::harness::visitor::Visitor;

/// A well-behaved visitor's answer may take this long while others misbehave.
const PROMPT: Duration = Duration::from_secs(5);
/// Slow senders at a time.
const SLOW: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_slow_senders_are_cut_while_a_visitor_is_served() {
    let options = Options::default()
        .set("proxy.limits.head_timeout", "2s")
        .set("proxy.limits.body_timeout", "2s");
    let stack = Stack::start(options).await;
    let mut visitor = stack.visitor();
    serves(&mut visitor).await;
    let mut slow = Vec::new();
    for (name, opening) in slow_openings().into_iter().cycle().take(SLOW) {
        slow.push((name, open(&stack.authority, &opening).await));
        serves(&mut visitor).await;
    }
    for (name, bytes, expected) in garbage() {
        let answer = end_of(name, open(&stack.authority, &bytes).await).await;
        assert!(
            answer.is_none_or(|status| expected.contains(&status)),
            "{name}: {answer:?}"
        );
        serves(&mut visitor).await;
    }
    for (name, stream) in slow {
        let answer = end_of(name, stream).await;
        // Too slow, or refused for what had arrived by then.
        let blamed = answer.is_none_or(|status| (400..500).contains(&status));
        assert!(blamed, "{name}: {answer:?}");
        serves(&mut visitor).await;
    }
    stack.stop().await;
}

#[tokio::test]
async fn without_the_application_visitors_see_a_502_page_until_it_is_back() {
    let mut stack = Stack::start(Options::default()).await;
    let mut visitor = stack.visitor();
    serves(&mut visitor).await;

    for child in Stack::children(&stack.web) {
        crate::harness::tree::signal(child.pid, Signal::STOP);
    }
    let children = Stack::children(&stack.web);
    stack.web.signal(Signal::KILL);
    stack.web.exit(PATIENCE).await;
    for child in children {
        crate::harness::tree::signal(child.pid, Signal::KILL);
    }
    let answer = eventually("the application to be gone", PATIENCE, async || {
        let answer = visitor.get("/").await;
        (answer.status != StatusCode::OK).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.text().contains("<html"), "{}", answer.text());

    stack.start_web().await;
    serves(&mut visitor).await;
    stack.stop().await;
}

async fn serves(visitor: &mut Visitor) {
    let answer = tokio::time::timeout(PROMPT, visitor.get("/")).await;
    let answer = answer.expect("a prompt answer");
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

/// Beginnings that never come to an end.
fn slow_openings() -> Vec<(&'static str, Vec<u8>)> {
    let body = "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nemail=";
    let chunked = "POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nem";
    vec![
        (
            "half a head",
            b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_vec(),
        ),
        ("half a body", body.into()),
        ("half a chunk", chunked.into()),
        ("half a request line", b"GE".to_vec()),
    ]
}

/// Whole pieces of nonsense, with the answers that they may get (none at all is right too).
fn garbage() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let mut long_head = b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec();
    for number in 0..5000 {
        long_head.extend(format!("X-{number}: {}\r\n", "a".repeat(100)).bytes());
    }
    let long_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(300_000));
    let smuggled = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /secret HTTP/1.1\r\n\r\n";
    let two_lengths =
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd";
    let noise: Vec<u8> = (0..65_536_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect();
    vec![
        ("noise", noise, &[400]),
        ("zeros", vec![0; 100_000], &[400, 414]),
        (
            "a TLS greeting",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(50),
            &[400, 408],
        ),
        ("a head without end", long_head, &[400, 431]),
        ("a long request line", long_line.into(), &[400, 414, 431]),
        ("length and chunks", smuggled.into(), &[400]),
        ("two lengths", two_lengths.into(), &[400]),
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        (
            "an unknown version",
            b"GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_vec(),
            &[400, 505],
        ),
    ]
}

async fn open(authority: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(authority).await.expect("connect");
    // The proxy may close while we still write: that is an answer too.
    drop(stream.write_all(bytes).await);
    stream
}

/// Waits until the proxy closes the connection; the status that it gave before, if any.
async fn end_of(name: &str, mut stream: TcpStream) -> Option<u16> {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A reset is an end as well.
    drop(
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| panic!("`{name}` is still open after {PATIENCE:?}")),
    );
    let text = String::from_utf8_lossy(&answer);
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
