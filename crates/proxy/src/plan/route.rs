//! What a site does with a path.

use std::collections::HashMap;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use kiuas_common::Bytes as Size;

use super::check::{Problems, nearest};
use crate::settings::{FilesSettings, RedirectSettings, RespondSettings, RouteSettings};

/// What happens to a request.
#[derive(Debug)]
pub enum Action {
    /// Goes to the upstream with this index.
    Forward(usize),
    /// Is answered with a file.
    Files(Files),
    /// Is sent elsewhere.
    Redirect(Redirect),
    /// Gets a fixed answer.
    Respond(Fixed),
}

/// Files below a directory.
#[derive(Debug)]
pub struct Files {
    /// The directory.
    pub root: PathBuf,
    /// Of every file.
    pub cache_control: Option<HeaderValue>,
}

/// A redirection.
#[derive(Debug)]
pub struct Redirect {
    /// 3xx.
    pub status: StatusCode,
    /// `Location`.
    pub to: HeaderValue,
}

/// A fixed answer.
#[derive(Debug)]
pub struct Fixed {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
    /// Its media type.
    pub content_type: HeaderValue,
}

/// A path or prefix with its action.
#[derive(Debug)]
pub struct Route {
    /// Length of what the route matched: the rest is the path inside a directory of files.
    pub matched: usize,
    /// Largest request body in bytes.
    pub body: u64,
    /// What to do.
    pub action: Action,
}

/// A site's routes.
#[derive(Debug, Default)]
pub struct Routes {
    exact: HashMap<String, Route>,
    /// Longest first.
    prefixes: Vec<(String, Route)>,
}

impl Routes {
    pub(super) fn new(
        key: &str,
        settings: &[RouteSettings],
        upstreams: &[&str],
        body: Size,
        problems: &mut Problems,
    ) -> Self {
        let mut routes = Self::default();
        for (index, route) in settings.iter().enumerate() {
            let key = format!("{key}.routes[{index}]");
            let action = action(&key, route, upstreams, problems);
            let Some((exact, path)) = matcher(&key, route, problems) else {
                continue;
            };
            let Some(action) = action else { continue };
            let taken = if exact {
                routes.exact.contains_key(path)
            } else {
                routes.prefixes.iter().any(|(other, _)| other == path)
            };
            if taken {
                problems.add(&key, format!("`{path}` has a route already"));
                continue;
            }
            // An exact path names one file: its last part is the path in the directory.
            let matched = if exact {
                path.rfind('/').map_or(0, |at| at + 1)
            } else {
                path.len()
            };
            let route = Route {
                matched,
                body: route.body.unwrap_or(body).0,
                action,
            };
            if exact {
                routes.exact.insert(path.to_owned(), route);
            } else {
                routes.prefixes.push((path.to_owned(), route));
            }
        }
        routes
            .prefixes
            .sort_by_key(|(prefix, _)| usize::MAX - prefix.len());
        routes
    }

    /// The route of `path`: the exact one, else the longest prefix that ends at a `/`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Route> {
        self.exact.get(path).or_else(|| {
            self.prefixes
                .iter()
                .find(|(prefix, _)| {
                    path.strip_prefix(prefix.as_str()).is_some_and(|rest| {
                        rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/')
                    })
                })
                .map(|(_, route)| route)
        })
    }
}

fn matcher<'a>(
    key: &str,
    route: &'a RouteSettings,
    problems: &mut Problems,
) -> Option<(bool, &'a str)> {
    let (exact, path) = match (&route.path, &route.prefix) {
        (Some(path), None) => (true, path),
        (None, Some(prefix)) => (false, prefix),
        _ => {
            problems.add(key, "write exactly one of `path` and `prefix`");
            return None;
        }
    };
    if !path.starts_with('/')
        || path
            .bytes()
            .any(|byte| !(0x21..0x7f).contains(&byte) || b"?#".contains(&byte))
    {
        let name = if exact { "path" } else { "prefix" };
        problems.add(
            format_args!("{key}.{name}"),
            format!("`{path}` must begin with `/` and hold no space, `?` or `#`"),
        );
        return None;
    }
    Some((exact, path))
}

fn action(
    key: &str,
    route: &RouteSettings,
    upstreams: &[&str],
    problems: &mut Problems,
) -> Option<Action> {
    match (
        &route.upstream,
        &route.files,
        &route.redirect,
        &route.respond,
    ) {
        (Some(name), None, None, None) => forward(key, name, upstreams, problems),
        (None, Some(files), None, None) => Some(Action::Files(self::files(key, files, problems)?)),
        (None, None, Some(redirect), None) => {
            Some(Action::Redirect(self::redirect(key, redirect, problems)?))
        }
        (None, None, None, Some(respond)) => {
            Some(Action::Respond(self::respond(key, respond, problems)?))
        }
        _ => {
            problems.add(
                key,
                "write exactly one of `upstream`, `files`, `redirect` and `respond`",
            );
            None
        }
    }
}

fn forward(key: &str, name: &str, upstreams: &[&str], problems: &mut Problems) -> Option<Action> {
    let found = upstreams.iter().position(|other| *other == name);
    if found.is_none() {
        let known = if upstreams.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are {}", upstreams.join(", "))
        };
        problems.add(
            format_args!("{key}.upstream"),
            format!(
                "there is no `[proxy.upstreams.{name}]`; {known}{}",
                nearest(name, upstreams)
            ),
        );
    }
    found.map(Action::Forward)
}

fn files(key: &str, settings: &FilesSettings, problems: &mut Problems) -> Option<Files> {
    if !settings.root.is_dir() {
        problems.add(
            format_args!("{key}.files.root"),
            format!("`{}` is no directory", settings.root.display()),
        );
        return None;
    }
    let cache_control = match &settings.cache_control {
        None => None,
        Some(text) => Some(header(key, "files.cache_control", text, problems)?),
    };
    Some(Files {
        root: settings.root.clone(),
        cache_control,
    })
}

fn redirect(key: &str, settings: &RedirectSettings, problems: &mut Problems) -> Option<Redirect> {
    if ![301, 302, 303, 307, 308].contains(&settings.status) {
        problems.add(
            format_args!("{key}.redirect.status"),
            format!(
                "{} is no redirection: write 301, 302, 303, 307 or 308",
                settings.status
            ),
        );
        return None;
    }
    Some(Redirect {
        status: StatusCode::from_u16(settings.status).ok()?,
        to: header(key, "redirect.to", &settings.to, problems)?,
    })
}

fn respond(key: &str, settings: &RespondSettings, problems: &mut Problems) -> Option<Fixed> {
    if !(200..=599).contains(&settings.status) {
        problems.add(
            format_args!("{key}.respond.status"),
            format!("{} is no final status: write 200 to 599", settings.status),
        );
        return None;
    }
    Some(Fixed {
        status: StatusCode::from_u16(settings.status).ok()?,
        body: Bytes::from(settings.body.clone()),
        content_type: header(
            key,
            "respond.content_type",
            &settings.content_type,
            problems,
        )?,
    })
}

fn header(key: &str, name: &str, text: &str, problems: &mut Problems) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty());
    if value.is_none() {
        problems.add(
            format_args!("{key}.{name}"),
            format!("`{}` cannot stand in a header", text.escape_debug()),
        );
    }
    value
}
