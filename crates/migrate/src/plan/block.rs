//! `DO`: the statements inside its body.

use super::Rule;
use super::judge::{Scope, statement};
use crate::cursor::Cursor;
use crate::lex::{Kind, lex};

/// Behind these words of PL/pgSQL begins a statement.
const OPENERS: &[&str] = &["begin", "else", "loop", "then"];
/// Statements that are worth judging; everything else in a body is PL/pgSQL.
const SQL: &[&str] = &[
    "alter", "cluster", "create", "delete", "drop", "lock", "refresh", "reindex", "reset",
    "revoke", "set", "truncate", "update", "vacuum", "with",
];

/// Judges the body; a finding stands where the `DO` does.
pub(super) fn block(cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let Some(body) = cursor.rest().iter().find(|token| token.kind == Kind::Text) else {
        return scope.find(Rule::Unknown, cursor);
    };
    let content = body.content();
    let tokens = lex(&content);
    let tokens: Vec<_> = tokens
        .into_iter()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    let mut inner = Scope::new(true);
    let mut rules = Vec::new();
    for piece in tokens.split(|token| token.is_symbol(';')) {
        for at in begins(piece) {
            let rest = Cursor::new(piece.get(at..).unwrap_or_default());
            if rest.sees(&["execute"]) {
                rules.push(Rule::DynamicSql);
            } else if SQL.iter().any(|word| rest.sees(&[word])) {
                statement(rest, &mut inner);
            }
        }
    }
    rules.extend(inner.judge(&[]).into_iter().map(|(rule, _)| rule));
    rules.into_iter().for_each(|rule| scope.find(rule, cursor));
    scope.changed.append(&mut inner.changed);
}

/// Where statements may begin in a piece between two semicolons.
fn begins(piece: &[crate::lex::Token<'_>]) -> impl Iterator<Item = usize> {
    let openers = piece
        .iter()
        .enumerate()
        .filter_map(|(at, token)| OPENERS.iter().any(|word| token.is(word)).then_some(at + 1));
    std::iter::once(0).chain(openers)
}
