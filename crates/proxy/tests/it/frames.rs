//! Ill-formed requests over HTTP/2 where the answer does not depend on the body: three cases of h2spec
//! that an answer which comes too early would miss.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    frame, frames,
};
use crate::harness::{App, PATIENCE, Proxy};

const PROTOCOL_ERROR: u32 = 0x1;
const STREAM_CLOSED: u32 = 0x5;

/// POST of `path` to `site.example`, without entries in the dynamic table.
fn head(path: &str) -> Vec<u8> {
    let mut block = b"\x83\x86\x41\x0csite.example\x04".to_vec();
    block.push(u8::try_from(path.len()).expect("length"));
    block.extend(path.as_bytes());
    block
}

/// A field that is not indexed.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).expect("length"));
        bytes.extend(text.as_bytes());
    }
    bytes
}

async fn start(app: &App) -> Proxy {
    let files = tempfile::tempdir().expect("directory").keep();
    std::fs::write(files.join("file"), "a file").expect("file");
    Proxy::start(&format!(
        "h2c = true\n[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/fixed'\nrespond = {{ status = 200, body = 'hello' }}\n\
         [[proxy.sites.routes]]\nprefix = '/files/'\nfiles = {{ root = '{}' }}\n\
         [[proxy.sites.routes]]\nprefix = '/moved'\nredirect = {{ to = '/', status = 308 }}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [proxy.upstreams.app]\ntargets = ['{}']\n",
        files.display(),
        app.target
    ))
}

/// Sends one frame after the other, each when the proxy has worked on those before (it answers PINGs in
/// between); what comes back until `done` holds for a frame, or until the end.
async fn converse(proxy: &Proxy, sent: &[Vec<u8>], done: impl Fn(&Frame<'_>) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(proxy.http).await.expect("connect");
    let mut bytes = Vec::new();
    stream.write_all(PREFACE).await.expect("send");
    stream
        .write_all(&frame(SETTINGS, 0, 0, &[]))
        .await
        .expect("send");
    let talk = async {
        for (turn, frame) in sent.iter().enumerate() {
            // It may have ended the connection.
            drop(stream.write_all(frame).await);
            for round in [2 * turn + 1, 2 * turn + 2] {
                drop(stream.write_all(&ping()).await);
                hear(&mut stream, &mut bytes, |bytes| {
                    frames(bytes).filter(is_pong).count() >= round
                })
                .await;
            }
        }
        hear(&mut stream, &mut bytes, |bytes| {
            frames(bytes).any(|frame| done(&frame))
        })
        .await;
    };
    tokio::time::timeout(PATIENCE, talk).await.expect("an end");
    bytes
}

/// Reads until `enough`, or the end.
async fn hear(stream: &mut TcpStream, bytes: &mut Vec<u8>, enough: impl Fn(&[u8]) -> bool) {
    while !enough(bytes) {
        if !matches!(stream.read_buf(bytes).await, Ok(1..)) {
            break;
        }
    }
}

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[0; 8])
}

fn is_pong(frame: &Frame<'_>) -> bool {
    frame.kind == PING && frame.flags == 1
}

fn is_fault(frame: &Frame<'_>) -> bool {
    frame.kind == GOAWAY || (frame.kind == RST_STREAM && frame.code() != 0)
}

/// The code that ends a stream or the connection; `None` if it ends without one.
async fn fault(proxy: &Proxy, sent: &[Vec<u8>]) -> Option<u32> {
    let bytes = converse(proxy, sent, is_fault).await;
    frames(&bytes).find(is_fault).map(|frame| frame.code())
}

const PATHS: [&str; 5] = ["/fixed", "/files/file", "/files/none", "/moved", "/"];

#[tokio::test]
async fn trailers_that_end_nothing_are_malformed_whoever_answers() {
    let app = App::start().await;
    let proxy = start(&app).await;
    for path in PATHS {
        let sent = [
            frame(HEADERS, END_HEADERS, 1, &head(path)),
            frame(DATA, 0, 1, b"test"),
            frame(HEADERS, END_HEADERS, 1, &field("x-test", "ok")),
        ];
        assert_eq!(fault(&proxy, &sent).await, Some(PROTOCOL_ERROR), "{path}");
    }
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_malformed_whoever_answers() {
    let app = App::start().await;
    let proxy = start(&app).await;
    for path in PATHS {
        let mut block = head(path);
        block.extend(field("content-length", "8"));
        let sent = [
            frame(HEADERS, END_HEADERS, 1, &block),
            frame(DATA, 0, 1, b"te"),
            frame(DATA, END_STREAM, 1, b"st"),
        ];
        assert_eq!(fault(&proxy, &sent).await, Some(PROTOCOL_ERROR), "{path}");
    }
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn a_stream_that_was_reset_takes_no_second_head_whoever_answers() {
    let app = App::start().await;
    let proxy = start(&app).await;
    for path in PATHS {
        let sent = [
            frame(HEADERS, END_HEADERS, 1, &head(path)),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(path)),
        ];
        // h2 takes it for a fault of the connection, which the RFC allows (5.1).
        let code = fault(&proxy, &sent).await;
        assert!(
            matches!(code, Some(STREAM_CLOSED | PROTOCOL_ERROR)),
            "{path}: {code:?}"
        );
    }
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn an_answer_does_not_wait_for_ever_for_a_body_that_nobody_needs() {
    let app = App::start().await;
    let proxy = start(&app).await;
    let long = {
        let mut block = head("/fixed");
        block.extend(field("content-length", "1000000"));
        block
    };
    for block in [head("/fixed"), long] {
        let sent = [frame(HEADERS, END_HEADERS, 1, &block)];
        let answered = |frame: &Frame<'_>| {
            frame.kind == DATA && frame.flags & END_STREAM != 0 && frame.stream == 1
        };
        let bytes = converse(&proxy, &sent, answered).await;
        let answer = frames(&bytes)
            .find(|frame| answered(frame))
            .expect("an answer");
        assert_eq!(answer.payload, b"hello");
    }
}
