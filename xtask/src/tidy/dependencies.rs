//! What cargo knows about the packages, and crates that must never be compiled in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Breach;
use crate::checkout::Checkout;
use crate::process::{cargo, output};

/// One cryptographic provider (aws-lc-rs) and one TLS library (rustls) in every process.
const BANNED: &[&str] = &["native-tls", "openssl", "openssl-sys", "ring"];

/// The parts of `cargo metadata` that rules look at.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    pub(super) workspace_root: PathBuf,
}

/// One package of the workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) manifest_path: PathBuf,
    pub(super) dependencies: Vec<Dependency>,
}

/// One dependency of a package.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Option<Kind>,
    pub(super) path: Option<PathBuf>,
}

/// What a dependency is for; absent for normal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Build,
    Dev,
}

impl Metadata {
    /// The folder of `package`, relative to the workspace.
    pub(super) fn folder<'a>(&self, package: &'a Package) -> Result<&'a Path> {
        package
            .manifest_path
            .parent()
            .unwrap_or(&package.manifest_path)
            .strip_prefix(&self.workspace_root)
            .with_context(|| format!("{} lies outside the workspace", package.name))
    }
}

/// The packages of the workspace, without what they depend on elsewhere.
pub(super) fn metadata(checkout: &Checkout) -> Result<Metadata> {
    let mut command = cargo();
    command.current_dir(checkout.root());
    command.args(["metadata", "--format-version=1", "--no-deps", "--locked"]);
    serde_json::from_str(&output(&mut command)?).context("cannot read what `cargo metadata` says")
}

/// Banned crates in what is really compiled; the lock file also lists what optional features would
/// bring.
pub(super) fn banned(checkout: &Checkout) -> Result<Vec<Breach>> {
    let mut command = cargo();
    command.current_dir(checkout.root());
    command.args([
        "tree",
        "--workspace",
        "--locked",
        "--edges=normal,build,dev",
    ]);
    command.args(["--prefix=none", "--format={p}"]);
    Ok(banned_in(&output(&mut command)?))
}

/// Banned crates in the output of `cargo tree`: one `name vVERSION` a line.
pub(super) fn banned_in(tree: &str) -> Vec<Breach> {
    BANNED
        .iter()
        .filter(|banned| {
            tree.lines()
                .any(|line| line.split(' ').next() == Some(banned))
        })
        .map(|banned| {
            format!(
                "Cargo.lock: {banned} is compiled in; `cargo tree -i {banned}` says through whom"
            )
        })
        .collect()
}
