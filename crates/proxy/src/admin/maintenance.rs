//! `ctl maintenance`: visitors of a site, or of everything that one upstream answers, are told that it
//! is being worked on.

use std::sync::Arc;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError, find};
use crate::maintenance::Maintenance;
use crate::upstream::Mode;

/// Longest message in bytes: it stands on a small page.
const MOST_MESSAGE: usize = 1000;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOff {
    /// It begins.
    On,
    /// It ends.
    Off,
}

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
NAME is a host of a site as its settings write it (the whole site is meant), or an upstream. Visitors
get 503 with Retry-After and a page; requests under way go on.

Examples:
  kiuas-proxy ctl maintenance on example.org
  kiuas-proxy ctl maintenance on example.org --message 'Back at 14:00.' --allow 10.0.0.0/8
  kiuas-proxy ctl maintenance off example.org")]
pub struct Work {
    /// Begin or end
    pub mode: OnOff,
    /// A site's host, or an upstream
    pub name: String,
    /// What visitors read instead of the usual advice
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[serde(default)]
    pub message: String,
    /// An address or network that passes all the same; may be repeated
    #[arg(long, value_name = "NETWORK")]
    #[serde(default)]
    pub allow: Vec<String>,
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Worked {
    /// `site` or `upstream`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// It is in maintenance.
    pub maintenance: bool,
}

impl Work {
    fn maintenance(&self) -> Result<Maintenance, VerbError> {
        if self.message.len() > MOST_MESSAGE {
            return Err(VerbError::usage(format!(
                "the message has {} bytes: at most {MOST_MESSAGE}",
                self.message.len()
            )));
        }
        let allow = self.allow.iter().map(|text| text.parse());
        Ok(Maintenance {
            message: self.message.as_str().into(),
            allow: allow.collect::<Result<_, _>>().map_err(VerbError::Usage)?,
        })
    }
}

impl Run for Work {
    const NAME: &'static str = "maintenance";
    type Answer = Worked;

    async fn run(self, context: &Context) -> Result<Worked, VerbError> {
        let on = self.mode == OnOff::On;
        let work = self.maintenance()?;
        let plan = context.shared.plans.get();
        let site = plan.sites.named(&self.name.to_ascii_lowercase());
        let upstream = plan.upstreams.iter().any(|one| one.name == self.name);
        let (kind, name) = match (site, upstream) {
            (Some(_), true) => {
                return Err(VerbError::usage(format!(
                    "`{}` is a site and an upstream: rename the upstream",
                    self.name
                )));
            }
            (Some(site), false) => {
                let work = on.then_some(work);
                context.shared.closed_sites.set(&site.name, work);
                ("site", site.name.clone())
            }
            (None, true) => {
                let state = &find::upstream(context, &self.name)?.state;
                if on {
                    state.switch.set(Mode::Maintenance(Arc::new(work)));
                } else if let Some(Mode::Maintenance(_)) = state.switch.mode().as_deref() {
                    state.switch.set(Mode::Open);
                }
                state.wake();
                ("upstream", self.name.clone())
            }
            (None, false) => {
                let sites = plan.sites.all().iter().map(|site| site.name.as_str());
                let upstreams = plan.upstreams.iter().map(|one| one.name.as_str());
                let all: Vec<&str> = sites.chain(upstreams).collect();
                return Err(VerbError::usage(format!(
                    "there is no site and no upstream `{}`: write one of {}",
                    self.name,
                    all.join(", ")
                )));
            }
        };
        context.store.save(&context.shared).await?;
        let state = if on { "is in maintenance" } else { "is open" };
        tracing::info!(maintenance.of = name, "the {kind} `{name}` {state}");
        Ok(Worked {
            kind: kind.to_owned(),
            name,
            maintenance: on,
        })
    }

    fn human(answer: &Worked) -> String {
        let state = if answer.maintenance {
            "is in maintenance"
        } else {
            "is open"
        };
        format!("The {} {} {state}\n", answer.kind, answer.name)
    }
}
