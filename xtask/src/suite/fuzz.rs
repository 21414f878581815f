//! A short run of the fuzz targets of the proxy: long enough to find what has just been broken.
//!
//! The instrumentation is LLVM's own and the flags for it are stable; the sanitizers, which are not,
//! would find nothing in safe code.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::process::{Failed, cargo, find, foreground, output, succeed};

/// For each target.
const SECONDS: u32 = 4;
/// Targets that need the clients of PostgreSQL or Redis: to build those with the flags takes too long.
const WITH_DATABASES: [&str; 2] = ["message", "sql"];
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1";

/// Builds and runs them; a finding is kept in `.kiuas/test/fuzz`.
pub(super) fn run(checkout: &Checkout, interrupt: &Interrupt) -> Result<()> {
    if find("c++").is_none() {
        say("SKIPPED fuzz targets: libFuzzer needs a C++ compiler, `sudo apt-get install g++`");
        return Ok(());
    }
    let home = checkout.root().join("fuzz");
    let target = checkout.target().join("fuzz");
    let mut command = cargo();
    command.current_dir(&home);
    command.args(["build", "--locked", "--no-default-features", "--bins"]);
    // With a target named, build scripts and macros stay without the flags.
    let host = host()?;
    command.args(["--target", &host]);
    command.arg("--target-dir").arg(&target);
    command.env("RUSTFLAGS", INSTRUMENTED);
    succeed(&mut command, interrupt)?;
    let findings = checkout.state("test")?.join("fuzz");
    fs::create_dir_all(&findings)?;
    for name in names(&home)? {
        if !WITH_DATABASES.contains(&name.as_str()) {
            one(
                &target.join(&host).join("debug").join(&name),
                &name,
                &findings,
                interrupt,
            )?;
        }
    }
    Ok(())
}

/// This machine, as the compiler calls it.
fn host() -> Result<String> {
    let text = output(Command::new("rustc").arg("-vV"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc does not say what it builds for")
}

/// The targets, by their files.
fn names(home: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(home.join("targets")).context("cannot list the fuzz targets")? {
        if let Some(name) = entry?.path().file_stem().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("there are no fuzz targets in {}", home.display());
    }
    Ok(names)
}

fn one(program: &Path, name: &str, findings: &Path, interrupt: &Interrupt) -> Result<()> {
    let log = findings.join(format!("{name}.log"));
    let record =
        fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={SECONDS}"))
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/{name}-", findings.display()))
        .stdout(record.try_clone()?)
        .stderr(record);
    let status = foreground(&mut command, interrupt)?;
    if !status.success() {
        let what = format!(
            "fuzz target `{name}` found something, see {}",
            log.display()
        );
        return Err(Failed { what, status }.into());
    }
    let runs = fs::read_to_string(&log)?
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .map_or_else(String::new, |runs| runs.trim().to_owned());
    say(&format!("fuzz target `{name}`: {runs} runs, nothing found"));
    Ok(())
}
