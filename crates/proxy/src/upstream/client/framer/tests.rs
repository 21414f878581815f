use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;

use super::*;

/// An answer taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    interim: Vec<StatusCode>,
    head: Option<AnswerHead>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// What was wrong; `None` also if more is needed.
    bad: Option<BadAnswer>,
    complete: bool,
    rest: Vec<u8>,
}

/// Takes `bytes` apart, given in pieces that end at `cuts`.
fn take(bytes: &[u8], cuts: &[usize], asked: Asked) -> Taken {
    let mut framer = Framer::new(asked);
    let mut taken = Taken::default();
    let mut start = 0;
    let ends = cuts.iter().copied().chain([bytes.len()]);
    for end in ends.filter(|end| *end <= bytes.len()) {
        if end < start {
            continue;
        }
        let mut input = Bytes::copy_from_slice(&bytes[start..end]);
        start = end;
        loop {
            match framer.step(&mut input) {
                Ok(Some(Event::Interim(head))) => taken.interim.push(head.status),
                Ok(Some(Event::Head(head))) => taken.head = Some(head),
                Ok(Some(Event::Data(data))) => taken.body.extend_from_slice(&data),
                Ok(Some(Event::Trailers(trailers))) => taken.trailers = Some(trailers),
                Ok(None) => break,
                Err(bad) => {
                    taken.bad = Some(bad);
                    // How much of a body was seen before its fault depends on the cuts.
                    return taken;
                }
            }
        }
        taken.rest.extend_from_slice(&input);
    }
    taken.complete = framer.is_complete();
    taken
}

fn whole(text: &str) -> Taken {
    take(text.as_bytes(), &[], Asked::default())
}

fn refused(text: &str) -> BadAnswer {
    whole(text).bad.unwrap_or_else(|| panic!("`{text}` passed"))
}

#[test]
fn bodies_end_where_the_head_says() {
    let taken = whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhelloHTTP/1.1");
    let head = taken.head.expect("head");
    assert_eq!(head.framing, Framing::Length(5));
    assert_eq!(head.fields.to_map()["x-a"], "b");
    assert!(head.reusable && taken.complete);
    assert_eq!(
        (&*taken.body, &*taken.rest),
        (&b"hello"[..], &b"HTTP/1.1"[..])
    );

    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\nHost: no\r\n\r\nnext";
    let taken = whole(chunked);
    assert_eq!((&*taken.body, &*taken.rest), (&b"abcde"[..], &b"next"[..]));
    let trailers = taken.trailers.expect("trailers");
    assert_eq!(trailers["x-sum"], "5");
    assert!(
        !trailers.contains_key("host"),
        "a trailer that routes is dropped"
    );

    let taken = whole("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    let head = taken.head.expect("head");
    assert_eq!((head.framing, head.reusable), (Framing::UntilClose, false));
    assert!(!taken.complete && taken.body == b"until the end");
}

#[test]
fn some_answers_have_no_body() {
    for (text, head) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", false),
        (
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", true),
    ] {
        let asked = Asked {
            head,
            upgrade: false,
        };
        let taken = take(text.as_bytes(), &[], asked);
        assert!(taken.complete, "{text}");
        assert!(taken.head.expect("head").reusable, "{text}");
    }
    let strange = whole("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc");
    let head = strange.head.expect("head");
    assert!(!head.reusable && !head.fields.contains(b"content-length"));
}

#[test]
fn interim_answers_come_first_and_have_an_end() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let taken = whole(text);
    assert_eq!(
        taken.interim,
        [100, 103].map(|code| StatusCode::from_u16(code).expect("code"))
    );
    assert!(taken.complete);
    assert_eq!(
        refused(&"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40)),
        BadAnswer::Interim
    );
}

#[test]
fn the_connection_says_whether_it_stays() {
    for (fields, reusable) in [
        ("HTTP/1.1 200 OK\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n", false),
        (
            "HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", true),
    ] {
        let taken = whole(&format!("{fields}Content-Length: 0\r\n\r\n"));
        assert_eq!(taken.head.expect("head").reusable, reusable, "{fields}");
    }
}

#[test]
fn what_belongs_to_the_connection_stays_on_it() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x-private, keep-alive\r\n\
        Keep-Alive: timeout=5\r\nX-Private: 1\r\nX-Public: 1\r\nUpgrade: h2c\r\n\
        X-Accel-Buffering: no\r\nProxy-Authenticate: x\r\n\r\n";
    let head = whole(text).head.expect("head");
    let names: Vec<&[u8]> = head.fields.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"content-length"[..], b"x-public"]);
}

