//! `ctl pause` and `ctl resume`: requests wait while something behind is changed.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError, find};
use crate::upstream::Mode;

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Requests that are under way go on. Each new one is held for at most --max, then answered with 503; no
more than the upstream's `max_waiting` are held at a time.

Examples:
  kiuas-proxy ctl pause app
  kiuas-proxy ctl pause app --max 10s")]
pub struct Pause {
    /// The upstream's name
    pub upstream: String,
    /// How long a request is held at most
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[serde(default = "thirty")]
    pub max: Period,
}

fn thirty() -> Period {
    Period::seconds(30)
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Paused {
    /// The upstream.
    pub upstream: String,
    /// Requests under way that go on.
    pub in_flight: usize,
}

impl Run for Pause {
    const NAME: &'static str = "pause";
    type Answer = Paused;

    async fn run(self, context: &Context) -> Result<Paused, VerbError> {
        let upstream = find::upstream(context, &self.upstream)?;
        if let Some(Mode::Maintenance(_)) = upstream.state.switch.mode().as_deref() {
            return Err(VerbError::failed(format!(
                "`{}` is in maintenance: nobody would be held",
                self.upstream
            )));
        }
        upstream.state.switch.set(Mode::Paused(self.max.duration()));
        context.store.save(&context.shared).await?;
        tracing::info!(
            upstream.name = self.upstream,
            "`{}` is paused",
            self.upstream
        );
        Ok(Paused {
            in_flight: upstream.state.active(),
            upstream: self.upstream,
        })
    }

    fn human(answer: &Paused) -> String {
        format!(
            "{} is paused; {} requests are under way\n",
            answer.upstream, answer.in_flight
        )
    }
}

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Examples:
  kiuas-proxy ctl resume app")]
pub struct Resume {
    /// The upstream's name
    pub upstream: String,
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Resumed {
    /// The upstream.
    pub upstream: String,
    /// It was paused.
    pub was_paused: bool,
    /// Requests that were waiting.
    pub released: usize,
}

impl Run for Resume {
    const NAME: &'static str = "resume";
    type Answer = Resumed;

    async fn run(self, context: &Context) -> Result<Resumed, VerbError> {
        let upstream = find::upstream(context, &self.upstream)?;
        let state = &upstream.state;
        let mode = state.switch.mode();
        let was_paused = matches!(mode.as_deref(), Some(Mode::Paused(_)));
        let released = state.waiting();
        if was_paused {
            state.switch.set(Mode::Open);
            state.wake();
            context.store.save(&context.shared).await?;
            tracing::info!(upstream.name = self.upstream, "`{}` goes on", self.upstream);
        }
        Ok(Resumed {
            upstream: self.upstream,
            was_paused,
            released,
        })
    }

    fn human(answer: &Resumed) -> String {
        if answer.was_paused {
            format!(
                "{} goes on; {} requests were waiting\n",
                answer.upstream, answer.released
            )
        } else {
            format!("{} was not paused\n", answer.upstream)
        }
    }
}
