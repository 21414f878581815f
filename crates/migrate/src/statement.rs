//! Where the statements of an SQL file begin and end.
//!
//! A semicolon ends a statement unless it stands in parentheses (`CREATE RULE … DO (…; …)`) or in the
//! body of an SQL function (`BEGIN ATOMIC … END`).

use crate::lex::{self, Kind, Token, lex};

const LONGEST_EXCERPT: usize = 120;
/// `CREATE OR REPLACE FUNCTION`: how far behind `CREATE` the kind of object stands at most.
const KIND_WITHIN: usize = 4;

/// A statement of a file, without the comments before it and the semicolon after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Its text.
    pub(crate) text: &'a str,
    /// Byte offset of its first character.
    pub(crate) start: usize,
    /// Line of its first character, from 1.
    pub(crate) line: usize,
    /// Its tokens without comments.
    pub(crate) tokens: Vec<Token<'a>>,
    /// The comments since the statement before it, and those in it.
    pub(crate) comments: Vec<Token<'a>>,
}

impl Statement<'_> {
    /// The beginning of it, on one line.
    pub(crate) fn excerpt(&self) -> String {
        excerpt(self.text)
    }

    /// True if its first words are these, in lower case.
    pub(crate) fn begins(&self, words: &[&str]) -> bool {
        lex::begin(&self.tokens, words)
    }

    /// True if it begins or ends a transaction.
    pub(crate) fn controls_transaction(&self) -> bool {
        ["begin", "commit", "end", "abort"]
            .iter()
            .any(|word| self.begins(&[word]))
            || self.begins(&["start", "transaction"])
            || self.begins(&["prepare", "transaction"])
            || (self.begins(&["rollback"]) && !self.returns_to_savepoint())
    }

    fn returns_to_savepoint(&self) -> bool {
        let mut words = self.tokens.iter().skip(1);
        words.any(|token| token.is("to"))
    }
}

/// The beginning of `sql`, on one line.
pub(crate) fn excerpt(sql: &str) -> String {
    let mut text = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = text.char_indices().nth(LONGEST_EXCERPT) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// The statements of `sql`; empty ones are left out, as PostgreSQL does.
pub(crate) fn split(sql: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut lines = Lines {
        sql,
        at: 0,
        line: 1,
    };
    let mut piece = Piece::default();
    for token in lex(sql) {
        match token.kind {
            Kind::Comment => piece.comments.push(token),
            _ if token.is_symbol(';') && piece.is_outermost() => {
                found.extend(std::mem::take(&mut piece).finish(sql, &mut lines));
            }
            _ => piece.push(token),
        }
    }
    found.extend(piece.finish(sql, &mut lines));
    found
}

/// Line of the byte at `offset`, from 1.
pub(crate) fn line_of(sql: &str, offset: usize) -> usize {
    1 + sql
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}

/// The byte offset of the character at `position`, counted from 1 as PostgreSQL does.
pub(crate) fn offset_at(sql: &str, position: usize) -> usize {
    sql.char_indices()
        .nth(position.saturating_sub(1))
        .map_or(sql.len(), |(offset, _)| offset)
}

/// Counts lines from one statement to the next, so that a long file is read once.
struct Lines<'a> {
    sql: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, offset: usize) -> usize {
        let passed = self.sql.get(self.at..offset).unwrap_or_default();
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count();
        self.at = offset;
        self.line
    }
}

/// A statement while its end is looked for.
#[derive(Default)]
struct Piece<'a> {
    tokens: Vec<Token<'a>>,
    comments: Vec<Token<'a>>,
    parentheses: usize,
    /// Depth of `BEGIN ATOMIC … END` and the `CASE … END` in it.
    blocks: usize,
}

impl<'a> Piece<'a> {
    fn is_outermost(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn push(&mut self, token: Token<'a>) {
        match token.text {
            "(" => self.parentheses += 1,
            ")" => self.parentheses = self.parentheses.saturating_sub(1),
            _ if token.kind == Kind::Word => self.count_blocks(token),
            _ => {}
        }
        self.tokens.push(token);
    }

    fn count_blocks(&mut self, word: Token<'a>) {
        let follows = |before: &str| self.tokens.last().is_some_and(|last| last.is(before));
        let opens = (word.is("atomic") && follows("begin") && self.makes_routine())
            || (self.blocks > 0 && word.is("case"));
        if opens {
            self.blocks += 1;
        } else if word.is("end") && !follows("as") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    fn makes_routine(&self) -> bool {
        let mut words = self.tokens.iter().take(KIND_WITHIN);
        words.next().is_some_and(|first| first.is("create"))
            && words.any(|word| word.is("function") || word.is("procedure"))
    }

    fn finish(self, sql: &'a str, lines: &mut Lines<'_>) -> Option<Statement<'a>> {
        let start = self.tokens.first()?.start;
        let end = self.tokens.last()?.end();
        Some(Statement {
            text: sql.get(start..end).unwrap_or_default(),
            start,
            line: lines.of(start),
            tokens: self.tokens,
            comments: self.comments,
        })
    }
}

#[cfg(test)]
mod tests;
