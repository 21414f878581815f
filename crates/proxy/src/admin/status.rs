//! `ctl status`: what the proxy is doing.

use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError};

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Examples:
  kiuas-proxy ctl status
  kiuas-proxy ctl status --json --socket unix:/run/kiuas/proxy.sock")]
pub struct Status {}

/// What the proxy is doing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// It has been asked to end.
    pub draining: bool,
}

impl Run for Status {
    const NAME: &'static str = "status";
    type Answer = Answer;

    async fn run(self, context: &Context) -> Result<Answer, VerbError> {
        Ok(Answer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            draining: context.shared.shutdown.is_draining(),
        })
    }

    fn human(answer: &Answer) -> String {
        let state = if answer.draining {
            "draining"
        } else {
            "serving"
        };
        format!(
            "kiuas-proxy {}, process {}, {state}\n",
            answer.version, answer.pid
        )
    }
}
