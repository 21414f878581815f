//! Preconditions (RFC 9110 13), in the order of its section 13.2.2.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

use super::etag;

/// What the preconditions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Go on.
    Send,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Compares the request with a file that has the tag `own` and was changed at `modified` (whole
/// seconds).
pub(super) fn check(headers: &HeaderMap, own: &str, modified: SystemTime) -> Outcome {
    let fresh = match joined(headers, &IF_MATCH) {
        Some(list) => any_matches(&list, own, true),
        None => date(headers, &IF_UNMODIFIED_SINCE).is_none_or(|date| modified <= date),
    };
    if !fresh {
        return Outcome::Failed;
    }
    let known = match joined(headers, &IF_NONE_MATCH) {
        Some(list) => any_matches(&list, own, false),
        None => date(headers, &IF_MODIFIED_SINCE).is_some_and(|date| modified <= date),
    };
    if known {
        Outcome::NotModified
    } else {
        Outcome::Send
    }
}

/// RFC 9110 13.1.5: a range counts only if the file is still the one that the first part came from.
pub(super) fn range_counts(headers: &HeaderMap, own: &str, modified: SystemTime) -> bool {
    let Some(value) = headers.get(IF_RANGE) else {
        return true;
    };
    let Ok(text) = value.to_str() else {
        return false;
    };
    match etag::one(text) {
        Some((tag, "")) => etag::matches(tag, own, true),
        Some(_) => false,
        None => httpdate::parse_http_date(text).is_ok_and(|date| date == modified),
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap_or("?"))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn any_matches(list: &str, own: &str, strong: bool) -> bool {
    list.trim() == "*"
        || etag::list(list)
            .is_some_and(|tags| tags.into_iter().any(|tag| etag::matches(tag, own, strong)))
}

/// RFC 9110 13.1.3: an invalid date, or several, count as none.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}
