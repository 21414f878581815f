//! Where an application listens.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use kiuas_common::Address;
use kiuas_common::listener::Stream;

use crate::settings::TargetSettings;

/// Heaviest target.
const MOST_WEIGHT: u32 = 1000;

/// A target with what is fixed about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Where it is.
    pub target: Target,
    /// Its share of the requests.
    pub weight: u32,
    /// Gets requests only while no other is up.
    pub backup: bool,
    /// Requests at a time; 0 is no limit of its own.
    pub most: usize,
}

impl TryFrom<&TargetSettings> for Spec {
    type Error = String;

    fn try_from(settings: &TargetSettings) -> Result<Self, String> {
        let target = settings.target.parse()?;
        if !(1..=MOST_WEIGHT).contains(&settings.weight) {
            return Err(format!(
                "`{}` has the weight {}: write 1 to {MOST_WEIGHT}",
                settings.target, settings.weight
            ));
        }
        Ok(Self {
            target,
            weight: settings.weight,
            backup: settings.backup,
            most: settings.max_connections,
        })
    }
}

impl From<&Spec> for TargetSettings {
    fn from(spec: &Spec) -> Self {
        Self {
            target: spec.target.to_string(),
            weight: spec.weight,
            backup: spec.backup,
            max_connections: spec.most,
        }
    }
}

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

impl Target {
    /// A new connection. The caller sets the deadline.
    ///
    /// # Errors
    /// Whatever connect(2) or the resolver says.
    pub(super) async fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(path) => Stream::connect(&Address::Unix(path.clone())).await,
            Self::Address(address) => Stream::connect(&Address::Tcp(*address)).await,
            Self::Name(name) => {
                let stream = tokio::net::TcpStream::connect(name.as_str()).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
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
