//! The command line of an application.

pub(crate) mod migrate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use kiuas_common::Period;
use kiuas_common::exit::USAGE;

use crate::Application;

/// Everything that can be said on the command line.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Arguments {
    /// Overrides a setting, such as `web.threads=2`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", global = true, action = ArgAction::Append, value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
    /// Directory of the settings files
    #[arg(long, value_name = "DIR", global = true, env = "KIUAS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answers visitors
    Serve,
    /// Runs tasks
    Worker,
    /// Sends tasks by the clock
    Beat,
    /// Changes the database's schema
    Migrate(migrate::Migrate),
    /// Sends a task, or shows what became of one
    #[command(subcommand)]
    Tasks(Tasks),
    /// Checks all settings without starting anything
    Check {
        /// Also asks PostgreSQL and Redis, and compares the schema
        #[arg(long)]
        connect: bool,
    },
    /// Prints the settings in force and where each comes from
    Config {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the routes
    Routes {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// `tasks …`
#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Sends a task by name and prints its id
    Send {
        /// The task's name
        name: String,
        /// Positional arguments, a JSON array
        #[arg(long, value_name = "JSON", default_value = "[]")]
        args: String,
        /// Named arguments, a JSON object
        #[arg(long, value_name = "JSON", default_value = "{}")]
        kwargs: String,
        /// The queue, instead of the default one
        #[arg(long)]
        queue: Option<String>,
        /// Waits so long for the result and prints it
        #[arg(long, value_name = "PERIOD", value_parser = period)]
        wait: Option<Duration>,
    },
    /// Prints what is stored about a task, as JSON
    Result {
        /// The task's id
        id: String,
        /// Waits so long for the task to end
        #[arg(long, value_name = "PERIOD", value_parser = period)]
        wait: Option<Duration>,
    },
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write SECTION.KEY=VALUE, such as web.threads=2".to_owned()),
    }
}

fn period(text: &str) -> Result<Duration, String> {
    text.parse::<Period>().map(Period::duration)
}

/// The definition with the application's name and examples.
pub(crate) fn definition<A: Application>() -> clap::Command {
    let name = A::NAME;
    let examples = |lines: &[&str]| {
        let lines: String = lines
            .iter()
            .map(|line| format!("\n  {name} {line}"))
            .collect();
        format!("Examples:{lines}")
    };
    Arguments::command()
        .name(name)
        .bin_name(name)
        .about(format!("The application `{name}`: web server, worker, beat and migrations"))
        .after_help(format!(
            "{}\n\nSettings come from config/*.toml, KIUAS__SECTION__KEY and --set, the later the stronger; \
             KIUAS_ENV names the environment.\n\
             Exit codes: 0 done, 1 failed to start or to go on, 64 wrong settings or usage.",
            examples(&["serve", "worker", "migrate up", "check --connect"])
        ))
        .mut_subcommand("serve", |command| {
            command.after_help(examples(&["serve", "serve --set web.listen=unix:/run/site/web.sock"]))
        })
        .mut_subcommand("worker", |command| {
            command.after_help(examples(&["worker", "worker --set worker.concurrency=4"]))
        })
        .mut_subcommand("beat", |command| command.after_help(examples(&["beat"])))
        .mut_subcommand("migrate", |command| {
            let command = command
                .after_help(format!("{}\n\n{}", examples(&["migrate up", "migrate plan"]), migrate::EXIT_CODES));
            migrate::EXAMPLES.iter().fold(command, |command, (name, lines)| {
                let help = format!("{}\n\n{}", examples(lines), migrate::EXIT_CODES);
                command.mut_subcommand(name, |command| command.after_help(help))
            })
        })
        .mut_subcommand("tasks", |command| {
            command.after_help(examples(&[
                "tasks send add --args '[1, 2]' --wait 10s",
                "tasks send mail.welcome --kwargs '{\"user\": 7}' --queue slow",
                "tasks result 0192f7c8-0000-7000-8000-000000000000",
            ]))
        })
        .mut_subcommand("check", |command| {
            command.after_help(examples(&["check", "check --connect"]))
        })
        .mut_subcommand("config", |command| {
            command.after_help(examples(&["config", "config --json"]))
        })
        .mut_subcommand("routes", |command| command.after_help(examples(&["routes"])))
}

/// Reads the command line.
pub(crate) fn parse<A: Application>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Arguments, clap::Error> {
    let matches = definition::<A>().try_get_matches_from(arguments)?;
    Arguments::from_arg_matches(&matches)
}

/// Prints what clap has to say: help and version are no failure.
pub(crate) fn answer(answer: &clap::Error) -> ExitCode {
    // Nothing can be said about a closed standard output.
    drop(answer.print());
    if answer.use_stderr() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests;
