//! `kiuas-pool`: the command line of the pool.

mod cli;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Parser;
use clap::error::ErrorKind;
use kiuas_common::settings::Sources;
use kiuas_common::telemetry::{self, TelemetrySettings};
use kiuas_common::{Settings, exit, notify};
use kiuas_pool::control::{client, in_words};
use kiuas_pool::{Invocation, PoolError, PoolSettings};

use cli::{Check, Cli, Command, Ctl, Health, Run, Verb};

/// What went wrong, and whose fault it is.
enum Failure {
    /// The operator's: settings or arguments.
    Usage(anyhow::Error),
    /// Anything else.
    Runtime(anyhow::Error),
}

fn main() -> ExitCode {
    // First of all: this process is about to become somebody else.
    let mut arguments = std::env::args().skip(1);
    if let (Some("child"), Some(plan)) = (arguments.next().as_deref(), arguments.next()) {
        let Err(error) = kiuas_pool::become_child(&plan);
        return exit::report(&error, error.status);
    }
    kiuas_common::tls::install_provider();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let result = match cli.command {
        Command::Run(arguments) => run(arguments),
        Command::Ctl(ctl) => control(&ctl),
        Command::Check(arguments) => check(arguments),
        Command::Health(arguments) => health(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => exit::report(error.as_ref(), exit::USAGE),
        Err(Failure::Runtime(error)) => exit::report(error.as_ref(), exit::FAILED),
    }
}

fn run(arguments: Run) -> Result<(), Failure> {
    let invocation = Invocation::of_this_process()
        .context("cannot find the pool's own program")
        .map_err(Failure::Runtime)?;
    let (pools, telemetry) = prepare(arguments).map_err(Failure::Usage)?;
    let _telemetry =
        telemetry::start(&telemetry, "kiuas-pool").map_err(|error| Failure::Usage(error.into()))?;
    notify::follow_parent()
        .context("cannot follow the process that started the pool")
        .map_err(Failure::Runtime)?;
    let all = kiuas_pool::run(&pools, invocation);
    match runtime().map_err(Failure::Runtime)?.block_on(all) {
        Ok(()) => Ok(()),
        Err(error @ (PoolError::WrongSettings { .. } | PoolError::Settings(_))) => {
            Err(Failure::Usage(error.into()))
        }
        Err(error) => Err(Failure::Runtime(error.into())),
    }
}

/// What an upgrade asks of a new program: does it accept the settings, and what the old one would say?
fn check(arguments: Check) -> Result<(), Failure> {
    let forms = kiuas_pool::OLDEST_FORM..=kiuas_pool::FORM;
    let understood = arguments.form.is_none_or(|form| forms.contains(&form));
    if !understood {
        let own = kiuas_pool::FORM;
        let error = anyhow!(
            "the running pool hands over in another form than {own}, which this program reads: stop it and start this one"
        );
        return Err(Failure::Usage(error));
    }
    let (pools, _) = prepare(arguments.run).map_err(Failure::Usage)?;
    for (name, settings) in &pools {
        kiuas_pool::check(name, settings).map_err(|error| Failure::Usage(error.into()))?;
    }
    Ok(())
}

type Pools = Vec<(String, PoolSettings)>;

fn prepare(arguments: Run) -> anyhow::Result<(Pools, TelemetrySettings)> {
    let mut sources = Sources::from_process()?;
    if let Some(directory) = &arguments.config {
        sources.directory.clone_from(directory);
    }
    for (key, value) in &arguments.set {
        sources = sources.with(key, value);
    }
    let settings = Settings::load(&sources)?;
    let telemetry = settings.section("telemetry")?;
    Ok((arguments.pools(&settings)?, telemetry))
}

fn health(arguments: &Health) -> Result<(), Failure> {
    let deadline = arguments.timeout.duration();
    let probe = kiuas_pool::health::probe(&arguments.admin, deadline);
    runtime()
        .map_err(Failure::Runtime)?
        .block_on(probe)
        .map_err(|error| Failure::Runtime(error.into()))
}

fn control(ctl: &Ctl) -> Result<(), Failure> {
    let path = ctl.path().map_err(Failure::Usage)?;
    let request = ctl.verb.request();
    let runtime = runtime().map_err(Failure::Runtime)?;
    if matches!(ctl.verb, Verb::Top) {
        let top = runtime.block_on(kiuas_pool::top::run(&path));
        return top.map_err(|error| Failure::Runtime(error.into()));
    }
    let answer = runtime
        .block_on(client::ask(&path, &request, ctl.patience()))
        .map_err(|error| Failure::Runtime(error.into()))?;
    let text = if ctl.json {
        Ok(format!("{answer:#}\n"))
    } else {
        in_words(&request, &answer)
    };
    let text = text
        .context("the pool is of another version than this program; `--json` shows its answer")
        .map_err(Failure::Runtime)?;
    print(&text)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .context("cannot write to standard output")
        .map_err(Failure::Runtime)
}

/// One thread, the main one: children that follow their parent follow the thread that started them.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

fn usage(error: &clap::Error) -> ExitCode {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    // A closed terminal is no reason for another error.
    drop(error.print());
    if asked {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::USAGE)
    }
}
