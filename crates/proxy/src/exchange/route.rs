//! Phase: route. Which route the request takes, and what its path becomes.

use http::Uri;
use http::header::ALLOW;
use http::request::Parts;
use http::uri::PathAndQuery;

use super::notes::Notes;
use crate::fault::Fault;
use crate::gate;
use crate::plan::{Captured, Lookup, Rewrite, Route, Scope, Site, path};
use crate::visitor::{Host, Visitor};

/// Rewrites of one request; more are a loop in the settings.
const MOST_REWRITES: usize = 10;

/// The route of a request.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    /// It.
    pub(super) route: &'a Route,
    /// The target for the action, if it is not what the visitor sent.
    pub(super) target: Option<Uri>,
    /// Where in that path begins what the route did not match.
    pub(super) rest: usize,
    /// What the route's pattern captured.
    pub(super) captured: Option<Captured>,
}

/// Finds it, through all rewrites, beside those that were `passed` already.
pub(super) fn choose<'a>(
    site: &'a Site,
    host: &Host,
    visitor: &Visitor,
    parts: &Parts,
    passed: &[&Route],
    notes: &mut Notes<'a>,
) -> Result<Chosen<'a>, Fault> {
    let mut target: Option<Uri> = None;
    for _ in 0..MOST_REWRITES {
        let uri = target.as_ref().unwrap_or(&parts.uri);
        let whole = path::normal(uri.path());
        let found = match site.routes.find(&parts.method, &whole, passed) {
            Lookup::Found(found) => found,
            Lookup::OtherMethods(allow) => {
                notes.fields.insert(ALLOW, allow);
                return Err(Fault::OtherMethods);
            }
            Lookup::Nothing => return Err(Fault::NotFound),
        };
        let route = found.route;
        notes.rules = Some(&route.headers);
        let mut rest = path::raw_length(uri.path(), found.matched);
        if let Some(rewrite) = &route.rewrite {
            let scope = Scope {
                uri,
                host: &host.name,
                scheme: visitor.scheme,
                captured: found.captured.as_ref(),
            };
            if let Some(new) = rewritten(rewrite, &whole, scope)? {
                target = Some(new);
                rest = 1;
                if route.action.is_none() {
                    continue;
                }
            }
        }
        // The settings may lead into an internal route by a rewrite, visitors may not.
        if route.action.is_none() || (route.internal && target.is_none()) {
            return Err(Fault::NotFound);
        }
        return Ok(Chosen {
            route,
            target,
            rest,
            captured: found.captured,
        });
    }
    Err(Fault::RewriteLoop)
}

/// The new target; `None` if the rewrite is not for this path. A path that would have been refused from
/// a visitor is refused here too.
fn rewritten(rewrite: &Rewrite, whole: &str, scope: Scope<'_>) -> Result<Option<Uri>, Fault> {
    let own;
    let scope = match &rewrite.regex {
        None => scope,
        Some(regex) => {
            let Some(captured) = Captured::find(regex, whole) else {
                return Ok(None);
            };
            own = captured;
            Scope {
                captured: Some(&own),
                ..scope
            }
        }
    };
    let mut text = rewrite.to.render(&scope).ok_or(Fault::NotFound)?;
    if !rewrite.to.has_query()
        && let Some(query) = scope.uri.query()
    {
        text.push('?');
        text.push_str(query);
    }
    if !gate::has_one_reading(&text) {
        return Err(Fault::NotFound);
    }
    let target = PathAndQuery::try_from(text).map_err(|_| Fault::NotFound)?;
    Ok(Some(Uri::from(target)))
}
