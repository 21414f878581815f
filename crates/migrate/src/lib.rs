//! SQL migrations under a lock.
//!
//! Owns: the stack's own tables (schema `kiuas`), the order of sets (the stack's first, then the
//! application's), the phases of a release, the lock that lets one runner work at a time, the limits and
//! the plan that keep a migration from hurting a running site, and the words that say what went wrong.
//! refinery embeds the files, reads their names and computes their checksums; the history tables are its.
//!
//! Architecture invariant: nothing here knows a task, a route or a beat entry. Migrations run on a
//! connection of their own, never on a pooled one.

mod backend;
mod baseline;
mod cursor;
mod dump;
mod error;
mod execute;
mod file;
mod history;
mod index;
mod lex;
mod lock;
mod new;
mod plan;
mod repair;
mod run;
mod select;
mod separate;
mod session;
mod set;
mod settings;
mod statement;
mod status;
mod verify;
mod watch;

pub use baseline::{Baseline, baseline};
pub use error::{Failed, MigrateError, Refused, SqlError, exit};
pub use file::Phase;
pub use new::new_file;
pub use plan::{Finding, Harm, Plan, PlannedFile, Rule, Verdict, judge_text, plan, plan_all};
pub use repair::{Condition, Problem, Repairs, repair};
pub use run::{Applied, Report, UpOptions, up, up_with};
pub use select::Want;
pub use set::MigrationSet;
pub use settings::MigrateSettings;
pub use status::{Entry, SetStatus, State, Status, pending, status};
pub use verify::{Difference, Verification, VerifyOptions, verify};
