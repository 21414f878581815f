//! Values that settings write as text.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use kiuas_common::{Address, Bytes};
use serde::{Deserialize, Serialize};

/// Permission bits in octal, `"660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileMode(pub u32);

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u32::from_str_radix(text, 8)
            .ok()
            .filter(|bits| *bits <= 0o7777 && !text.starts_with('+'))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no mode: write it in octal, such as 660"))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

/// A limit of `setrlimit(2)`: a whole number, a size such as `"1GiB"`, or `"unlimited"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Limit(pub Option<u64>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Limit {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Number(number) => Ok(Self(Some(number))),
            Written::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let number = text.parse().ok();
        number
            .or_else(|| text.parse::<Bytes>().ok().map(|bytes| bytes.0))
            .map(|number| Self(Some(number)))
            .ok_or_else(|| {
                format!(
                    "`{text}` is no limit: write a whole number, a size such as 1GiB, or unlimited"
                )
            })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("unlimited"),
        }
    }
}

/// Something that must be there before the first child is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WaitFor {
    /// `tcp:HOST:PORT`: somebody accepts there. The name is looked up at each try.
    Tcp(String),
    /// `unix:/path`: somebody accepts there.
    Unix(PathBuf),
    /// `file:/path`: it exists.
    File(PathBuf),
    /// `http://HOST:PORT/PATH`: it answers with a status below 400.
    Http {
        /// `HOST:PORT`.
        authority: String,
        /// With the query, from the slash on.
        path: String,
    },
}

impl FromStr for WaitFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = match text.split_once(':') {
            Some(("tcp", rest)) => port(rest).map(|()| Self::Tcp(rest.to_owned())),
            Some(("unix", path)) => absolute(path).map(Self::Unix),
            Some(("file", path)) => absolute(path).map(Self::File),
            Some(("http", rest)) => rest.strip_prefix("//").and_then(http),
            _ => None,
        };
        found.ok_or_else(|| {
            format!(
                "`{text}` is nothing to wait for: write tcp:HOST:PORT, unix:/path, file:/path or http://HOST:PORT/path"
            )
        })
    }
}

fn port(authority: &str) -> Option<()> {
    let (host, port) = authority.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    (port > 0 && !host.is_empty()).then_some(())
}

fn absolute(path: &str) -> Option<PathBuf> {
    path.starts_with('/').then(|| PathBuf::from(path))
}

fn http(rest: &str) -> Option<WaitFor> {
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let authority = match port(authority) {
        Some(()) => authority.to_owned(),
        None if authority.is_empty() || authority.contains(':') => return None,
        None => format!("{authority}:80"),
    };
    let path = path.to_owned();
    Some(WaitFor::Http { authority, path })
}

impl fmt::Display for WaitFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "tcp:{authority}"),
            Self::Unix(path) => Address::Unix(path.clone()).fmt(f),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Http { authority, path } => write!(f, "http://{authority}{path}"),
        }
    }
}

macro_rules! string_conversions {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

string_conversions!(FileMode);
string_conversions!(WaitFor);

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.to_string()
    }
}
