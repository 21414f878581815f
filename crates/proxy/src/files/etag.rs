//! Entity tags (RFC 9110 8.8.3).

use std::fmt;

use crate::compress::Encoding;

/// One of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) weak: bool,
    pub(crate) opaque: &'a str,
}

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weak = if self.weak { "W/" } else { "" };
        write!(f, "{weak}\"{}\"", self.opaque)
    }
}

/// The strong tag of a file: its length and its time of change in nanoseconds, and its coding.
pub(super) fn of(length: u64, modified_nanoseconds: i128, encoding: Option<Encoding>) -> String {
    let encoding = encoding.map_or("", Encoding::extension);
    format!("\"{length:x}-{modified_nanoseconds:x}{encoding}\"")
}

/// A list of tags; `None` if it is malformed (then nothing matches).
pub(crate) fn list(text: &str) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = text.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let (tag, after) = one(rest)?;
        tags.push(tag);
        rest = after.trim_start_matches([' ', '\t']);
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start_matches([' ', '\t', ',']),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(tags)
}

/// One tag and what follows it.
pub(crate) fn one(text: &str) -> Option<(Tag<'_>, &str)> {
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let inner = quoted.strip_prefix('"')?;
    let end = inner.find('"')?;
    let (opaque, rest) = inner.split_at(end);
    let valid = opaque
        .chars()
        .all(|c| c == '!' || ('#'..='~').contains(&c) || c >= '\u{80}');
    valid.then(|| (Tag { weak, opaque }, &rest[1..]))
}

/// RFC 9110 8.8.3.2: weak comparison looks at the opaque part alone, strong comparison wants two strong
/// tags. `own` is strong and quoted.
pub(super) fn matches(tag: Tag<'_>, own: &str, strong: bool) -> bool {
    !(strong && tag.weak) && own.trim_matches('"') == tag.opaque
}
