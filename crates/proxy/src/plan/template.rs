//! Texts with variables, for redirections and rewrites: `https://$host$uri`, `/new/$1`.
//!
//! Nothing that a visitor sent can leave its place: captured text is escaped again, a redirection to a
//! path of this site stays one (`//evil.example` would not), and the host of a URL comes from the
//! settings or is the request's checked one.

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;

/// What may stand in a path as it is (RFC 3986 3.3), with the slash.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');
/// Longest result in bytes.
const MOST: usize = 8 * 1024;
const VARIABLES: &str = "`$path`, `$query`, `$uri`, `$host`, `$scheme`, `$1` and so on, `$$`";

/// The texts that a pattern captured; the whole match is the first.
#[derive(Debug, Clone, Default)]
pub struct Captured(Vec<String>);

impl Captured {
    /// What `regex` finds in `path`; `None` if it does not match.
    #[must_use]
    pub fn find(regex: &Regex, path: &str) -> Option<Self> {
        let captures = regex.captures(path)?;
        let text = |found: Option<regex::Match<'_>>| {
            found.map_or_else(String::new, |found| found.as_str().to_owned())
        };
        Some(Self(captures.iter().map(text).collect()))
    }
}

/// What the variables stand for in one request.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The request's target.
    pub uri: &'a Uri,
    /// Its host, without port.
    pub host: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// What the route's pattern captured.
    pub captured: Option<&'a Captured>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path,
    Query,
    Uri,
    Host,
    Scheme,
    Capture(usize),
}

/// A text with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    /// Begins with a path: the result must not begin with two slashes.
    local: bool,
}

impl Template {
    /// Parses `text`; `regex` is what `$1` and `$name` refer to.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(text: &str, regex: Option<&Regex>) -> Result<Self, String> {
        if let Some(wrong) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!(
                "`{}` cannot stand in a URL: write it escaped",
                wrong.escape_debug()
            ));
        }
        let pieces = pieces(text, regex)?;
        let local = matches!(pieces.first(), Some(Piece::Path | Piece::Uri))
            || matches!(pieces.first(), Some(Piece::Text(text)) if text.starts_with('/') && !text.starts_with("//"));
        Ok(Self { pieces, local })
    }

    /// The same, for the target of a redirection: a path, or a URL whose host is not made of what a
    /// visitor sent.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn location(text: &str, regex: Option<&Regex>) -> Result<Self, String> {
        let template = Self::parse(text, regex)?;
        if !template.local {
            template.host_is_ours()?;
        }
        Ok(template)
    }

    /// The same, for a rewritten path.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn target(text: &str, regex: Option<&Regex>) -> Result<Self, String> {
        let template = Self::parse(text, regex)?;
        if !template.local {
            return Err(format!(
                "`{text}` must begin with one `/`, `$path` or `$uri`"
            ));
        }
        if text.contains('#') {
            return Err(format!("`{text}` must not hold `#`"));
        }
        Ok(template)
    }

    /// True if it says what becomes of the query.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Uri | Piece::Query => true,
            Piece::Text(text) => text.contains('?'),
            _ => false,
        })
    }

    /// The text itself if it has no variables.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The result; `None` if it is too long.
    #[must_use]
    pub fn render(&self, scope: &Scope<'_>) -> Option<String> {
        let mut out = String::with_capacity(128);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Path => out.push_str(scope.uri.path()),
                Piece::Uri => {
                    out.push_str(scope.uri.path_and_query().map_or("/", |all| all.as_str()))
                }
                Piece::Host => out.push_str(scope.host),
                Piece::Scheme => out.push_str(scope.scheme),
                Piece::Query => match scope.uri.query() {
                    Some(query) if !query.is_empty() => out.push_str(query),
                    // No `?` with nothing behind it.
                    _ => drop(out.pop_if_query_begins()),
                },
                Piece::Capture(index) => {
                    let text = scope.captured.and_then(|all| all.0.get(*index));
                    out.extend(utf8_percent_encode(text.map_or("", String::as_str), KEPT));
                }
            }
        }
        if self.local && out.starts_with("//") {
            let rest = out.trim_start_matches('/').len();
            out.drain(..out.len() - rest - 1);
        }
        (out.len() <= MOST).then_some(out)
    }

    /// `https://example.org/…`, `https://$host…` and the like.
    fn host_is_ours(&self) -> Result<(), String> {
        const SHAPE: &str = "write a path, or a URL such as `https://example.org$uri`; \
             captured text cannot be a part of the host";
        let mut pieces = self.pieces.iter();
        let mut rest = match pieces.next() {
            Some(Piece::Text(text)) => text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"))
                .ok_or(SHAPE)?,
            Some(Piece::Scheme) => match pieces.next() {
                Some(Piece::Text(text)) => text.strip_prefix("://").ok_or(SHAPE)?,
                _ => return Err(SHAPE.to_owned()),
            },
            _ => return Err(SHAPE.to_owned()),
        };
        let mut empty = true;
        loop {
            let (host, ended) = match rest.find(['/', '?', '#']) {
                Some(end) => (rest.get(..end).unwrap_or_default(), true),
                None => (rest, false),
            };
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            if !host.bytes().all(plain) {
                return Err(SHAPE.to_owned());
            }
            empty &= host.is_empty();
            if ended {
                break;
            }
            match pieces.next() {
                Some(Piece::Text(text)) => rest = text,
                Some(Piece::Host) => {
                    empty = false;
                    rest = "";
                }
                None | Some(Piece::Path | Piece::Uri) => break,
                Some(_) => return Err(SHAPE.to_owned()),
            }
        }
        if empty { Err(SHAPE.to_owned()) } else { Ok(()) }
    }
}

trait PopQuery {
    fn pop_if_query_begins(&mut self) -> Option<char>;
}

impl PopQuery for String {
    fn pop_if_query_begins(&mut self) -> Option<char> {
        if self.ends_with(['?', '&']) {
            self.pop()
        } else {
            None
        }
    }
}

fn pieces(text: &str, regex: Option<&Regex>) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            plain.push('$');
            rest = after;
            continue;
        }
        let (name, after) = name(after);
        let piece = variable(name, regex)?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece);
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// `name}…` of `${name}…`, else the longest run of letters or of digits.
fn name(text: &str) -> (&str, &str) {
    if let Some((name, rest)) = text
        .strip_prefix('{')
        .and_then(|inner| inner.split_once('}'))
    {
        return (name, rest);
    }
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let ends = |c: char| {
        if digits {
            !c.is_ascii_digit()
        } else {
            !c.is_ascii_alphanumeric() && c != '_'
        }
    };
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn variable(name: &str, regex: Option<&Regex>) -> Result<Piece, String> {
    let known = match name {
        "path" => Some(Piece::Path),
        "query" => Some(Piece::Query),
        "uri" => Some(Piece::Uri),
        "host" => Some(Piece::Host),
        "scheme" => Some(Piece::Scheme),
        _ => None,
    };
    if let Some(piece) = known {
        return Ok(piece);
    }
    let index = match (name.parse::<usize>(), regex) {
        (Ok(index), Some(regex)) => (index < regex.captures_len()).then_some(index),
        (Err(_), Some(regex)) => regex.capture_names().position(|other| other == Some(name)),
        (_, None) => None,
    };
    index
        .map(Piece::Capture)
        .ok_or_else(|| format!("there is no `${name}`: write one of {VARIABLES}, or name a group of the route's `regex`"))
}

#[cfg(test)]
mod tests;
