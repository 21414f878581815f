//! `kiuas-proxy upgrade`: a new process takes this one's place.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError};
use crate::operation::{Upgraded, chain};

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
The new program checks the settings first and takes over the listening sockets; once it serves, the old
process drains and ends. If anything fails, the old process goes on, and the exit status is 1.

Examples:
  kiuas-proxy upgrade
  kiuas-proxy upgrade --program /usr/local/bin/kiuas-proxy-2")]
pub struct Upgrade {
    /// The new program; default: the file that the running process was started from
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    program: Option<PathBuf>,
}

impl Run for Upgrade {
    const NAME: &'static str = "upgrade";
    type Answer = Upgraded;

    async fn run(self, context: &Context) -> Result<Upgraded, VerbError> {
        let outcome = context
            .orders
            .upgrade(self.program)
            .await
            .map_err(|error| VerbError::failed(error.to_string()))?;
        outcome.map_err(|error| VerbError::failed(chain(&error)))
    }

    fn human(answer: &Upgraded) -> String {
        format!(
            "Process {} serves now; process {} drains and ends.\n",
            answer.pid, answer.old_pid
        )
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(120)
    }
}
