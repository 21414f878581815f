//! `ctl drain`: a target gets no more requests and finishes those it has.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError, find};
use crate::upstream::finished;

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
The target stays in the upstream, without requests, until `drain --undo`, a deployment or a reset.
Exit status 1: it had not finished in time.

Examples:
  kiuas-proxy ctl drain app 10.0.0.2:8000
  kiuas-proxy ctl drain app 10.0.0.2:8000 --timeout 5m
  kiuas-proxy ctl drain app 10.0.0.2:8000 --undo")]
pub struct Drain {
    /// The upstream's name
    pub upstream: String,
    /// One of its targets
    pub target: String,
    /// How long the target may take to finish
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[serde(default = "thirty")]
    pub timeout: Period,
    /// Take it back into use
    #[arg(long)]
    #[serde(default)]
    pub undo: bool,
}

fn thirty() -> Period {
    Period::seconds(30)
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Drained {
    /// The upstream.
    pub upstream: String,
    /// The target.
    pub target: String,
    /// It gets no requests.
    pub draining: bool,
}

impl Run for Drain {
    const NAME: &'static str = "drain";
    type Answer = Drained;

    async fn run(self, context: &Context) -> Result<Drained, VerbError> {
        let upstream = find::upstream(context, &self.upstream)?;
        let member = find::member(&upstream, &self.target)?;
        member.set_draining(!self.undo);
        upstream.state.wake();
        context.store.save(&context.shared).await?;
        if !self.undo {
            let limit = self.timeout.duration();
            let left = finished(&[Arc::clone(&member)], limit).await;
            if left > 0 {
                return Err(VerbError::failed(format!(
                    "`{}` gets no more requests, but {left} are not finished after {}",
                    self.target, self.timeout
                )));
            }
        }
        Ok(Drained {
            upstream: self.upstream,
            target: self.target,
            draining: !self.undo,
        })
    }

    fn human(answer: &Drained) -> String {
        if answer.draining {
            format!(
                "{} of {} has finished and gets no more requests\n",
                answer.target, answer.upstream
            )
        } else {
            format!(
                "{} of {} gets requests again\n",
                answer.target, answer.upstream
            )
        }
    }

    fn patience(&self) -> Duration {
        self.timeout
            .duration()
            .saturating_add(Duration::from_secs(10))
    }
}
