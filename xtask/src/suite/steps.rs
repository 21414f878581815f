//! The checks before the tests, in order: what is quick first.
//!
//! Build and tests select the same targets with the same features, so that nothing is built twice;
//! clippy shares the build scripts and procedural macros with them.

use anyhow::Result;

use crate::checkout::Checkout;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::process::{cargo, succeed};
use crate::tidy;

/// One check.
pub(super) struct Step {
    /// What the report calls it.
    pub(super) name: &'static str,
    /// True when nothing after it makes sense without it.
    pub(super) vital: bool,
    what: What,
}

enum What {
    Cargo(&'static [&'static str]),
    Deny,
    Tidy,
}

const FORMAT: Step = Step {
    name: "format",
    vital: false,
    what: What::Cargo(&["fmt", "--all", "--check"]),
};
const TIDY: Step = Step {
    name: "tidy",
    vital: false,
    what: What::Tidy,
};
const POLICY: Step = Step {
    name: "dependencies",
    vital: false,
    what: What::Deny,
};
/// The fuzz targets are a workspace of their own: their lock file falls behind unnoticed otherwise,
/// and they are built last.
const LOCKS: Step = Step {
    name: "locks",
    vital: false,
    what: What::Cargo(&["fetch", "--locked", "--manifest-path", "fuzz/Cargo.toml"]),
};
const LINTS: Step = Step {
    name: "lints",
    vital: false,
    what: What::Cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]),
};
const BUILD: Step = Step {
    name: "build",
    vital: true,
    what: What::Cargo(&["build", "--workspace", "--all-targets", "--locked"]),
};

/// The checks to run: all of them, or what a few tests need.
pub(super) fn before_tests(all: bool) -> Vec<Step> {
    if all {
        vec![FORMAT, TIDY, POLICY, LOCKS, LINTS, BUILD]
    } else {
        vec![BUILD]
    }
}

impl Step {
    /// Runs it; its output is its own.
    pub(super) fn run(&self, checkout: &Checkout, interrupt: &Interrupt) -> Result<()> {
        match self.what {
            What::Cargo(arguments) => succeed(
                cargo().current_dir(checkout.root()).args(arguments),
                interrupt,
            ),
            What::Deny => deny(checkout, interrupt),
            What::Tidy => tidy::check(checkout),
        }
    }
}

/// Licences, banned and duplicate crates, and where crates come from. Advisories need a database from
/// the network and are not part of the tests.
fn deny(checkout: &Checkout, interrupt: &Interrupt) -> Result<()> {
    let found = cargo().args(["deny", "--version"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        say(
            "cargo-deny is not installed, its checks are left out: `cargo install --locked cargo-deny`",
        );
        return Ok(());
    }
    let mut command = cargo();
    command.current_dir(checkout.root());
    command.args(["deny", "--locked", "check", "bans", "licenses", "sources"]);
    succeed(&mut command, interrupt)
}
