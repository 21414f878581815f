//! Which files a run applies.
//!
//! Files are applied in the order of their numbers, but a contract file waits for its phase while expand
//! files with higher numbers overtake it. On an empty history nobody uses the tables yet: everything is
//! applied, in order, and nothing is refused.

use refinery_core::Migration;

use crate::error::MigrateError;
use crate::file::Phase;
use crate::set::MigrationSet;
use crate::status::{Entry, State};

/// Which phases a run applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Want {
    /// Expand files, and everything on an empty history.
    #[default]
    Expand,
    /// Contract files.
    Contract,
    /// Both, in the order of their numbers.
    All,
}

/// The files of a run.
#[derive(Debug)]
pub(crate) struct Chosen<'a> {
    /// In the order in which they are applied.
    pub(crate) files: Vec<&'a Migration>,
    /// True if somebody may be using the database.
    pub(crate) guarded: bool,
}

/// The files of `set` to apply, after its files and its history have been found to agree.
///
/// # Errors
/// They contradict one another.
pub(crate) fn choose<'a>(
    set: &'a MigrationSet,
    entries: &[Entry],
    want: Want,
) -> Result<Chosen<'a>, MigrateError> {
    check(set, entries)?;
    let guarded = entries.iter().any(|entry| entry.applied_at.is_some());
    let is_wanted = |entry: &&Entry| {
        let is_phase = match want {
            Want::Expand => entry.phase == Phase::Expand,
            Want::Contract => entry.phase == Phase::Contract,
            Want::All => true,
        };
        entry.state == State::Pending && (is_phase || !guarded)
    };
    let files: Vec<&Migration> = entries
        .iter()
        .filter(is_wanted)
        .filter_map(|entry| {
            set.migrations()
                .iter()
                .find(|one| one.version() == entry.version)
        })
        .collect();
    let chosen = Chosen { files, guarded };
    in_order(set, entries, &chosen, want)?;
    Ok(chosen)
}

/// A contract file takes away what the expand files before it have replaced: those come first.
fn in_order(
    set: &MigrationSet,
    entries: &[Entry],
    chosen: &Chosen<'_>,
    want: Want,
) -> Result<(), MigrateError> {
    let last = chosen.files.last().map(|file| file.version());
    let skipped = entries.iter().find(|entry| {
        entry.state == State::Pending
            && entry.phase == Phase::Expand
            && last.is_some_and(|last| entry.version < last)
    });
    match skipped {
        Some(entry) if want == Want::Contract && chosen.guarded => Err(MigrateError::ExpandFirst {
            set: set.name().to_owned(),
            file: entry.file.clone(),
        }),
        _ => Ok(()),
    }
}

/// Whether anything stands against applying what is pending.
fn check(set: &MigrationSet, entries: &[Entry]) -> Result<(), MigrateError> {
    for entry in entries {
        let (name, file) = (set.name().to_owned(), entry.file.clone());
        let applied_at = entry.applied_at.unwrap_or_default();
        match entry.state {
            State::Applied | State::Pending => {}
            State::Changed => {
                return Err(MigrateError::Changed {
                    set: name,
                    file,
                    applied_at,
                });
            }
            State::Missing => {
                return Err(MigrateError::Missing {
                    set: name,
                    file,
                    applied_at,
                });
            }
            State::OutOfOrder => {
                let applied = entries.iter().filter(|entry| entry.applied_at.is_some());
                return Err(MigrateError::OutOfOrder {
                    set: name,
                    file,
                    current: applied.map(|entry| entry.version).max().unwrap_or_default(),
                });
            }
        }
    }
    Ok(())
}
