//! `Vary` (RFC 9111 4.1): which request fields chose an answer, and whether another request has the same.
//!
//! Values are compared without what the field's definition gives no meaning to: white space around
//! commas, the cut into several fields, the case of languages and codings, and the order of codings.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{
    ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, HeaderName, VARY,
};

/// An answer that varies by more fields is not stored.
const MOST_FIELDS: usize = 16;

/// The fields that chose an answer, with the values the request had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// In the order of their names.
    fields: Vec<(HeaderName, Option<Box<str>>)>,
    /// The answer's one language, in lower case, if it varies by language.
    language: Option<Box<str>>,
}

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
        fields.sort_unstable_by(|(one, _): &(HeaderName, _), (other, _)| {
            one.as_str().cmp(other.as_str())
        });
        Ok(Self::from_parts(fields, answer))
    }

    /// The fields as they were stored, and the head of the answer.
    #[must_use]
    pub fn from_parts(fields: Vec<(HeaderName, Option<Box<str>>)>, answer: &HeaderMap) -> Self {
        let language = fields
            .iter()
            .any(|(name, _)| *name == ACCEPT_LANGUAGE)
            .then(|| answer.get(CONTENT_LANGUAGE)?.to_str().ok())
            .flatten()
            .filter(|language| !language.contains(','))
            .map(|language| language.trim().to_ascii_lowercase().into());
        Self { fields, language }
    }

    /// The fields and their values.
    #[must_use]
    pub fn fields(&self) -> &[(HeaderName, Option<Box<str>>)] {
        &self.fields
    }

    /// True if `request` would have been given the same answer.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.fields.iter().all(|(name, value)| {
            normal(request, name).as_deref() == value.as_deref()
                || (*name == ACCEPT_LANGUAGE && self.is_wanted_language(request))
        })
    }

    /// The answer is in the one language that the visitor prefers to all others: whatever else is asked
    /// for, nothing could suit better.
    fn is_wanted_language(&self, request: &HeaderMap) -> bool {
        let Some(own) = &self.language else {
            return false;
        };
        normal(request, &ACCEPT_LANGUAGE).is_some_and(|list| preferred(&list) == Some(own))
    }

    /// True if both vary by the same fields.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        self.fields.len() == other.fields.len()
            && self
                .fields
                .iter()
                .zip(&other.fields)
                .all(|((mine, _), (theirs, _))| mine == theirs)
    }

    /// The same fields with the values of `request`.
    #[must_use]
    pub fn of(&self, request: &HeaderMap) -> Self {
        let fields = self.fields.iter().map(|(name, _)| {
            let value = normal(request, name).map(|value| value.into_owned().into());
            (name.clone(), value)
        });
        Self {
            fields: fields.collect(),
            language: None,
        }
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

/// The language with the largest weight, if there is only one of that weight.
fn preferred(list: &str) -> Option<&str> {
    let mut best: Option<(&str, f32)> = None;
    let mut alone = false;
    for item in list.split(',') {
        let (language, weight) = match item.split_once(';') {
            Some((language, weight)) => {
                let weight = weight.trim().strip_prefix("q=")?.trim();
                (
                    language.trim(),
                    weight.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
                )
            }
            None => (item.trim(), 1.0),
        };
        match best {
            Some((_, most)) if weight < most => {}
            Some((_, most)) if weight <= most => alone = false,
            _ => {
                best = Some((language, weight));
                alone = true;
            }
        }
    }
    best.filter(|(language, weight)| alone && *language != "*" && *weight > 0.0)
        .map(|(language, _)| language)
}
