//! A virtual environment of Python, made once and kept beside what the tests' build leaves.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use crate::harness::skip;

/// The directory of the programs of `requirement`; none, loudly, where it cannot be had.
pub(super) fn with(requirement: &str) -> Option<PathBuf> {
    let name = requirement.split('=').next().unwrap_or(requirement);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-venv"));
    fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).expect("directory");
    // Two tests may come at once; the lock goes with the file.
    let lock = File::create(directory.with_extension("lock")).expect("lock file");
    flock(&lock, FlockOperation::LockExclusive).expect("lock");
    // Written last: a half-made environment is made again.
    let complete = directory.join("complete");
    if fs::read_to_string(&complete).ok().as_deref() != Some(requirement) {
        if let Err(problem) = make(&directory, requirement) {
            skip(&format!("{name} under the pool: {problem}"));
            return None;
        }
        fs::write(&complete, requirement).expect("marker");
    }
    Some(directory.join("bin"))
}

fn make(directory: &Path, requirement: &str) -> Result<(), String> {
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(directory))?;
    run(Command::new(directory.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .arg(requirement))
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
