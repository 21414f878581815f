//! The PROXY protocol, versions 1 and 2 (its specification is HAProxy's `proxy-protocol.txt`): a load
//! balancer in front says, before the first byte of a connection, whose connection it is.
//!
//! Only peers named in `proxy.proxy_protocol` are asked, and they must say it: a header that is there
//! for some connections and not for others could be written by the visitor himself.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1 with its CR LF (section 2.1).
const MOST_LINE: usize = 107;
/// The longest address block and extensions of version 2 that are read.
const MOST_BLOCK: usize = 4096;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// This is the visitor.
    Visitor(SocketAddr),
    /// Nothing: a check of the balancer's own, or a protocol without addresses. The peer counts.
    Nothing,
}

/// Why a header is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The connection broke off.
    #[error("the connection ended within the PROXY header")]
    Read(#[source] io::Error),
    /// It does not follow the protocol.
    #[error("the connection does not begin with a PROXY header: {0}")]
    Malformed(&'static str),
}

/// Reads the header, and not a byte more.
///
/// # Errors
/// [`HeaderError`]; nothing can be done with the connection then.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Said, HeaderError> {
    let mut start = [0; SIGNATURE.len()];
    stream
        .read_exact(&mut start)
        .await
        .map_err(HeaderError::Read)?;
    if start == *SIGNATURE {
        return version_2(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(HeaderError::Malformed("neither version 1 nor version 2"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() >= MOST_LINE {
            return Err(HeaderError::Malformed("the line of version 1 is too long"));
        }
        line.push(stream.read_u8().await.map_err(HeaderError::Read)?);
    }
    parse_line(&line)
}

async fn version_2<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Said, HeaderError> {
    let mut rest = [0; 4];
    stream
        .read_exact(&mut rest)
        .await
        .map_err(HeaderError::Read)?;
    let [command, family, high, low] = rest;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST_BLOCK {
        return Err(HeaderError::Malformed("the block of version 2 is too long"));
    }
    let mut block = vec![0; length];
    stream
        .read_exact(&mut block)
        .await
        .map_err(HeaderError::Read)?;
    parse_block(command, family, &block)
}

/// A line of version 1, with its end: `PROXY TCP4 SOURCE DESTINATION PORT PORT CR LF`.
///
/// # Errors
/// [`HeaderError::Malformed`].
pub fn parse_line(line: &[u8]) -> Result<Said, HeaderError> {
    let wrong = HeaderError::Malformed("the line of version 1 is malformed");
    let Some(line) = line
        .strip_suffix(b"\r\n")
        .and_then(|line| std::str::from_utf8(line).ok())
    else {
        return Err(wrong);
    };
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        // Section 2.1: whatever follows UNKNOWN is ignored.
        ["PROXY", "UNKNOWN", ..] => Ok(Said::Nothing),
        [
            "PROXY",
            family @ ("TCP4" | "TCP6"),
            source,
            destination,
            from,
            to,
        ] => {
            let address = |text: &str| -> Option<IpAddr> {
                match *family {
                    "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
                    _ => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
                }
            };
            match (address(source), address(destination), port(from), port(to)) {
                (Some(source), Some(_), Some(from), Some(_)) => {
                    Ok(Said::Visitor(SocketAddr::new(source, from)))
                }
                _ => Err(wrong),
            }
        }
        _ => Err(wrong),
    }
}

/// Section 2.1: decimal, no leading zero.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (digits && canonical).then(|| text.parse().ok()).flatten()
}

/// What follows the signature of version 2 (section 2.2). Extensions are ignored.
///
/// # Errors
/// [`HeaderError::Malformed`].
pub fn parse_block(command: u8, family: u8, block: &[u8]) -> Result<Said, HeaderError> {
    match command {
        // LOCAL: the balancer itself, whatever the block says.
        0x20 => return Ok(Said::Nothing),
        0x21 => {}
        _ => {
            return Err(HeaderError::Malformed(
                "a version or command that is not known",
            ));
        }
    }
    let short = HeaderError::Malformed("the block of version 2 is too short for its addresses");
    let port_at = |at: usize| match block.get(at..at + 2) {
        Some([high, low]) => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    let (address, port) = match family {
        0x11 => (
            block.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
            port_at(8),
        ),
        0x21 => (
            block
                .first_chunk::<16>()
                .map(|octets| IpAddr::from(*octets)),
            port_at(32),
        ),
        // UNSPEC, datagrams and Unix sockets name no visitor.
        _ => return Ok(Said::Nothing),
    };
    match (address, port) {
        (Some(address), Some(port)) => Ok(Said::Visitor(SocketAddr::new(address, port))),
        _ => Err(short),
    }
}
