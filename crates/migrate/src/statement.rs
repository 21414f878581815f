//! Where the statements of an SQL file begin and end, so that a failure can name its line.
//!
//! Knows PostgreSQL's lexical rules (strings, dollar quotes, nested comments, `BEGIN ATOMIC` bodies)
//! and nothing of its grammar.

use std::iter::Peekable;
use std::str::CharIndices;

const LONGEST_EXCERPT: usize = 120;

/// A statement of a file, without the comments before it and the semicolon after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Its text.
    pub(crate) text: &'a str,
    /// Line of its first character, from 1.
    pub(crate) line: usize,
    /// Byte offset just behind it in the file.
    pub(crate) end: usize,
}

impl Statement<'_> {
    /// The beginning of it, on one line.
    pub(crate) fn excerpt(&self) -> String {
        let mut text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((cut, _)) = text.char_indices().nth(LONGEST_EXCERPT) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }

    /// True if it begins or ends a transaction.
    pub(crate) fn controls_transaction(&self) -> bool {
        let mut words = self
            .text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .map(str::to_ascii_uppercase);
        let first = words.next().unwrap_or_default();
        let second = words.find(|word| !word.is_empty()).unwrap_or_default();
        match first.as_str() {
            "BEGIN" | "COMMIT" | "END" | "ABORT" => true,
            "START" | "PREPARE" => second == "TRANSACTION",
            "ROLLBACK" => second != "TO",
            _ => false,
        }
    }
}

/// The statements of `sql`; empty ones are left out, as PostgreSQL does.
pub(crate) fn split(sql: &str) -> Vec<Statement<'_>> {
    Scanner::new(sql).statements()
}

/// The line of the character at `position`, counted from 1 as PostgreSQL does.
pub(crate) fn line_at(sql: &str, position: usize) -> usize {
    1 + sql
        .chars()
        .take(position.saturating_sub(1))
        .filter(|c| *c == '\n')
        .count()
}

/// The byte offset of the character at `position`, counted from 1.
pub(crate) fn offset_at(sql: &str, position: usize) -> usize {
    sql.char_indices()
        .nth(position.saturating_sub(1))
        .map_or(sql.len(), |(offset, _)| offset)
}

struct Scanner<'a> {
    sql: &'a str,
    characters: Peekable<CharIndices<'a>>,
    /// Start of the current statement: its first character that is neither space nor comment.
    start: Option<usize>,
    /// Depth of `BEGIN ATOMIC … END` and the `CASE … END` in it.
    depth: usize,
    /// The word before, in upper case, for `BEGIN ATOMIC`.
    word: String,
    found: Vec<Statement<'a>>,
}

impl<'a> Scanner<'a> {
    fn new(sql: &'a str) -> Self {
        Self {
            sql,
            characters: sql.char_indices().peekable(),
            start: None,
            depth: 0,
            word: String::new(),
            found: Vec::new(),
        }
    }

    fn statements(mut self) -> Vec<Statement<'a>> {
        while let Some((offset, character)) = self.characters.next() {
            match character {
                '-' if self.follows('-') => self.skip_line(),
                '/' if self.follows('*') => self.skip_comment(),
                ';' if self.depth == 0 => self.finish(offset),
                c if c.is_whitespace() => {}
                c => {
                    self.start.get_or_insert(offset);
                    self.token(offset, c);
                }
            }
        }
        self.finish(self.sql.len());
        self.found
    }

    fn token(&mut self, offset: usize, first: char) {
        match first {
            '\'' => self.skip_quoted('\'', false),
            '"' => self.skip_quoted('"', false),
            '$' => self.skip_dollar_quoted(offset),
            c if is_word(c) && !c.is_ascii_digit() => self.word(offset),
            _ => {}
        }
    }

    fn word(&mut self, offset: usize) {
        let mut end = self.sql.len();
        while let Some((next, c)) = self.characters.peek().copied() {
            if !is_word(c) && c != '$' {
                end = next;
                break;
            }
            self.characters.next();
        }
        let word = self.sql.get(offset..end).unwrap_or_default();
        let word = word.to_ascii_uppercase();
        // E'…' is the one string in which a backslash escapes.
        if word == "E" && self.follows('\'') {
            self.skip_quoted('\'', true);
        }
        match word.as_str() {
            "ATOMIC" if self.word == "BEGIN" => self.depth += 1,
            "CASE" if self.depth > 0 => self.depth += 1,
            "END" => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.word = word;
    }

    fn finish(&mut self, end: usize) {
        if let Some(start) = self.start.take() {
            self.found.push(Statement {
                text: self.sql.get(start..end).unwrap_or_default().trim_end(),
                line: 1 + self.sql.bytes().take(start).filter(|b| *b == b'\n').count(),
                end,
            });
        }
        self.word.clear();
    }

    fn follows(&mut self, expected: char) -> bool {
        self.characters.next_if(|(_, c)| *c == expected).is_some()
    }

    fn skip_line(&mut self) {
        while self.characters.next_if(|(_, c)| *c != '\n').is_some() {}
    }

    fn skip_comment(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.characters.next() {
                Some((_, '*')) if self.follows('/') => depth -= 1,
                Some((_, '/')) if self.follows('*') => depth += 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn skip_quoted(&mut self, quote: char, escapes: bool) {
        while let Some((_, c)) = self.characters.next() {
            if escapes && c == '\\' {
                self.characters.next();
            } else if c == quote && !self.follows(quote) {
                return;
            }
        }
    }

    fn skip_dollar_quoted(&mut self, offset: usize) {
        let rest = self.sql.get(offset + 1..).unwrap_or_default();
        let Some(length) = rest.find('$') else { return };
        let tag = rest.get(..length).unwrap_or_default();
        if !tag.chars().all(is_word) || tag.starts_with(|c: char| c.is_ascii_digit()) {
            return;
        }
        let delimiter = self
            .sql
            .get(offset..offset + length + 2)
            .unwrap_or_default();
        let body = offset + delimiter.len();
        let inside = self.sql.get(body..).unwrap_or_default();
        let end = inside
            .find(delimiter)
            .map_or(self.sql.len(), |found| body + found + delimiter.len());
        while self.characters.next_if(|(next, _)| *next < end).is_some() {}
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests;
