//! Addresses and networks (`10.0.0.0/8`) of peers that are believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::check::Problems;

/// An address with the number of bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// True if `address` lies in it. An IPv4 address in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no address and no network such as 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most),
            None => Some(most),
        };
        Ok(Self {
            address,
            bits: bits.ok_or_else(wrong)?,
        })
    }
}

/// The networks that the setting `key` lists.
pub(super) fn all(key: &str, texts: &[String], problems: &mut Problems) -> Vec<Network> {
    let mut networks = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(problem) => problems.add(format_args!("{key}[{index}]"), problem),
        }
    }
    networks
}

/// Peers whose connections begin with a PROXY header.
#[derive(Debug, Default)]
pub struct Balancers {
    networks: Vec<Network>,
    unix: bool,
}

impl Balancers {
    pub(super) fn new(texts: &[String], problems: &mut Problems) -> Self {
        let (unix, networks): (Vec<_>, Vec<_>) =
            texts.iter().cloned().partition(|text| text == "unix");
        Self {
            networks: all("proxy_protocol", &networks, problems),
            unix: !unix.is_empty(),
        }
    }

    /// True for `peer`; a peer without address came over a Unix socket.
    #[must_use]
    pub fn contain(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(peer) => self.networks.iter().any(|network| network.contains(peer)),
            None => self.unix,
        }
    }
}
