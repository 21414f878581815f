//! The peers that are written for Python: a virtual environment with them, made once a checkout and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::process::{output, succeed};

/// Each is installed by itself: uWSGI is compiled, which may fail where the others do not.
const REQUIREMENTS: [&str; 4] = [
    "pyramid==2.*",
    "gunicorn==27.*",
    "granian==2.*",
    "uWSGI==2.0.*",
];
const VERSIONS: &str = "
import importlib.metadata, platform
print('Python', platform.python_version())
for name in ('uWSGI', 'gunicorn', 'granian', 'pyramid'):
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass
";

/// The directory of the environment's programs; `None`, loudly, where there is no Python.
pub(super) fn environment(
    checkout: &Checkout,
    may_install: bool,
    interrupt: &Interrupt,
) -> Result<Option<PathBuf>> {
    let directory = checkout.state("bench")?.join("python");
    // Written last: a half-made environment is made again.
    let complete = directory.join("complete");
    let wanted = REQUIREMENTS.join("\n");
    if fs::read_to_string(&complete).ok().as_deref() == Some(wanted.as_str()) {
        return Ok(Some(directory.join("bin")));
    }
    if !may_install {
        say("SKIPPING uWSGI, gunicorn and granian: --no-install forbids to install them");
        return Ok(None);
    }
    say("making a Python environment with uWSGI, gunicorn, granian and Pyramid, once");
    match make(&directory, interrupt) {
        Ok(()) => {
            fs::write(&complete, wanted).context("cannot mark the environment as complete")?;
            Ok(Some(directory.join("bin")))
        }
        Err(error) => {
            interrupt.check()?;
            say(&format!("SKIPPING uWSGI, gunicorn and granian: {error:#}"));
            Ok(None)
        }
    }
}

fn make(directory: &Path, interrupt: &Interrupt) -> Result<()> {
    let mut command = Command::new("python3");
    command.args(["-m", "venv", "--clear"]).arg(directory);
    succeed(&mut command, interrupt)?;
    for (index, requirement) in REQUIREMENTS.iter().enumerate() {
        let mut command = Command::new(directory.join("bin/pip"));
        command.args(["install", "--quiet", "--disable-pip-version-check"]);
        command.arg(requirement);
        match succeed(&mut command, interrupt) {
            Ok(()) => {}
            // Without Pyramid there is no application for any of them.
            Err(error) if index == 0 => return Err(error),
            Err(error) => {
                interrupt.check()?;
                say(&format!("SKIPPING {requirement}: {error:#}"));
            }
        }
    }
    Ok(())
}

/// What is installed in the environment.
pub(super) fn versions(programs: &Path) -> Result<Vec<String>> {
    let mut command = Command::new(programs.join("python"));
    command.args(["-c", VERSIONS]);
    Ok(output(&mut command)?.lines().map(str::to_owned).collect())
}
