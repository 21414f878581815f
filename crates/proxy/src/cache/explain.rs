//! What is stored for a URL, in words (`ctl why`).

use std::fmt;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::entry::{Content, Entry};
use super::key::KeyRef;
use super::{Cache, date};

/// One stored answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    /// `memory`, `disk` (the body is read from there), or both have it: `memory, disk`.
    pub tier: String,
    /// Its status.
    pub status: u16,
    /// The request would get this one.
    pub chosen: bool,
    /// `fresh`, `stale`, or `purged` (marked stale by hand or by a HEAD).
    pub state: String,
    /// In seconds.
    pub age: u32,
    /// It is fresh up to this age, in seconds.
    pub fresh_for: u32,
    /// What its lifetime comes from.
    pub rule: String,
    /// Used stale for so long while it is validated, in seconds.
    pub stale_while_revalidate: u32,
    /// Used stale for so long when the application fails, in seconds.
    pub stale_if_error: u32,
    /// The application can be asked whether it still holds.
    pub can_be_validated: bool,
    /// Fields that chose it, with the values of its request.
    pub vary: Vec<(String, Option<String>)>,
    /// Of `Surrogate-Key`.
    pub tags: Vec<String>,
    /// Of the body, in bytes.
    pub length: u64,
}

/// All that is stored for a URL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explained {
    /// Newest first.
    pub answers: Vec<Stored>,
    /// The last answer could not be stored: for some seconds requests do not wait for each other.
    pub passed: bool,
    /// What a request would come to: `hit`, `stale-hit`, `validate`, `vary-miss` or `miss`.
    pub outcome: String,
}

impl Cache {
    /// What is stored under `key`, and what a request with these fields would come to.
    pub async fn explain(&self, key: &KeyRef<'_>, request: &HeaderMap) -> Explained {
        let now = date::now();
        let loaded = match self.get(key) {
            Some(variants) if variants.find(request).is_some() => None,
            _ => self.fetch(key, request).await,
        };
        let variants = self.get(key);
        let mut all: Vec<&std::sync::Arc<Entry>> = variants
            .iter()
            .flat_map(|variants| variants.all())
            .collect();
        if let Some(loaded) = &loaded
            && !all
                .iter()
                .any(|entry| std::sync::Arc::ptr_eq(entry, loaded))
        {
            all.push(loaded);
        }
        let chosen = all
            .iter()
            .find(|entry| entry.head.selection.matches(request));
        let outcome = match chosen {
            Some(entry) if entry.is_fresh(now) => "hit",
            Some(entry) if entry.allows_while_revalidate(now) => "stale-hit",
            Some(_) => "validate",
            None if !all.is_empty() => "vary-miss",
            None => "miss",
        };
        let on_disk = self.is_on_disk(key);
        Explained {
            outcome: outcome.to_owned(),
            passed: self.is_passed(key, now),
            answers: all
                .iter()
                .map(|entry| {
                    let is_chosen =
                        chosen.is_some_and(|other| std::sync::Arc::ptr_eq(other, entry));
                    stored(entry, is_chosen, on_disk, now)
                })
                .collect(),
        }
    }
}

fn stored(entry: &Entry, chosen: bool, on_disk: bool, now: u64) -> Stored {
    let lifetime = &entry.head.lifetime;
    let state = if entry.is_expired() {
        "purged"
    } else if entry.is_fresh(now) {
        "fresh"
    } else {
        "stale"
    };
    let tier = match entry.content {
        Content::File { .. } => "disk",
        Content::Memory(_) if on_disk => "memory, disk",
        Content::Memory(_) => "memory",
    };
    Stored {
        tier: tier.to_owned(),
        status: entry.head.status.as_u16(),
        chosen,
        state: state.to_owned(),
        age: lifetime.age(now),
        fresh_for: lifetime.fresh_for,
        rule: lifetime.source.name().to_owned(),
        stale_while_revalidate: lifetime.while_revalidate,
        stale_if_error: lifetime.if_error,
        can_be_validated: entry.has_validator(),
        vary: entry
            .head
            .selection
            .fields()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    value.as_ref().map(|value| value.to_string()),
                )
            })
            .collect(),
        tags: entry.head.tags.iter().map(|tag| tag.to_string()).collect(),
        length: entry.content.length(),
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  a request: {}", self.outcome)?;
        if self.passed {
            writeln!(
                f,
                "  the last answer could not be stored (see its Cache-Status)"
            )?;
        }
        for one in &self.answers {
            let mark = if one.chosen { "*" } else { " " };
            writeln!(
                f,
                "{mark} {} {} in {}: age {} of {} s ({}), {} bytes",
                one.status, one.state, one.tier, one.age, one.fresh_for, one.rule, one.length
            )?;
            for (name, value) in &one.vary {
                writeln!(
                    f,
                    "    vary {name}: {}",
                    value.as_deref().unwrap_or("(none)")
                )?;
            }
            if !one.tags.is_empty() {
                writeln!(f, "    tags {}", one.tags.join(" "))?;
            }
        }
        Ok(())
    }
}
