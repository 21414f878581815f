//! Tags of compressed answers, there and back.
//!
//! `"a"` becomes `W/"a-br"`, `W/"a"` becomes `W/"a~br"`. Both ways are exact, so that a condition that
//! a visitor sends means to the application what it meant to the visitor.

use http::HeaderMap;
use http::header::{ETAG, HeaderName, HeaderValue};

use super::negotiate::Encoding;
use crate::files::etag::{self, Tag};

/// Marks the tag of an answer that is compressed now.
pub(super) fn mark(headers: &mut HeaderMap, encoding: Encoding) {
    let Some(value) = headers.get(ETAG) else {
        return;
    };
    let marked = value.to_str().ok().and_then(|text| {
        let (tag, rest) = etag::one(text.trim())?;
        rest.is_empty().then(|| marked(tag, encoding))
    });
    match marked.and_then(|text| HeaderValue::from_str(&text).ok()) {
        Some(value) => headers.insert(ETAG, value),
        // What is no tag must not stand on two codings either.
        None => headers.remove(ETAG),
    };
}

fn marked(tag: Tag<'_>, encoding: Encoding) -> String {
    let sign = if tag.weak { '~' } else { '-' };
    format!("W/\"{}{sign}{}\"", tag.opaque, encoding.name())
}

/// What a tag was before it was marked for one of `encodings`; `None` if it was not.
fn unmarked(tag: Tag<'_>, encodings: &[Encoding]) -> Option<String> {
    if !tag.weak {
        return None;
    }
    encodings.iter().find_map(|encoding| {
        let rest = tag.opaque.strip_suffix(encoding.name())?;
        let strong = rest.strip_suffix('-').map(|own| format!("\"{own}\""));
        strong.or_else(|| rest.strip_suffix('~').map(|own| format!("W/\"{own}\"")))
    })
}

/// Takes the marks of `encodings` off the tags in the field `name`; true if there were any.
pub(super) fn unmark(headers: &mut HeaderMap, name: &HeaderName, encodings: &[Encoding]) -> bool {
    let mut found = false;
    let mut values = Vec::new();
    for value in headers.get_all(name) {
        let tags = value.to_str().ok().and_then(etag::list);
        let Some(tags) = tags else {
            values.push(value.clone());
            continue;
        };
        let own: Vec<String> = tags
            .into_iter()
            .map(|tag| {
                unmarked(tag, encodings)
                    .inspect(|_| found = true)
                    .unwrap_or_else(|| tag.to_string())
            })
            .collect();
        let joined = HeaderValue::from_str(&own.join(", "));
        values.push(joined.unwrap_or_else(|_| value.clone()));
    }
    if found {
        headers.remove(name);
        for value in values {
            headers.append(name.clone(), value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;
    use proptest::prelude::*;

    use super::*;

    fn tags(headers: &HeaderMap, name: &HeaderName) -> String {
        let value = headers.get(name).expect("a field");
        value.to_str().expect("text").to_owned()
    }

    #[test]
    fn only_marks_of_the_chosen_coding_are_taken_off() {
        let mut headers = HeaderMap::new();
        let list = "\"x\", W/\"a-br\", W/\"a-gzip\", \"b-br\", W/\"c~br\"";
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static(list));
        assert!(unmark(&mut headers, &IF_NONE_MATCH, &[Encoding::Br]));
        assert_eq!(
            tags(&headers, &IF_NONE_MATCH),
            "\"x\", \"a\", W/\"a-gzip\", \"b-br\", W/\"c\""
        );
        assert!(!unmark(&mut headers, &IF_NONE_MATCH, &[Encoding::Br]));
    }

    #[test]
    fn what_is_no_tag_is_left_alone_in_requests_and_removed_from_answers() {
        let mut headers = HeaderMap::new();
        for text in ["*", "W/\"a-br\" junk", "a-br"] {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(text));
            assert!(!unmark(&mut headers, &IF_NONE_MATCH, &Encoding::ALL));
            assert_eq!(tags(&headers, &IF_NONE_MATCH), text);
        }
        headers.insert(ETAG, HeaderValue::from_static("unquoted"));
        mark(&mut headers, Encoding::Br);
        assert!(!headers.contains_key(ETAG));
    }

    proptest! {
        #[test]
        fn a_mark_comes_off_exactly(
            tag in "(W/)?\"[!#-~]{0,12}\"",
            encoding in prop::sample::select(&Encoding::ALL[..]),
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(ETAG, HeaderValue::from_str(&tag).expect("a value"));
            mark(&mut headers, encoding);
            prop_assert_ne!(&tags(&headers, &ETAG), &tag);
            prop_assert!(unmark(&mut headers, &ETAG, &[encoding]));
            prop_assert_eq!(tags(&headers, &ETAG), tag);
        }
    }
}
