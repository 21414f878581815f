//! After an application's answer: `X-Accel-Redirect`. The application has said who may have a file, and
//! the proxy sends it, out of a route that visitors cannot reach (`internal`).
//!
//! `X-Accel-*` fields are words between application and proxy: visitors never see them.

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    EXPIRES, HeaderName, SET_COOKIE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::action::Wanted;
use crate::answer::Answer;
use crate::body::Outbound;
use crate::fault::Fault;
use crate::files;
use crate::gate;
use crate::plan::{Action, Found, Lookup, path};

const PREFIX: &str = "x-accel-";
const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");
/// What the application said about the file and still counts; nginx keeps the first six too.
const KEPT: [HeaderName; 9] = [
    CONTENT_TYPE,
    CONTENT_DISPOSITION,
    CACHE_CONTROL,
    EXPIRES,
    SET_COOKIE,
    CONTENT_LANGUAGE,
    CONTENT_SECURITY_POLICY,
    VARY,
    HeaderName::from_static("x-robots-tag"),
];

/// The answer for the visitor: the application's, or the file that it names.
pub(super) async fn follow(
    wanted: &Wanted<'_>,
    parts: &Parts,
    answer: Answer<Outbound>,
) -> Result<Answer<Outbound>, Fault> {
    if let Answer::Lined(lined) = &answer
        && !lined
            .lines
            .iter()
            .any(|(name, _)| name.starts_with(PREFIX.as_bytes()))
    {
        return Ok(answer);
    }
    let mut response = answer.into_response();
    let target = response.headers_mut().remove(X_ACCEL_REDIRECT);
    strip(response.headers_mut());
    let Some(target) = target else {
        return Ok(response.into());
    };
    // What the application sent beside it is not wanted: its connection is given back or closed.
    let (said, _) = response.into_parts();
    let target = target.to_str().unwrap_or_default();
    let (whole, _) = target.split_once('?').unwrap_or((target, ""));
    let file = Box::pin(file(wanted, parts, &said.headers, whole)).await;
    let mut answer = file.inspect_err(|fault| {
        tracing::error!(%fault, "an application answered with an `X-Accel-Redirect` that leads nowhere");
    })?;
    keep(&said.headers, &mut answer);
    Ok(answer.into())
}

async fn file(
    wanted: &Wanted<'_>,
    parts: &Parts,
    said: &HeaderMap,
    whole: &str,
) -> Result<Response<Outbound>, Fault> {
    if !whole.starts_with('/') || !gate::has_one_reading(whole) {
        return Err(Fault::NotFound);
    }
    let normal = path::normal(whole);
    let site = wanted.plan.sites.find(&wanted.host.name);
    let site = site.ok_or(Fault::NotFound)?;
    let Lookup::Found(Found { route, matched, .. }) = site.routes.find(&Method::GET, &normal, &[])
    else {
        return Err(Fault::NotFound);
    };
    let Some(Action::Files(files)) = route.action.as_ref().filter(|_| route.internal) else {
        return Err(Fault::NotFound);
    };
    let rest = path::raw_length(whole, matched);
    // Whatever the request was, the file is read.
    let method = if parts.method == Method::HEAD {
        Method::HEAD
    } else {
        Method::GET
    };
    let file = files::Wanted {
        table: &wanted.plan.files,
        files,
        method: &method,
        headers: &parts.headers,
        whole,
        query: None,
        path: whole.get(rest..).unwrap_or_default(),
        media_type: said.get(CONTENT_TYPE),
    };
    let answer = files::answer(&file).await?.ok_or(Fault::NotFound)?;
    // A directory's redirection would show the path that is not for visitors.
    if answer.status().is_redirection() && answer.status() != StatusCode::NOT_MODIFIED {
        return Err(Fault::NotFound);
    }
    Ok(answer.into_response())
}

fn keep(said: &HeaderMap, answer: &mut Response<Outbound>) {
    let whole = [StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&answer.status());
    let headers = answer.headers_mut();
    let multipart = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"multipart/byteranges"));
    for name in &KEPT {
        let values: Vec<HeaderValue> = said.get_all(name).iter().cloned().collect();
        if values.is_empty() || (*name == CONTENT_TYPE && (multipart || !whole)) {
            continue;
        }
        // The file's own: that it depends on the coding stays true.
        if *name != VARY {
            headers.remove(name);
        }
        for value in values {
            headers.append(name.clone(), value);
        }
    }
}

fn strip(headers: &mut HeaderMap) {
    let is_ours = |name: &&HeaderName| name.as_str().starts_with(PREFIX);
    if headers.keys().find(is_ours).is_none() {
        return;
    }
    let names: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
