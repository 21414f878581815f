//! The proxy's framing of HTTP/1 requests: whatever a visitor sends, it never panics, never passes more
//! than it was given, and decides the same whether the bytes come at once or one by one. A difference
//! would be a request that two readers see differently.
#![no_main]

use kiuas_proxy::screen::{Framer, Step};
use libfuzzer_sys::fuzz_target;

/// What a stream of bytes came to: the ends of the heads that passed, how much passed in all, and
/// whether it ended in a refusal.
#[derive(Debug, PartialEq, Eq, Default)]
struct Outcome {
    heads: Vec<usize>,
    passed: usize,
    refused: bool,
}

/// Feeds `bytes` in pieces of `piece` bytes.
fn follow(bytes: &[u8], piece: usize) -> Outcome {
    let mut framer = Framer::default();
    let mut outcome = Outcome::default();
    let (mut start, mut end) = (0, 0);
    while end < bytes.len() {
        end = (end + piece).min(bytes.len());
        while start < end {
            match framer.step(&bytes[start..end]) {
                Step::Pass { length, head } => {
                    assert!(length > 0 && length <= end - start);
                    start += length;
                    outcome.passed += length;
                    if head {
                        outcome.heads.push(start);
                    }
                }
                Step::Skip(length) => {
                    assert!(length > 0 && length <= end - start);
                    start += length;
                }
                Step::Need => break,
                Step::Hold => framer.decide(false),
                Step::Refuse(_) => {
                    outcome.refused = true;
                    return outcome;
                }
            }
        }
    }
    outcome
}

fuzz_target!(|bytes: &[u8]| {
    let whole = follow(bytes, bytes.len().max(1));
    let pieces = follow(bytes, 1);
    assert_eq!(whole.heads, pieces.heads);
    assert_eq!(whole.refused, pieces.refused);
});
