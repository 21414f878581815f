//! `DROP`.

use super::Rule;
use super::judge::Scope;
use crate::cursor::Cursor;

pub(super) fn drop(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let Some(kind) = cursor.word() else {
        return scope.find(Rule::Unknown, begin);
    };
    let rule = match kind.as_str() {
        "index" => return index(begin, cursor, scope),
        "table" | "view" => Rule::DropTable,
        "materialized" | "foreign" => {
            cursor.skip_any(&["view", "table", "data", "wrapper"]);
            Rule::DropTable
        }
        "statistics" => return,
        "database" | "tablespace" | "subscription" => {
            scope.needs_no_transaction(begin);
            Rule::DropObject
        }
        _ => Rule::DropObject,
    };
    cursor.take(&["if", "exists"]);
    let mut are_new = true;
    for mut one in cursor.list() {
        if let Some(name) = one.name() {
            scope.change(&name);
            are_new &= scope.is_new(&name);
        }
        // `DROP TRIGGER t ON table` changes the table.
        if one.take(&["on"])
            && let Some(table) = one.name()
        {
            scope.change(&table);
            are_new |= scope.is_new(&table);
        }
    }
    if !are_new {
        scope.find(rule, begin);
    }
}

fn index(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let is_concurrent = cursor.take(&["concurrently"]);
    cursor.take(&["if", "exists"]);
    if is_concurrent {
        return scope.needs_no_transaction(begin);
    }
    let are_new = cursor
        .list()
        .iter_mut()
        .all(|one| one.name().is_some_and(|name| scope.is_new(&name)));
    if !are_new {
        scope.find(Rule::DropIndex, begin);
    }
}
