//! `new`: an empty file with the next number.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use refinery_core::Migration;

use crate::error::MigrateError;
use crate::file::Phase;

/// Writes an empty file for `name` into `directory`, numbered behind all that are there.
///
/// # Errors
/// `name` has other characters than letters, digits and `_`, the directory cannot be read, or the file
/// not be written.
pub fn new_file(
    directory: &Path,
    name: &str,
    phase: Phase,
    no_transaction: bool,
) -> Result<PathBuf, MigrateError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(MigrateError::NewName {
            name: name.to_owned(),
        });
    }
    let path = directory.join(format!("V{}__{name}.sql", next(directory)?));
    let failed = |source| MigrateError::Write {
        path: path.clone(),
        source,
    };
    // Never over a file that somebody has written a moment ago.
    let mut file = File::create_new(&path).map_err(failed)?;
    file.write_all(text(name, phase, no_transaction).as_bytes())
        .map_err(failed)?;
    Ok(path)
}

fn next(directory: &Path) -> Result<i32, MigrateError> {
    let failed = |source| MigrateError::Directory {
        directory: directory.to_owned(),
        source,
    };
    let mut newest = 0;
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let file = entry.map_err(failed)?.file_name();
        let file = file.to_string_lossy();
        if let Some(Ok(migration)) = file
            .strip_suffix(".sql")
            .map(|stem| Migration::unapplied(stem, ""))
        {
            newest = newest.max(migration.version());
        }
    }
    Ok(newest + 1)
}

fn text(name: &str, phase: Phase, no_transaction: bool) -> String {
    let words = name.replace('_', " ");
    let mut text = format!("-- Why: {words}.\n");
    if phase == Phase::Contract {
        text.push_str("-- migrate: contract\n");
    }
    if no_transaction {
        text.push_str("-- migrate: no-transaction\n");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_the_next_number_and_its_directives() {
        let directory = tempfile::tempdir().expect("directory");
        let first = new_file(directory.path(), "users", Phase::Expand, false).expect("file");
        assert!(first.ends_with("V1__users.sql"), "{}", first.display());
        std::fs::write(directory.path().join("V41__other.sql"), "").expect("file");
        let next = new_file(directory.path(), "drop_old", Phase::Contract, true).expect("file");
        assert!(next.ends_with("V42__drop_old.sql"), "{}", next.display());
        let text = std::fs::read_to_string(next).expect("text");
        assert_eq!(
            text,
            "-- Why: drop old.\n-- migrate: contract\n-- migrate: no-transaction\n\n"
        );
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        for name in ["", "add column", "../x", "ä"] {
            let error = new_file(directory.path(), name, Phase::Expand, false).expect_err(name);
            assert!(error.to_string().contains("is no name"), "{error}");
        }
    }
}
