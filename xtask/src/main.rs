//! `cargo xtask`: the one entry for automation, the same on a laptop and in CI.
//!
//! It depends on no crate of the workspace, so that it builds in seconds and keeps working while the
//! workspace does not compile.

mod bench;
mod checkout;
mod console;
mod dev;
mod images;
mod interrupt;
mod packages;
mod process;
mod services;
mod smoke;
mod stack;
mod suite;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::console::complain;
use crate::interrupt::Interrupted;
use crate::process::Failed;

/// Wrong usage.
const USAGE: u8 = 64;
/// Stopped by a signal before the command was done.
const INTERRUPTED: u8 = 130;

/// Development commands of Kiuas.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    something failed; the last lines say what
  64   wrong usage or wrong settings
  130  interrupted before it was done

Everything the commands make lies in .kiuas/ and target/, both ignored by git.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure a component beside its peers
    Bench(bench::Arguments),
    /// Bring up the whole stack, keep it up, and roll what a change of the sources touches
    Dev(dev::Arguments),
    /// Container images that the development containers need
    #[command(subcommand)]
    Images(images::ImagesCommand),
    /// Start the release build of the stack and check each component as a visitor would
    Smoke(smoke::Arguments),
    /// Run all checks: format, lints, workspace rules, tests with real services
    Test(suite::Arguments),
    /// Check the rules of the workspace that no compiler knows
    Tidy(tidy::Arguments),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let outcome = match arguments.command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Images(command) => images::run(command),
        Command::Smoke(arguments) => smoke::run(&arguments),
        Command::Test(arguments) => suite::run(&arguments),
        Command::Tidy(tidy::Arguments {}) => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// `--help` and `--version` also come as errors; they are none.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do if even this cannot be written.
    drop(error.print());
    if error.use_stderr() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    complain(error);
    if error.is::<Interrupted>() {
        return ExitCode::from(INTERRUPTED);
    }
    let of_component = error
        .downcast_ref::<Failed>()
        .and_then(|failed| failed.status.code());
    match of_component {
        Some(code) if code == i32::from(USAGE) => ExitCode::from(USAGE),
        _ => ExitCode::FAILURE,
    }
}
