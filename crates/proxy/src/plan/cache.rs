//! `cache` of a route, checked and resolved.

use std::sync::Arc;

use kiuas_common::Period;

use super::check::Problems;
use crate::cache::Capacity;
use crate::cache::control::MOST_SECONDS;
use crate::cache::rules::Rules;
use crate::settings::{CacheSettings, RouteCache, RouteCacheSettings, RouteSettings};

/// Less would not hold a page.
const LEAST_MEMORY: u64 = 64 << 10;

pub(super) fn capacity(settings: &CacheSettings, problems: &mut Problems) -> Capacity {
    if settings.memory.0 < LEAST_MEMORY {
        problems.add("cache.memory", "must be at least `64KiB`");
    }
    let disk = match (settings.disk, &settings.directory) {
        (Some(bytes), Some(directory)) => Some((directory.clone(), bytes.0)),
        (Some(_), None) => {
            problems.add(
                "cache.directory",
                "must name a directory when `disk` is set",
            );
            None
        }
        (None, Some(_)) => {
            problems.add(
                "cache.disk",
                "must say how much may lie in `directory`, as `1GiB`",
            );
            None
        }
        (None, None) => None,
    };
    Capacity {
        memory: settings.memory.0,
        disk,
    }
}

/// The rules of a route: its own, else its site's. Only answers of upstreams are cached.
pub(super) fn of_route(
    key: &str,
    route: &RouteSettings,
    site: Option<&RouteCache>,
    problems: &mut Problems,
) -> Option<Arc<Rules>> {
    if route.upstream.is_some() {
        return rules(key, route.cache.as_ref().or(site), problems);
    }
    if route.cache.is_some() {
        problems.add(
            format_args!("{key}.cache"),
            "only answers of an `upstream` are cached: take `cache` away",
        );
    }
    None
}

fn rules(key: &str, settings: Option<&RouteCache>, problems: &mut Problems) -> Option<Arc<Rules>> {
    match settings? {
        RouteCache::Switch(false) => None,
        RouteCache::Switch(true) => Some(Arc::new(made(
            key,
            &RouteCacheSettings::default(),
            problems,
        ))),
        RouteCache::Rules(settings) if !settings.enabled => None,
        RouteCache::Rules(settings) => Some(Arc::new(made(key, settings, problems))),
    }
}

fn made(key: &str, settings: &RouteCacheSettings, problems: &mut Problems) -> Rules {
    let mut ttl = Vec::new();
    for (status, period) in &settings.ttl {
        match status.parse::<u16>() {
            Ok(number) if (200..500).contains(&number) && ![206, 304].contains(&number) => {
                ttl.push((number, seconds(*period)));
            }
            _ => problems.add(
                format_args!("{key}.cache.ttl.{status}"),
                format!(
                    "answers with `{status}` are never stored: write a status from 200 to 499, but neither 206 nor 304"
                ),
            ),
        }
    }
    if settings.max_size.0 == 0 {
        problems.add(
            format_args!("{key}.cache.max_size"),
            "0 would store nothing: write `cache = false`",
        );
    }
    Rules {
        default_ttl: settings.default_ttl.map(seconds),
        ttl,
        heuristic: settings.heuristic,
        stale_while_revalidate: seconds(settings.stale_while_revalidate),
        stale_if_error: seconds(settings.stale_if_error),
        obey_requests: settings.obey_requests,
        bypass_cookies: settings.bypass_cookies.0.clone(),
        ignore_query: settings.ignore_query,
        max_size: settings.max_size.0,
        status_header: settings.status_header,
        wait: settings.wait.duration(),
    }
}

fn seconds(period: Period) -> u32 {
    u32::try_from(period.duration().as_secs())
        .unwrap_or(MOST_SECONDS)
        .min(MOST_SECONDS)
}
