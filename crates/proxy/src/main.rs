//! `kiuas-proxy`: the command line of the front proxy.

mod cli;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;
use kiuas_common::telemetry::{self, TelemetrySettings};
use kiuas_common::{Settings, exit, notify};
use kiuas_proxy::Proxy;
use kiuas_proxy::admin::client::{self, CtlError};
use kiuas_proxy::operation::{Invocation, Predecessor, Written};
use kiuas_proxy::settings::{ProxySettings, effective};

use cli::{Cli, Command, Common, Ctl, Show};

/// Small, short-lived pieces of memory by the million are what a proxy asks for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What went wrong, and whose fault it is.
enum Failure {
    /// The operator's: settings or arguments.
    Usage(anyhow::Error),
    /// Anything else.
    Runtime(anyhow::Error),
    /// Anything else, and standard output says it already.
    Told,
}

fn main() -> ExitCode {
    kiuas_common::tls::install_provider();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let result = match cli.command {
        Command::Serve(common) => serve(&common),
        Command::Check(common) => check(&common),
        Command::Config(show) => config(&show),
        Command::Ctl(ctl) => control(&ctl),
        Command::Upgrade(upgrade) => control(&upgrade.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => exit::report(error.as_ref(), exit::USAGE),
        Err(Failure::Runtime(error)) => exit::report(error.as_ref(), exit::FAILED),
        Err(Failure::Told) => ExitCode::from(exit::FAILED),
    }
}

fn serve(common: &Common) -> Result<(), Failure> {
    let mut predecessor = Predecessor::hear()
        .context("cannot take over from the older process")
        .map_err(Failure::Runtime)?;
    let outcome = serve_after(common, &mut predecessor);
    if let (Some(predecessor), Err(Failure::Usage(error) | Failure::Runtime(error))) =
        (&predecessor, &outcome)
    {
        predecessor.give_up(&format!("{error:#}"));
    }
    outcome
}

fn serve_after(common: &Common, predecessor: &mut Option<Predecessor>) -> Result<(), Failure> {
    let invocation = Invocation::of_this_process()
        .context("cannot find this program's file")
        .map_err(Failure::Runtime)?;
    let (proxy, telemetry) = prepare(common).map_err(Failure::Usage)?;
    let telemetry = telemetry::start(&telemetry, "kiuas-proxy")
        .map_err(|error| Failure::Usage(error.into()))?;
    notify::follow_parent()
        .context("cannot follow the process that started the proxy")
        .map_err(Failure::Runtime)?;
    // One thread, the main one: it waits for signals and answers the admin listener.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::Runtime)?;
    runtime
        .block_on(proxy.run(invocation, predecessor, telemetry.exports()))
        .map_err(|error| Failure::Runtime(error.into()))
}

fn prepare(common: &Common) -> anyhow::Result<(Proxy, TelemetrySettings)> {
    let sources = common.sources()?;
    let telemetry = Settings::load(&sources)?.section("telemetry")?;
    let proxy = Proxy::new(Box::new(move || Written::new(Settings::load(&sources)?)))?;
    Ok((proxy, telemetry))
}

fn check(common: &Common) -> Result<(), Failure> {
    let (proxy, _) = prepare(common).map_err(Failure::Usage)?;
    let warnings = proxy
        .check_files()
        .map_err(|error| Failure::Usage(error.into()))?;
    for warning in warnings {
        print(&format!("warning: {warning}\n"))?;
    }
    print("The settings of the proxy can be used.\n")
}

fn config(show: &Show) -> Result<(), Failure> {
    let load = || -> anyhow::Result<_> {
        let settings = Settings::load(&show.common.sources()?)?;
        let proxy: ProxySettings = settings.section("proxy")?;
        Ok(effective(&proxy, settings.explain()))
    };
    let settings = load().map_err(Failure::Usage)?;
    if show.json {
        let text = serde_json::to_string_pretty(&settings)
            .context("cannot print the settings")
            .map_err(Failure::Runtime)?;
        return print(&format!("{text}\n"));
    }
    let lines: Vec<String> = settings
        .iter()
        .map(|one| format!("{} = {}   ({})\n", one.key, one.value, one.source))
        .collect();
    print(&lines.concat())
}

fn control(ctl: &Ctl) -> Result<(), Failure> {
    let path = ctl.path().map_err(Failure::Usage)?;
    let request = ctl
        .verb
        .request()
        .map_err(|error| Failure::Usage(error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::Runtime)?;
    match runtime.block_on(client::ask(&path, &request)) {
        Ok(answer) if ctl.json => print(&format!("{answer:#}\n")),
        Ok(answer) => {
            let text = ctl.verb.human(&answer);
            print(&text.unwrap_or_else(|_| format!("{answer:#}\n")))
        }
        Err(CtlError::Usage(problem)) => Err(Failure::Usage(anyhow::anyhow!(problem))),
        Err(CtlError::Failed { answer, .. }) if ctl.json => {
            print(&format!("{answer:#}\n"))?;
            Err(Failure::Told)
        }
        Err(error) => Err(Failure::Runtime(error.into())),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .context("cannot write to standard output")
        .map_err(Failure::Runtime)
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
