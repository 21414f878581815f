//! Whose fault a failed command was, and so the exit code that it ends with.

use std::error::Error;
use std::process::ExitCode;

use kiuas_beat::BeatError;
use kiuas_common::exit::{self, FAILED, USAGE};
use kiuas_common::settings::SettingsError;
use kiuas_common::telemetry::TelemetryError;
use kiuas_migrate::MigrateError;
use kiuas_migrate::exit::DIFFERS;
use kiuas_web::settings::WebSettingsError;

/// The command line asks for something that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Usage {
    problem: String,
}

impl Usage {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
        }
    }
}

/// The database is not what the migration files say; what differs has been printed.
#[derive(Debug, thiserror::Error)]
#[error("the database differs from what the migration files say")]
pub(crate) struct Differs;

/// Prints `error` with its causes, and returns the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    exit::report(error.as_ref(), code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error
        .chain()
        .find_map(|error| error.downcast_ref::<MigrateError>())
    {
        return error.exit_code();
    }
    if error.is::<Differs>() {
        return DIFFERS;
    }
    if error.chain().any(is_usage) {
        USAGE
    } else {
        FAILED
    }
}

fn is_usage(error: &(dyn Error + 'static)) -> bool {
    error.is::<Usage>()
        || error.is::<SettingsError>()
        || error.is::<WebSettingsError>()
        || error.is::<TelemetryError>()
        || error.is::<BeatError>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_usage_end_with_64_however_deep_they_are() {
        let error = anyhow::Error::from(Usage::new("no such task")).context("cannot send");
        assert_eq!(code(&error), USAGE);
    }

    #[test]
    fn a_database_that_differs_ends_with_10() {
        assert_eq!(code(&Differs.into()), DIFFERS);
    }
}
