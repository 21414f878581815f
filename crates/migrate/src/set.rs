//! A set of migration files that share one history.

use std::path::Path;

use refinery_core::{Migration, Runner};

use crate::error::MigrateError;
use crate::file::File;

/// The stack's own files, in the order of their versions.
const STACK: &[(&str, &str)] = &[("V1__stack.sql", include_str!("../migrations/V1__stack.sql"))];

/// Migration files that share one history table. Files are named `V<number>__<name>.sql`.
#[derive(Debug, Clone)]
pub struct MigrationSet {
    name: String,
    history: String,
    migrations: Vec<Migration>,
}

impl MigrationSet {
    /// The files that `refinery::embed_migrations!` put into the binary, with their history in
    /// `public.refinery_schema_history`. `name` is what messages call the set: the application's name.
    #[must_use]
    pub fn embedded(name: &str, runner: &Runner) -> Self {
        Self::sorted(name, runner.get_migrations().clone())
    }

    /// Files given by name and text.
    ///
    /// # Errors
    /// A name is not `V<number>__<name>.sql`, or a version occurs twice.
    pub fn from_files(name: &str, files: &[(&str, &str)]) -> Result<Self, MigrateError> {
        let mut migrations = Vec::with_capacity(files.len());
        for (file, sql) in files {
            let stem = file.strip_suffix(".sql").unwrap_or(file);
            let migration = Migration::unapplied(stem, sql).map_err(|_| MigrateError::Name {
                set: name.to_owned(),
                file: (*file).to_owned(),
            })?;
            migrations.push(migration);
        }
        Ok(Self::sorted(name, migrations))
    }

    /// The SQL files of a directory.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or a name is not `V<number>__<name>.sql`.
    pub fn from_directory(name: &str, directory: &Path) -> Result<Self, MigrateError> {
        let failed = |source| MigrateError::Directory {
            directory: directory.to_owned(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let file = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if file.ends_with(".sql") {
                files.push((file, std::fs::read_to_string(&path).map_err(failed)?));
            }
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(file, sql)| (file.as_str(), sql.as_str()))
            .collect();
        Self::from_files(name, &files)
    }

    /// A set without files, for an application that has no tables.
    #[must_use]
    pub fn empty(name: &str) -> Self {
        Self::sorted(name, Vec::new())
    }

    /// Keeps the history in `table`, written `schema.table`. Two sets on one database need two.
    #[must_use]
    pub fn with_history(mut self, table: &str) -> Self {
        table.clone_into(&mut self.history);
        self
    }

    /// Compares with a directory, for an application's tests: a file that is there and not in this set
    /// is misnamed, or the binary was built before it was written.
    ///
    /// # Errors
    /// The directory cannot be read, or an SQL file in it is not in this set.
    pub fn check_directory(&self, directory: &Path) -> Result<(), MigrateError> {
        let failed = |source| MigrateError::Directory {
            directory: directory.to_owned(),
            source,
        };
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name();
            let file = file.to_string_lossy();
            let known = || self.migrations.iter().any(|one| file_name(one) == *file);
            if file.ends_with(".sql") && !known() {
                return Err(MigrateError::Unlisted {
                    set: self.name.clone(),
                    file: file.into_owned(),
                });
            }
        }
        Ok(())
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its history table, `schema.table`.
    pub(crate) fn history(&self) -> &str {
        &self.history
    }

    /// In the order of their versions.
    pub(crate) fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    fn sorted(name: &str, mut migrations: Vec<Migration>) -> Self {
        migrations.sort();
        Self {
            name: name.to_owned(),
            history: "public.refinery_schema_history".to_owned(),
            migrations,
        }
    }

    fn check(&self) -> Result<(), MigrateError> {
        let (schema, table) = self.history.split_once('.').unwrap_or_default();
        if !is_identifier(schema) || !is_identifier(table) {
            return Err(MigrateError::HistoryName {
                set: self.name.clone(),
                table: self.history.clone(),
            });
        }
        for migration in &self.migrations {
            // refinery's unversioned files have no place in an order.
            if !file_name(migration).starts_with('V') {
                return Err(MigrateError::Name {
                    set: self.name.clone(),
                    file: file_name(migration),
                });
            }
            file_of(self, migration)?;
        }
        for pair in self.migrations.windows(2) {
            if let [one, other] = pair
                && one.version() == other.version()
            {
                return Err(MigrateError::Repeated {
                    set: self.name.clone(),
                    one: file_name(one),
                    other: file_name(other),
                });
            }
        }
        Ok(())
    }
}

/// The stack's own set, then `sets`, each of them checked.
pub(crate) fn with_stack(sets: &[MigrationSet]) -> Result<Vec<MigrationSet>, MigrateError> {
    let stack =
        MigrationSet::from_files("kiuas", STACK)?.with_history("kiuas.refinery_schema_history");
    let mut all = vec![stack];
    for set in sets {
        if let Some(other) = all.iter().find(|one| one.history == set.history) {
            return Err(MigrateError::SharedHistory {
                one: other.name.clone(),
                other: set.name.clone(),
                table: set.history.clone(),
            });
        }
        all.push(set.clone());
    }
    all.iter().try_for_each(MigrationSet::check)?;
    Ok(all)
}

/// The set called `name` among `sets`; without a name, the application's only one.
///
/// # Errors
/// There is no such set, or several.
pub(crate) fn named<'a>(
    sets: &'a [MigrationSet],
    name: Option<&str>,
) -> Result<&'a MigrationSet, MigrateError> {
    let found = match (name, sets) {
        (Some(name), _) => sets.iter().find(|set| set.name == name),
        // The stack's own comes first.
        (None, [_, only]) => Some(only),
        _ => None,
    };
    found.ok_or_else(|| MigrateError::UnknownSet {
        name: name.unwrap_or_default().to_owned(),
        known: sets
            .iter()
            .map(|set| format!("`{}`", set.name))
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// `V2__polls.sql`.
pub(crate) fn file_name(migration: &Migration) -> String {
    format!("{migration}.sql")
}

/// What `migration` says and asks for.
///
/// # Errors
/// A directive is wrong.
pub(crate) fn file_of<'a>(
    set: &MigrationSet,
    migration: &'a Migration,
) -> Result<File<'a>, MigrateError> {
    File::parse(migration.sql().unwrap_or_default()).map_err(|wrong| MigrateError::Directive {
        set: set.name().to_owned(),
        file: file_name(migration),
        line: wrong.line,
        problem: wrong.problem,
    })
}

/// Table names go into statements unquoted: nothing but lower-case identifiers may.
fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && text.len() <= 63
}

#[cfg(test)]
mod tests;
