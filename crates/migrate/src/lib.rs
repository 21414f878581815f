//! SQL migrations under a lock.
//!
//! Owns: the stack's own tables (schema `kiuas`), the order of sets (the stack's first, then the
//! application's), the lock that lets one runner work at a time, the limits that keep a migration from
//! hurting a running site, and the words that say what went wrong. refinery reads file names, compares
//! checksums and keeps the history table.
//!
//! Architecture invariant: nothing here knows a task, a route or a beat entry. Migrations run on a
//! connection of their own, never on a pooled one.

mod error;
mod history;
mod lock;
mod run;
mod session;
mod set;
mod settings;
mod statement;
mod status;

pub use error::{Failed, MigrateError, SqlError};
pub use run::{Applied, Report, up};
pub use set::MigrationSet;
pub use settings::MigrateSettings;
pub use status::{Entry, SetStatus, State, Status, pending, status};
