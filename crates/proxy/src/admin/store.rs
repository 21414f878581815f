//! The state file: what was changed by hand, written whole and atomically after each change, read at
//! the start. What it says wins over the settings until `ctl reset`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiuas_common::Period;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::VerbError;
use crate::maintenance::Maintenance;
use crate::settings::TargetSettings;
use crate::upstream::{self, Mode, Spec, State, UpstreamPlan};
use crate::worker::Shared;

const VERSION: u32 = 1;

/// Why the state file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be read.
    #[error("cannot read the state file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is in it is not a state.
    #[error(
        "the state file {} is damaged: {problem}. Repair it, or delete it to go on with the settings",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    /// Of the sticky cookies, in hexadecimal digits.
    #[serde(default)]
    sticky_key: String,
    #[serde(default)]
    upstreams: BTreeMap<String, KeptUpstream>,
    #[serde(default)]
    sites: BTreeMap<String, KeptWork>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KeptUpstream {
    /// None: those of the settings.
    targets: Option<Vec<TargetSettings>>,
    draining: Vec<String>,
    paused: Option<Period>,
    maintenance: Option<KeptWork>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptWork {
    message: String,
    allow: Vec<String>,
}

/// The state file, or none.
#[derive(Debug)]
pub struct Store {
    path: Option<PathBuf>,
    writing: Mutex<()>,
}

impl Store {
    /// Reads the file at `path`, if there is one, and brings the proxy into that state.
    ///
    /// # Errors
    /// It is there and cannot be used.
    pub fn open(path: Option<&Path>, shared: &Shared) -> Result<Self, StoreError> {
        let store = Self {
            path: path.map(Path::to_owned),
            writing: Mutex::new(()),
        };
        let Some(path) = path else { return Ok(store) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(store),
            Err(source) => {
                let path = path.to_owned();
                return Err(StoreError::Read { path, source });
            }
        };
        let restored = serde_json::from_str(&text)
            .map_err(|error| error.to_string())
            .and_then(|kept| restore(&kept, shared));
        match restored {
            Ok(()) => Ok(store),
            Err(problem) => {
                let path = path.to_owned();
                Err(StoreError::Damaged { path, problem })
            }
        }
    }

    /// Writes the state as it is now. To be called after each change; who asked may go away meanwhile.
    ///
    /// # Errors
    /// The change is in force, and would not survive a restart.
    pub async fn save(self: &Arc<Self>, shared: &Shared) -> Result<(), VerbError> {
        if self.path.is_none() {
            return Ok(());
        }
        let (store, shared) = (Arc::clone(self), shared.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "ends by itself, and must not be broken off by who asked"
        )]
        let saving = tokio::spawn(async move { store.write(&shared).await });
        let failed = |why: String| {
            VerbError::failed(format!(
                "it is done, but a restart would undo it: cannot write the state file: {why}"
            ))
        };
        saving
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))
    }

    async fn write(&self, shared: &Shared) -> io::Result<()> {
        let Some(path) = self.path.clone() else {
            return Ok(());
        };
        // The one who writes last writes the newest state.
        let _one_at_a_time = self.writing.lock().await;
        let text = serde_json::to_string_pretty(&snapshot(shared))?;
        tokio::task::spawn_blocking(move || write(&path, &text))
            .await
            .map_err(io::Error::other)?
    }
}

/// A reader finds the old text or the new one, whenever we are stopped.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn snapshot(shared: &Shared) -> Kept {
    let plan = shared.plans.get();
    let upstreams = plan.upstreams.iter().filter_map(|upstream| {
        let kept = kept(&upstream.state);
        (kept != KeptUpstream::default()).then(|| (upstream.name.clone(), kept))
    });
    let sites = shared.closed_sites.all();
    Kept {
        version: VERSION,
        sticky_key: upstream::sticky_key_text(),
        upstreams: upstreams.collect(),
        sites: sites
            .iter()
            .map(|(site, work)| (site.clone(), KeptWork::from(&**work)))
            .collect(),
    }
}

fn kept(state: &State) -> KeptUpstream {
    let members = state.members();
    let mode = state.switch.mode();
    let targets = || members.iter().map(|member| (&member.spec).into()).collect();
    KeptUpstream {
        targets: state.is_by_hand().then(targets),
        draining: members
            .iter()
            .filter(|member| member.is_draining())
            .map(|member| member.spec.target.to_string())
            .collect(),
        paused: match mode.as_deref() {
            Some(Mode::Paused(each)) => Some(Period(*each)),
            _ => None,
        },
        maintenance: match mode.as_deref() {
            Some(Mode::Maintenance(work)) => Some((&**work).into()),
            _ => None,
        },
    }
}

fn restore(kept: &Kept, shared: &Shared) -> Result<(), String> {
    if kept.version != VERSION {
        return Err(format!(
            "it is of version {}, this program knows {VERSION}",
            kept.version
        ));
    }
    if !upstream::keep_sticky_key(&kept.sticky_key) {
        tracing::warn!(
            "the key of the sticky cookies was not kept: visitors may change targets once"
        );
    }
    let plan = shared.plans.get();
    for (name, kept) in &kept.upstreams {
        match plan.upstreams.iter().find(|one| one.name == *name) {
            Some(upstream) => restore_upstream(kept, upstream)?,
            None => tracing::warn!(
                upstream.name = name,
                "the state file speaks of the upstream `{name}`, the settings do not: forgotten"
            ),
        }
    }
    for (site, work) in &kept.sites {
        if plan.sites.named(site).is_some() {
            shared.closed_sites.set(site, Some(work.try_into()?));
        }
    }
    Ok(())
}

fn restore_upstream(kept: &KeptUpstream, upstream: &UpstreamPlan) -> Result<(), String> {
    let state = &upstream.state;
    if let Some(targets) = &kept.targets {
        let specs = targets
            .iter()
            .map(Spec::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        state.set_members(state.members_for(&specs));
        state.set_by_hand(true);
        tracing::info!(
            upstream.name = upstream.name,
            "`{}` has the targets of the state file, not those of the settings",
            upstream.name
        );
    }
    for member in state.members().iter() {
        if kept.draining.contains(&member.spec.target.to_string()) {
            member.set_draining(true);
        }
    }
    if let Some(each) = kept.paused {
        state.switch.set(Mode::Paused(each.duration()));
    }
    if let Some(work) = &kept.maintenance {
        let work = Arc::new(work.try_into()?);
        state.switch.set(Mode::Maintenance(work));
    }
    Ok(())
}

impl From<&Maintenance> for KeptWork {
    fn from(work: &Maintenance) -> Self {
        Self {
            message: work.message.to_string(),
            allow: work.allow.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<&KeptWork> for Maintenance {
    type Error = String;

    fn try_from(kept: &KeptWork) -> Result<Self, String> {
        Ok(Self {
            message: kept.message.as_str().into(),
            allow: kept
                .allow
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?,
        })
    }
}
