//! What has to be there before a server starts: the build, certificates, files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::load::Place;
use super::super::server::free_port;
use super::server::Stage;
use crate::checkout::{Checkout, Runtime, remove};
use crate::interrupt::Interrupt;
use crate::process::{cargo, output, succeed};

/// Builds what is measured as it is meant to run, and says where it is.
pub(super) fn build(checkout: &Checkout, interrupt: &Interrupt) -> Result<PathBuf> {
    let mut command = cargo();
    command.current_dir(checkout.root());
    command.args(["build", "--profile=dist", "--package=kiuas-proxy"]);
    command.args(["--bin=kiuas-proxy", "--example=visitors"]);
    succeed(&mut command, interrupt)?;
    Ok(checkout.target().join("dist"))
}

/// Makes an empty directory and fills it. The directory of sockets goes with [`Runtime`].
pub(super) fn set(
    checkout: &Checkout,
    programs: &Path,
    interrupt: &Interrupt,
) -> Result<(Stage, Place, Runtime)> {
    let runtime = checkout.runtime("bench")?;
    let directory = runtime.path().to_owned();
    remove(&checkout.state("bench")?.join("proxy.json"))?;
    files(&directory.join("files"))?;
    certificate(
        &directory,
        "ecdsa",
        &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    )?;
    certificate(&directory, "rsa", &["rsa:2048"])?;
    let stage = Stage {
        app: free_port()?,
        program: programs.join("kiuas-proxy"),
        interrupt: interrupt.clone(),
        directory: directory.clone(),
    };
    // Both authorities, for all visitors.
    let both = [
        fs::read(directory.join("ecdsa.pem"))?,
        fs::read(directory.join("rsa.pem"))?,
    ];
    fs::write(directory.join("trusted.pem"), both.concat())?;
    let place = Place {
        visitors: programs.join("examples/visitors"),
        certificate: directory.join("trusted.pem"),
    };
    Ok((stage, place, runtime))
}

fn files(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    for (name, length) in [("1k", 1 << 10), ("64k", 64 << 10), ("1m", 1 << 20)] {
        fs::write(directory.join(format!("{name}.txt")), "x".repeat(length))?;
    }
    Ok(())
}

/// A certificate for `localhost`, its key, and both in one file as HAProxy wants them.
fn certificate(directory: &Path, name: &str, key: &[&str]) -> Result<()> {
    let file = |suffix: &str| directory.join(format!("{name}{suffix}.pem"));
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=localhost",
    ]);
    command.args(["-addext", "subjectAltName=DNS:localhost,DNS:rsa.localhost"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.arg("-newkey").args(key);
    command.arg("-keyout").arg(file("-key"));
    command.arg("-out").arg(file(""));
    output(&mut command).context("cannot make a certificate")?;
    let both = [fs::read(file(""))?, fs::read(file("-key"))?];
    fs::write(file("-both"), both.concat())?;
    Ok(())
}
