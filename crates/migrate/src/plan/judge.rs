//! Which rules a statement breaks.
//!
//! Tables that the same file makes are nobody's yet: nothing that is done to them hurts.

use std::collections::BTreeSet;

use super::{Rule, alter, block, make, remove};
use crate::cursor::{Cursor, Name};
use crate::lex::{Kind, Token};

/// Statements that lock nothing that others wait for, and take nothing away.
const HARMLESS: &[&str] = &[
    "analyze",
    "call",
    "checkpoint",
    "close",
    "comment",
    "copy",
    "deallocate",
    "declare",
    "explain",
    "fetch",
    "grant",
    "insert",
    "listen",
    "merge",
    "notify",
    "prepare",
    "reassign",
    "release",
    "rollback",
    "savepoint",
    "security",
    "show",
    "table",
    "unlisten",
    "values",
];

/// What is known of a file while its statements are judged one by one.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// True in a file that asked for `no-transaction`.
    pub(super) no_transaction: bool,
    /// What the file makes: nobody else knows it yet.
    made: BTreeSet<Name>,
    /// Tables to which the file has added a constraint with `NOT VALID`.
    pub(super) unchecked: BTreeSet<Name>,
    /// The last parts of the names that the file changes.
    pub(super) changed: BTreeSet<String>,
    /// What was found in the current statement: the rule, and the offset where.
    found: Vec<(Rule, usize)>,
}

impl Scope {
    pub(super) fn new(no_transaction: bool) -> Self {
        Self {
            no_transaction,
            ..Self::default()
        }
    }

    /// Judges a statement; returns what was found and where.
    pub(super) fn judge(&mut self, tokens: &[Token<'_>]) -> Vec<(Rule, usize)> {
        statement(Cursor::new(tokens), self);
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable_by_key(|(rule, offset)| (*offset, *rule));
        found.dedup();
        found
    }

    /// Notes a finding at the place where `at` stands.
    pub(super) fn find(&mut self, rule: Rule, at: Cursor<'_, '_>) {
        self.found
            .push((rule, at.peek().map_or(0, |token| token.start)));
    }

    pub(super) fn make(&mut self, name: Name) {
        self.made.insert(name);
    }

    /// True if the file has made it.
    pub(super) fn is_new(&self, name: &Name) -> bool {
        self.made.contains(name)
    }

    pub(super) fn change(&mut self, name: &Name) {
        self.changed.insert(name.last().to_owned());
    }

    pub(super) fn needs_no_transaction(&mut self, at: Cursor<'_, '_>) {
        if !self.no_transaction {
            self.find(Rule::NeedsNoTransaction, at);
        }
    }
}

/// Judges the statement at `cursor`.
pub(super) fn statement(cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let begin = cursor;
    let mut cursor = cursor;
    let Some(first) = cursor.word() else {
        // `(SELECT 1)`
        return;
    };
    match first.as_str() {
        "create" => make::create(begin, cursor, scope),
        "alter" => alter::alter(begin, cursor, scope),
        "drop" => remove::drop(begin, cursor, scope),
        "truncate" => truncate(begin, cursor, scope),
        "lock" => lock(begin, cursor, scope),
        "update" | "delete" => change(begin, cursor, scope),
        "with" => with(begin, cursor, scope),
        "set" | "reset" => limit(begin, cursor, scope),
        "select" => select(begin, cursor, scope),
        "revoke" => scope.find(Rule::Revoke, begin),
        "reindex" => reindex(begin, cursor, scope),
        "vacuum" => vacuum(begin, cursor, scope),
        "cluster" => scope.find(Rule::ClusterTable, begin),
        "refresh" => refresh(begin, cursor, scope),
        "do" => block::block(cursor, scope),
        "import" if cursor.sees(&["foreign", "schema"]) => {}
        word if HARMLESS.contains(&word) => {}
        _ => scope.find(Rule::Unknown, begin),
    }
}

fn truncate(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    cursor.take(&["table"]);
    each_table(
        cursor,
        |name, scope| {
            if !scope.is_new(name) {
                scope.find(Rule::Truncate, begin);
            }
        },
        scope,
    );
}

fn lock(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    cursor.take(&["table"]);
    each_table(
        cursor,
        |name, scope| {
            if !scope.is_new(name) {
                scope.find(Rule::LockTable, begin);
            }
        },
        scope,
    );
}

fn each_table(cursor: Cursor<'_, '_>, judge: impl Fn(&Name, &mut Scope), scope: &mut Scope) {
    for mut table in cursor.list() {
        table.take(&["only"]);
        if let Some(name) = table.name() {
            scope.change(&name);
            judge(&name, scope);
        }
    }
}

/// `UPDATE` and `DELETE` of all rows.
fn change(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    cursor.take(&["from"]);
    cursor.take(&["only"]);
    let Some(name) = cursor.name() else { return };
    scope.change(&name);
    let has_condition = cursor
        .outside_parentheses()
        .iter()
        .any(|token| token.is("where"));
    if !has_condition && !scope.is_new(&name) {
        scope.find(Rule::UnboundedChange, begin);
    }
}

/// A common table expression may change rows at any depth.
fn with(begin: Cursor<'_, '_>, cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let tokens = cursor.rest();
    let mut changes = false;
    for (at, token) in tokens.iter().enumerate() {
        // `FOR UPDATE`, `ON CONFLICT … DO UPDATE`, `FOR NO KEY UPDATE` change nothing of their own.
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let is_clause =
            before.is_some_and(|it| ["for", "do", "key"].iter().any(|word| it.is(word)));
        changes |= (token.is("update") || token.is("delete")) && !is_clause;
    }
    if changes && !cursor.has("where") {
        scope.find(Rule::UnboundedChange, begin);
    }
}

fn limit(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    cursor.skip_any(&["local", "session"]);
    if cursor.word().as_deref().is_some_and(is_limit) {
        scope.find(Rule::Timeout, begin);
    }
}

fn is_limit(setting: &str) -> bool {
    matches!(
        setting,
        "all" | "lock_timeout" | "statement_timeout" | "transaction_timeout"
    )
}

fn select(begin: Cursor<'_, '_>, cursor: Cursor<'_, '_>, scope: &mut Scope) {
    let names_limit = |token: &Token<'_>| token.kind == Kind::Text && is_limit(&token.content());
    if cursor.has("set_config") && cursor.rest().iter().any(names_limit) {
        scope.find(Rule::Timeout, begin);
    }
}

fn reindex(begin: Cursor<'_, '_>, cursor: Cursor<'_, '_>, scope: &mut Scope) {
    if cursor.has("concurrently") {
        scope.needs_no_transaction(begin);
    } else {
        scope.find(Rule::Reindex, begin);
    }
    if cursor.has("database") || cursor.has("system") || cursor.has("schema") {
        scope.needs_no_transaction(begin);
    }
}

fn vacuum(begin: Cursor<'_, '_>, cursor: Cursor<'_, '_>, scope: &mut Scope) {
    scope.needs_no_transaction(begin);
    if cursor.has("full") {
        scope.find(Rule::VacuumFull, begin);
    }
}

fn refresh(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    cursor.take(&["materialized", "view"]);
    let is_concurrent = cursor.take(&["concurrently"]);
    if let Some(name) = cursor.name()
        && !is_concurrent
        && !scope.is_new(&name)
    {
        scope.find(Rule::RefreshView, begin);
    }
}
