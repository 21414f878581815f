//! What is about to run, and what of it would hurt a running site.

mod alter;
mod alter_table;
mod block;
mod column;
mod judge;
mod make;
mod remove;
mod rule;
mod text;

use std::collections::BTreeSet;

use kiuas_common::postgres::PostgresSettings;
use serde::Serialize;

use crate::error::{MigrateError, Refused};
use crate::file::{File, Phase};
use crate::lex::lex;
use crate::select::{Chosen, Want, choose};
use crate::set::{MigrationSet, file_name, file_of, with_stack};
use crate::settings::MigrateSettings;
use crate::statement::{excerpt, line_of};
use crate::status::{Entry, compare_all};
use judge::Scope;
pub use rule::{Harm, Rule};

/// What would be applied, in that order.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The files.
    pub files: Vec<PlannedFile>,
}

/// A file of a [`Plan`].
#[derive(Debug, Clone, Serialize)]
pub struct PlannedFile {
    /// Its set.
    pub set: String,
    /// Its name.
    pub file: String,
    /// Its phase.
    pub phase: Phase,
    /// True if its statements run one by one.
    pub no_transaction: bool,
    /// Its text.
    pub sql: String,
    /// What would hurt, in the order of its lines.
    pub findings: Vec<Finding>,
}

/// Something that would hurt a running site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What it would do.
    pub harm: Harm,
    /// Line, from 1.
    pub line: usize,
    /// The beginning of the statement.
    pub statement: String,
    /// How it hurts.
    pub why: &'static str,
    /// The safe way to the same end.
    pub instead: &'static str,
    /// Whether `up` refuses it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether a finding keeps `up` from running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// `up` refuses the file.
    Refused,
    /// The file waves it through.
    Allowed {
        /// Why the author knows better.
        reason: String,
    },
    /// It is told and no more: the file is of the contract phase, or nobody uses the database yet.
    Told,
}

/// What `up` would apply. Changes nothing and takes no lock.
///
/// # Errors
/// A set is ill-formed, PostgreSQL is not usable, or histories and files contradict one another.
pub async fn plan(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
    want: Want,
) -> Result<Plan, MigrateError> {
    let sets = with_stack(sets)?;
    let compared = compare_all(postgres, settings, &sets).await?;
    let mut files = Vec::new();
    for (set, entries) in sets.iter().zip(&compared) {
        files.extend(planned(set, entries, &choose(set, entries, want)?)?);
    }
    Ok(Plan { files })
}

/// All files of `sets`, applied or not, as if none was on a database in use: needs no database. The
/// stack's own are left out.
///
/// # Errors
/// A set is ill-formed.
pub fn plan_all(sets: &[MigrationSet]) -> Result<Plan, MigrateError> {
    with_stack(sets)?;
    let mut files = Vec::new();
    for set in sets {
        for migration in set.migrations() {
            let file = file_of(set, migration)?;
            let findings = judge(&file, true);
            files.push(PlannedFile::new(set, file_name(migration), &file, findings));
        }
    }
    Ok(Plan { files })
}

/// Judges the text of one file; for editors and fuzzers.
///
/// # Errors
/// A directive is wrong: its line and what is wrong with it.
pub fn judge_text(sql: &str) -> Result<Vec<Finding>, (usize, String)> {
    let file = File::parse(sql).map_err(|wrong| (wrong.line, wrong.problem))?;
    Ok(judge(&file, true))
}

/// What is found in the files that `chosen` names.
pub(crate) fn planned(
    set: &MigrationSet,
    entries: &[Entry],
    chosen: &Chosen<'_>,
) -> Result<Vec<PlannedFile>, MigrateError> {
    let mut files = Vec::new();
    let held = held_back(set, entries, chosen)?;
    for migration in &chosen.files {
        let file = file_of(set, migration)?;
        let mut findings = judge(&file, chosen.guarded);
        let overtaken = held
            .iter()
            .filter(|(version, _)| *version < migration.version());
        if file.header.phase == Phase::Expand
            && overtaken
                .into_iter()
                .any(|(_, names)| speaks_of(&file, names))
        {
            findings.insert(0, finding(&file, 0, Rule::Overtakes, 0, chosen.guarded));
        }
        files.push(PlannedFile::new(set, file_name(migration), &file, findings));
    }
    Ok(files)
}

