//! `ctl add`, `ctl remove`, `ctl reset`: the targets of an upstream one by one, and back to the settings.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

use super::deploy::{check_path, gate_failed};
use super::{Context, Run, VerbError, find};
use crate::settings::TargetSettings;
use crate::upstream::{self, Spec, dismiss_later, finished};

/// How long the WebSockets of a removed target may stay.
const WEBSOCKET_TIMEOUT: Duration = Duration::from_secs(600);

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Examples:
  kiuas-proxy ctl add app 10.0.0.4:8000
  kiuas-proxy ctl add app 10.0.0.4:8000 --weight 2 --max-connections 100
  kiuas-proxy ctl add app unix:/run/app/sorry.sock --backup")]
pub struct Add {
    /// The upstream's name
    pub upstream: String,
    /// The new target, `unix:/path` or `HOST:PORT`
    pub target: String,
    /// Its share of the requests
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[serde(default = "one")]
    pub weight: u32,
    /// It gets requests only while no other is up
    #[arg(long)]
    #[serde(default)]
    pub backup: bool,
    /// Requests at a time; 0 is no limit of its own
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[serde(default)]
    pub max_connections: usize,
    /// What it is asked for; default: the upstream's `health.path`, else /healthz
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    pub health_path: Option<String>,
    /// How long it may take to be healthy
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[serde(default = "thirty")]
    pub deploy_timeout: Period,
}

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Exit status 1: it is removed, and had not finished in time.

Examples:
  kiuas-proxy ctl remove app 10.0.0.4:8000
  kiuas-proxy ctl remove app 10.0.0.4:8000 --drain-timeout 2m")]
pub struct Remove {
    /// The upstream's name
    pub upstream: String,
    /// One of its targets, not the last
    pub target: String,
    /// How long it may take to finish; what is left then goes on
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[serde(default = "thirty")]
    pub drain_timeout: Period,
}

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Its targets are those of the settings again; a pause, maintenance, and drained targets are undone.

Examples:
  kiuas-proxy ctl reset app")]
pub struct Reset {
    /// The upstream's name
    pub upstream: String,
}

fn one() -> u32 {
    1
}

fn thirty() -> Period {
    Period::seconds(30)
}

/// An upstream and its targets after a change.
#[derive(Debug, Serialize, Deserialize)]
pub struct Changed {
    /// The upstream.
    pub upstream: String,
    /// Its targets.
    pub targets: Vec<String>,
}

fn now_uses(answer: &Changed) -> String {
    format!(
        "{} goes to {}\n",
        answer.upstream,
        answer.targets.join(", ")
    )
}

fn changed(upstream: &upstream::UpstreamPlan) -> Changed {
    let members = upstream.state.members();
    let target = |member: &Arc<upstream::Member>| member.spec.target.to_string();
    Changed {
        upstream: upstream.name.clone(),
        targets: members.iter().map(target).collect(),
    }
}

impl Run for Add {
    const NAME: &'static str = "add";
    type Answer = Changed;

    async fn run(self, context: &Context) -> Result<Changed, VerbError> {
        let plan = find::upstream(context, &self.upstream)?;
        let turn = find::change(&plan)?;
        let new = Spec::try_from(&TargetSettings {
            target: self.target.clone(),
            weight: self.weight,
            backup: self.backup,
            max_connections: self.max_connections,
        })
        .map_err(VerbError::Usage)?;
        if find::member(&plan, &new.target.to_string()).is_ok() {
            return Err(VerbError::failed(format!(
                "`{}` is a target of `{}` already",
                self.target, self.upstream
            )));
        }
        let mut health = plan.health.clone().unwrap_or_default();
        if let Some(path) = &self.health_path {
            health.path.clone_from(path);
        }
        check_path(&health)?;
        let limit = self.deploy_timeout.duration();
        let probes = upstream::gate(std::slice::from_ref(&new), &health, limit).await;
        if !probes.iter().all(|probe| probe.answer.good) {
            return Err(gate_failed(
                &self.upstream,
                &changed(&plan).targets,
                &probes,
            ));
        }
        plan.state.add(new);
        drop(turn);
        context.store.save(&context.shared).await?;
        Ok(changed(&plan))
    }

    fn human(answer: &Changed) -> String {
        now_uses(answer)
    }

    fn patience(&self) -> Duration {
        self.deploy_timeout
            .duration()
            .saturating_add(Duration::from_secs(10))
    }
}

impl Run for Remove {
    const NAME: &'static str = "remove";
    type Answer = Changed;

    async fn run(self, context: &Context) -> Result<Changed, VerbError> {
        let plan = find::upstream(context, &self.upstream)?;
        let turn = find::change(&plan)?;
        let member = find::member(&plan, &self.target)?;
        if plan.state.members().len() == 1 {
            return Err(VerbError::failed(format!(
                "`{}` is the last target of `{}`: deploy another one, or use `maintenance on`",
                self.target, self.upstream
            )));
        }
        plan.state.remove(&member);
        let members = [member];
        dismiss_later(&members, WEBSOCKET_TIMEOUT);
        drop(turn);
        context.store.save(&context.shared).await?;
        let left = finished(&members, self.drain_timeout.duration()).await;
        if left > 0 {
            return Err(VerbError::failed(format!(
                "`{}` is removed, but {left} of its requests are not finished after {}; they go on",
                self.target, self.drain_timeout
            )));
        }
        Ok(changed(&plan))
    }

    fn human(answer: &Changed) -> String {
        now_uses(answer)
    }

    fn patience(&self) -> Duration {
        self.drain_timeout
            .duration()
            .saturating_add(Duration::from_secs(10))
    }
}

impl Run for Reset {
    const NAME: &'static str = "reset";
    type Answer = Changed;

    async fn run(self, context: &Context) -> Result<Changed, VerbError> {
        let plan = find::upstream(context, &self.upstream)?;
        let _turn = find::change(&plan)?;
        plan.state.reset(&plan.targets);
        context.store.save(&context.shared).await?;
        Ok(changed(&plan))
    }

    fn human(answer: &Changed) -> String {
        now_uses(answer)
    }
}
