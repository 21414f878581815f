//! The table of certificates, made from a plan; what `check` says about them.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::acme;
use super::authority::LocalAuthority;
use super::facts::Finding;
use super::names::Names;
use super::resolver::Table;
use super::set::Set;
use super::{TlsError, TlsPlan};
use crate::plan::{TlsSite, TlsSource};

/// A table and the authority behind some of it.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) table: Table,
    pub(super) authority: Option<Arc<LocalAuthority>>,
}

/// Makes the table of `plan`. Sets that `old` has already are kept.
pub(super) fn table(plan: &TlsPlan, old: &Table) -> Result<Built, TlsError> {
    let authority = match uses_authority(plan) {
        false => None,
        true => Some(Arc::new(LocalAuthority::open(
            &plan.directory,
            &authority_names(plan),
        )?)),
    };
    let mut sets: HashMap<&TlsSource, Arc<Set>> = HashMap::new();
    let sources = plan.sites.iter().map(|site| &site.source);
    for source in sources.chain(&plan.fallback) {
        if sets.contains_key(source) {
            continue;
        }
        let kept = old.sets.iter().find(|set| set.source == *source);
        let set = match (kept, source) {
            (_, TlsSource::Authority) => {
                let credentials = authority
                    .as_ref()
                    .map(|authority| authority.certificate())
                    .transpose()?;
                Arc::new(Set::new(source.clone(), credentials.into_iter().collect()))
            }
            // From another authority than before, it is another certificate.
            (Some(kept), TlsSource::Acme(names)) if !acme::is_kept(plan, kept, names) => {
                Arc::new(acme::initial(plan, source, names)?)
            }
            (Some(kept), _) => {
                kept.look_again();
                Arc::clone(kept)
            }
            (None, TlsSource::Files(_)) => Arc::new(Set::from_files(source)?),
            (None, TlsSource::Acme(names)) => Arc::new(acme::initial(plan, source, names)?),
        };
        sets.insert(source, set);
    }
    let mut names = Names::default();
    for site in &plan.sites {
        if let Some(set) = sets.get(&site.source) {
            for host in &site.hosts {
                names.add(host, Arc::clone(set));
            }
            for finding in findings(site, set) {
                tell(site, &finding);
            }
        }
    }
    let first = plan.sites.first().map(|site| &site.source);
    let fallback = match plan.refuse_unknown {
        true => None,
        false => plan.fallback.as_ref().or(first),
    };
    Ok(Built {
        table: Table {
            names,
            fallback: fallback.and_then(|source| sets.get(source)).map(Arc::clone),
            sets: sets.into_values().collect(),
        },
        authority,
    })
}

fn uses_authority(plan: &TlsPlan) -> bool {
    let sources = plan.sites.iter().map(|site| &site.source);
    sources
        .chain(&plan.fallback)
        .any(|source| *source == TlsSource::Authority)
}

/// What the local authority's certificate must be good for. A wildcard does not cover the name itself.
pub(super) fn authority_names(plan: &TlsPlan) -> Vec<String> {
    plan.sites
        .iter()
        .filter(|site| site.source == TlsSource::Authority)
        .flat_map(|site| &site.hosts)
        .filter(|host| *host != "*")
        .flat_map(|host| match host.strip_prefix("*.") {
            Some(name) => vec![host.clone(), name.to_owned()],
            None => vec![host.clone()],
        })
        .collect()
}

fn findings(site: &TlsSite, set: &Set) -> Vec<Finding> {
    let TlsSource::Files(_) = set.source else {
        return Vec::new();
    };
    let now = Timestamp::now();
    let current = set.current.load();
    let uncovered: Vec<String> = site
        .hosts
        .iter()
        .filter(|host| *host != "*" && !current.iter().any(|one| one.facts.covers(host)))
        .cloned()
        .collect();
    current
        .iter()
        .flat_map(|one| one.facts.findings(&one.chain().cert, &uncovered, now))
        .collect()
}

/// While serving, an expired certificate is told of and used: better than none, and plain HTTP with it.
fn tell(site: &TlsSite, finding: &Finding) {
    match finding {
        Finding::Problem(text) => tracing::error!("`{}`: {text}", site.key),
        Finding::Warning(text) => tracing::warn!("`{}`: {text}", site.key),
    }
}

/// Reads all certificate files and says what is to be said about them, each with its key.
///
/// # Errors
/// The first that cannot be used at all.
pub fn check(plan: &TlsPlan) -> Result<Vec<(String, Finding)>, TlsError> {
    let mut all = Vec::new();
    let mut seen: Vec<&TlsSource> = Vec::new();
    for site in &plan.sites {
        if let TlsSource::Files(_) = &site.source {
            let set = Set::from_files(&site.source)?;
            let found = findings(site, &set);
            all.extend(found.into_iter().map(|finding| (site.key.clone(), finding)));
            seen.push(&site.source);
        }
    }
    if let Some(source @ TlsSource::Files(_)) = &plan.fallback
        && !seen.contains(&source)
    {
        Set::from_files(source)?;
    }
    super::door::check(plan)?;
    Ok(all)
}
