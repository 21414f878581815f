//! `access`: by address.

use std::net::IpAddr;

use crate::plan::Network;
use crate::plan::check::Problems;
use crate::settings::{AccessSettings, List};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    All,
    /// Over a Unix socket: there is no address.
    Unix,
    Network(Network),
}

impl Who {
    fn is(self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) | (Self::Unix, None) => true,
            (Self::Network(network), Some(address)) => network.contains(address),
            _ => false,
        }
    }
}

/// The rules; the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    rules: Vec<(Who, bool)>,
    otherwise: bool,
}

impl Access {
    pub(super) fn new(
        key: &str,
        settings: &AccessSettings,
        problems: &mut Problems,
    ) -> Option<Self> {
        let key = format!("{key}.access");
        let lists = settings.allow.is_some() || settings.deny.is_some();
        if lists != settings.rules.is_empty() {
            let problem = "write `allow` or `deny` or both, or `rules` (`allow 10.0.0.0/8`, `deny all`, …) alone";
            problems.add(key, problem);
            return None;
        }
        let mut rules = Vec::new();
        for rule in &settings.rules {
            match rule.split_once(' ') {
                Some(("allow", who)) => rules.push((parse(&key, "rules", who, problems)?, true)),
                Some(("deny", who)) => rules.push((parse(&key, "rules", who, problems)?, false)),
                _ => {
                    let problem = format!("`{rule}` must be `allow NETWORK` or `deny NETWORK`");
                    problems.add(format_args!("{key}.rules"), problem);
                    return None;
                }
            }
        }
        // Denied first: an address in both lists stays out.
        for (name, list, allowed) in [
            ("deny", &settings.deny, false),
            ("allow", &settings.allow, true),
        ] {
            for who in list.iter().flat_map(|List(list)| list) {
                rules.push((parse(&key, name, who, problems)?, allowed));
            }
        }
        Some(Self {
            rules,
            otherwise: settings.allow.is_none(),
        })
    }

    /// True if a visitor with this address may ask.
    #[must_use]
    pub fn allows(&self, address: Option<IpAddr>) -> bool {
        self.rules
            .iter()
            .find(|(who, _)| who.is(address))
            .map_or(self.otherwise, |(_, allowed)| *allowed)
    }
}

fn parse(key: &str, list: &str, who: &str, problems: &mut Problems) -> Option<Who> {
    match who.trim() {
        "all" => Some(Who::All),
        "unix:" => Some(Who::Unix),
        network => network
            .parse()
            .map(Who::Network)
            .map_err(|problem: String| {
                problems.add(
                    format_args!("{key}.{list}"),
                    format!("{problem}, `all` or `unix:`"),
                );
            })
            .ok(),
    }
}