#[test]
fn a_switch_of_protocols_must_have_been_asked_for() {
    let text = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00";
    let asked = Asked {
        head: false,
        upgrade: true,
    };
    let taken = take(text, &[], asked);
    assert!(taken.complete && taken.rest == [0x81, 0]);
    assert_eq!(
        take(text, &[], Asked::default()).bad,
        Some(BadAnswer::Upgrade)
    );
    let other = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(take(other, &[], asked).bad, Some(BadAnswer::Upgrade));
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    for (fields, bad) in [
        (
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            BadAnswer::SeveralLengths,
        ),
        (
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            BadAnswer::SeveralLengths,
        ),
        ("Content-Length: 3, 3\r\n", BadAnswer::Length),
        ("Content-Length: +3\r\n", BadAnswer::Length),
        ("Content-Length: \r\n", BadAnswer::Length),
        (
            "Content-Length: 99999999999999999999\r\n",
            BadAnswer::Length,
        ),
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            BadAnswer::LengthAndCoding,
        ),
        ("Transfer-Encoding: gzip, chunked\r\n", BadAnswer::Coding),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            BadAnswer::Coding,
        ),
        ("X-A: b\r\n folded\r\n", BadAnswer::Head),
        (" X-A: b\r\n", BadAnswer::Head),
        ("X-A : b\r\n", BadAnswer::Head),
        ("X-A: b\0c\r\n", BadAnswer::Head),
        ("X-A: b\rc\r\n", BadAnswer::Head),
        ("X-A: b\x7f\r\n", BadAnswer::Head),
        ("X(A): b\r\n", BadAnswer::Head),
        ("no colon\r\n", BadAnswer::Head),
        ("X-A: b\n", BadAnswer::LineEnd),
    ] {
        assert_eq!(
            refused(&format!("HTTP/1.1 200 OK\r\n{fields}\r\nabc")),
            bad,
            "{fields:?}"
        );
    }
    for (text, bad) in [
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadAnswer::Coding,
        ),
        ("HTTP/2 200 OK\r\n\r\n", BadAnswer::Head),
        ("HTTP/1.2 200 OK\r\n\r\n", BadAnswer::Head),
        ("HTTP/1.1 2000 OK\r\n\r\n", BadAnswer::Head),
        ("HTTP/1.1 099 OK\r\n\r\n", BadAnswer::Head),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", BadAnswer::Head),
        ("rubbish", BadAnswer::Head),
        ("HTTP/1.1 200 OK\n\n", BadAnswer::LineEnd),
    ] {
        assert_eq!(refused(text), bad, "{text:?}");
    }
}

#[test]
fn bad_chunks_are_refused() {
    for (body, bad) in [
        ("x\r\n", BadAnswer::Chunk),
        ("-1\r\n", BadAnswer::Chunk),
        (" 3\r\nabc\r\n", BadAnswer::Chunk),
        ("3 \r\nabc\r\n", BadAnswer::Chunk),
        ("3\nabc\r\n", BadAnswer::Chunk),
        ("3\r\nabcd\r\n", BadAnswer::Chunk),
        ("3\r\nabc\n", BadAnswer::Chunk),
        ("10000000000000000\r\n", BadAnswer::Chunk),
        ("0\r\nX-A\r\n\r\n", BadAnswer::Trailer),
        ("0\r\nX-A: b\n\r\n", BadAnswer::Trailer),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(refused(&text), bad, "{body:?}");
    }
}

#[test]
fn heads_are_bounded() {
    let large = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "a".repeat(70_000));
    assert_eq!(refused(&large), BadAnswer::LargeHead);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(257));
    assert_eq!(refused(&many), BadAnswer::LargeHead);
    let most = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(256));
    assert_eq!(whole(&most).bad, None);
}

/// Parts of answers, good and bad, to be put together in any order.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "Content-Length: 3\r\n",
        "Content-Length: 10\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "X-A: b\r\n",
        "X-A: b\n",
        " folded\r\n",
        "\r\n",
        "abc",
        "3\r\nabc\r\n",
        "1f;ext\r\n0123456789012345678901234567890\r\n",
        "0\r\n",
        "0\r\n\r\n",
        "X-Sum: 3\r\n",
        "\0",
    ]);
    prop::collection::vec(parts, 0..12).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        bytes in answers(),
        mut cuts in prop::collection::vec(0_usize..200, 0..8),
        head in any::<bool>(),
    ) {
        cuts.sort_unstable();
        let asked = Asked { head, upgrade: false };
        let once = take(&bytes, &[], asked);
        let cut = take(&bytes, &cuts, asked);
        let every: Vec<usize> = (0..bytes.len()).collect();
        let single = take(&bytes, &every, asked);
        if once.bad.is_some() {
            prop_assert_eq!(once.bad, cut.bad);
            prop_assert_eq!(once.bad, single.bad);
        } else {
            prop_assert_eq!(&once, &cut);
            prop_assert_eq!(&once, &single);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        take(&bytes, &[100, 200], Asked::default());
    }
}
