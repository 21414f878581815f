//! Phase: gate. HTTP/1 heads were judged by the reader, as they came over the wire; HTTP/2 heads are
//! judged here by the same rules.

use http::request::Parts;
use http::{Method, Version};
use hyper::ext::Protocol;

use super::{Connection, Reader};
use crate::gate::{self, Head, MOST_FIELDS, MOST_LINE, Refusal};
use crate::plan::HeadLimits;

pub(super) fn check(
    connection: &Connection,
    parts: &mut Parts,
    refusal: Option<Refusal>,
) -> Result<(), Refusal> {
    if !matches!(connection.reader, Reader::Frames) {
        return refusal.map_or(Ok(()), Err);
    }
    let fields: Vec<(&[u8], &[u8])> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
        .collect();
    if fields.len() > MOST_FIELDS {
        return Err(Refusal::ManyFields);
    }
    let uri = &parts.uri;
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > MOST_LINE {
        return Err(Refusal::LongLine);
    }
    // RFC 8441 4: with `:protocol`, CONNECT is a request for a path.
    let websocket = is_websocket(parts);
    let method = if websocket {
        Method::GET.as_str()
    } else {
        parts.method.as_str()
    };
    gate::check(&Head {
        method: method.as_bytes(),
        target: target.as_bytes(),
        version: Version::HTTP_2,
        authority: uri
            .authority()
            .map(|authority| authority.as_str().as_bytes()),
        fields: &fields,
    })?;
    if websocket {
        // Routes, limits and applications need know no other WebSocket than that of HTTP/1.1.
        parts.method = Method::GET;
    }
    Ok(())
}

/// Bounds of heads that are lower than the gate's own.
pub(super) fn fits(parts: &Parts, limits: Option<&HeadLimits>) -> Result<(), Refusal> {
    let Some(limits) = limits else {
        return Ok(());
    };
    let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
    let line = length(
        parts
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str()),
    );
    if line > limits.line {
        return Err(Refusal::LongLine);
    }
    if parts.headers.len() > limits.fields {
        return Err(Refusal::ManyFields);
    }
    // As HTTP/1 would write it: `name: value CRLF`.
    let fields = parts.headers.iter().map(|(name, value)| {
        let value = u64::try_from(value.len()).unwrap_or(u64::MAX);
        length(name.as_str()) + value + 4
    });
    let method = length(parts.method.as_str());
    if method + line + fields.sum::<u64>() + 14 > limits.head {
        return Err(Refusal::LargeHead);
    }
    Ok(())
}

/// True for a request for a WebSocket over HTTP/2 (RFC 8441 5): CONNECT with `:protocol` and a path.
/// CONNECT with any other protocol stays refused.
pub(super) fn is_websocket(parts: &Parts) -> bool {
    parts
        .extensions
        .get::<Protocol>()
        .is_some_and(|protocol| protocol.as_str() == "websocket")
}
