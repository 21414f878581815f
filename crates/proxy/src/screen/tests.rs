use proptest::prelude::*;

use super::framer::{Framer, Step};
use crate::gate::Refusal;

/// What becomes of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    passed: Vec<u8>,
    heads: usize,
    refused: Option<Refusal>,
}

/// Feeds `bytes` in pieces that end at `cuts`.
fn feed(bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut framer = Framer::default();
    let mut outcome = Outcome::default();
    let mut kept = Vec::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        kept.extend_from_slice(&bytes[start..end]);
        start = end;
        while !kept.is_empty() {
            match framer.step(&kept) {
                Step::Pass { length, head } => {
                    outcome.passed.extend(kept.drain(..length));
                    outcome.heads += usize::from(head);
                }
                Step::Skip(length) => drop(kept.drain(..length)),
                Step::Need | Step::Hold => break,
                Step::Refuse(refusal) => {
                    outcome.refused = Some(refusal);
                    return outcome;
                }
            }
        }
    }
    outcome
}

const GOOD: &str = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
    POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n\
    GET /4 HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn requests_are_framed_to_the_byte() {
    let outcome = feed(GOOD.as_bytes(), &[]);
    assert_eq!(outcome.passed, GOOD.as_bytes());
    assert_eq!((outcome.heads, outcome.refused), (4, None));
}

#[test]
fn nothing_behind_an_undecided_upgrade_goes_on() {
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let bytes = format!("{upgrade}GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    for granted in [true, false] {
        let mut framer = Framer::default();
        let expected = Step::Pass {
            length: upgrade.len(),
            head: true,
        };
        assert_eq!(framer.step(bytes.as_bytes()), expected);
        let rest = &bytes.as_bytes()[upgrade.len()..];
        assert_eq!(framer.step(rest), Step::Hold);
        framer.decide(granted);
        let expected = if granted {
            Step::Pass {
                length: rest.len(),
                head: false,
            }
        } else {
            Step::Refuse(Refusal::SeveralHosts)
        };
        assert_eq!(framer.step(rest), expected);
    }
}

#[test]
fn a_wrong_line_end_is_found_before_the_head_is_whole() {
    assert_eq!(
        feed(b"GET / HTTP/1.1\n", &[]).refused,
        Some(Refusal::LineEnd)
    );
    assert_eq!(
        feed(b"GET / HTTP/1.1\rX", &[15]).refused,
        Some(Refusal::LineEnd)
    );
}

proptest! {
    #[test]
    fn cuts_change_nothing(cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        prop_assert_eq!(feed(GOOD.as_bytes(), &cuts), feed(GOOD.as_bytes(), &[]));
    }

    #[test]
    fn cuts_change_no_refusal(
        bytes in "(GET|POST) /[a-z.%]{0,4} HTTP/1[.][01]\r\n(Host: a\r\n|Content-Length: [0-9]{1,2}\r\n|Transfer-Encoding: chunked\r\n|X:[ -~]{0,3}\r?\n){0,3}\r\n([0-9a-f]{1,2}\r?\n|[a-z]{1,3}|\r\n){0,6}",
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let (whole, cut) = (feed(bytes.as_bytes(), &[]), feed(bytes.as_bytes(), &cuts));
        prop_assert_eq!(whole.refused.is_some(), cut.refused.is_some());
        prop_assert_eq!(whole.heads, cut.heads);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), cuts in prop::collection::vec(any::<usize>(), 0..4)) {
        feed(&bytes, &cuts);
    }

    #[test]
    fn what_passes_is_what_came(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut all = GOOD.as_bytes().to_vec();
        all.extend(&bytes);
        let outcome = feed(&all, &[]);
        // An empty line before a head is the one thing that is dropped.
        if !bytes.starts_with(b"\r\n") {
            prop_assert!(all.starts_with(&outcome.passed));
        }
    }
}
