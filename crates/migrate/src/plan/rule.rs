//! What may hurt a running site: each rule with the harm and the safe way.

use std::fmt;

use serde::{Serialize, Serializer};

/// What a finding is about. Its name is what `-- migrate: allow NAME: REASON` waves through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is told in full by `Rule::why` and `Rule::instead`"
)]
pub enum Rule {
    AddUnique,
    AddExclusion,
    AttachPartition,
    ChangeType,
    CheckValidated,
    ClusterTable,
    CreateRule,
    DetachPartition,
    DisableTrigger,
    DropColumn,
    DropDefault,
    DropIndex,
    DropObject,
    DropTable,
    DynamicSql,
    EnableRowSecurity,
    ForeignKey,
    IndexNotConcurrent,
    IndexWithoutName,
    LockTable,
    NeedsNoTransaction,
    NotNull,
    Overtakes,
    RefreshView,
    Reindex,
    RenameColumn,
    RenameObject,
    RenameTable,
    Revoke,
    RewriteTable,
    SetNotNull,
    SetSchema,
    Timeout,
    Truncate,
    UnboundedChange,
    Unknown,
    VacuumFull,
    ValidateTogether,
    VolatileDefault,
}

/// What a statement would do to a site that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Harm {
    /// It keeps others from a table for as long as it works.
    Locks,
    /// It writes the whole table anew under a lock.
    Rewrites,
    /// The version that runs expects what it takes away.
    Breaks,
    /// It cannot work, or nobody can tell what it does.
    Unclear,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locks => "locks",
            Self::Rewrites => "rewrites",
            Self::Breaks => "breaks the running version",
            Self::Unclear => "unclear",
        })
    }
}

