//! The request gate: what no application may ever see. One function a rule, each with its source.
//!
//! The rules read the head as it came over the wire ([`Head`]): hyper merges equal `Content-Length`s,
//! drops a `Content-Length` beside `Transfer-Encoding` and passes on two `Host`s, so afterwards it is
//! too late. HTTP/2 requests are shown to the same rules by [`crate::exchange`].

mod refusal;
mod target;
#[cfg(test)]
mod tests;

use http::Version;

pub use crate::line::{is_field_value, is_token};
pub use refusal::Refusal;
pub use target::{has_one_reading, is_authority};

/// Largest head in bytes, the empty line included.
pub const MOST_HEAD: usize = 16 * 1024;
/// Longest request line in bytes.
pub const MOST_LINE: usize = 8 * 1024;
/// Most header fields.
pub const MOST_FIELDS: usize = 100;
/// So many digits always fit.
const MOST_LENGTH_DIGITS: usize = 18;

/// A head, not yet believed.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The request target; for HTTP/2 its path.
    pub target: &'a [u8],
    /// 1.0, 1.1 or 2.
    pub version: Version,
    /// `:authority` of HTTP/2.
    pub authority: Option<&'a [u8]>,
    /// Names and values in order.
    pub fields: &'a [(&'a [u8], &'a [u8])],
}

/// How the body of an accepted request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// What an accepted head says about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Where the next request begins.
    pub framing: Framing,
    /// It asks for a WebSocket: nothing is known about the bytes that follow before the answer.
    pub upgrade: bool,
}

/// All rules, in order.
///
/// # Errors
/// The first rule that is broken.
pub fn check(head: &Head<'_>) -> Result<Passed, Refusal> {
    method_is_served(head)?;
    target::is_origin_form_or_names_the_host(head)?;
    target::path_has_one_reading(head)?;
    one_host(head)?;
    let framing = one_framing(head)?;
    connection_lists_no_end_to_end_field(head)?;
    expectation_is_known(head)?;
    Ok(Passed {
        framing,
        upgrade: asks_for_websocket(head, framing),
    })
}

/// RFC 9110 9.3.6 and 9.3.8: a front proxy is nobody's tunnel, and TRACE shows headers to scripts.
fn method_is_served(head: &Head<'_>) -> Result<(), Refusal> {
    if !is_token(head.method) {
        return Err(Refusal::Method);
    }
    if head.method == b"CONNECT" || head.method == b"TRACE" {
        return Err(Refusal::MethodNotServed);
    }
    Ok(())
}

/// RFC 9112 3.2: 400 for a request without `Host`, with more than one or with an invalid one. For
/// HTTP/2, RFC 9113 8.3.1: `Host` must not differ from `:authority`.
fn one_host(head: &Head<'_>) -> Result<(), Refusal> {
    let mut hosts = values(head, b"host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::SeveralHosts);
    }
    let host = match (host, head.authority) {
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            return Err(Refusal::HostIsNotAuthority);
        }
        (Some(host), _) => host,
        (None, Some(authority)) => authority,
        (None, None) => return Err(Refusal::NoHost),
    };
    if is_authority(host) {
        Ok(())
    } else {
        Err(Refusal::Host)
    }
}

/// RFC 9112 6.1 and 6.3: a message with both lengths, or two of one, or a coding that is not exactly
/// `chunked`, can be cut in two ways by two readers; 1.0 knows no `Transfer-Encoding`.
fn one_framing(head: &Head<'_>) -> Result<Framing, Refusal> {
    let mut lengths = values(head, b"content-length");
    let mut codings = values(head, b"transfer-encoding");
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some() {
        return Err(Refusal::SeveralLengths);
    }
    if codings.next().is_some() {
        return Err(Refusal::SeveralCodings);
    }
    match (length, coding) {
        (None, None) => Ok(Framing::Empty),
        (Some(_), Some(_)) => Err(Refusal::LengthAndCoding),
        (Some(length), None) => content_length(length),
        (None, Some(_)) if head.version != Version::HTTP_11 => Err(Refusal::CodingBefore11),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => Err(Refusal::Coding),
    }
}

/// RFC 9110 8.6: digits, nothing else (no sign, no list).
fn content_length(value: &[u8]) -> Result<Framing, Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !digits || value.len() > MOST_LENGTH_DIGITS {
        return Err(Refusal::Length);
    }
    let length = value
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok(match length {
        0 => Framing::Empty,
        length => Framing::Length(length),
    })
}

/// RFC 9110 7.6.1: `Connection` must not list a field meant for the recipient of the message; listing
/// these would make the next reader see another message.
fn connection_lists_no_end_to_end_field(head: &Head<'_>) -> Result<(), Refusal> {
    const NEVER: [&[u8]; 4] = [
        b"host",
        b"content-length",
        b"content-type",
        b"authorization",
    ];
    for value in values(head, b"connection") {
        for option in list(value) {
            if !is_token(option) || NEVER.iter().any(|name| option.eq_ignore_ascii_case(name)) {
                return Err(Refusal::ConnectionOption);
            }
        }
    }
    Ok(())
}

/// RFC 9110 10.1.1: 417 for an expectation other than `100-continue`.
fn expectation_is_known(head: &Head<'_>) -> Result<(), Refusal> {
    let known = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    if values(head, b"expect").all(known) {
        Ok(())
    } else {
        Err(Refusal::Expectation)
    }
}

/// RFC 9110 7.8 and RFC 6455 4.1: GET, HTTP/1.1, `Connection: Upgrade`, `Upgrade: websocket`. Every
/// other upgrade (h2c above all) is ignored, as the RFC allows. With a body there is none either.
fn asks_for_websocket(head: &Head<'_>, framing: Framing) -> bool {
    head.method == b"GET"
        && head.version == Version::HTTP_11
        && framing == Framing::Empty
        && values(head, b"upgrade").any(|value| value.eq_ignore_ascii_case(b"websocket"))
        && values(head, b"connection")
            .flat_map(list)
            .any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

fn values<'a>(head: &Head<'a>, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    head.fields
        .iter()
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value)
}

/// The members of a comma-separated value; empty ones do not count (RFC 9110 5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}
