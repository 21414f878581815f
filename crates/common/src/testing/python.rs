//! Virtual environments with programs of others, each made once a checkout and kept.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use super::skip;

/// The directory of the programs (`python`, `NAME`) of an environment called `name` in which pip has
/// installed `requirement`; none, loudly, where there is no Python.
///
/// # Panics
/// There is a Python, and the environment cannot be made.
#[must_use]
pub fn python_with(name: &str, requirement: &str) -> Option<PathBuf> {
    if run(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
        skip(&format!(
            "real {name}: there is no python3 with venv and ensurepip"
        ));
        return None;
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.kiuas/test");
    fs::create_dir_all(&kept).expect("directory");
    let kept = kept.canonicalize().expect("directory");
    let directory = kept.join(format!("{name}-venv"));
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
    let told = format!("making a Python environment with {requirement}, once");
    drop(writeln!(std::io::stderr().lock(), "{told}"));
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
