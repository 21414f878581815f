//! Reading a statement token by token.

use std::fmt;

use crate::lex::{self, Kind, Token};

/// The name of an object, `schema.name` or `name`, each part as PostgreSQL folds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    parts: Vec<String>,
}

impl Name {
    /// Its last part.
    pub(crate) fn last(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// With each part in quotes, as a statement or `to_regclass` reads it.
    pub(crate) fn quoted(&self) -> String {
        let parts = self
            .parts
            .iter()
            .map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
        parts.collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// A place in a statement. Copies are cheap, so that a guess can be taken back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'t, 'a> Cursor<'t, 'a> {
    pub(crate) fn new(tokens: &'t [Token<'a>]) -> Self {
        Self { tokens }
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'t [Token<'a>] {
        self.tokens
    }

    pub(crate) fn peek(&self) -> Option<&'t Token<'a>> {
        self.tokens.first()
    }

    pub(crate) fn next(&mut self) -> Option<&'t Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// The next key word or identifier without quotes, in lower case.
    pub(crate) fn word(&mut self) -> Option<String> {
        let word = self.peek().filter(|token| token.kind == Kind::Word)?;
        let word = word.text.to_ascii_lowercase();
        self.next();
        Some(word)
    }

    /// True if `words` come next.
    pub(crate) fn sees(&self, words: &[&str]) -> bool {
        lex::begin(self.tokens, words)
    }

    /// Reads `words` if they come next, all of them or none.
    pub(crate) fn take(&mut self, words: &[&str]) -> bool {
        let sees = self.sees(words);
        if sees {
            self.tokens = self.tokens.get(words.len()..).unwrap_or_default();
        }
        sees
    }

    /// Reads any of `words`, as often as they come.
    pub(crate) fn skip_any(&mut self, words: &[&str]) {
        while words.iter().any(|word| self.take(&[word])) {}
    }

    /// A name, with its schema if that is written.
    pub(crate) fn name(&mut self) -> Option<Name> {
        let mut parts = vec![self.identifier()?];
        while self.peek().is_some_and(|token| token.is_symbol('.')) {
            self.next();
            parts.push(self.identifier()?);
        }
        Some(Name { parts })
    }

    fn identifier(&mut self) -> Option<String> {
        let identifier = self.peek()?.identifier()?;
        self.next();
        Some(identifier)
    }

    /// True if `word` stands anywhere in what is left.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.is(word))
    }

    /// True if `words` stand one behind the other anywhere in what is left.
    pub(crate) fn has_all(&self, words: &[&str]) -> bool {
        (0..self.tokens.len()).any(|at| {
            let tokens = self.tokens.get(at..).unwrap_or_default();
            Self { tokens }.sees(words)
        })
    }

    /// What is left, cut at the commas outside parentheses and brackets.
    pub(crate) fn list(&self) -> Vec<Self> {
        let mut depth = 0_usize;
        let mut parts = Vec::new();
        let mut begin = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            match token.text {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                "," if depth == 0 => {
                    parts.push(self.tokens.get(begin..at).unwrap_or_default());
                    begin = at + 1;
                }
                _ => {}
            }
        }
        parts.push(self.tokens.get(begin..).unwrap_or_default());
        parts.into_iter().map(|tokens| Self { tokens }).collect()
    }

    /// What is left without what stands in parentheses: where the clauses of a definition are.
    pub(crate) fn outside_parentheses(&self) -> Vec<Token<'a>> {
        let mut depth = 0_usize;
        let mut outside = Vec::new();
        for token in self.tokens {
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0 => outside.push(*token),
                _ => {}
            }
        }
        outside
    }
}
