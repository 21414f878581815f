//! What the Docker daemon knows.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::output;

/// Label of a stand-in; its value is the fingerprint of the recipe.
pub(crate) const LABEL: &str = "org.kiuas.stand-in";

/// Whether an image is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// No.
    Missing,
    /// Yes, and it was not made here.
    Official,
    /// Made here, by the recipe with this fingerprint.
    StandIn(String),
}

/// Fails with one line when no daemon answers.
pub(crate) fn require_daemon() -> Result<()> {
    let mut command = Command::new("docker");
    command.args(["version", "--format", "{{.Server.Version}}"]);
    if output(&mut command).is_err() {
        let place = std::env::var("DOCKER_HOST")
            .unwrap_or_else(|_| "the default socket /var/run/docker.sock".to_owned());
        bail!(
            "no Docker daemon answers at {place}: start one (as root: `dockerd`), or set DOCKER_HOST"
        );
    }
    Ok(())
}

pub(crate) fn presence(image: &str) -> Result<Presence> {
    let found = Command::new("docker")
        .args(["image", "inspect", "--format"])
        .arg(format!("{{{{index .Config.Labels \"{LABEL}\"}}}}"))
        .arg(image)
        .stdin(Stdio::null())
        .output()
        .context("cannot start docker")?;
    // The daemon answered a moment ago: what fails here is the search for the image.
    if !found.status.success() {
        return Ok(Presence::Missing);
    }
    let label = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    Ok(match label.as_str() {
        "" | "<no value>" => Presence::Official,
        _ => Presence::StandIn(label),
    })
}