type Line = (Rule, &'static str, Harm, &'static str, &'static str);

/// Rule, name, harm, why, the safe way.
const RULES: &[Line] = &[
    (
        Rule::AddUnique,
        "add-unique",
        Harm::Locks,
        "builds the index of the constraint while nobody may read or write the table",
        "CREATE UNIQUE INDEX CONCURRENTLY in a `no-transaction` file, then \
      ADD CONSTRAINT … UNIQUE (or PRIMARY KEY) USING INDEX in the next one",
    ),
    (
        Rule::AddExclusion,
        "add-exclusion",
        Harm::Locks,
        "builds the index of the constraint while nobody may read or write the table",
        "there is none with the table in use: make a new table with the constraint and move the rows in \
      batches, or do it in a window and wave it through",
    ),
    (
        Rule::AttachPartition,
        "attach-partition",
        Harm::Locks,
        "reads the whole partition under ACCESS EXCLUSIVE to see that its rows belong there",
        "first ADD CONSTRAINT … CHECK (the partition's bounds) NOT VALID and VALIDATE it in the next file; \
      with it ATTACH reads nothing: wave it through then",
    ),
    (
        Rule::ChangeType,
        "change-type",
        Harm::Rewrites,
        "most changes of a type write the table and its indexes anew under ACCESS EXCLUSIVE, and the \
      running version reads another type than it expects",
        "add a column of the new type, write both, fill it in batches, switch reads, drop the old one in the \
      contract phase. A longer varchar or text in place of varchar writes nothing: wave it through",
    ),
    (
        Rule::CheckValidated,
        "check-validated",
        Harm::Locks,
        "reads the whole table under ACCESS EXCLUSIVE to check every row",
        "ADD CONSTRAINT … CHECK (…) NOT VALID, and VALIDATE CONSTRAINT in the next file",
    ),
    (
        Rule::ClusterTable,
        "cluster",
        Harm::Rewrites,
        "writes the whole table anew under ACCESS EXCLUSIVE",
        "leave it out; pg_repack does it beside a running site",
    ),
    (
        Rule::CreateRule,
        "create-rule",
        Harm::Breaks,
        "changes what the statements of the running version do",
        "a trigger, or the application itself",
    ),
    (
        Rule::DetachPartition,
        "detach-partition",
        Harm::Locks,
        "waits for ACCESS EXCLUSIVE on the whole table, and the running version loses the rows",
        "DETACH PARTITION … CONCURRENTLY in a `no-transaction` file of the contract phase",
    ),
    (
        Rule::DisableTrigger,
        "disable-trigger",
        Harm::Breaks,
        "the running version writes on without what the trigger does",
        "drop the trigger in the contract phase",
    ),
    (
        Rule::DropColumn,
        "drop-column",
        Harm::Breaks,
        "the running version still reads or writes the column",
        "stop using it in this release; drop it in a file of the contract phase",
    ),
    (
        Rule::DropDefault,
        "drop-default",
        Harm::Breaks,
        "the running version leaves the column out of its INSERTs",
        "write the value in this release; drop the default in a file of the contract phase",
    ),
    (
        Rule::DropIndex,
        "drop-index",
        Harm::Locks,
        "waits for ACCESS EXCLUSIVE on the table, and every query waits behind it",
        "DROP INDEX CONCURRENTLY in a `no-transaction` file",
    ),
    (
        Rule::DropObject,
        "drop-object",
        Harm::Breaks,
        "the running version may still use it",
        "stop using it in this release; drop it in a file of the contract phase",
    ),
    (
        Rule::DropTable,
        "drop-table",
        Harm::Breaks,
        "the running version still reads or writes it",
        "stop using it in this release; drop it in a file of the contract phase",
    ),
    (
        Rule::DynamicSql,
        "dynamic-sql",
        Harm::Unclear,
        "runs SQL that is put together while it runs: nobody can tell from the file what it does",
        "write the statements out, or wave it through with what it does",
    ),
    (
        Rule::EnableRowSecurity,
        "enable-row-security",
        Harm::Breaks,
        "the running version's role sees only the rows that a policy shows it",
        "enable it in the contract phase, after the version that sets what the policies ask for",
    ),
    (
        Rule::ForeignKey,
        "foreign-key",
        Harm::Locks,
        "reads both tables while nobody may write to either",
        "ADD CONSTRAINT … FOREIGN KEY … NOT VALID, and VALIDATE CONSTRAINT in the next file; a new column \
      without REFERENCES first",
    ),
    (
        Rule::IndexNotConcurrent,
        "index-not-concurrent",
        Harm::Locks,
        "nobody may write to the table while the index is built",
        "CREATE INDEX CONCURRENTLY in a file with `-- migrate: no-transaction`",
    ),
    (
        Rule::IndexWithoutName,
        "index-without-name",
        Harm::Unclear,
        "a run that was killed could not find again what it had begun to build",
        "CREATE INDEX CONCURRENTLY name ON …",
    ),
    (
        Rule::LockTable,
        "lock-table",
        Harm::Locks,
        "holds the table until the file ends",
        "leave it out: each statement takes the lock that it needs",
    ),
    (
        Rule::NeedsNoTransaction,
        "needs-no-transaction",
        Harm::Unclear,
        "PostgreSQL refuses it inside a transaction",
        "move it into a file of its own with `-- migrate: no-transaction`",
    ),
    (
        Rule::NotNull,
        "not-null-without-default",
        Harm::Breaks,
        "fails on a table with rows, and the running version's INSERTs leave the column out",
        "ADD COLUMN … NOT NULL DEFAULT constant, or without NOT NULL; drop the default or set NOT NULL in \
      the contract phase",
    ),
    (
        Rule::Overtakes,
        "overtakes",
        Harm::Unclear,
        "a contract file with a lower number waits, and both speak of the same table: the result depends on \
      which one runs first",
        "run `migrate up --phase contract` first",
    ),
    (
        Rule::RefreshView,
        "refresh-view",
        Harm::Locks,
        "nobody may read the view while it is filled",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY; the view needs a unique index",
    ),
    (
        Rule::Reindex,
        "reindex",
        Harm::Locks,
        "nobody may write to the table, nor use the index, while it is built anew",
        "REINDEX … CONCURRENTLY in a `no-transaction` file",
    ),
    (
        Rule::RenameColumn,
        "rename-column",
        Harm::Breaks,
        "the running version knows the old name alone",
        "add the new column, write both, fill it in batches, read the new one; drop the old one in the \
      contract phase",
    ),
    (
        Rule::RenameObject,
        "rename-object",
        Harm::Breaks,
        "the running version knows the old name alone",
        "make it anew under the new name; drop the old one in the contract phase",
    ),
    (
        Rule::RenameTable,
        "rename-table",
        Harm::Breaks,
        "the running version knows the old name alone",
        "rename it and CREATE VIEW old_name AS SELECT * FROM new_name in one file, and wave it through; drop \
      the view in the contract phase",
    ),
    (
        Rule::Revoke,
        "revoke",
        Harm::Breaks,
        "the running version may need the right",
        "revoke it in the contract phase",
    ),
    (
        Rule::RewriteTable,
        "rewrite-table",
        Harm::Rewrites,
        "writes the whole table anew under ACCESS EXCLUSIVE",
        "a new table, filled in batches; or a window, and wave it through",
    ),
    (
        Rule::SetNotNull,
        "set-not-null",
        Harm::Breaks,
        "the running version may still write NULL, and every row is read under ACCESS EXCLUSIVE",
        "ADD CONSTRAINT c CHECK (column IS NOT NULL) NOT VALID, VALIDATE it in the next file, then SET NOT \
      NULL (which reads nothing any more) and DROP CONSTRAINT c in the contract phase",
    ),
    (
        Rule::SetSchema,
        "set-schema",
        Harm::Breaks,
        "the running version looks for it in the old schema",
        "leave a view under the old name in the same file and wave it through",
    ),
    (
        Rule::Timeout,
        "timeout",
        Harm::Locks,
        "switches off the limits that keep visitors from waiting behind the migration",
        "`-- migrate: lock-timeout TIME` and `-- migrate: statement-timeout TIME` at the head of the file",
    ),
    (
        Rule::Truncate,
        "truncate",
        Harm::Breaks,
        "takes ACCESS EXCLUSIVE and the rows away from the running version",
        "DELETE in batches from a task, or TRUNCATE in the contract phase",
    ),
    (
        Rule::UnboundedChange,
        "unbounded-change",
        Harm::Locks,
        "locks every row of the table until the file ends, and leaves a dead row for each",
        "batches: a CALL of a procedure that commits in a `no-transaction` file, or a task",
    ),
    (
        Rule::Unknown,
        "unknown-statement",
        Harm::Unclear,
        "the plan does not know this statement, so that nobody has judged it",
        "check in PostgreSQL's manual what it locks, and wave it through",
    ),
    (
        Rule::VacuumFull,
        "vacuum-full",
        Harm::Rewrites,
        "writes the whole table anew under ACCESS EXCLUSIVE",
        "VACUUM, or pg_repack beside a running site",
    ),
    (
        Rule::ValidateTogether,
        "validate-together",
        Harm::Locks,
        "reads the table while the file still holds the lock under which it added the constraint",
        "VALIDATE CONSTRAINT in a file of its own",
    ),
    (
        Rule::VolatileDefault,
        "volatile-default",
        Harm::Rewrites,
        "each row gets a value of its own, so that the whole table is written anew under ACCESS EXCLUSIVE",
        "ADD COLUMN without it, then ALTER COLUMN … SET DEFAULT for new rows, and fill the old ones in \
      batches",
    ),
];

impl Rule {
    /// Every rule, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        RULES.iter().map(|line| line.0)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.line().1
    }

    /// What it would do to a running site.
    #[must_use]
    pub fn harm(self) -> Harm {
        self.line().2
    }

    /// How it would do that.
    #[must_use]
    pub fn why(self) -> &'static str {
        self.line().3
    }

    /// The safe way to the same end.
    #[must_use]
    pub fn instead(self) -> &'static str {
        self.line().4
    }

    /// True if it is no matter of phases: the file fails whenever it runs.
    pub(crate) fn always_fails(self) -> bool {
        matches!(self, Self::NeedsNoTransaction | Self::IndexWithoutName)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        RULES.iter().find(|line| line.1 == name).map(|line| line.0)
    }

    pub(crate) fn nearest(name: &str) -> Option<&'static str> {
        let near = RULES
            .iter()
            .map(|line| (strsim::damerau_levenshtein(line.1, name), line.1));
        near.min()
            .filter(|(distance, _)| *distance <= 3)
            .map(|(_, name)| name)
    }

    fn line(self) -> &'static Line {
        // Every rule has its line; a test says so.
        RULES
            .iter()
            .find(|line| line.0 == self)
            .unwrap_or(&RULES[0])
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
