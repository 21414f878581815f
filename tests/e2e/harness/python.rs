//! Virtual environments with programs of others, each made once a checkout and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use super::ground::workspace;
use super::run::{say, skip};

/// The directory of Celery's programs (`python`, `celery`); none, loudly, where there is no Python.
pub(crate) fn with_celery() -> Option<PathBuf> {
    with("celery", "celery[redis]==5.*")
}

/// The directory with `uwsgitop`; none, loudly, where there is no Python.
pub(crate) fn with_uwsgitop() -> Option<PathBuf> {
    with("uwsgitop", "uwsgitop==0.12")
}

fn with(name: &str, requirement: &str) -> Option<PathBuf> {
    if run(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
        skip(&format!(
            "real {name}: there is no python3 with venv and ensurepip"
        ));
        return None;
    }
    let directory = workspace().join(format!(".kiuas/test/{name}-venv"));
    fs::create_dir_all(directory.parent().expect("a parent")).expect("directory");
    // Two tests may come at once; the lock goes with the file.
    let lock = File::create(directory.with_extension("lock")).expect("lock file");
    flock(&lock, FlockOperation::LockExclusive).expect("lock");
    // Written last: a half-made environment is made again.
    let complete = directory.join("complete");
    if fs::read_to_string(&complete).ok().as_deref() != Some(requirement) {
        make(&directory, requirement)
            .unwrap_or_else(|problem| panic!("no environment for {requirement}: {problem}"));
        fs::write(&complete, requirement).expect("marker");
    }
    Some(directory.join("bin"))
}

fn make(directory: &Path, requirement: &str) -> Result<(), String> {
    say(&format!(
        "making a Python environment with {requirement}, once"
    ));
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
