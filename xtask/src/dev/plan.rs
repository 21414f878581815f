//! Which components a change touches, and how each gets it without anyone noticing.

use super::change::Change;
use crate::stack::Component;

/// What to do after a successful build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Run the migrations first.
    pub(super) migrate: bool,
    /// Let the new programs look at the settings first.
    pub(super) check: bool,
    /// Start a new one beside the old, then stop the old.
    pub(super) replace: Vec<Component>,
    /// Let the pool replace its children.
    pub(super) roll: Vec<Component>,
}

impl Plan {
    /// For the programs that a build has `changed` and the `change` of the sources.
    pub(super) fn new(changed: &[&str], change: &Change) -> Self {
        let has = |program: &str| changed.contains(&program);
        let (site, everything) = (has("site"), change.settings);
        let mut plan = Self {
            migrate: change.migrations,
            check: everything || site || has("kiuas-proxy"),
            ..Self::default()
        };
        if everything || has("kiuas-pool") {
            plan.replace.extend([Component::Web, Component::Worker]);
        } else if site {
            plan.roll.extend([Component::Web, Component::Worker]);
        }
        if everything || site {
            plan.replace.push(Component::Beat);
        }
        if everything || has("kiuas-proxy") {
            plan.replace.push(Component::Proxy);
        }
        plan
    }

    /// True when the running stack is what it should be.
    pub(super) fn is_empty(&self) -> bool {
        !self.migrate && self.touches_nothing()
    }

    /// True if every component goes on as it is.
    pub(super) fn touches_nothing(&self) -> bool {
        self.replace.is_empty() && self.roll.is_empty()
    }

    /// The components touched, for the log.
    pub(super) fn summary(&self) -> String {
        let names: Vec<_> = self
            .roll
            .iter()
            .chain(&self.replace)
            .map(|component| component.name())
            .collect();
        names.join(", ")
    }
}
