//! `rate`: how often.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::plan::Network;
use crate::plan::check::Problems;
use crate::rate::Quota;
use crate::settings::RateSettings;

/// Tokens a second.
const FASTEST: u64 = 1_000_000;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateKey {
    /// Each address, or /64 of IPv6.
    Address,
    /// Each value of a field; requests without it are not counted.
    Header(HeaderName),
    /// Each value of a cookie; requests without it are not counted.
    Cookie(String),
    /// Each host.
    Host,
    /// Each path.
    Path,
    /// All requests together.
    All,
}

/// One limit.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Its own number, the same after a reload of the same settings.
    pub id: u64,
    /// Its key as written, for `RateLimit` and the log.
    pub name: String,
    /// What is counted.
    pub key: RateKey,
    /// How many.
    pub quota: Quota,
    /// Bursts are spread out.
    pub delay: bool,
    /// The answer above the limit.
    pub status: StatusCode,
    /// Nothing is refused.
    pub dry_run: bool,
    /// Every answer tells what is left.
    pub announce: bool,
    /// Nobody here is counted.
    pub except: Vec<Network>,
}

impl Limit {
    /// True if a visitor with this address is not counted.
    #[must_use]
    pub fn spares(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.except.iter().any(|network| network.contains(address)))
    }
}

/// The limits at `key`; `name` tells theirs from others.
pub(super) fn all(
    key: &str,
    name: &str,
    settings: &[RateSettings],
    problems: &mut Problems,
) -> Vec<Limit> {
    let mut limits = Vec::new();
    for (index, settings) in settings.iter().enumerate() {
        let mut hasher = DefaultHasher::new();
        (name, index, &settings.key).hash(&mut hasher);
        let key = format!("{key}.rate[{index}]");
        limits.extend(one(&key, hasher.finish(), settings, problems));
    }
    limits
}

fn one(key: &str, id: u64, settings: &RateSettings, problems: &mut Problems) -> Option<Limit> {
    let mut wrong =
        |name: &str, problem: String| problems.add(format_args!("{key}.{name}"), problem);
    let counted = counted(&settings.key)
        .map_err(|problem| wrong("key", problem))
        .ok();
    let rate = rate(&settings.rate)
        .map_err(|problem| wrong("rate", problem))
        .ok();
    let status = StatusCode::from_u16(settings.status)
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error());
    if status.is_none() {
        wrong(
            "status",
            format!("{} is no error: write 429 or 503", settings.status),
        );
    }
    let mut except = Vec::new();
    for text in &settings.except {
        match text.parse() {
            Ok(network) => except.push(network),
            Err(problem) => wrong("except", problem),
        }
    }
    let (every, count) = rate?;
    let quota = Quota {
        every,
        burst: settings.burst.unwrap_or(count),
    };
    if settings.delay && every.saturating_mul(quota.burst) > Duration::from_secs(60) {
        wrong(
            "burst",
            "with `delay`, the last of a burst would wait for over a minute".to_owned(),
        );
    }
    Some(Limit {
        id,
        name: settings.key.clone(),
        key: counted?,
        quota,
        delay: settings.delay,
        status: status?,
        dry_run: settings.dry_run,
        announce: settings.announce,
        except,
    })
}

fn counted(text: &str) -> Result<RateKey, String> {
    let wrong = || {
        format!(
            "`{}` must be `address`, `header:NAME`, `cookie:NAME`, `host`, `path` or `all`",
            text.escape_debug()
        )
    };
    match text.split_once(':') {
        None => match text {
            "address" => Ok(RateKey::Address),
            "host" => Ok(RateKey::Host),
            "path" => Ok(RateKey::Path),
            "all" => Ok(RateKey::All),
            _ => Err(wrong()),
        },
        Some(("header", name)) => HeaderName::from_bytes(name.as_bytes())
            .map(RateKey::Header)
            .map_err(|_| wrong()),
        Some(("cookie", name)) if crate::gate::is_token(name.as_bytes()) => {
            Ok(RateKey::Cookie(name.to_owned()))
        }
        Some(_) => Err(wrong()),
    }
}

/// `10/s`: the time between two, and the number.
fn rate(text: &str) -> Result<(Duration, u32), String> {
    let wrong = || {
        format!(
            "`{}` must be like `10/s`, `600/m` or `1000/h`",
            text.escape_debug()
        )
    };
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let count: u32 = count
        .trim()
        .parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(wrong)?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    if u64::from(count) > FASTEST * seconds {
        return Err(format!("`{text}` is more than {FASTEST} a second"));
    }
    Ok((Duration::from_secs(seconds) / count, count))
}
