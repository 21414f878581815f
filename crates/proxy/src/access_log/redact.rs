//! Values of query parameters that look like secrets: in the request's target and in `Referer`.

const HIDDEN: &[u8] = b"[redacted]";

/// In the lower-case name of a parameter, anywhere.
const PARTS: [&[u8]; 13] = [
    b"api-key",
    b"api_key",
    b"apikey",
    b"authoriz",
    b"credential",
    b"jwt",
    b"passw",
    b"private",
    b"pwd",
    b"secret",
    b"session",
    b"signature",
    b"token",
];
/// The whole name.
const NAMES: [&[u8]; 9] = [
    b"auth", b"code", b"key", b"otp", b"pass", b"pin", b"sid", b"sig", b"state",
];
const LONGEST_NAME: usize = 64;

/// Writes `target` (a path or URL with or without a query) through `write`, piece by piece, with the values
/// of secret parameters replaced. `more` are names to hide besides, in lower case.
pub fn target(target: &[u8], more: &[String], mut write: impl FnMut(&[u8])) {
    let Some(at) = target.iter().position(|byte| *byte == b'?') else {
        write(target);
        return;
    };
    let (path, query) = target.split_at(at + 1);
    write(path);
    let mut first = true;
    for pair in query.split(|byte| *byte == b'&') {
        if !first {
            write(b"&");
        }
        first = false;
        match pair.iter().position(|byte| *byte == b'=') {
            Some(at) if is_secret(&pair[..at], more) && at + 1 < pair.len() => {
                write(&pair[..=at]);
                write(HIDDEN);
            }
            _ => write(pair),
        }
    }
}

fn is_secret(name: &[u8], more: &[String]) -> bool {
    let mut lower = [0; LONGEST_NAME];
    let Some(lower) = lower.get_mut(..name.len()) else {
        // Nobody calls a parameter so; what it holds is nobody's business.
        return true;
    };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let lower: &[u8] = lower;
    NAMES.contains(&lower)
        || more.iter().any(|name| name.as_bytes() == lower)
        || PARTS
            .iter()
            .any(|part| lower.windows(part.len()).any(|window| window == *part))
        // `to%6ben` is a name that someone hides.
        || lower.contains(&b'%') && decoded_is_secret(lower, more)
}

fn decoded_is_secret(name: &[u8], more: &[String]) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode(name).collect();
    !decoded.contains(&b'%') && is_secret(&decoded, more)
}
