//! The words of SQL, cut where PostgreSQL's own scanner cuts them.
//!
//! Knows strings, dollar quotes, nested comments, quoted identifiers; knows nothing of the grammar. Every
//! text can be cut, also one that PostgreSQL would refuse.

use std::borrow::Cow;

/// A piece of SQL that is not white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its text, quotes included.
    pub(crate) text: &'a str,
    /// Byte offset of its first character.
    pub(crate) start: usize,
}

/// What a [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A key word or an identifier without quotes.
    Word,
    /// An identifier in double quotes.
    Quoted,
    /// A string, in single quotes or between dollar quotes.
    Text,
    /// A number, or a parameter (`$1`).
    Number,
    /// `-- …` or `/* … */`.
    Comment,
    /// One character of anything else.
    Symbol,
}

/// True if `tokens` begin with these key words, which are in lower case.
pub(crate) fn begin(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.is(word))
}

impl<'a> Token<'a> {
    /// Byte offset just behind it.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// True if it is this key word; `word` is in lower case.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// True if it is this character.
    pub(crate) fn is_symbol(&self, symbol: char) -> bool {
        self.kind == Kind::Symbol && self.text.starts_with(symbol)
    }

    /// The identifier that it stands for, as PostgreSQL folds it.
    pub(crate) fn identifier(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted => Some(unquoted(self.text, '"').replace("\"\"", "\"")),
            _ => None,
        }
    }

    /// What a string says, without its quotes and with `''` undone; escapes of `E'…'` stay.
    pub(crate) fn content(&self) -> Cow<'a, str> {
        if self.text.starts_with('$') {
            let tag = self
                .text
                .match_indices('$')
                .nth(1)
                .map_or(0, |(at, _)| at + 1);
            let body = self.text.get(tag..self.text.len().saturating_sub(tag));
            return Cow::Borrowed(body.unwrap_or_default());
        }
        let text = self.text.trim_start_matches(['e', 'E']);
        Cow::Owned(unquoted(text, '\'').replace("''", "'"))
    }
}

fn unquoted(text: &str, quote: char) -> &str {
    let text = text.strip_prefix(quote).unwrap_or(text);
    text.strip_suffix(quote).unwrap_or(text)
}

/// The tokens of `sql`, in order.
pub(crate) fn lex(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = rest(sql, at).chars().next() {
        if is_space(first) {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = token(rest(sql, at), first);
        // No token is empty, so that this ends.
        let end = at + length.max(first.len_utf8());
        tokens.push(Token {
            kind,
            text: sql.get(at..end).unwrap_or_default(),
            start: at,
        });
        at = end;
    }
    tokens
}

fn rest(sql: &str, at: usize) -> &str {
    sql.get(at..).unwrap_or_default()
}

/// Kind and length of the token at the beginning of `sql`.
fn token(sql: &str, first: char) -> (Kind, usize) {
    let second = sql.chars().nth(1);
    match (first, second) {
        ('-', Some('-')) => (Kind::Comment, line(sql)),
        ('/', Some('*')) => (Kind::Comment, comment(sql)),
        ('\'', _) => (Kind::Text, quoted(sql, '\'', false)),
        ('"', _) => (Kind::Quoted, quoted(sql, '"', false)),
        ('e' | 'E', Some('\'')) => (Kind::Text, 1 + escaped(rest(sql, 1))),
        ('$', Some('0'..='9')) => (Kind::Number, 1 + number(rest(sql, 1))),
        ('$', _) => match dollar_quoted(sql) {
            Some(length) => (Kind::Text, length),
            None => (Kind::Symbol, 1),
        },
        ('0'..='9', _) | ('.', Some('0'..='9')) => (Kind::Number, number(sql)),
        (c, _) if begins_word(c) => (Kind::Word, length_while(sql, is_word)),
        (c, _) => (Kind::Symbol, c.len_utf8()),
    }
}

/// PostgreSQL's white space: a no-break space is a letter to it.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_word(c: char) -> bool {
    begins_word(c) || c.is_ascii_digit() || c == '$'
}

fn length_while(sql: &str, accept: impl Fn(char) -> bool) -> usize {
    sql.find(|c| !accept(c)).unwrap_or(sql.len())
}

/// A comment ends at a carriage return too: what follows on the same screen line is run.
fn line(sql: &str) -> usize {
    length_while(sql, |c| c != '\n' && c != '\r')
}

fn comment(sql: &str) -> usize {
    let mut depth = 0_usize;
    let mut bytes = sql.bytes().enumerate().peekable();
    while let Some((_, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, next)| *next);
        match (byte, next) {
            (b'/', Some(b'*')) => {
                depth += 1;
                bytes.next();
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                let end = bytes.next();
                if depth == 0 {
                    return end.map_or(sql.len(), |(at, _)| at + 1);
                }
            }
            _ => {}
        }
    }
    sql.len()
}

/// A quoted text with its quotes; a doubled quote does not end it.
fn quoted(sql: &str, quote: char, escapes: bool) -> usize {
    let mut characters = sql.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if escapes && c == '\\' {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + quote.len_utf8();
        }
    }
    sql.len()
}

/// `E'…'`: a backslash escapes, also in the parts that go on behind a line's end.
fn escaped(sql: &str) -> usize {
    let mut length = quoted(sql, '\'', true);
    while let Some(gap) = continuation(rest(sql, length)) {
        length += gap;
        length += quoted(rest(sql, length), '\'', true);
    }
    length
}

/// Length of what stands between two parts of one string: white space and comments, with a line's end.
fn continuation(sql: &str) -> Option<usize> {
    let mut at = 0;
    let mut is_new_line = false;
    loop {
        let next = rest(sql, at).chars().next()?;
        match next {
            '\'' => return is_new_line.then_some(at),
            '\n' | '\r' => {
                is_new_line = true;
                at += 1;
            }
            c if is_space(c) => at += 1,
            '-' if rest(sql, at).starts_with("--") => at += line(rest(sql, at)),
            _ => return None,
        }
    }
}

fn number(sql: &str) -> usize {
    let mut at = 0;
    for (offset, c) in sql.char_indices() {
        let is_point = c == '.' && rest(sql, offset + 1).starts_with(|c: char| c.is_ascii_digit());
        if !(c.is_ascii_alphanumeric() || c == '_' || is_point) {
            break;
        }
        at = offset + c.len_utf8();
    }
    at
}

fn dollar_quoted(sql: &str) -> Option<usize> {
    let tag = rest(sql, 1).split_once('$')?.0;
    let is_tag = |c: char| is_word(c) && c != '$';
    if !tag.chars().all(is_tag) || tag.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let delimiter = sql.get(..tag.len() + 2)?;
    let body = rest(sql, delimiter.len());
    Some(match body.find(delimiter) {
        Some(end) => delimiter.len() + end + delimiter.len(),
        None => sql.len(),
    })
}

#[cfg(test)]
mod tests;
