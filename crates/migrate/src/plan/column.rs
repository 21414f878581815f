//! The definition of a column that `ALTER TABLE … ADD` adds to a table with rows.

use super::Rule;
use crate::cursor::Cursor;
use crate::lex::{Kind, Token};

/// Functions that give one value for the whole statement: their value is stored once, not in each row.
const STABLE: &[&str] = &[
    "array",
    "cast",
    "coalesce",
    "current_date",
    "current_setting",
    "current_timestamp",
    "date_trunc",
    "interval",
    "jsonb_build_array",
    "jsonb_build_object",
    "localtimestamp",
    "lower",
    "make_interval",
    "md5",
    "now",
    "row",
    "statement_timestamp",
    "timezone",
    "to_timestamp",
    "transaction_timestamp",
    "upper",
];
/// Types that are a sequence in disguise.
const SERIAL: &[&str] = &[
    "bigserial",
    "serial",
    "serial2",
    "serial4",
    "serial8",
    "smallserial",
];
/// What may follow a default's expression.
const AFTER_DEFAULT: &[&str] = &[
    "check",
    "collate",
    "constraint",
    "generated",
    "not",
    "null",
    "primary",
    "references",
    "unique",
];

/// Judges what stands behind the column's name.
pub(super) fn judge(definition: Cursor<'_, '_>) -> Vec<Rule> {
    let clauses = definition.outside_parentheses();
    let clauses = Cursor::new(&clauses);
    let mut rules = Vec::new();
    if is_different_in_each_row(definition, clauses) {
        rules.push(Rule::VolatileDefault);
    }
    let has_value = clauses.has("default") || clauses.has("generated") || is_serial(definition);
    if clauses.has_all(&["not", "null"]) && !has_value {
        rules.push(Rule::NotNull);
    }
    if clauses.has("references") {
        rules.push(Rule::ForeignKey);
    }
    if clauses.has("unique") || clauses.has("primary") {
        rules.push(Rule::AddUnique);
    }
    if clauses.has("check") {
        rules.push(Rule::CheckValidated);
    }
    rules
}

fn is_serial(definition: Cursor<'_, '_>) -> bool {
    definition
        .peek()
        .is_some_and(|token| SERIAL.iter().any(|word| token.is(word)))
}

fn is_different_in_each_row(definition: Cursor<'_, '_>, clauses: Cursor<'_, '_>) -> bool {
    let is_computed =
        clauses.has("generated") && (clauses.has("stored") || clauses.has("identity"));
    is_serial(definition) || is_computed || calls_volatile(default_of(definition))
}

/// The tokens of the default's expression.
fn default_of<'t, 'a>(definition: Cursor<'t, 'a>) -> &'t [Token<'a>] {
    let tokens = definition.rest();
    let begin = tokens.iter().position(|token| token.is("default"));
    let tokens = begin
        .and_then(|at| tokens.get(at + 1..))
        .unwrap_or_default();
    let mut depth = 0_usize;
    let end = tokens.iter().enumerate().skip(1).position(|(_, token)| {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && AFTER_DEFAULT.iter().any(|word| token.is(word))
    });
    tokens
        .get(..end.map_or(tokens.len(), |end| end + 1))
        .unwrap_or_default()
}

/// A call of anything that is not known to give one value counts as volatile.
fn calls_volatile(expression: &[Token<'_>]) -> bool {
    expression.windows(2).any(|pair| match pair {
        [function, open] => {
            open.is_symbol('(')
                && matches!(function.kind, Kind::Word | Kind::Quoted)
                && !STABLE.iter().any(|word| function.is(word))
        }
        _ => false,
    })
}
