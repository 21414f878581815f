//! How a failed command ends: one block on standard error, and an exit code that says whose fault it
//! was.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use kiuas_beat::BeatError;
use kiuas_common::settings::SettingsError;
use kiuas_common::telemetry::TelemetryError;
use kiuas_web::settings::WebSettingsError;

/// Wrong settings or usage (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
const FAILED: u8 = 1;

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

/// Prints `error` with its causes, and returns the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // Nothing can be said about a closed standard error.
    drop(write(&mut std::io::stderr().lock(), error));
    ExitCode::from(code(error))
}

fn write(output: &mut impl Write, error: &anyhow::Error) -> std::io::Result<()> {
    writeln!(output, "error: {error}")?;
    for cause in error.chain().skip(1) {
        writeln!(output, "caused by: {cause}")?;
    }
    output.flush()
}

fn code(error: &anyhow::Error) -> u8 {
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
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_is_one_block_with_its_causes() {
        let error = Err::<(), _>(std::io::Error::other("disk full"))
            .context("cannot write the letter")
            .expect_err("error");
        let mut output = Vec::new();
        write(&mut output, &error).expect("memory");
        assert_eq!(
            String::from_utf8_lossy(&output),
            "error: cannot write the letter\ncaused by: disk full\n"
        );
        assert_eq!(code(&error), 1);
    }

    #[test]
    fn settings_and_usage_end_with_64_however_deep_they_are() {
        let error = anyhow::Error::from(Usage::new("no such task")).context("cannot send");
        assert_eq!(code(&error), USAGE);
    }
}
