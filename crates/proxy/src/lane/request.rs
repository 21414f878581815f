//! From places in the bytes to a request's parts. One copy of the head; names, values and target are
//! slices of it. Maps are used again.

use std::cell::RefCell;

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request as Whole, Uri};

use super::head::{Fields, Request, Span, slice};

/// Maps kept for a thread, and the largest one that is kept.
const MOST_MAPS: usize = 64;
const MOST_CAPACITY: usize = 128;

thread_local! {
    static MAPS: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// An empty map, with room if there is one from before.
#[must_use]
pub fn map() -> HeaderMap {
    MAPS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Takes a map that is not needed any more.
pub fn recycle(mut map: HeaderMap) {
    let capacity = map.capacity();
    if capacity == 0 || capacity > MOST_CAPACITY {
        return;
    }
    map.clear();
    MAPS.with_borrow_mut(|maps| {
        if maps.len() < MOST_MAPS {
            maps.push(map);
        }
    });
}

/// The parts of `request`, found at the front of `bytes`; `None` if a library is stricter than the gate,
/// which is not for the lane to judge.
pub(super) fn parts(bytes: &[u8], request: &Request, fields: &Fields) -> Option<Parts> {
    let head = Bytes::copy_from_slice(bytes.get(..request.length)?);
    let mut headers = map();
    for (name, value) in fields.iter() {
        let name = HeaderName::from_bytes(slice(&head, name)).ok()?;
        let value = HeaderValue::from_maybe_shared(part(&head, value)).ok()?;
        headers.try_append(name, value).ok()?;
    }
    let (mut parts, ()) = Whole::new(()).into_parts();
    parts.method = if request.is_head {
        Method::HEAD
    } else {
        Method::GET
    };
    parts.uri = Uri::from_maybe_shared(part(&head, request.target)).ok()?;
    parts.headers = headers;
    Some(parts)
}

fn part(head: &Bytes, place: Span) -> Bytes {
    if place.0 >= place.1 {
        return Bytes::new();
    }
    head.slice(place.0..place.1)
}
