//! A migration file: its statements, and what its comments ask of the runner.
//!
//! A directive is a comment line `-- migrate: …`. `expand`, `contract`, `no-transaction`,
//! `lock-timeout 2s` and `statement-timeout 2h` speak of the whole file and stand before its first
//! statement; `allow RULE: REASON` speaks of the statement behind it.

use std::fmt;

use kiuas_common::Period;
use serde::Serialize;

use crate::lex::Token;
use crate::plan::Rule;
use crate::statement::{Statement, line_of, split};

const MARK: &str = "migrate:";

/// When a file may be applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before the new version starts: the running version works on with it.
    #[default]
    Expand,
    /// After the last process of the old version has gone.
    Contract,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        })
    }
}

/// A file as the runner sees it.
#[derive(Debug, Clone)]
pub(crate) struct File<'a> {
    /// Its text.
    pub(crate) sql: &'a str,
    /// Its statements.
    pub(crate) statements: Vec<Statement<'a>>,
    /// What is asked for the whole file.
    pub(crate) header: Header,
    /// What is waved through.
    pub(crate) allowed: Vec<Allowed>,
}

/// What a file asks of the runner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// When it may be applied.
    pub(crate) phase: Phase,
    /// Each statement by itself, outside a transaction where PostgreSQL demands it.
    pub(crate) no_transaction: bool,
    /// Instead of `migrate.lock_timeout`.
    pub(crate) lock_timeout: Option<Period>,
    /// Instead of `migrate.statement_timeout`.
    pub(crate) statement_timeout: Option<Period>,
}

/// A rule that does not hold for one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// The rule.
    pub(crate) rule: Rule,
    /// Why the author knows better.
    pub(crate) reason: String,
    /// Number of the statement in the file, from 0.
    pub(crate) statement: usize,
    /// Line of the directive, from 1.
    pub(crate) line: usize,
}

/// A directive that says nothing the runner understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongDirective {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// What is wrong, and what would be right.
    pub(crate) problem: String,
}

impl<'a> File<'a> {
    /// Reads `sql`.
    pub(crate) fn parse(sql: &'a str) -> Result<Self, WrongDirective> {
        let mut file = Self {
            sql,
            statements: split(sql),
            header: Header::default(),
            allowed: Vec::new(),
        };
        let mut directives = Vec::new();
        for (number, statement) in file.statements.iter().enumerate() {
            directives.extend(directives_of(&statement.comments).map(|one| (number, one)));
        }
        for (number, (text, start)) in directives {
            let line = line_of(sql, start);
            let is_early = number == 0
                && file
                    .statements
                    .first()
                    .is_some_and(|first| start < first.start);
            file.read(&text, number, line, is_early)
                .map_err(|problem| WrongDirective { line, problem })?;
        }
        Ok(file)
    }

    fn read(
        &mut self,
        text: &str,
        number: usize,
        line: usize,
        is_early: bool,
    ) -> Result<(), String> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if word == "allow" {
            self.allowed.push(allowance(rest, number, line)?);
            return Ok(());
        }
        let known = match (word, rest.trim()) {
            ("expand", "") => {
                self.header.phase = Phase::Expand;
                true
            }
            ("contract", "") => {
                self.header.phase = Phase::Contract;
                true
            }
            ("no-transaction", "") => {
                self.header.no_transaction = true;
                true
            }
            ("lock-timeout", time) => {
                self.header.lock_timeout = Some(period(time)?);
                true
            }
            ("statement-timeout", time) => {
                self.header.statement_timeout = Some(period(time)?);
                true
            }
            _ => false,
        };
        match (known, is_early) {
            (true, true) => Ok(()),
            (true, false) => Err(format!(
                "`{text}` speaks of the whole file: write it before the first statement"
            )),
            (false, _) => Err(format!(
                "`{text}` is no directive: write `expand`, `contract`, `no-transaction`, \
                 `lock-timeout TIME`, `statement-timeout TIME` or `allow RULE: REASON`"
            )),
        }
    }
}

/// Text and offset of each directive among `comments`.
fn directives_of<'a>(comments: &[Token<'a>]) -> impl Iterator<Item = (String, usize)> {
    comments.iter().filter_map(|comment| {
        let text = comment.text.strip_prefix("--")?.trim();
        let (mark, directive) = text.split_at_checked(MARK.len())?;
        mark.eq_ignore_ascii_case(MARK)
            .then(|| (directive.trim().to_owned(), comment.start))
    })
}

fn allowance(text: &str, statement: usize, line: usize) -> Result<Allowed, String> {
    let (rule, reason) = text.split_once(':').unwrap_or((text, ""));
    let (rule, reason) = (rule.trim(), reason.trim());
    let rule = Rule::named(rule).ok_or_else(|| match Rule::nearest(rule) {
        Some(nearest) => format!("there is no rule `{rule}`; did you mean `{nearest}`?"),
        None => format!("there is no rule `{rule}`: `migrate plan` names the rule of each finding"),
    })?;
    if reason.is_empty() {
        return Err(format!(
            "`allow {rule}` needs a reason: write `-- migrate: allow {rule}: why this is safe here`"
        ));
    }
    Ok(Allowed {
        rule,
        reason: reason.to_owned(),
        statement,
        line,
    })
}

fn period(text: &str) -> Result<Period, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no time: write `500ms`, `2s`, `30m` or `2h`"))
}

#[cfg(test)]
mod tests;
