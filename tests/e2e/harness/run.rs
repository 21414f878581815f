//! The directory of one test: sockets, settings, mail, and a log a process.
//!
//! It goes when the test passes and stays when it fails (or when `KIUAS_TEST_KEEP` is set). Whatever
//! still runs of what was started in it is killed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use kiuas_common::testing::STATE_VARIABLE;
use rustix::process::Signal;
use tempfile::TempDir;
use uuid::Uuid;

use super::tree;

/// The environment variable by which every process of a test is known, grandchildren included.
pub(crate) const MARKER: &str = "KIUAS_TEST_RUN";

/// A temporary directory and the mark of everything that was started for it.
pub(crate) struct RunDirectory {
    directory: Option<TempDir>,
    mark: String,
}

impl RunDirectory {
    pub(crate) fn create() -> Self {
        // Short, because a Unix socket's path has 107 bytes; outside the checkout, because a stack
        // must not depend on where it runs.
        let directory = tempfile::Builder::new()
            .prefix("kiuas-e2e-")
            .tempdir()
            .expect("temporary directory");
        Self {
            directory: Some(directory),
            mark: Uuid::new_v4().to_string(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.as_ref().expect("until drop").path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The value of [`MARKER`] in this run's processes.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        for process in tree::marked(&self.mark) {
            tree::signal(process.pid, Signal::KILL);
        }
        if !std::thread::panicking() && std::env::var_os("KIUAS_TEST_KEEP").is_none() {
            return;
        }
        if let Some(directory) = self.directory.take() {
            let kept = keep(directory);
            say(&format!("logs are kept in {}", kept.display()));
        }
    }
}

/// Where logs stay: beside those of `cargo xtask test`, or where they are.
fn keep(directory: TempDir) -> PathBuf {
    let Some(state) = std::env::var_os(STATE_VARIABLE) else {
        return directory.keep();
    };
    let test = std::thread::current()
        .name()
        .map_or_else(|| "main".to_owned(), |name| name.replace("::", "."));
    let kept = Path::new(&state).join("logs").join(test);
    match copy(directory.path(), &kept) {
        Ok(()) => kept,
        Err(_) => directory.keep(),
    }
}

/// Copies the plain files; sockets and browsers' profiles tell nobody anything.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// A line for whoever reads the test's output.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
