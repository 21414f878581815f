//! `cargo xtask images`: the official images that the containers are built from and run beside.
//!
//! Where the registry can be reached they are pulled. Elsewhere stand-ins under the same names are made
//! from Debian's packages and the Rust toolchain of this machine, good enough for development and
//! tests; the Dockerfile and the compose file do not know the difference.

mod docker;
mod recipe;

use std::process::Command;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::checkout::Checkout;
use crate::console::say;
use crate::images::docker::Presence;
use crate::images::recipe::Recipe;
use crate::interrupt::Interrupt;
use crate::packages::{MMDEBSTRAP, require};
use crate::process::{find, succeed};

/// Commands about container images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// Pull the official images, or make stand-ins for them where they cannot be pulled
    StandIn(StandIn),
}

/// Arguments of `images stand-in`.
#[derive(Debug, Args)]
#[command(after_help = "\
Images: debian:bookworm-slim, postgres:15-bookworm, redis:7.0-bookworm, rust:1.95-bookworm.
An image that is there already is kept, unless it is a stand-in made by an older recipe.

Examples:
  cargo xtask images stand-in
  cargo xtask images stand-in --force     make stand-ins even if the registry can be reached")]
pub(crate) struct StandIn {
    /// Make every stand-in anew and never ask a registry
    #[arg(long)]
    force: bool,
    /// Fail with one line instead of installing what is missing
    #[arg(long)]
    no_install: bool,
    /// Where Debian's packages come from; default: Debian's own mirror, security updates included
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// Runs a command about images.
pub(crate) fn run(command: ImagesCommand) -> Result<()> {
    match command {
        ImagesCommand::StandIn(arguments) => stand_in(&arguments),
    }
}

fn stand_in(arguments: &StandIn) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let checkout = Checkout::find()?;
    if find("docker").is_none() {
        bail!(
            "docker is missing: `sudo apt-get install docker.io` on Debian, or the like elsewhere"
        );
    }
    docker::require_daemon()?;
    let mut registry = !arguments.force;
    for recipe in Recipe::all(arguments.mirror.as_deref())? {
        let present = docker::presence(recipe.image)?;
        match Step::choose(&present, &recipe.fingerprint(), arguments.force) {
            Step::Keep => {
                say(&format!("{}: there already", recipe.image));
                continue;
            }
            Step::Pull if registry && pull(recipe.image, &interrupt)? => continue,
            // One failure is enough: the next images come from the same registry.
            Step::Pull => registry = false,
            Step::Make => {}
        }
        if recipe.needs_bootstrap() {
            require(&[&MMDEBSTRAP], !arguments.no_install, &interrupt)?;
        }
        say(&format!(
            "{}: making a stand-in from {}",
            recipe.image, recipe.source
        ));
        recipe.make(&checkout.state("images")?, &interrupt)?;
    }
    Ok(())
}

/// False if the image cannot be had from the registry.
fn pull(image: &str, interrupt: &Interrupt) -> Result<bool> {
    say(&format!("{image}: pulling"));
    let pulled = succeed(
        Command::new("docker").args(["pull", "--quiet", image]),
        interrupt,
    );
    interrupt.check()?;
    if let Err(error) = &pulled {
        say(&format!("{image}: cannot be pulled ({error:#})"));
    }
    Ok(pulled.is_ok())
}

/// What to do about one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Pull,
    Make,
}

impl Step {
    fn choose(present: &Presence, fingerprint: &str, force: bool) -> Self {
        match present {
            _ if force => Self::Make,
            Presence::Missing => Self::Pull,
            Presence::StandIn(made_by) if made_by != fingerprint => Self::Make,
            Presence::Official | Presence::StandIn(_) => Self::Keep,
        }
    }
}

#[cfg(test)]
mod tests;
