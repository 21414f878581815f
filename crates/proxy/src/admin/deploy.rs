//! `ctl deploy`: new targets for an upstream, without a lost request.

use std::time::Duration;

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError, find};
use crate::settings::HealthSettings;
use crate::upstream::{self, Deployment, Report, TargetProbe, UpstreamPlan};

/// Beside what the deployment itself may take.
const GRACE: Duration = Duration::from_secs(10);

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
The new targets are asked until each has given a good answer; only then requests go to them, all from
one moment on. If one does not become healthy in time, the old targets stay in use, the exit status is 1
and the last answer is printed. The old targets finish the requests they have.

Examples:
  kiuas-proxy ctl deploy app --target unix:/run/app/2.sock
  kiuas-proxy ctl deploy app --target 10.0.0.2:8000 --target 10.0.0.3:8000 --health-path /up
  kiuas-proxy ctl deploy app --target unix:/run/app/2.sock --deploy-timeout 60s --json")]
pub struct Deploy {
    /// The upstream's name
    pub upstream: String,
    /// A new target, `unix:/path` or `HOST:PORT`; may be repeated
    #[arg(long = "target", value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// What the new targets are asked for; default: the upstream's `health.path`, else /healthz
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    pub health_path: Option<String>,
    /// How long the new targets may take to be healthy
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[serde(default = "thirty")]
    pub deploy_timeout: Period,
    /// How long the old targets may take to finish; what is left then goes on
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[serde(default = "thirty")]
    pub drain_timeout: Period,
    /// How long WebSockets to the old targets may stay before they are closed with 1012; the command does
    /// not wait for it
    #[arg(long, value_name = "TIME", default_value = "10m")]
    #[serde(default = "ten_minutes")]
    pub websocket_timeout: Period,
    /// How long a request may wait for the new targets while no old one answers
    #[arg(long, value_name = "TIME", default_value = "5s")]
    #[serde(default = "five")]
    pub hold: Period,
}

fn thirty() -> Period {
    Period::seconds(30)
}

fn ten_minutes() -> Period {
    Period::seconds(600)
}

fn five() -> Period {
    Period::seconds(5)
}

impl Deploy {
    fn plan(&self, upstream: &UpstreamPlan) -> Result<Deployment, VerbError> {
        let mut health = upstream.health.clone().unwrap_or_default();
        if let Some(path) = &self.health_path {
            health.path.clone_from(path);
        }
        check_path(&health)?;
        if self.targets.is_empty() {
            return Err(VerbError::usage("no target"));
        }
        Ok(Deployment {
            targets: find::specs(upstream, &self.targets)?,
            health,
            deploy_timeout: self.deploy_timeout.duration(),
            drain_timeout: self.drain_timeout.duration(),
            websocket_timeout: self.websocket_timeout.duration(),
            hold: self.hold.duration(),
        })
    }
}

/// The path of the health question, as somebody may have written it by hand.
pub(super) fn check_path(health: &HealthSettings) -> Result<(), VerbError> {
    if health.path.starts_with('/') && http::Uri::try_from(&health.path).is_ok() {
        return Ok(());
    }
    Err(VerbError::usage(format!("`{}` is no path", health.path)))
}

/// Why nothing was changed.
pub(super) fn gate_failed(name: &str, used: &[String], probes: &[TargetProbe]) -> VerbError {
    let answers: Vec<String> = probes
        .iter()
        .filter(|probe| !probe.answer.good)
        .map(|probe| format!("`{}` answered {}", probe.target, probe.answer))
        .collect();
    VerbError::Failed {
        problem: format!(
            "not healthy within the time: {}. Nothing was changed, `{name}` still goes to {}",
            answers.join("; "),
            used.join(", ")
        ),
        report: serde_json::to_value(probes).ok(),
    }
}

impl Run for Deploy {
    const NAME: &'static str = "deploy";
    type Answer = Report;

    async fn run(self, context: &Context) -> Result<Report, VerbError> {
        let plan = find::upstream(context, &self.upstream)?;
        let deployment = self.plan(&plan)?;
        let turn = find::change(&plan)?;
        let mut saved = Ok(());
        let save = async {
            saved = context.store.save(&context.shared).await;
        };
        let report = upstream::deploy(&plan, &deployment, &turn, save).await;
        if !report.switched {
            return Err(gate_failed(
                &report.upstream,
                &report.targets,
                &report.probes,
            ));
        }
        saved?;
        tracing::info!(
            upstream.name = report.upstream,
            deploy.failed = report.failed,
            deploy.held = report.held,
            "`{}` goes to {}",
            report.upstream,
            report.targets.join(", ")
        );
        Ok(report)
    }

    fn human(report: &Report) -> String {
        let mut text = format!(
            "{} now goes to {}\nhealthy after {} ms, old targets finished after {} ms\n",
            report.upstream,
            report.targets.join(", "),
            report.gate_ms,
            report.drain_ms
        );
        if report.unfinished > 0 {
            text.push_str(&format!(
                "{} requests of the old targets are not finished; they go on\n",
                report.unfinished
            ));
        }
        if report.websockets > 0 {
            text.push_str(&format!(
                "{} WebSockets of the old targets are open; they are told to leave at their time\n",
                report.websockets
            ));
        }
        text.push_str(&format!(
            "{} requests failed, {} were sent again, {} were held; longest wait {} ms\n",
            report.failed, report.retried, report.held, report.longest_wait_ms
        ));
        text
    }

    fn patience(&self) -> Duration {
        self.deploy_timeout
            .duration()
            .saturating_add(self.drain_timeout.duration())
            .saturating_add(GRACE)
    }
}
