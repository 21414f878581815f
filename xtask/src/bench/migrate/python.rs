//! Alembic in a virtual environment of its own, made once a checkout and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::process::{output, succeed};

const REQUIREMENTS: [&str; 2] = ["alembic==1.*", "psycopg[binary]==3.*"];
const VERSIONS: &str = "
import importlib.metadata, platform
print('Python', platform.python_version())
for name in ('alembic', 'sqlalchemy', 'psycopg'):
    print(name, importlib.metadata.version(name))
";

/// The directory of the environment's programs; `None`, loudly, where there is no Python.
pub(super) fn environment(
    checkout: &Checkout,
    may_install: bool,
    interrupt: &Interrupt,
) -> Result<Option<PathBuf>> {
    let directory = checkout.state("bench")?.join("alembic");
    // Written last: a half-made environment is made again.
    let complete = directory.join("complete");
    let wanted = REQUIREMENTS.join("\n");
    if fs::read_to_string(&complete).ok().as_deref() == Some(wanted.as_str()) {
        return Ok(Some(directory.join("bin")));
    }
    if !may_install {
        say("SKIPPING Alembic: --no-install forbids to install it");
        return Ok(None);
    }
    say("making a Python environment with Alembic, once");
    match make(&directory, interrupt) {
        Ok(()) => {
            fs::write(&complete, wanted).context("cannot mark the environment as complete")?;
            Ok(Some(directory.join("bin")))
        }
        Err(error) => {
            interrupt.check()?;
            say(&format!("SKIPPING Alembic: {error:#}"));
            Ok(None)
        }
    }
}

fn make(directory: &Path, interrupt: &Interrupt) -> Result<()> {
    let mut command = Command::new("python3");
    command.args(["-m", "venv", "--clear"]).arg(directory);
    succeed(&mut command, interrupt)?;
    let mut command = Command::new(directory.join("bin/pip"));
    command
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(REQUIREMENTS);
    succeed(&mut command, interrupt)
}

/// What is installed in the environment.
pub(super) fn versions(programs: &Path) -> Result<Vec<String>> {
    let mut command = Command::new(programs.join("python"));
    command.args(["-c", VERSIONS]);
    Ok(output(&mut command)?.lines().map(str::to_owned).collect())
}
