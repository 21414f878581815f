//! What is compressed at all.

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName,
};
use http::{HeaderMap, Response, StatusCode};

use super::coder::Levels;
use super::negotiate::Encoding;

/// Event streams are kept open for hours, each with the memory of an encoder: only by name.
const EVENT_STREAM: &str = "text/event-stream";
/// They are about the bytes as they are (RFC 9530 and what came before it).
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// How a route's answers are compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The preferred one first.
    pub encodings: Vec<Encoding>,
    /// Media types in lower case, `text/html` or `text/*`.
    pub types: Vec<String>,
    /// Bytes.
    pub minimum: u64,
    /// How hard is tried.
    pub levels: Levels,
}

impl Rules {
    /// True if this answer is compressed for those who like it.
    pub(super) fn take<B>(&self, response: &Response<B>) -> bool {
        let headers = response.headers();
        has_own_content(response.status())
            && !headers.contains_key(CONTENT_ENCODING)
            && !headers.contains_key(CONTENT_RANGE)
            && self.is_long_enough(headers)
            && self.has_type(headers)
            && !DIGESTS.iter().any(|name| headers.contains_key(name))
            && may_be_transformed(headers)
    }

    fn is_long_enough(&self, headers: &HeaderMap) -> bool {
        match headers.get(CONTENT_LENGTH) {
            None => true,
            Some(length) => length
                .to_str()
                .ok()
                .and_then(|length| length.parse::<u64>().ok())
                .is_some_and(|length| length >= self.minimum && length > 0),
        }
    }

    fn has_type(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
        else {
            return false;
        };
        let essence = value.split(';').next().unwrap_or_default().trim();
        self.types
            .iter()
            .any(|known| match known.strip_suffix('*') {
                None => essence.eq_ignore_ascii_case(known),
                Some(main) => {
                    essence
                        .get(..main.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(main))
                        && !essence.eq_ignore_ascii_case(EVENT_STREAM)
                }
            })
    }
}

/// Not those without content, nor those with a part of it.
fn has_own_content(status: StatusCode) -> bool {
    !status.is_informational()
        && ![
            StatusCode::NO_CONTENT,
            StatusCode::RESET_CONTENT,
            StatusCode::PARTIAL_CONTENT,
            StatusCode::NOT_MODIFIED,
            StatusCode::RANGE_NOT_SATISFIABLE,
        ]
        .contains(&status)
}

/// RFC 9111 5.2.2.6.
fn may_be_transformed(headers: &HeaderMap) -> bool {
    !headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
}
