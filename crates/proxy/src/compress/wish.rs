//! What a request wants to have compressed, and what becomes of its answer.

use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, HeaderName, IF_MATCH,
    IF_NONE_MATCH, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::body::Compressor;
use super::negotiate::{Encoding, choose};
use super::rules::Rules;
use super::tag;
use crate::body::Outbound;

const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is to be done with the answer to a request.
#[derive(Debug)]
pub struct Wish<'a> {
    rules: &'a Rules,
    encoding: Option<Encoding>,
    /// The visitor has an answer in this coding already, and asks whether it is still good.
    has_copy: bool,
    /// Only the head is wanted.
    head: bool,
}

impl<'a> Wish<'a> {
    /// Reads what the visitor likes, and takes our marks off the tags it sends.
    #[must_use]
    pub fn read(rules: &'a Rules, parts: &mut Parts) -> Self {
        let headers = &mut parts.headers;
        let encoding = if is_probe(headers) {
            None
        } else {
            choose(headers, rules.encodings.iter().copied())
        };
        // For a change, any copy will do: its content is what it is about, not its coding.
        if headers.contains_key(IF_MATCH) {
            tag::unmark(headers, &IF_MATCH, &Encoding::ALL);
        }
        // A copy in another coding is not what this visitor would get now.
        let has_copy = headers.contains_key(IF_NONE_MATCH)
            && encoding.is_some_and(|one| tag::unmark(headers, &IF_NONE_MATCH, &[one]));
        Self {
            rules,
            encoding,
            has_copy,
            head: parts.method == Method::HEAD,
        }
    }

    /// Compresses the answer, if it may be. `comes_again` says that the same bytes in memory will be
    /// sent to others too: their compressed form is kept for a while.
    #[must_use]
    pub fn apply(
        &self,
        mut response: Response<Outbound>,
        compressor: &Compressor,
        comes_again: bool,
    ) -> Response<Outbound> {
        if response.status() == StatusCode::NOT_MODIFIED {
            vary(response.headers_mut());
            if let (true, Some(encoding)) = (self.has_copy, self.encoding) {
                tag::mark(response.headers_mut(), encoding);
            }
            return response;
        }
        if !self.rules.take(&response) {
            return response;
        }
        vary(response.headers_mut());
        let Some(encoding) = self.encoding else {
            return response;
        };
        let (mut parts, body) = response.into_parts();
        let body = if self.head {
            body
        } else {
            match compressor.compress(body, encoding, self.rules.levels, comes_again) {
                Ok(body) => body,
                Err(body) => return Response::from_parts(parts, body),
            }
        };
        let headers = &mut parts.headers;
        headers.insert(CONTENT_ENCODING, encoding.value());
        headers.remove(CONTENT_LENGTH);
        // Ranges would be of the answer as it was.
        headers.remove(ACCEPT_RANGES);
        tag::mark(headers, encoding);
        if let (Outbound::Memory(Some(bytes)), false) = (&body, self.head) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        Response::from_parts(parts, body)
    }
}

/// BREACH: another site can make a visitor's browser ask, with its cookies, for pages in which a secret
/// and a guess stand together, and tell by the length of the compressed answer whether the guess is
/// good. Browsers say so, and such an answer is not compressed here.
fn is_probe(headers: &HeaderMap) -> bool {
    headers
        .get(SEC_FETCH_SITE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"cross-site"))
        && (headers.contains_key(COOKIE) || headers.contains_key(AUTHORIZATION))
}

/// Says that the answer depends on `Accept-Encoding`, once.
fn vary(headers: &mut HeaderMap) {
    let mut all = String::new();
    for value in headers.get_all(VARY) {
        let text = value.to_str().unwrap_or_default();
        let says =
            |name: &str| name.trim().eq_ignore_ascii_case("accept-encoding") || name.trim() == "*";
        if text.split(',').any(says) {
            return;
        }
        all.push_str(text);
        all.push_str(", ");
    }
    let value = if all.is_empty() {
        ACCEPT_ENCODING
    } else {
        HeaderValue::from_str(&format!("{all}accept-encoding")).unwrap_or(ACCEPT_ENCODING)
    };
    headers.insert(VARY, value);
}
