//! `ALTER TABLE`, action by action. Views take a part of the same actions.

use super::judge::Scope;
use super::{Rule, column};
use crate::cursor::{Cursor, Name};

pub(super) fn alter_table(begin: Cursor<'_, '_>, mut cursor: Cursor<'_, '_>, scope: &mut Scope) {
    if cursor.sees(&["all", "in", "tablespace"]) {
        return scope.find(Rule::RewriteTable, begin);
    }
    cursor.take(&["if", "exists"]);
    cursor.take(&["only"]);
    let Some(table) = cursor.name() else {
        return scope.find(Rule::Unknown, begin);
    };
    if cursor.peek().is_some_and(|token| token.is_symbol('*')) {
        cursor.next();
    }
    scope.change(&table);
    if scope.is_new(&table) {
        return;
    }
    for action in cursor.list() {
        match judge(action, &table, scope) {
            Verdict::Harmless => {}
            Verdict::Breaks(rules) => rules.into_iter().for_each(|rule| scope.find(rule, action)),
        }
    }
}

/// What an action does.
enum Verdict {
    Harmless,
    Breaks(Vec<Rule>),
}

impl From<Rule> for Verdict {
    fn from(rule: Rule) -> Self {
        Self::Breaks(vec![rule])
    }
}

fn judge(action: Cursor<'_, '_>, table: &Name, scope: &mut Scope) -> Verdict {
    let mut rest = action;
    match rest.word().as_deref() {
        Some("add") => add(rest, table, scope),
        Some("drop") => remove(rest),
        Some("rename") => rename(rest),
        Some("alter") => alter_column(rest),
        Some("set") => set(rest),
        Some("validate") if !scope.no_transaction && scope.unchecked.contains(table) => {
            Rule::ValidateTogether.into()
        }
        Some("enable" | "disable" | "force") => switch(action),
        Some("attach") => Rule::AttachPartition.into(),
        Some("detach") => detach(action, rest, scope),
        Some("split" | "merge") => Rule::RewriteTable.into(),
        Some(
            "validate" | "owner" | "reset" | "inherit" | "no" | "of" | "not" | "replica"
            | "cluster" | "options" | "depends",
        ) => Verdict::Harmless,
        _ => Rule::Unknown.into(),
    }
}

fn add(mut rest: Cursor<'_, '_>, table: &Name, scope: &mut Scope) -> Verdict {
    if rest.take(&["constraint"]) {
        rest.name();
        return constraint(rest, table, scope);
    }
    let kinds: [&[&str]; 6] = [
        &["primary", "key"],
        &["unique"],
        &["check"],
        &["foreign", "key"],
        &["exclude"],
        &["not", "null"],
    ];
    if kinds.iter().any(|kind| rest.sees(kind)) {
        return constraint(rest, table, scope);
    }
    rest.take(&["column"]);
    rest.take(&["if", "not", "exists"]);
    match rest.name() {
        Some(_) => Verdict::Breaks(column::judge(rest)),
        None => Rule::Unknown.into(),
    }
}

fn constraint(rest: Cursor<'_, '_>, table: &Name, scope: &mut Scope) -> Verdict {
    let is_unchecked = rest.has_all(&["not", "valid"]);
    if is_unchecked {
        scope.unchecked.insert(table.clone());
    }
    let unless_unchecked = |rule: Rule| match is_unchecked {
        true => Verdict::Harmless,
        false => rule.into(),
    };
    if rest.sees(&["foreign", "key"]) {
        unless_unchecked(Rule::ForeignKey)
    } else if rest.sees(&["check"]) {
        unless_unchecked(Rule::CheckValidated)
    } else if rest.sees(&["not", "null"]) {
        unless_unchecked(Rule::SetNotNull)
    } else if rest.sees(&["exclude"]) {
        Rule::AddExclusion.into()
    } else if rest.sees(&["unique"]) || rest.sees(&["primary", "key"]) {
        if rest.has_all(&["using", "index"]) && !rest.has_all(&["using", "index", "tablespace"]) {
            Verdict::Harmless
        } else {
            Rule::AddUnique.into()
        }
    } else {
        Rule::Unknown.into()
    }
}

fn remove(rest: Cursor<'_, '_>) -> Verdict {
    if rest.sees(&["constraint"]) {
        Verdict::Harmless
    } else {
        Rule::DropColumn.into()
    }
}

fn rename(mut rest: Cursor<'_, '_>) -> Verdict {
    if rest.take(&["to"]) {
        Rule::RenameTable.into()
    } else if rest.take(&["constraint"]) {
        Verdict::Harmless
    } else {
        Rule::RenameColumn.into()
    }
}

fn alter_column(mut rest: Cursor<'_, '_>) -> Verdict {
    if rest.take(&["constraint"]) {
        return Verdict::Harmless;
    }
    rest.take(&["column"]);
    if rest.name().is_none() {
        return Rule::Unknown.into();
    }
    if rest.sees(&["type"])
        || rest.sees(&["set", "data", "type"])
        || rest.sees(&["set", "expression"])
    {
        Rule::ChangeType.into()
    } else if rest.sees(&["set", "not", "null"]) {
        Rule::SetNotNull.into()
    } else if rest.sees(&["drop", "default"])
        || rest.sees(&["drop", "identity"])
        || rest.sees(&["drop", "expression"])
    {
        Rule::DropDefault.into()
    } else if ["set", "drop", "add", "reset", "restart", "options"]
        .iter()
        .any(|word| rest.sees(&[word]))
    {
        Verdict::Harmless
    } else {
        Rule::Unknown.into()
    }
}

fn set(rest: Cursor<'_, '_>) -> Verdict {
    if rest.sees(&["schema"]) {
        return Rule::SetSchema.into();
    }
    let rewrites: [&[&str]; 4] = [
        &["tablespace"],
        &["access", "method"],
        &["logged"],
        &["unlogged"],
    ];
    if rewrites.iter().any(|words| rest.sees(words)) {
        return Rule::RewriteTable.into();
    }
    Verdict::Harmless
}

/// Triggers, rules and row security.
fn switch(action: Cursor<'_, '_>) -> Verdict {
    if action.sees(&["enable", "row"]) || action.sees(&["force", "row"]) {
        Rule::EnableRowSecurity.into()
    } else if action.sees(&["disable", "trigger"]) {
        Rule::DisableTrigger.into()
    } else if action.has("rule") {
        Rule::CreateRule.into()
    } else {
        Verdict::Harmless
    }
}

fn detach(action: Cursor<'_, '_>, rest: Cursor<'_, '_>, scope: &mut Scope) -> Verdict {
    if rest.has("finalize") {
        Verdict::Harmless
    } else if rest.has("concurrently") {
        scope.needs_no_transaction(action);
        Verdict::Harmless
    } else {
        Rule::DetachPartition.into()
    }
}
