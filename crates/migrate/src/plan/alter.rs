//! `ALTER` of everything but tables, which have a module of their own.

use super::judge::Scope;
use super::{Rule, alter_table};
use crate::cursor::Cursor;

/// Nobody waits for these, and the running version does not see them.
const HARMLESS: &[&str] = &[
    "aggregate",
    "collation",
    "conversion",
    "database",
    "default",
    "event",
    "extension",
    "group",
    "index",
    "language",
    "large",
    "operator",
    "policy",
    "publication",
    "role",
    "server",
    "statistics",
    "subscription",
    "system",
    "tablespace",
    "text",
    "trigger",
    "user",
];

pub(super) fn alter(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let Some(kind) = cursor.word() else {
        return scope.find(Rule::Unknown, begin);
    };
    match kind.as_str() {
        "table" => alter_table::alter_table(begin, cursor, scope),
        "foreign" if cursor.take(&["table"]) => alter_table::alter_table(begin, cursor, scope),
        "materialized" | "view" => {
            cursor.take(&["view"]);
            alter_table::alter_table(begin, cursor, scope);
        }
        "index" if cursor.has_all(&["set", "tablespace"]) => scope.find(Rule::RewriteTable, begin),
        "type" => named(begin, cursor, scope, of_type),
        "domain" => named(begin, cursor, scope, domain),
        "sequence" | "schema" | "function" | "procedure" | "routine" => {
            named(begin, cursor, scope, moves);
        }
        "system" => scope.needs_no_transaction(begin),
        "foreign" => {}
        word if HARMLESS.contains(&word) => {}
        _ => scope.find(Rule::Unknown, begin),
    }
}

type Rest = fn(Cursor<'_, '_>) -> Option<Rule>;

/// Judges what is done to a named object, unless the file has made it.
fn named(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope, rest: Rest) {
    cursor.take(&["if", "exists"]);
    let Some(name) = cursor.name() else {
        return scope.find(Rule::Unknown, begin);
    };
    scope.change(&name);
    if let Some(rule) = rest(cursor)
        && !scope.is_new(&name)
    {
        scope.find(rule, begin);
    }
}

/// A new name or a new schema.
fn moves(cursor: Cursor<'_, '_>) -> Option<Rule> {
    if cursor.has_all(&["rename", "to"]) {
        Some(Rule::RenameObject)
    } else if cursor.has_all(&["set", "schema"]) {
        Some(Rule::SetSchema)
    } else {
        None
    }
}

fn of_type(cursor: Cursor<'_, '_>) -> Option<Rule> {
    if cursor.sees(&["rename"]) {
        Some(Rule::RenameObject)
    } else if cursor.has_all(&["drop", "attribute"]) {
        Some(Rule::DropObject)
    } else if cursor.has_all(&["alter", "attribute"]) {
        Some(Rule::ChangeType)
    } else {
        moves(cursor)
    }
}

fn domain(cursor: Cursor<'_, '_>) -> Option<Rule> {
    if cursor.sees(&["set", "not", "null"]) {
        Some(Rule::SetNotNull)
    } else if cursor.sees(&["drop", "default"]) {
        Some(Rule::DropDefault)
    } else if cursor.sees(&["add"]) && !cursor.has_all(&["not", "valid"]) {
        Some(Rule::CheckValidated)
    } else if cursor.sees(&["rename", "constraint"]) {
        None
    } else {
        moves(cursor)
    }
}
