//! A virtual environment with Celery, made once a checkout and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use super::ground::workspace;
use super::run::{say, skip};

const REQUIREMENT: &str = "celery[redis]==5.*";

/// The directory of its programs (`python`, `celery`); none, loudly, where there is no Python.
pub(crate) fn with_celery() -> Option<PathBuf> {
    if run(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
        skip("real Celery: there is no python3 with venv and ensurepip");
        return None;
    }
    let directory = workspace().join(".kiuas/test/celery-venv");
    fs::create_dir_all(directory.parent().expect("a parent")).expect("directory");
    // Two tests may come at once; the lock goes with the file.
    let lock = File::create(directory.with_extension("lock")).expect("lock file");
    flock(&lock, FlockOperation::LockExclusive).expect("lock");
    // Written last: a half-made environment is made again.
    let complete = directory.join("complete");
    if fs::read_to_string(&complete).ok().as_deref() != Some(REQUIREMENT) {
        make(&directory).unwrap_or_else(|problem| panic!("no environment for Celery: {problem}"));
        fs::write(&complete, REQUIREMENT).expect("marker");
    }
    Some(directory.join("bin"))
}

fn make(directory: &Path) -> Result<(), String> {
    say("making a Python environment with Celery, once");
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(directory))?;
    run(Command::new(directory.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .arg(REQUIREMENT))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{command:?} ended with {}: {errors}",
        output.status
    ))
}
