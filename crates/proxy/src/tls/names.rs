//! Which of several things a name in a handshake means: exact before wildcard before any, as for
//! sites (`plan::Sites`).

use std::collections::HashMap;

/// Things by name.
#[derive(Debug, Clone)]
pub(super) struct Names<T> {
    exact: HashMap<String, T>,
    /// `.example.org` for `*.example.org`; longest first.
    suffixes: Vec<(String, T)>,
    any: Option<T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            suffixes: Vec::new(),
            any: None,
        }
    }
}

impl<T> Names<T> {
    /// Adds `host` (lower case): a name, `*.name` or `*`. The first of two equal ones stays.
    pub(super) fn add(&mut self, host: &str, thing: T) {
        if host == "*" {
            self.any.get_or_insert(thing);
        } else if let Some(suffix) = host.strip_prefix('*') {
            if !self.suffixes.iter().any(|(other, _)| other == suffix) {
                self.suffixes.push((suffix.to_owned(), thing));
                self.suffixes
                    .sort_by_key(|(suffix, _)| usize::MAX - suffix.len());
            }
        } else {
            self.exact.entry(host.to_owned()).or_insert(thing);
        }
    }

    /// What `name` (lower case) means.
    pub(super) fn find(&self, name: &str) -> Option<&T> {
        self.exact.get(name).or_else(|| {
            self.suffixes
                .iter()
                .find(|(suffix, _)| name.len() > suffix.len() && name.ends_with(suffix.as_str()))
                .map(|(_, thing)| thing)
                .or(self.any.as_ref())
        })
    }

    /// What visitors without a name get if every name would do.
    pub(super) fn any(&self) -> Option<&T> {
        self.any.as_ref()
    }
}
