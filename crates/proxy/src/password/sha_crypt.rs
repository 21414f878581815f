//! `$5$` and `$6$`: SHA-256 and SHA-512 crypt, from U. Drepper's public specification "Unix crypt using
//! SHA-256 and SHA-512" (2007), whose test vectors are below.

use sha2::{Digest, Sha256, Sha512};

/// Without `rounds=`.
pub(super) const DEFAULT_ROUNDS: u32 = 5000;
const FEWEST_ROUNDS: u32 = 1000;
/// The specification allows 999 999 999, which would be minutes for one attempt.
pub(super) const MOST_ROUNDS: u32 = 1_000_000;
const LONGEST_SALT: usize = 16;
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// In which order the digest's bytes are written, three at a time; the last group is shorter.
const ORDER_256: [[usize; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];
const ORDER_512: [[usize; 3]; 21] = [
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
];

/// What stands between `$5$` and the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) rounds: u32,
    pub(super) salt: String,
}

impl Parameters {
    /// From `[rounds=N$]salt$digest`, with the digest.
    pub(super) fn parse(text: &str) -> Option<(Self, &str)> {
        let (rounds, rest) = match text.strip_prefix("rounds=") {
            Some(rest) => {
                let (rounds, rest) = rest.split_once('$')?;
                (rounds.parse::<u32>().ok()?.max(FEWEST_ROUNDS), rest)
            }
            None => (DEFAULT_ROUNDS, text),
        };
        let (salt, digest) = rest.split_once('$')?;
        let salt = salt.get(..LONGEST_SALT).unwrap_or(salt).to_owned();
        Some((Self { rounds, salt }, digest))
    }
}

/// The digest's text for `$5$`.
pub(super) fn sha256(password: &[u8], parameters: &Parameters) -> String {
    let digest = run::<Sha256>(password, parameters);
    let at = |index: usize| digest.get(index).copied().unwrap_or_default();
    let mut out = String::with_capacity(43);
    for [a, b, c] in ORDER_256 {
        encode([at(a), at(b), at(c)], 4, &mut out);
    }
    encode([0, at(31), at(30)], 3, &mut out);
    out
}

/// The digest's text for `$6$`.
pub(super) fn sha512(password: &[u8], parameters: &Parameters) -> String {
    let digest = run::<Sha512>(password, parameters);
    let at = |index: usize| digest.get(index).copied().unwrap_or_default();
    let mut out = String::with_capacity(86);
    for [a, b, c] in ORDER_512 {
        encode([at(a), at(b), at(c)], 4, &mut out);
    }
    encode([0, 0, at(63)], 2, &mut out);
    out
}

/// Three bytes as `count` letters, the lowest bits first.
pub(super) fn encode(bytes: [u8; 3], count: usize, out: &mut String) {
    let [a, b, c] = bytes.map(u32::from);
    let mut bits = a << 16 | b << 8 | c;
    for _ in 0..count {
        let index = usize::try_from(bits & 0x3f).unwrap_or_default();
        out.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'.')));
        bits >>= 6;
    }
}

/// Steps 1 to 21 of the specification.
fn run<D: Digest>(password: &[u8], parameters: &Parameters) -> Vec<u8> {
    let salt = parameters.salt.as_bytes();
    let first = first::<D>(password, salt);
    let p = sequence::<D>(password, password.len(), password.len());
    let count = 16 + usize::from(first.first().copied().unwrap_or_default());
    let s = sequence::<D>(salt, count, salt.len());
    let mut digest = first;
    for round in 0..parameters.rounds {
        let mut context = D::new();
        let odd = round % 2 == 1;
        context.update(if odd { &p } else { &digest });
        if round % 3 != 0 {
            context.update(&s);
        }
        if round % 7 != 0 {
            context.update(&p);
        }
        context.update(if odd { &digest } else { &p });
        digest = context.finalize().to_vec();
    }
    digest
}

/// Steps 1 to 12: digests A and B.
fn first<D: Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut b = D::new();
    for part in [password, salt, password] {
        b.update(part);
    }
    let b = b.finalize().to_vec();
    let mut a = D::new();
    a.update(password);
    a.update(salt);
    a.update(repeated(&b, password.len()));
    let mut bits = password.len();
    while bits > 0 {
        a.update(if bits & 1 == 1 { &b } else { password });
        bits >>= 1;
    }
    a.finalize().to_vec()
}

/// Steps 13 to 20: the digest of `count` times `text`, repeated to `length` bytes.
fn sequence<D: Digest>(text: &[u8], count: usize, length: usize) -> Vec<u8> {
    let mut context = D::new();
    for _ in 0..count {
        context.update(text);
    }
    repeated(&context.finalize(), length)
}

fn repeated(digest: &[u8], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_specification_hold() {
        for (method, parameters, password, digest) in [
            (
                "5",
                "saltstring",
                "Hello world!",
                "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            ),
            (
                "5",
                "rounds=10000$saltstringsaltst",
                "Hello world!",
                "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
            ),
            (
                "5",
                "rounds=5000$toolongsaltstring",
                "This is just a test",
                "Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5",
            ),
            (
                "6",
                "saltstring",
                "Hello world!",
                "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            ),
            (
                "6",
                "rounds=10000$saltstringsaltstring",
                "Hello world!",
                "OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
            ),
            (
                "6",
                "rounds=1400$anotherlongsaltstring",
                "a very much longer text to encrypt.  This one even stretches over morethan one line.",
                "POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
            ),
            (
                "6",
                "rounds=10$roundstoolow",
                "the minimum number is still observed",
                "kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
            ),
        ] {
            let text = format!("{parameters}$x");
            let (parameters, _) = Parameters::parse(&text).expect("parameters");
            let made = match method {
                "5" => sha256(password.as_bytes(), &parameters),
                _ => sha512(password.as_bytes(), &parameters),
            };
            assert_eq!(made, digest, "{text}");
        }
    }
}
