//! The hashes that stand in htpasswd files, and how a password is compared with one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::md5_crypt;
use super::sha_crypt::{self, MOST_ROUNDS, Parameters};

/// bcrypt's cost is an exponent: 16 is several seconds for one attempt.
const MOST_COST: u32 = 15;
const SHA1_LENGTH: usize = 20;

/// A stored password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Bcrypt(String),
    Md5 {
        magic: &'static str,
        salt: String,
        digest: String,
    },
    /// `{SHA}` has no salt.
    Sha1 {
        digest: Vec<u8>,
        salt: Vec<u8>,
    },
    Sha256(Parameters, String),
    Sha512(Parameters, String),
}

/// Not its content: it could be guessed from.
impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash(…)")
    }
}

impl Hash {
    /// Reads what stands behind the user's name.
    ///
    /// # Errors
    /// What is wrong with it and what to do, for people; never the text itself.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const DAMAGED: &str = "the hash is damaged: make the line anew with `htpasswd -B`";
        let kind = if ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|magic| text.starts_with(magic))
        {
            Some(bcrypt(text)?)
        } else if let Some(rest) = text.strip_prefix("$apr1$") {
            md5("$apr1$", rest)
        } else if let Some(rest) = text.strip_prefix("$1$") {
            md5("$1$", rest)
        } else if let Some(rest) = text.strip_prefix("{SHA}") {
            sha1(rest).filter(|kind| matches!(kind, Kind::Sha1 { salt, .. } if salt.is_empty()))
        } else if let Some(rest) = text.strip_prefix("{SSHA}") {
            sha1(rest)
        } else if let Some(rest) = text.strip_prefix("$5$") {
            let (parameters, digest) = parameters(rest)?;
            (digest.len() == 43).then(|| Kind::Sha256(parameters, digest.to_owned()))
        } else if let Some(rest) = text.strip_prefix("$6$") {
            let (parameters, digest) = parameters(rest)?;
            (digest.len() == 86).then(|| Kind::Sha512(parameters, digest.to_owned()))
        } else {
            return Err(foreign(text));
        };
        kind.map(Self).ok_or(DAMAGED)
    }

    /// True if it was made from `password`. Takes as long as it was made to take: never on a serving
    /// thread.
    #[must_use]
    pub fn is_of(&self, password: &[u8]) -> bool {
        match &self.0 {
            Kind::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Kind::Md5 {
                magic,
                salt,
                digest,
            } => same(
                md5_crypt::digest(password, magic, salt).as_bytes(),
                digest.as_bytes(),
            ),
            Kind::Sha1 { digest, salt } => {
                let mut context = Sha1::new();
                context.update(password);
                context.update(salt);
                same(&context.finalize(), digest)
            }
            Kind::Sha256(parameters, digest) => same(
                sha_crypt::sha256(password, parameters).as_bytes(),
                digest.as_bytes(),
            ),
            Kind::Sha512(parameters, digest) => same(
                sha_crypt::sha512(password, parameters).as_bytes(),
                digest.as_bytes(),
            ),
        }
    }

    /// Roughly how long a comparison takes, to compare hashes by.
    pub(super) fn weight(&self) -> u64 {
        match &self.0 {
            Kind::Bcrypt(text) => 1 << (10 + cost(text).unwrap_or(0)),
            Kind::Md5 { .. } => 1000,
            Kind::Sha1 { .. } => 1,
            Kind::Sha256(parameters, _) | Kind::Sha512(parameters, _) => {
                u64::from(parameters.rounds)
            }
        }
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

fn cost(text: &str) -> Option<u32> {
    text.get(4..6)?.parse().ok()
}

fn bcrypt(text: &str) -> Result<Kind, &'static str> {
    const DAMAGED: &str = "the bcrypt hash is damaged: make the line anew with `htpasswd -B`";
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"./$".contains(&byte);
    let cost = cost(text).ok_or(DAMAGED)?;
    if text.len() != 60
        || !text.bytes().all(letters)
        || text.as_bytes().get(6) != Some(&b'$')
        || cost < 4
    {
        return Err(DAMAGED);
    }
    if cost > MOST_COST {
        return Err(
            "bcrypt with a cost above 15 takes seconds for one attempt: use `htpasswd -B -C 10`",
        );
    }
    Ok(Kind::Bcrypt(text.to_owned()))
}

fn md5(magic: &'static str, rest: &str) -> Option<Kind> {
    let (salt, digest) = rest.split_once('$')?;
    (salt.len() <= 8 && digest.len() == 22).then(|| Kind::Md5 {
        magic,
        salt: salt.to_owned(),
        digest: digest.to_owned(),
    })
}

fn sha1(text: &str) -> Option<Kind> {
    let bytes = STANDARD.decode(text).ok()?;
    let (digest, salt) = bytes.split_at_checked(SHA1_LENGTH)?;
    Some(Kind::Sha1 {
        digest: digest.to_vec(),
        salt: salt.to_vec(),
    })
}

fn parameters(rest: &str) -> Result<(Parameters, &str), &'static str> {
    let (parameters, digest) = Parameters::parse(rest).ok_or(
        "the hash is damaged: make the line anew with `openssl passwd -6` or `htpasswd -B`",
    )?;
    if parameters.rounds > MOST_ROUNDS {
        return Err("more than 1 000 000 rounds take seconds for one attempt: use fewer");
    }
    Ok((parameters, digest))
}

/// What it may be that we do not read.
fn foreign(text: &str) -> &'static str {
    if text.is_empty() {
        "no hash: make the line anew with `htpasswd -B`"
    } else if text.starts_with("$y$") || text.starts_with("$gy$") || text.starts_with("$7$") {
        "yescrypt and scrypt are not supported: make the line anew with `htpasswd -B`"
    } else if text.starts_with("$2x$") {
        "`$2x$` is the faulty bcrypt of old systems: make the line anew with `htpasswd -B`"
    } else if text.starts_with('$') || text.starts_with('{') {
        "an unknown kind of hash: make the line anew with `htpasswd -B`"
    } else {
        "plain text or crypt(3) DES, which are not supported: make the line anew with `htpasswd -B`"
    }
}
