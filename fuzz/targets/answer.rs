//! The proxy's framing of applications' answers: whatever an application sends, it never panics, and it
//! finds the same head, body and end whether the bytes come at once or one by one. A difference would
//! be a body that ends somewhere else than its application thinks.
#![no_main]

use bytes::Bytes;
use kiuas_proxy::upstream::{AnswerHead, Asked, BadAnswer, Event, Framer};
use libfuzzer_sys::fuzz_target;

/// What a stream of bytes came to.
#[derive(Debug, PartialEq, Eq, Default)]
struct Outcome {
    heads: Vec<AnswerHead>,
    body: Vec<u8>,
    trailers: usize,
    bad: Option<BadAnswer>,
    complete: bool,
    rest: Vec<u8>,
}

/// Feeds `bytes` in pieces of `piece` bytes.
fn follow(bytes: &[u8], piece: usize, asked: Asked) -> Outcome {
    let mut framer = Framer::new(asked);
    let mut outcome = Outcome::default();
    for piece in bytes.chunks(piece) {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match framer.step(&mut input) {
                Ok(Some(Event::Head(head) | Event::Interim(head))) => outcome.heads.push(head),
                Ok(Some(Event::Data(data))) => {
                    assert!(!data.is_empty());
                    outcome.body.extend_from_slice(&data);
                }
                Ok(Some(Event::Trailers(trailers))) => outcome.trailers += trailers.len(),
                Ok(None) => break,
                Err(bad) => {
                    outcome.bad = Some(bad);
                    return outcome;
                }
            }
        }
        outcome.rest.extend_from_slice(&input);
    }
    outcome.complete = framer.is_complete();
    outcome
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let asked = Asked {
        head: first & 1 != 0,
        upgrade: first & 2 != 0,
    };
    let whole = follow(bytes, bytes.len().max(1), asked);
    let pieces = follow(bytes, 1, asked);
    if whole.bad.is_some() {
        // How much of a body was seen before its fault depends on the pieces.
        assert_eq!(whole.bad, pieces.bad);
        assert_eq!(whole.heads, pieces.heads);
    } else {
        assert_eq!(whole, pieces);
    }
});
