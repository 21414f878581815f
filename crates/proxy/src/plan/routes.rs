//! Which route a request takes. The order is nginx's:
//!
//! 1. the exact `path`;
//! 2. the longest `prefix`, if it is marked `final`;
//! 3. the first `regex` that matches, in the order of the settings;
//! 4. the longest `prefix`.
//!
//! A route with `methods` counts only for these; if nothing is left but such routes, the answer is 405.

use std::collections::HashMap;

use http::{HeaderValue, Method};
use regex::{Regex, RegexBuilder};

use super::check::Problems;
use super::path::normal;
use super::route::Route;
use super::template::Captured;
use crate::settings::RouteSettings;

/// Bound of a compiled pattern in bytes.
const MOST_REGEX: usize = 1 << 20;

/// How a route is found.
#[derive(Debug)]
pub(super) enum Matcher {
    Exact(String),
    Prefix { prefix: String, last: bool },
    Regex(Regex),
}

/// A route that fits a request.
#[derive(Debug)]
pub struct Found<'a> {
    /// The route.
    pub route: &'a Route,
    /// Length of what it matched, in the normal form of the path: the rest is the path inside a
    /// directory of files.
    pub matched: usize,
    /// What its pattern captured.
    pub captured: Option<Captured>,
}

/// What the look-up came to.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// This one.
    Found(Found<'a>),
    /// Only routes for other methods fit: these.
    OtherMethods(HeaderValue),
    /// Nothing fits.
    Nothing,
}

/// A site's routes.
#[derive(Debug, Default)]
pub struct Routes {
    all: Vec<Route>,
    /// Decoded paths; indices into `all`, in the order of the settings.
    exact: HashMap<String, Vec<usize>>,
    /// Longest first, then in the order of the settings.
    prefixes: Vec<Prefix>,
    patterns: Vec<(Regex, usize)>,
}

#[derive(Debug)]
struct Prefix {
    prefix: String,
    last: bool,
    route: usize,
}

impl Prefix {
    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix.as_str()).is_some_and(|rest| {
            rest.is_empty() || self.prefix.ends_with('/') || rest.starts_with('/')
        })
    }
}

impl Routes {
    /// Adds one; false if an earlier one makes it unreachable.
    pub(super) fn add(&mut self, matcher: Matcher, route: Route) -> bool {
        let shadows = |other: usize| {
            let methods = &self.all.get(other).map(|other| &other.methods);
            methods.is_some_and(|methods| methods.is_empty() || *methods == route.methods)
        };
        let index = self.all.len();
        match matcher {
            Matcher::Exact(path) => {
                if self
                    .exact
                    .get(&path)
                    .is_some_and(|same| same.iter().any(|one| shadows(*one)))
                {
                    return false;
                }
                self.exact.entry(path).or_default().push(index);
            }
            Matcher::Prefix { prefix, last } => {
                let same = |one: &Prefix| one.prefix == prefix && shadows(one.route);
                if self.prefixes.iter().any(same) {
                    return false;
                }
                self.prefixes.push(Prefix {
                    prefix,
                    last,
                    route: index,
                });
                self.prefixes
                    .sort_by_key(|one| usize::MAX - one.prefix.len());
            }
            Matcher::Regex(regex) => {
                let same = |(other, one): &(Regex, usize)| {
                    other.as_str() == regex.as_str() && shadows(*one)
                };
                if self.patterns.iter().any(same) {
                    return false;
                }
                self.patterns.push((regex, index));
            }
        }
        self.all.push(route);
        true
    }

    /// The route of `method` and `path`, which is in its normal form ([`normal`]). Those that were
    /// `passed` do not count.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str, passed: &[&Route]) -> Lookup<'_> {
        let mut search = Search {
            routes: self,
            method,
            passed,
            others: Vec::new(),
        };
        match search.run(path) {
            Some(found) => Lookup::Found(found),
            None => search.outcome(),
        }
    }

    /// In the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.all.iter()
    }
}

struct Search<'a, 'm> {
    routes: &'a Routes,
    method: &'m Method,
    passed: &'m [&'m Route],
    /// Methods of the routes that fit otherwise.
    others: Vec<&'a Method>,
}

