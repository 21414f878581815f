//! `ctl reload`: the settings are read anew.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Context, Run, VerbError};
use crate::operation::Reloaded;

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Wrong settings change nothing: every problem is printed, and the exit status is 1.

Examples:
  kiuas-proxy ctl reload
  kiuas-proxy ctl reload --json")]
pub struct Reload {}

impl Run for Reload {
    const NAME: &'static str = "reload";
    type Answer = Reloaded;

    async fn run(self, context: &Context) -> Result<Reloaded, VerbError> {
        let outcome = context
            .orders
            .reload()
            .await
            .map_err(|error| VerbError::failed(error.to_string()))?;
        outcome.map_err(|error| VerbError::Failed {
            problem: error.text(),
            report: Some(json!({ "problems": error.problems() })),
        })
    }

    fn human(answer: &Reloaded) -> String {
        let mut text = "The settings were reloaded.\n".to_owned();
        for front in &answer.opened {
            text.push_str(&format!("opened {front}\n"));
        }
        for front in &answer.closed {
            text.push_str(&format!("closed {front}; its connections stay\n"));
        }
        for key in &answer.later {
            text.push_str(&format!(
                "`{key}` cannot change while the proxy runs: it takes effect with the next upgrade or restart\n"
            ));
        }
        text
    }
}
