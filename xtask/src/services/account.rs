//! The account that PostgreSQL runs as, which refuses to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checkout::is_root;

/// In this order: the account made for it, the account that may do least.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// An unprivileged account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The account to run PostgreSQL as; `None` when we are unprivileged ourselves.
    pub(crate) fn unprivileged() -> Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        match CANDIDATES
            .iter()
            .find_map(|name| Self::parse(&accounts, name))
        {
            Some(account) => Ok(Some(account)),
            None => bail!(
                "PostgreSQL does not run as root, and neither account `{}` exists",
                CANDIDATES.join("` nor `")
            ),
        }
    }

    /// `name` in the text of `/etc/passwd`; never root under another name.
    pub(crate) fn parse(accounts: &str, name: &str) -> Option<Self> {
        accounts.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [found, _, user, group, ..] = fields.as_slice() else {
                return None;
            };
            let account = Self {
                user: user.parse().ok()?,
                group: group.parse().ok()?,
            };
            (*found == name && account.user != 0).then_some(account)
        })
    }

    /// Flags of setpriv(1) that become this account.
    pub(crate) fn setpriv(&self) -> [String; 3] {
        [
            format!("--reuid={}", self.user),
            format!("--regid={}", self.group),
            "--clear-groups".to_owned(),
        ]
    }

    /// Makes `command` run as this account, without supplementary groups.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }

    /// Gives `path` to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.user), Some(self.group))
            .with_context(|| format!("cannot give {} to user {}", path.display(), self.user))
    }

    /// True when this account may pass through `directory` and everything above it.
    pub(crate) fn reaches(&self, directory: &Path) -> bool {
        let mut command = Command::new("test");
        command.arg("-x").arg(directory).current_dir("/");
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}