impl<'a> Search<'a, '_> {
    fn run(&mut self, path: &str) -> Option<Found<'a>> {
        let routes = self.routes;
        for index in routes.exact.get(path).into_iter().flatten() {
            // An exact path names one file: its last part is the path in the directory.
            let matched = path.rfind('/').map_or(0, |at| at + 1);
            if let Some(route) = self.fits(*index) {
                return Some(Found {
                    route,
                    matched,
                    captured: None,
                });
            }
        }
        let mut longest = None;
        for prefix in routes.prefixes.iter().filter(|one| one.covers(path)) {
            if let Some(route) = self.fits(prefix.route) {
                let matched = prefix.prefix.len();
                let found = Found {
                    route,
                    matched,
                    captured: None,
                };
                if prefix.last {
                    return Some(found);
                }
                longest = Some(found);
                break;
            }
        }
        for (regex, index) in &routes.patterns {
            if !regex.is_match(path) {
                continue;
            }
            if let Some(route) = self.fits(*index) {
                let captured = Captured::find(regex, path);
                return Some(Found {
                    route,
                    matched: 1,
                    captured,
                });
            }
        }
        longest
    }

    fn fits(&mut self, index: usize) -> Option<&'a Route> {
        let route = self.routes.all.get(index)?;
        if self.passed.iter().any(|one| std::ptr::eq(*one, route)) {
            return None;
        }
        if route.takes(self.method) {
            return Some(route);
        }
        self.others.extend(&route.methods);
        None
    }

    /// RFC 9110 15.5.6: a 405 lists what is allowed.
    fn outcome(self) -> Lookup<'a> {
        let mut names: Vec<&str> = Vec::new();
        for method in self.others {
            if !names.contains(&method.as_str()) {
                names.push(method.as_str());
            }
        }
        match HeaderValue::from_str(&names.join(", ")) {
            Ok(allow) if !names.is_empty() => Lookup::OtherMethods(allow),
            _ => Lookup::Nothing,
        }
    }
}

/// What the route at `key` is found by.
pub(super) fn matcher(
    key: &str,
    route: &RouteSettings,
    problems: &mut Problems,
) -> Option<Matcher> {
    let matcher = match (&route.path, &route.prefix, &route.regex) {
        (Some(path), None, None) => Matcher::Exact(plain(key, "path", path, problems)?),
        (None, Some(prefix), None) => Matcher::Prefix {
            prefix: plain(key, "prefix", prefix, problems)?,
            last: route.last,
        },
        (None, None, Some(regex)) => {
            Matcher::Regex(compile(&format!("{key}.regex"), regex, problems)?)
        }
        _ => {
            problems.add(key, "write exactly one of `path`, `prefix` and `regex`");
            return None;
        }
    };
    if route.last && !matches!(matcher, Matcher::Prefix { .. }) {
        problems.add(
            format_args!("{key}.final"),
            "only a route with `prefix` can be final: it then wins over every `regex`",
        );
    }
    Some(matcher)
}

fn plain(key: &str, name: &str, path: &str, problems: &mut Problems) -> Option<String> {
    let allowed = |byte: u8| (0x21..0x7f).contains(&byte) && !b"?#".contains(&byte);
    if path.starts_with('/') && path.bytes().all(allowed) {
        return Some(normal(path).into_owned());
    }
    problems.add(
        format_args!("{key}.{name}"),
        format!("`{path}` must begin with `/` and hold no space, `?` or `#`"),
    );
    None
}

/// Compiles the pattern at `key`, bounded.
pub(super) fn compile(key: &str, text: &str, problems: &mut Problems) -> Option<Regex> {
    RegexBuilder::new(text)
        // `.*` shall cover all of a path, whatever it decodes to.
        .dot_matches_new_line(true)
        .size_limit(MOST_REGEX)
        .dfa_size_limit(MOST_REGEX)
        .build()
        .map_err(|error| {
            problems.add(
                key,
                format!(
                    "`{text}` is no usable pattern: {}",
                    last_line(&error.to_string())
                ),
            )
        })
        .ok()
}

/// The crate draws the pattern over several lines; its last one says what is wrong.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