/// The contract files that wait and are not chosen, with what they change.
fn held_back(
    set: &MigrationSet,
    entries: &[Entry],
    chosen: &Chosen<'_>,
) -> Result<Vec<(i32, BTreeSet<String>)>, MigrateError> {
    let mut held = Vec::new();
    for migration in set.migrations() {
        let waits = entries
            .iter()
            .any(|entry| entry.version == migration.version() && entry.applied_at.is_none());
        let is_chosen = chosen
            .files
            .iter()
            .any(|one| one.version() == migration.version());
        if waits && !is_chosen {
            held.push((migration.version(), changed_by(&file_of(set, migration)?)));
        }
    }
    Ok(held)
}

fn changed_by(file: &File<'_>) -> BTreeSet<String> {
    let mut scope = Scope::default();
    for statement in &file.statements {
        scope.judge(&statement.tokens);
    }
    scope.changed
}

fn speaks_of(file: &File<'_>, names: &BTreeSet<String>) -> bool {
    lex(file.sql)
        .iter()
        .any(|token| token.identifier().is_some_and(|name| names.contains(&name)))
}

/// What is found in `file`. `guarded`: the database is in use.
pub(crate) fn judge(file: &File<'_>, guarded: bool) -> Vec<Finding> {
    let mut scope = Scope::new(file.header.no_transaction);
    let mut findings = Vec::new();
    for (number, statement) in file.statements.iter().enumerate() {
        for (rule, offset) in scope.judge(&statement.tokens) {
            findings.push(finding(
                file,
                number,
                rule,
                offset.max(statement.start),
                guarded,
            ));
        }
    }
    findings
}

fn finding(file: &File<'_>, number: usize, rule: Rule, offset: usize, guarded: bool) -> Finding {
    let text = file
        .statements
        .get(number)
        .map_or("", |statement| statement.text);
    let allowed = file
        .allowed
        .iter()
        .find(|allowed| allowed.rule == rule && allowed.statement == number);
    let verdict = match allowed {
        _ if rule.always_fails() => Verdict::Refused,
        Some(allowed) => Verdict::Allowed {
            reason: allowed.reason.clone(),
        },
        None if guarded && file.header.phase == Phase::Expand => Verdict::Refused,
        None => Verdict::Told,
    };
    Finding {
        rule,
        harm: rule.harm(),
        line: line_of(file.sql, offset),
        statement: excerpt(text),
        why: rule.why(),
        instead: rule.instead(),
        verdict,
    }
}

impl PlannedFile {
    fn new(set: &MigrationSet, name: String, file: &File<'_>, findings: Vec<Finding>) -> Self {
        Self {
            set: set.name().to_owned(),
            file: name,
            phase: file.header.phase,
            no_transaction: file.header.no_transaction,
            sql: file.sql.to_owned(),
            findings,
        }
    }
}

impl Plan {
    /// Whether `up` would run it.
    ///
    /// # Errors
    /// [`MigrateError::Refused`] with everything that it would refuse.
    pub fn check(&self) -> Result<(), MigrateError> {
        let refused: Vec<Refused> = self
            .files
            .iter()
            .flat_map(|file| file.findings.iter().map(move |finding| (file, finding)))
            .filter(|(_, finding)| finding.verdict == Verdict::Refused)
            .map(|(file, finding)| Refused {
                set: file.set.clone(),
                file: file.file.clone(),
                finding: finding.clone(),
            })
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(MigrateError::Refused(refused))
        }
    }

    /// As JSON, indented.
    ///
    /// # Errors
    /// None in practice: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

#[cfg(test)]
mod tests;
