//! JSON as Python writes it, where that is more than JSON: `NaN`, `Infinity`, `-Infinity` outside
//! strings, and escapes of lone surrogates inside them.
//!
//! Celery's producers send both, so a reader that refuses them would treat valid tasks as malformed.

const NUMBERS: &[&[u8]] = &[b"-Infinity", b"Infinity", b"NaN"];

/// `bytes` with numbers that JSON has not as `null`, and lone surrogates as U+FFFD. `None` if there is
/// nothing to repair.
pub(super) fn repair(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut in_string = false;
    let mut changed = false;
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let (taken, text): (usize, &[u8]) = if in_string && byte == b'\\' {
            escape(rest)
        } else if in_string {
            in_string = byte != b'"';
            (1, rest)
        } else if let Some(number) = NUMBERS.iter().find(|number| rest.starts_with(number)) {
            (number.len(), b"null")
        } else {
            in_string = byte == b'"';
            (1, rest)
        };
        let taken = taken.min(rest.len());
        let same = rest.get(..taken).unwrap_or_default();
        if text.starts_with(same) {
            out.extend_from_slice(same);
        } else {
            changed = true;
            out.extend_from_slice(text);
        }
        at += taken.max(1);
    }
    changed.then_some(out)
}

/// The escape that `rest` begins with: how long it is, and what to write instead.
fn escape(rest: &[u8]) -> (usize, &[u8]) {
    const REPLACEMENT: &[u8] = b"\\ufffd";
    match surrogate(rest) {
        None => (2, rest),
        Some(Half::High) => match rest.get(6..).and_then(surrogate) {
            Some(Half::Low) => (12, rest),
            _ => (6, REPLACEMENT),
        },
        Some(Half::Low) => (6, REPLACEMENT),
    }
}

enum Half {
    High,
    Low,
}

fn surrogate(text: &[u8]) -> Option<Half> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let code = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    match code {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}
