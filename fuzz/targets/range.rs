//! What a visitor asks of a file: whatever the bytes, ranges lie inside the file and apart from each other,
//! no part of a path leads out of the directory, and a refused coding is never chosen.
#![no_main]

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use kiuas_proxy::compress::{Encoding, choose};
use kiuas_proxy::files::{Asked, parse_range, parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (length, bytes) = input;
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Asked::Spans(spans) = parse_range(text, length) {
            assert!(!spans.is_empty());
            for (index, span) in spans.iter().enumerate() {
                assert!(span.first <= span.last && span.last < length);
                let apart = |other: &kiuas_proxy::files::Span| {
                    other.last < span.first || span.last < other.first
                };
                assert!(spans[..index].iter().all(apart));
            }
        }
        for part in parts(text, false).unwrap_or_default() {
            let part = part.as_encoded_bytes();
            assert!(!part.is_empty() && !part.starts_with(b".") && !part.contains(&b'/'));
        }
    }
    let refused = [b"br;q=0, ", bytes].concat();
    if let Ok(value) = HeaderValue::from_bytes(&refused) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, value);
        assert_ne!(
            choose(&headers, Encoding::ALL.into_iter()),
            Some(Encoding::Br)
        );
    }
});
