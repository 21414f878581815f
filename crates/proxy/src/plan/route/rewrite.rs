//! Parts of a route that change the path, and the methods it is for.

use http::Method;
use regex::Regex;

use super::{Mount, Rewrite};
use crate::gate::is_token;
use crate::plan::check::Problems;
use crate::plan::routes::compile;
use crate::plan::template::Template;
use crate::settings::{RewriteSettings, RouteSettings};

pub(super) fn new(
    key: &str,
    settings: &RewriteSettings,
    route: Option<&Regex>,
    problems: &mut Problems,
) -> Option<Rewrite> {
    let own = match &settings.regex {
        None => None,
        Some(text) => Some(compile(&format!("{key}.rewrite.regex"), text, problems)?),
    };
    let to = Template::target(&settings.to, own.as_ref().or(route))
        .map_err(|problem| problems.add(format_args!("{key}.rewrite.to"), problem))
        .ok()?;
    Some(Rewrite { regex: own, to })
}

pub(super) fn methods(key: &str, names: &[String], problems: &mut Problems) -> Option<Vec<Method>> {
    let mut methods = Vec::new();
    for name in names {
        match Method::from_bytes(name.as_bytes()) {
            Ok(method) if is_token(name.as_bytes()) && name.to_ascii_uppercase() == *name => {
                methods.push(method);
            }
            _ => {
                let problem =
                    format!("`{name}` is no method: write them in capitals, such as `GET`");
                problems.add(format_args!("{key}.methods"), problem);
                return None;
            }
        }
    }
    Some(methods)
}

/// `Some(None)`: the upstream gets the path as it is.
pub(super) fn mount(
    key: &str,
    route: &RouteSettings,
    problems: &mut Problems,
) -> Option<Option<Mount>> {
    if !route.strip_prefix && route.add_prefix.is_none() {
        return Some(None);
    }
    if route.upstream.is_none() {
        problems.add(key, "`strip_prefix` and `add_prefix` need `upstream`");
        return None;
    }
    if route.strip_prefix && route.prefix.is_none() {
        problems.add(format_args!("{key}.strip_prefix"), "needs `prefix`");
        return None;
    }
    let add = route
        .add_prefix
        .as_deref()
        .unwrap_or_default()
        .trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte);
    if !(add.is_empty() || add.starts_with('/') && add.bytes().all(plain)) {
        problems.add(
            format_args!("{key}.add_prefix"),
            format!("`{add}` must be a path such as `/v2`"),
        );
        return None;
    }
    Some(Some(Mount {
        strip: route.strip_prefix,
        add: add.to_owned(),
    }))
}
