use proptest::prelude::*;

use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::LaneIo;
use super::head::{Fields, Found, find, slice};
use super::kept::{self, Kept};
use crate::pulse::Pulse;
use crate::screen::{Framer, Step};

fn found(bytes: &[u8]) -> Found {
    find(bytes, &mut Fields::new())
}

/// What the screen says about the same bytes.
fn screen(bytes: &[u8]) -> Step {
    Framer::default().step(bytes)
}

#[test]
fn a_canonical_request_is_recognised() {
    let bytes = b"GET /a?b HTTP/1.1\r\nHost: x\r\nAccept:  */* \t\r\n\r\nGET";
    let mut fields = Fields::new();
    let Found::Request(request) = find(bytes, &mut fields) else {
        panic!("not recognised");
    };
    assert_eq!(request.length, bytes.len() - 3);
    assert_eq!(slice(bytes, request.target), b"/a?b");
    let fields: Vec<(&[u8], &[u8])> = fields
        .iter()
        .map(|(name, value)| (slice(bytes, name), slice(bytes, value)))
        .collect();
    assert_eq!(
        fields,
        [(&b"Host"[..], &b"x"[..]), (&b"Accept"[..], &b"*/*"[..])]
    );
}

#[test]
fn what_may_become_a_request_is_waited_for() {
    for bytes in ["G", "GET /", "HEAD /x HTTP/1.1\r\nHo", "GET / HTTP/1.1\r"] {
        assert_eq!(found(bytes.as_bytes()), Found::Incomplete, "{bytes:?}");
    }
}

#[test]
fn everything_else_is_odd_at_once() {
    for bytes in [
        "P",
        "\r\n",
        "GET  ",
        "GET http://a/ ",
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\rX",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /../ HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(found(bytes.as_bytes()), Found::Odd, "{bytes:?}");
    }
    let long = format!("GET /{}", "x".repeat(9000));
    assert_eq!(found(long.as_bytes()), Found::Odd);
}

/// Pieces of heads, good and bad, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET ",
        "HEAD ",
        "/",
        "/a%20b",
        "?q",
        " HTTP/1.1",
        " HTTP/1.0",
        "\r\n",
        "\n",
        "\r",
        "Host: a",
        "host:b",
        ": ",
        ":",
        "Connection: close",
        "Connection: keep-alive",
        "Connection: x",
        "Content-Length: 1",
        "Transfer-Encoding: chunked",
        "Upgrade: websocket",
        "Expect: x",
        "X: y",
        "x\u{7f}",
        " ",
        "\t",
        "..",
        "%00",
        "\\",
        "#",
        "a",
        "é",
    ]);
    prop::collection::vec(known, 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

/// A head that is good but for one byte.
fn one_byte_off() -> impl Strategy<Value = Vec<u8>> {
    (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(|(at, byte, insert)| {
        let mut bytes =
            b"GET /a/b?c=d HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX-Y: z\r\n\r\n"
                .to_vec();
        let at = at.index(bytes.len());
        if insert {
            bytes.insert(at, byte);
        } else {
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_lane_takes_nothing_that_the_screen_does_not(
        bytes in prop_oneof![pieces(), one_byte_off()]
    ) {
        match (found(&bytes), screen(&bytes)) {
            (Found::Request(request), step) => {
                prop_assert_eq!(step, Step::Pass { length: request.length, head: true });
            }
            // What the screen refuses now must not wait for more.
            (Found::Incomplete, step) => prop_assert_eq!(step, Step::Need),
            (Found::Odd, _) => {}
        }
    }
}

impl LaneIo for DuplexStream {
    fn socket(&self) -> Option<&tokio::net::TcpStream> {
        None
    }

    fn has_farewell(&self) -> bool {
        false
    }
}

/// The targets of the requests in `bytes`, sent in pieces that end at `cuts`, and what the lane leaves to
/// the general way.
async fn feed(bytes: &[u8], cuts: &[usize]) -> (Vec<String>, Option<Vec<u8>>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let (mut visitor, mut io) = tokio::io::duplex(64 * 1024);
    let (mut kept, pulse) = (Kept::default(), Pulse::new());
    let mut targets = Vec::new();
    let mut start = 0;
    for end in ends {
        visitor.write_all(&bytes[start..end]).await.expect("room");
        start = end;
        loop {
            let next = pin!(std::future::poll_fn(
                |cx| kept.poll_head(&mut io, &pulse, cx)
            ));
            match futures_util::poll!(next) {
                Poll::Ready(kept::Step::Begin(parts, _)) => targets.push(parts.uri.to_string()),
                Poll::Ready(kept::Step::Odd) => {
                    drop(visitor);
                    let mut rest = kept.take().to_vec();
                    io.read_to_end(&mut rest).await.expect("the rest");
                    rest.extend_from_slice(&bytes[start..]);
                    return (targets, Some(rest));
                }
                Poll::Ready(kept::Step::More | kept::Step::End) => panic!("it has not ended"),
                Poll::Pending => break,
            }
        }
    }
    (targets, None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn where_the_bytes_are_cut_changes_nothing(
        heads in prop::collection::vec(one_byte_off(), 1..4),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes = heads.concat();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let whole = runtime.block_on(feed(&bytes, &[]));
        prop_assert_eq!(runtime.block_on(feed(&bytes, &cuts)), whole);
    }
}
