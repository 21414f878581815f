//! Where PostgreSQL's programs are. Debian keeps one directory a major version, outside `PATH`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::process::is_executable;

/// Names another directory of PostgreSQL's programs, for machines that are not Debian.
pub(crate) const VARIABLE: &str = "KIUAS_POSTGRES_BIN";

const DEBIAN: &str = "/usr/lib/postgresql";
const PROGRAMS: [&str; 4] = ["postgres", "initdb", "psql", "pg_isready"];

/// A directory with `postgres`, `initdb`, `psql` and `pg_isready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// The newest version installed.
    pub(crate) fn newest() -> Result<Self> {
        Self::find(|found| found.last().cloned())
    }

    /// The version that made data: a newer major version does not read them.
    pub(crate) fn of_major(major: &str) -> Result<Self> {
        Self::find(|found| found.iter().find(|(name, _)| name == major).cloned())
    }

    /// The program `name`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn find(choose: impl Fn(&[(String, PathBuf)]) -> Option<(String, PathBuf)>) -> Result<Self> {
        if let Some(directory) = std::env::var_os(VARIABLE) {
            return Self::at(Path::new(&directory));
        }
        let found = versions(Path::new(DEBIAN));
        match choose(&found) {
            Some((_, directory)) => Self::at(&directory),
            None => {
                match crate::process::find("initdb").and_then(|path| path.canonicalize().ok()) {
                    Some(initdb) if found.is_empty() => {
                        Self::at(initdb.parent().unwrap_or(Path::new("/")))
                    }
                    _ => bail!("no PostgreSQL in {DEBIAN}; {VARIABLE} can name its directory"),
                }
            }
        }
    }

    fn at(directory: &Path) -> Result<Self> {
        for program in PROGRAMS {
            if !is_executable(&directory.join(program)) {
                bail!(
                    "no PostgreSQL in {}: `{program}` is missing",
                    directory.display()
                );
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
        })
    }
}

/// The complete versions under `top`, oldest first, with the directory of their programs.
pub(crate) fn versions(top: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(top) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let number: f64 = name.parse().ok()?;
            let directory = top.join(&name).join("bin");
            Binaries::at(&directory).ok()?;
            Some((number, name, directory))
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found
        .into_iter()
        .map(|(_, name, directory)| (name, directory))
        .collect()
}
