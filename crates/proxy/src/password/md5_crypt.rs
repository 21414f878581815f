//! `$apr1$` and `$1$`: the thousand rounds of MD5 that Apache and old Unix systems use. The algorithm
//! is described in Apache's documentation of its password formats; weak by now, but widespread.

use md5::{Digest, Md5};

use super::sha_crypt::encode;

const ROUNDS: u32 = 1000;
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// The digest's text; `magic` is `$apr1$` or `$1$`.
pub(super) fn digest(password: &[u8], magic: &str, salt: &str) -> String {
    let salt = salt.as_bytes();
    let mut digest = first(password, magic.as_bytes(), salt);
    for round in 0..ROUNDS {
        let mut context = Md5::new();
        let odd = round % 2 == 1;
        context.update(if odd { password } else { &digest });
        if round % 3 != 0 {
            context.update(salt);
        }
        if round % 7 != 0 {
            context.update(password);
        }
        context.update(if odd { &digest } else { password });
        digest = context.finalize().to_vec();
    }
    let at = |index: usize| digest.get(index).copied().unwrap_or_default();
    let mut out = String::with_capacity(22);
    for [a, b, c] in ORDER {
        encode([at(a), at(b), at(c)], 4, &mut out);
    }
    encode([0, 0, at(11)], 2, &mut out);
    out
}

fn first(password: &[u8], magic: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut inner = Md5::new();
    for part in [password, salt, password] {
        inner.update(part);
    }
    let inner = inner.finalize();
    let mut context = Md5::new();
    for part in [password, magic, salt] {
        context.update(part);
    }
    let repeated: Vec<u8> = inner.iter().copied().cycle().take(password.len()).collect();
    context.update(repeated);
    let mut bits = password.len();
    while bits > 0 {
        let start = password.get(..1).unwrap_or_default();
        context.update(if bits & 1 == 1 { &[0][..] } else { start });
        bits >>= 1;
    }
    context.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_makes_is_made_here() {
        // openssl passwd -apr1 -salt / -1 -salt
        assert_eq!(
            digest(b"myPassword", "$apr1$", "r31....."),
            "HqJZimcKQFAMYayBlzkrA/"
        );
        assert_eq!(
            digest(b"password", "$1$", "abcdefgh"),
            "G//4keteveJp0qb8z2DxG/"
        );
    }
}
