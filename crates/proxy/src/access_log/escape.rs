//! Text from strangers in a line of a log: nothing of it may end the line or the field.

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// As nginx does it (`escape=default`): `"`, `\` and everything outside of printable ASCII as `\xHH`.
pub(super) fn hexadecimal(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| !plain(*byte)) {
        let (good, bad) = rest.split_at(at);
        out.extend_from_slice(good);
        if let Some((byte, after)) = bad.split_first() {
            let [high, low] = digits(*byte, UPPER);
            out.extend_from_slice(&[b'\\', b'x', high, low]);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

/// A JSON string with its quotes. What is no UTF-8 becomes U+FFFD.
pub(super) fn json(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        json_text(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn json_text(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f;
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| !plain(*byte)) {
        let (good, bad) = rest.split_at(at);
        out.extend_from_slice(good);
        if let Some((byte, after)) = bad.split_first() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                other => {
                    let [high, low] = digits(*other, LOWER);
                    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                }
            }
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

fn digits(byte: u8, alphabet: &[u8; 16]) -> [u8; 2] {
    [
        alphabet[usize::from(byte >> 4)],
        alphabet[usize::from(byte & 15)],
    ]
}
