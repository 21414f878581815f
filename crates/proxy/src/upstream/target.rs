//! Where an application listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// `unix:/path`, `ADDRESS:PORT` or `NAME:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Unix socket.
    Unix(PathBuf),
    /// An address.
    Address(SocketAddr),
    /// A name (a service's in Compose), resolved at each new connection: its address may change while
    /// we run.
    Name(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            Err(format!(
                "`{text}` is no target: write `unix:/path/to.sock`, `HOST:PORT` or `[IPv6]:PORT`"
            ))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                wrong()
            } else {
                Ok(Self::Unix(PathBuf::from(path)))
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        match text.rsplit_once(':') {
            Some((host, port))
                if !host.is_empty()
                    && crate::gate::is_authority(host.as_bytes())
                    && port.parse::<u16>().is_ok() =>
            {
                Ok(Self::Name(text.to_owned()))
            }
            _ => wrong(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}
