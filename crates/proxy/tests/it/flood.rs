//! HTTP/2 connections that go too far, frame by frame over the wire.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::harness::frames::{GOAWAY, PREFACE, frame, frames};
use crate::harness::{App, PATIENCE, Proxy, Visitor, proxy};
use crate::tls::connect;

/// What an attack may cost: CPU time, and memory (the allocator takes 2 MiB at a time).
const MOST_CPU: Duration = Duration::from_millis(50);
const MOST_KIB: u64 = 2048;
const ENHANCE_YOUR_CALM: u32 = 0xb;
/// `GET https://site.example/`, without entries in the dynamic table.
const HEAD: &[u8] = b"\x82\x87\x84\x41\x0csite.example";

/// A name, what comes first, and what each of 1,500 turns sends.
type Attack = (&'static str, Vec<u8>, fn(u32) -> Vec<u8>);

fn attacks() -> Vec<Attack> {
    let open = frame(1, 0x4, 1, HEAD);
    let shut = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    vec![
        ("rapid reset", Vec::new(), |turn| {
            let stream = turn * 2 + 1;
            let mut both = frame(1, 0x5, stream, HEAD);
            both.extend(frame(3, 0, stream, &[0, 0, 0, 8]));
            both
        }),
        ("provoked reset", Vec::new(), |turn| {
            let stream = turn * 2 + 1;
            let mut both = frame(1, 0x5, stream, HEAD);
            both.extend(frame(8, 0, stream, &[0x7f, 0xff, 0xff, 0xff]));
            both
        }),
        ("continuation", frame(1, 0x1, 1, HEAD), |_| {
            frame(9, 0, 1, b"\x00\x01a\x01b")
        }),
        ("empty data", open.clone(), |_| frame(0, 0, 1, &[])),
        ("settings", Vec::new(), |_| {
            frame(4, 0, 0, &[0, 3, 0, 0, 0, 100])
        }),
        ("ping", Vec::new(), |_| frame(6, 0, 0, &[0; 8])),
        ("priority", Vec::new(), |turn| {
            frame(2, 0, turn * 2 + 1, &[0, 0, 0, 0, 9])
        }),
        ("window update", Vec::new(), |_| {
            frame(8, 0, 0, &[0, 0, 0, 1])
        }),
        ("shut window", shut, |turn| {
            frame(1, 0x5, turn * 2 + 1, HEAD)
        }),
    ]
}

/// The error code of GOAWAY; `None` if the connection ends without one.
async fn goaway(stream: &mut TlsStream<TcpStream>) -> Option<u32> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // However it ends: what was read counts.
    drop(read.expect("an end"));
    frames(&bytes)
        .filter(|frame| frame.kind == GOAWAY)
        .map(|frame| frame.code())
        .last()
}

#[tokio::test]
async fn each_abuse_of_http_2_is_told_to_calm_down_costs_little_and_harms_nobody_else() {
    let app = App::start().await;
    let proxy = Proxy::start(&format!(
        "https = '127.0.0.1:0'\n[proxy.tls]\ndirectory = '$DIR/tls'\n{}",
        proxy::app(&app.target).replace("hosts = '*'", "hosts = '*, site.example'")
    ));
    let https = proxy.https.expect("https");
    // What each thread makes once does not count: the second round does.
    let rounds = attacks().into_iter().map(|attack| (false, attack));
    let rounds = rounds.chain(attacks().into_iter().map(|attack| (true, attack)));
    for (counts, (name, before, turn)) in rounds {
        let (cpu, memory) = (proxy.cpu(), proxy.private_kib());
        let mut stream = connect(proxy.directory(), https, "h2").await;
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        bytes.extend(before);
        bytes.extend((0..1500).flat_map(turn));
        // The proxy closes while we still send.
        let send = async {
            drop(stream.write_all(&bytes).await);
            drop(stream.flush().await);
        };
        drop(tokio::time::timeout(Duration::from_secs(5), send).await);
        assert_eq!(goaway(&mut stream).await, Some(ENHANCE_YOUR_CALM), "{name}");
        let cpu = proxy.cpu().saturating_sub(cpu);
        let memory = proxy.private_kib().saturating_sub(memory);
        assert!(!counts || cpu < MOST_CPU, "{name}: {cpu:?}");
        assert!(!counts || memory <= MOST_KIB, "{name}: {memory} KiB");
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200, "{name}");
    }
}
