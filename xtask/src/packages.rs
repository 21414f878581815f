//! What the machine must have, and how it gets there from Debian's packages.
//!
//! Installing never starts or enables a system service and never makes a PostgreSQL cluster: see
//! `packages/install.sh`, which runs as root in one piece and cleans up after itself.

mod apt;
mod need;

use std::process::Command;

use anyhow::{Result, bail};

pub(crate) use need::{
    BENCH, BROWSER, CELERY, COMPOSE, CURL, MMDEBSTRAP, NGINX, Need, PEBBLE, POSTGRES, RABBITMQ,
    REDIS, WRK,
};

use crate::checkout::is_root;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::process::{find, output, succeed};

/// Runs as root: `sh -c INSTALL install PACKAGE... -- UNIT...`.
const INSTALL: &str = include_str!("packages/install.sh");

/// Makes sure that everything in `needs` is there.
///
/// Fails with one line that says what to install when it may not, or cannot, install.
pub(crate) fn require(needs: &[&Need], may_install: bool, interrupt: &Interrupt) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if !may_install {
        bail!(
            "{}, and --no-install forbids to install it",
            advice(&missing)
        );
    }
    let Some(root) = as_root() else {
        bail!("{}", advice(&missing));
    };
    install(&missing, root, interrupt)?;
    match self::missing(needs).as_slice() {
        [] => Ok(()),
        missing => bail!("{} (the packages were installed just now)", advice(missing)),
    }
}

/// The same for what is only wanted: says what stays missing instead of failing.
pub(crate) fn wish(needs: &[&Need], may_install: bool, interrupt: &Interrupt) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if let (true, Some(root)) = (may_install, as_root())
        && let Err(error) = install(&missing, root, interrupt)
    {
        interrupt.check()?;
        say(&format!("could not install: {error:#}"));
    }
    for need in self::missing(needs) {
        say(&format!("SKIPPING what needs it: {}", advice(&[need])));
    }
    Ok(())
}

fn missing<'a>(needs: &[&'a Need]) -> Vec<&'a Need> {
    needs
        .iter()
        .copied()
        .filter(|need| !need.is_met())
        .collect()
}

/// The one line for those who install by hand.
fn advice(missing: &[&Need]) -> String {
    let names: Vec<_> = missing.iter().map(|need| need.name).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!(
        "{} {verb} missing: `sudo apt-get install {}` on Debian, or the like elsewhere",
        names.join(" and "),
        packages(missing).join(" ")
    )
}

fn packages<'a>(needs: &[&'a Need]) -> Vec<&'a str> {
    needs
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect()
}

/// The words in front of a command that make it run as root without a question; `None` where that, or
/// `apt-get`, does not exist.
fn as_root() -> Option<&'static [&'static str]> {
    find("apt-get")?;
    if is_root() {
        return Some(&[]);
    }
    let quiet = Command::new("sudo").args(["-n", "true"]).output();
    quiet
        .is_ok_and(|output| output.status.success())
        .then_some(&["sudo", "-n"])
}

fn install(missing: &[&Need], root: &[&str], interrupt: &Interrupt) -> Result<()> {
    let packages = packages(missing);
    say(&format!("installing {}", packages.join(" ")));
    refresh(&packages, root, interrupt)?;
    let mut command = rooted(root, "sh");
    command
        .args(["-c", INSTALL, "install"])
        .args(&packages)
        .arg("--")
        .args(missing.iter().flat_map(|need| need.units));
    succeed(&mut command, interrupt)
}

/// Reads the lists of packages anew if one is unknown, and says which stays unknown.
fn refresh(packages: &[&str], root: &[&str], interrupt: &Interrupt) -> Result<()> {
    if unavailable(packages)?.is_empty() {
        return Ok(());
    }
    succeed(
        rooted(root, "apt-get").args(["update", "--quiet"]),
        interrupt,
    )?;
    let unknown = unavailable(packages)?;
    if !unknown.is_empty() {
        bail!(
            "this distribution has no package {}",
            unknown.join(" and none called ")
        );
    }
    Ok(())
}

fn unavailable<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    let policy = output(
        Command::new("apt-cache")
            .env("LC_ALL", "C")
            .arg("policy")
            .args(packages),
    )?;
    let available = apt::candidates(&policy);
    Ok(packages
        .iter()
        .copied()
        .filter(|package| !available.contains(package))
        .collect())
}

fn rooted(root: &[&str], program: &str) -> Command {
    let mut words = root.iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words);
    command
}

#[cfg(test)]
mod tests;
