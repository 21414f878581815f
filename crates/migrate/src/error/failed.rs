//! The one message about a file that failed.

use std::fmt;

use super::SqlError;

/// A file failed; the files before it stay applied.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failed {
    /// The set.
    pub set: String,
    /// The file.
    pub file: String,
    /// Line of the failure, from 1; `None` if it was the commit that failed.
    pub line: Option<usize>,
    /// Of a file with `no-transaction`: how many of its statements stay done. `None`: it is rolled back.
    pub done: Option<usize>,
    /// The version that the set is left at; `None`: it is empty.
    pub current: Option<i32>,
    /// Files of this run that were applied before, over all sets.
    pub applied: Vec<String>,
    /// What PostgreSQL says.
    pub source: SqlError,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, file, .. } = self;
        write!(f, "migration `{file}` of `{set}` failed")?;
        match self.line {
            Some(line) => write!(f, ", line {line}")?,
            None => write!(f, " at its commit")?,
        }
        match self.done {
            None => write!(f, "; it is rolled back, `{set}` stays ")?,
            Some(0) => write!(f, "; nothing of it is left, `{set}` stays ")?,
            Some(done) => write!(
                f,
                "; its first {done} statements stay applied and the next run goes on behind them, `{set}` stays "
            )?,
        }
        match self.current {
            Some(version) => write!(f, "at version {version}")?,
            None => write!(f, "empty")?,
        }
        match self.applied.as_slice() {
            [] => write!(f, ", nothing was applied before it"),
            files => write!(f, ", applied before it: {}", files.join(", ")),
        }
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
