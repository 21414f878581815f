//! `CREATE`.

use super::Rule;
use super::judge::Scope;
use crate::cursor::Cursor;

/// Words between `CREATE` and the kind of object.
const BEFORE_KIND: &[&str] = &[
    "or",
    "replace",
    "global",
    "local",
    "temporary",
    "temp",
    "unlogged",
    "unique",
    "recursive",
    "constraint",
    "trusted",
    "procedural",
    "default",
    "event",
];

pub(super) fn create(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let replaces = cursor.sees(&["or", "replace"]);
    cursor.skip_any(BEFORE_KIND);
    let Some(kind) = cursor.word() else {
        return scope.find(Rule::Unknown, begin);
    };
    match kind.as_str() {
        "index" => index(begin, cursor, scope),
        "rule" => rule(begin, cursor, scope),
        "materialized" | "foreign" => {
            // `FOREIGN TABLE`, `MATERIALIZED VIEW`, `FOREIGN DATA WRAPPER`
            cursor.skip_any(&["view", "table", "data", "wrapper"]);
            made(cursor, replaces, scope);
        }
        "table" | "view" | "sequence" | "type" | "domain" | "schema" | "function" | "procedure"
        | "aggregate" | "collation" | "extension" | "policy" | "trigger" | "statistics"
        | "role" | "user" | "group" | "server" | "publication" | "operator" | "cast"
        | "conversion" | "language" | "text" | "access" | "transform" => {
            made(cursor, replaces, scope)
        }
        "database" | "tablespace" | "subscription" => scope.needs_no_transaction(begin),
        _ => scope.find(Rule::Unknown, begin),
    }
}

/// What was there before is not new: `IF NOT EXISTS` and `OR REPLACE` leave that open.
fn made(mut cursor: Cursor<'_, '_>, replaces: bool, scope: &mut Scope) {
    let may_exist = cursor.take(&["if", "not", "exists"]) || replaces;
    if let Some(name) = cursor.name()
        && !may_exist
    {
        scope.make(name);
    }
}

fn index(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let is_concurrent = cursor.take(&["concurrently"]);
    let may_exist = cursor.take(&["if", "not", "exists"]);
    let name = if cursor.sees(&["on"]) {
        None
    } else {
        cursor.name()
    };
    cursor.take(&["on"]);
    cursor.take(&["only"]);
    let Some(table) = cursor.name() else {
        return scope.find(Rule::Unknown, begin);
    };
    if is_concurrent {
        scope.needs_no_transaction(begin);
        if name.is_none() {
            scope.find(Rule::IndexWithoutName, begin);
        }
    } else if !scope.is_new(&table) {
        scope.find(Rule::IndexNotConcurrent, begin);
    }
    if let Some(name) = name
        && !may_exist
    {
        scope.make(name);
    }
}

fn rule(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    while !cursor.take(&["to"]) {
        if cursor.next().is_none() {
            return scope.find(Rule::Unknown, begin);
        }
    }
    if cursor.name().is_none_or(|table| !scope.is_new(&table)) {
        scope.find(Rule::CreateRule, begin);
    }
}
