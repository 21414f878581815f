//! `Vary` (RFC 9111 4.1): which request fields chose an answer, and whether another request has the same.
//!
//! Values are compared without what the field's definition gives no meaning to: white space around
//! commas, the cut into several fields, the case of languages and codings, and the order of codings.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderName, VARY};

/// An answer that varies by more fields is not stored.
const MOST_FIELDS: usize = 16;

/// The fields that chose an answer, with the values the request had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection(Vec<(HeaderName, Option<Box<str>>)>);

/// The answer can be used for no other request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmatchable;

impl Selection {
    /// What `answer` varies by, with the values in `request`.
    ///
    /// # Errors
    /// `Vary` has `*`, is malformed or too long.
    pub fn new(answer: &HeaderMap, request: &HeaderMap) -> Result<Self, Unmatchable> {
        let mut fields = Vec::new();
        for value in answer.get_all(VARY) {
            let text = value.to_str().map_err(|_| Unmatchable)?;
            for name in text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                if name == "*" {
                    return Err(Unmatchable);
                }
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unmatchable)?;
                if fields.iter().any(|(other, _)| *other == name) {
                    continue;
                }
                if fields.len() == MOST_FIELDS {
                    return Err(Unmatchable);
                }
                let value = normal(request, &name).map(|value| value.into_owned().into());
                fields.push((name, value));
            }
        }
        Ok(Self(fields))
    }

    /// From parts that were stored.
    #[must_use]
    pub fn from_parts(fields: Vec<(HeaderName, Option<Box<str>>)>) -> Self {
        Self(fields)
    }

    /// The fields and their values.
    #[must_use]
    pub fn fields(&self) -> &[(HeaderName, Option<Box<str>>)] {
        &self.0
    }

    /// True if `request` would have been given the same answer.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0
            .iter()
            .all(|(name, value)| normal(request, name).as_deref() == value.as_deref())
    }

    /// The same fields with the values of `request`.
    #[must_use]
    pub fn of(&self, request: &HeaderMap) -> Self {
        let fields = self.0.iter().map(|(name, _)| {
            let value = normal(request, name).map(|value| value.into_owned().into());
            (name.clone(), value)
        });
        Self(fields.collect())
    }
}

/// All values of `name` as one; `None` if there is none.
fn normal<'a>(request: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let mut values = request.get_all(name).iter();
    let first = text(values.next()?);
    let mut joined = first;
    for value in values {
        joined = Cow::Owned(format!("{joined},{}", text(value)));
    }
    Some(if *name == ACCEPT_ENCODING {
        Cow::Owned(codings(&joined))
    } else if *name == ACCEPT_LANGUAGE || *name == ACCEPT_CHARSET {
        Cow::Owned(tight(&joined).to_ascii_lowercase())
    } else if joined.contains(',') || joined.ends_with([' ', '\t']) {
        Cow::Owned(tight(&joined))
    } else {
        joined
    })
}

/// Bytes beyond ASCII stay distinct.
fn text(value: &http::HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().escape_ascii().to_string()),
    }
}

/// Without white space around commas (outside of quotes) and without empty items.
fn tight(list: &str) -> String {
    let mut tight = String::with_capacity(list.len());
    let mut quoted = false;
    let mut item = String::new();
    let mut finish = |item: &mut String| {
        let trimmed = item.trim();
        if !trimmed.is_empty() {
            if !tight.is_empty() {
                tight.push(',');
            }
            tight.push_str(trimmed);
        }
        item.clear();
    };
    for letter in list.chars() {
        match letter {
            ',' if !quoted => finish(&mut item),
            _ => {
                quoted ^= letter == '"';
                item.push(letter);
            }
        }
    }
    finish(&mut item);
    tight
}

/// Sorted, in lower case: the order of `Accept-Encoding` says nothing, weights do (RFC 9110 12.5.3).
fn codings(list: &str) -> String {
    let mut items: Vec<String> = list
        .split(',')
        .map(|item| {
            item.chars()
                .filter(|letter| !letter.is_whitespace())
                .collect()
        })
        .map(|item: String| item.to_ascii_lowercase())
        .filter(|item| !item.is_empty())
        .collect();
    items.sort_unstable();
    items.dedup();
    items.join(",")
}
