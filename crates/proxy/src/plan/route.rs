//! What a site does with a path.

mod rewrite;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use kiuas_common::Bytes as Size;
use regex::Regex;

use super::cache;
use super::check::{Problems, nearest};
use super::files::Files;
use super::guard::Guard;
use super::headers::HeaderRules;
use super::routes::{self, Routes};
use super::template::Template;
use crate::cache::rules::Rules;
use crate::compress;
use crate::settings::{Compress, RedirectSettings, RespondSettings, RouteCache, RouteSettings};

/// What happens to a request.
#[derive(Debug)]
pub enum Action {
    /// Goes to the upstream with this index.
    Forward(usize),
    /// Is answered with a file.
    Files(Arc<Files>),
    /// Is sent elsewhere.
    Redirect(Redirect),
    /// Gets a fixed answer.
    Respond(Fixed),
}

/// A redirection.
#[derive(Debug)]
pub struct Redirect {
    /// 3xx.
    pub status: StatusCode,
    /// `Location`.
    pub to: Template,
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

/// A change of the path before the action.
#[derive(Debug)]
pub struct Rewrite {
    /// Only paths that match; the variables are its groups then.
    pub regex: Option<Regex>,
    /// The new path, and query if it holds a `?`.
    pub to: Template,
}

/// What an upstream's path begins with instead of what the route matched.
#[derive(Debug, Default)]
pub struct Mount {
    /// What the route's prefix matched is taken away.
    pub strip: bool,
    /// This is put in front; without a slash at its end.
    pub add: String,
}

/// What is done with the requests that it matches.
#[derive(Debug)]
pub struct Route {
    /// Only these; empty: all.
    pub methods: Vec<Method>,
    /// Largest request body in bytes.
    pub body: u64,
    /// A request body is taken in whole before the application hears of it.
    pub spools: bool,
    /// Who may ask, and how often.
    pub guard: Guard,
    /// What is stored of its answers; `None` for nothing.
    pub cache: Option<Arc<Rules>>,
    /// How answers are compressed.
    pub compress: Option<compress::Rules>,
    /// Only for `X-Accel-Redirect`.
    pub internal: bool,
    /// An application's 5xx are replaced by pages of ours.
    pub intercept_errors: bool,
    /// Answers tell how long they took.
    pub server_timing: bool,
    /// Fields of answers and requests.
    pub headers: HeaderRules,
    /// Another path, before the action.
    pub rewrite: Option<Rewrite>,
    /// Another path for the upstream.
    pub mount: Option<Mount>,
    /// What to do; `None`: the rewritten path is routed anew.
    pub action: Option<Action>,
}

impl Route {
    /// True if it is for requests with `method`; HEAD goes where GET goes.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

/// What all routes of a site are made with.
pub(super) struct Making<'a> {
    pub(super) upstreams: &'a [&'a str],
    pub(super) body: Size,
    pub(super) headers: &'a HeaderRules,
    pub(super) guard: &'a Guard,
    /// The site's.
    pub(super) cache: Option<&'a RouteCache>,
    pub(super) compress: Option<&'a Compress>,
    pub(super) server_timing: bool,
}

/// All routes of the site at `key`.
pub(super) fn all(
    key: &str,
    settings: &[RouteSettings],
    making: &Making<'_>,
    problems: &mut Problems,
) -> Routes {
    let mut routes = Routes::default();
    for (index, route) in settings.iter().enumerate() {
        let key = format!("{key}.routes[{index}]");
        let made = one(&key, route, making, problems);
        let Some((matcher, made)) = routes::matcher(&key, route, problems).zip(made) else {
            continue;
        };
        if !routes.add(matcher, made) {
            let path = [&route.path, &route.prefix, &route.regex];
            let path = path.into_iter().flatten().next().map_or("", String::as_str);
            problems.add(&key, format!("`{path}` has a route already"));
        }
    }
    routes
}

fn one(
    key: &str,
    route: &RouteSettings,
    making: &Making<'_>,
    problems: &mut Problems,
) -> Option<Route> {
    let regex = route.regex.as_ref().and_then(|text| Regex::new(text).ok());
    let rewrite = match &route.rewrite {
        None => None,
        Some(settings) => Some(rewrite::new(key, settings, regex.as_ref(), problems)?),
    };
    let action = action(key, route, regex.as_ref(), making.upstreams, problems);
    Some(Route {
        methods: rewrite::methods(key, &route.methods, problems)?,
        body: route.body.unwrap_or(making.body).0,
        cache: cache::of_route(key, route, making.cache, problems),
        spools: route.request_buffering.unwrap_or(true),
        guard: making
            .guard
            .of_route(key, route, making.upstreams, problems),
        compress: super::compress::rules(key, route.compress.as_ref(), making.compress, problems),
        internal: route.internal,
        intercept_errors: route.intercept_errors,
        server_timing: route.server_timing.unwrap_or(making.server_timing),
        headers: making.headers.with(key, route.headers.as_ref(), problems),
        rewrite,
        mount: rewrite::mount(key, route, problems)?,
        action: action?,
    })
}

/// `Some(None)`: only a rewrite.
fn action(
    key: &str,
    route: &RouteSettings,
    regex: Option<&Regex>,
    upstreams: &[&str],
    problems: &mut Problems,
) -> Option<Option<Action>> {
    let action = match (
        &route.upstream,
        &route.files,
        &route.redirect,
        &route.respond,
    ) {
        (Some(name), None, None, None) => forward(key, name, upstreams, problems),
        (None, Some(files), None, None) => {
            let files = Files::new(key, files, upstreams, route.internal, problems)?;
            Some(Action::Files(Arc::new(files)))
        }
        (None, None, Some(redirect), None) => Some(Action::Redirect(self::redirect(
            key, redirect, regex, problems,
        )?)),
        (None, None, None, Some(respond)) => {
            Some(Action::Respond(self::respond(key, respond, problems)?))
        }
        (None, None, None, None) if route.rewrite.is_some() => return Some(None),
        _ => {
            problems.add(
                key,
                "write exactly one of `upstream`, `files`, `redirect` and `respond` (or `rewrite` alone)",
            );
            None
        }
    };
    action.map(Some)
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

fn redirect(
    key: &str,
    settings: &RedirectSettings,
    regex: Option<&Regex>,
    problems: &mut Problems,
) -> Option<Redirect> {
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
        to: Template::location(&settings.to, regex)
            .map_err(|problem| problems.add(format_args!("{key}.redirect.to"), problem))
            .ok()?,
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

pub(super) fn header(
    key: &str,
    name: &str,
    text: &str,
    problems: &mut Problems,
) -> Option<HeaderValue> {
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
