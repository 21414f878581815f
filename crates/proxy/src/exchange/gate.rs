//! Phase: gate. HTTP/1 heads were judged by the reader, as they came over the wire; HTTP/2 heads are
//! judged here by the same rules.

use http::Version;
use http::request::Parts;

use super::{Connection, Reader};
use crate::gate::{self, Head, MOST_FIELDS, MOST_LINE, Refusal};

pub(super) fn check(
    connection: &Connection,
    parts: &Parts,
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
    gate::check(&Head {
        method: parts.method.as_str().as_bytes(),
        target: target.as_bytes(),
        version: Version::HTTP_2,
        authority: uri
            .authority()
            .map(|authority| authority.as_str().as_bytes()),
        fields: &fields,
    })
    .map(drop)
}
