//! Which package may depend on which, and how packages are called.
//!
//! common → queue → {web, worker, beat} → kiuas → site; proxy, pool and migrate use common alone. No
//! component depends on another: they meet in sockets, Redis and PostgreSQL.

use std::path::Path;

use anyhow::Result;

use super::Breach;
use super::dependencies::{Kind, Metadata, Package};

/// Package and what it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("kiuas-common", &[]),
    ("kiuas-migrate", &["kiuas-common"]),
    ("kiuas-pool", &["kiuas-common"]),
    ("kiuas-proxy", &["kiuas-common"]),
    ("kiuas-queue", &["kiuas-common"]),
    ("kiuas-beat", &["kiuas-common", "kiuas-queue"]),
    ("kiuas-web", &["kiuas-common", "kiuas-queue"]),
    ("kiuas-worker", &["kiuas-common", "kiuas-queue"]),
    (
        "kiuas",
        &[
            "kiuas-beat",
            "kiuas-common",
            "kiuas-migrate",
            "kiuas-queue",
            "kiuas-web",
            "kiuas-worker",
        ],
    ),
    ("site", &["kiuas"]),
    ("e2e", &[]),
    ("xtask", &[]),
];
/// What the tests of any package may use besides: private services with the stack's own tables, and a
/// look at what was queued.
const IN_TESTS: &[&str] = &["kiuas-common", "kiuas-migrate", "kiuas-queue"];
/// Automation keeps working while the workspace does not compile.
const ALONE: &str = "xtask";

/// Both rules for all packages.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    for package in &metadata.packages {
        breaches.extend(layer(package));
        breaches.extend(name(package, metadata.folder(package)?));
    }
    Ok(breaches)
}

/// Dependencies inside the workspace follow [`LAYERS`].
pub(super) fn layer(package: &Package) -> Vec<Breach> {
    let name = &package.name;
    let Some((_, allowed)) = LAYERS.iter().find(|(known, _)| known == name) else {
        return vec![format!(
            "{name}: no layer is known for this package; add it to LAYERS in xtask/src/tidy/layers.rs"
        )];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some() && dependency.name != *name)
        .filter(|dependency| {
            let in_tests = dependency.kind == Some(Kind::Dev)
                && name != ALONE
                && IN_TESTS.contains(&dependency.name.as_str());
            !in_tests && !allowed.contains(&dependency.name.as_str())
        })
        .map(|dependency| {
            format!(
                "{name}: must not depend on {}; allowed: {}",
                dependency.name,
                if allowed.is_empty() {
                    "nothing of this workspace".to_owned()
                } else {
                    allowed.join(", ")
                }
            )
        })
        .collect()
}

/// A package in `crates/FOLDER` is called `kiuas-FOLDER`; the facade, the application, the tests and
/// the automation have the names that people type.
pub(super) fn name(package: &Package, folder: &Path) -> Option<Breach> {
    let expected = match folder.to_str()? {
        "crates/kiuas" => "kiuas".to_owned(),
        "crates/site" => "site".to_owned(),
        "tests" => "e2e".to_owned(),
        "xtask" => "xtask".to_owned(),
        other => format!("kiuas-{}", other.strip_prefix("crates/").unwrap_or(other)),
    };
    (package.name != expected).then(|| {
        format!(
            "{}: the package is called {}, the rule says {expected}",
            folder.display(),
            package.name
        )
    })
}
