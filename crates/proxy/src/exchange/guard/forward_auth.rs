//! Another application says who may ask.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};

use super::super::action::Wanted;
use super::super::secure;
use crate::body::{Inbound, Outbound};
use crate::fault::Fault;
use crate::plan::{ForwardAuth, path};
use crate::upstream::{self, Ask, Call, Forwarded, Told, Trail};

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
/// About a body that is not sent, and conditions about an answer that is not this one.
const LEFT_OUT: [HeaderName; 5] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    EXPECT,
    RANGE,
];

/// `None` lets the request through.
pub(super) async fn check(
    auth: &ForwardAuth,
    wanted: &Wanted<'_>,
    parts: &mut Parts,
) -> Result<Option<Response<Outbound>>, Fault> {
    let free = auth.except.cover(&path::normal(parts.uri.path()));
    let answer = if free {
        None
    } else {
        Some(tokio::time::timeout(auth.timeout, ask(auth, wanted, parts)).await)
    };
    hide(auth, parts);
    let Some(answer) = answer else {
        return Ok(None);
    };
    let response = answer.map_err(|_| Fault::ResponseTimeout)??;
    let response = response.answer.into_response();
    let status = response.status();
    if status.is_success() {
        for name in &auth.copy_answer {
            for value in response.headers().get_all(name) {
                parts.headers.append(name.clone(), value.clone());
            }
        }
        return Ok(None);
    }
    if status.is_redirection() || [401, 403].contains(&status.as_u16()) {
        return Ok(Some(response));
    }
    tracing::warn!(
        http.response.status_code = status.as_u16(),
        "the application that is asked who may see a page answered {status}"
    );
    Err(Fault::BrokenAnswer)
}

/// Takes away what only the other application may say.
pub(super) fn hide(auth: &ForwardAuth, parts: &mut Parts) {
    for name in &auth.copy_answer {
        parts.headers.remove(name);
    }
}

async fn ask(auth: &ForwardAuth, wanted: &Wanted<'_>, parts: &Parts) -> Result<Forwarded, Fault> {
    let upstream = wanted
        .plan
        .upstreams
        .get(auth.upstream)
        .ok_or(Fault::Internal)?;
    let headers = question(auth, parts)?;
    let visitor = wanted.visitor;
    let call = Call {
        method: &Method::GET,
        target: &auth.target,
        headers: &headers,
        told: Told {
            client: visitor.address,
            scheme: visitor.scheme,
            host: &wanted.host.value,
            request_id: visitor.request_id.as_bytes(),
            certificate: secure::certificate(wanted.connection),
            trace: visitor.trace.as_ref(),
        },
        websocket: None,
    };
    let ask = Ask {
        headers: &headers,
        client: visitor.address,
        secure: visitor.scheme == "https",
    };
    let mut trail = Trail::default();
    upstream::forward(upstream, &ask, &call, Inbound::empty(), &mut trail)
        .await
        .inspect_err(|fault| upstream.note(*fault))
}

fn question(auth: &ForwardAuth, parts: &Parts) -> Result<HeaderMap, Fault> {
    let mut headers = match &auth.copy_request {
        None => parts.headers.clone(),
        Some(names) => {
            let mut headers = HeaderMap::new();
            for name in names {
                for value in parts.headers.get_all(name) {
                    headers.append(name.clone(), value.clone());
                }
            }
            headers
        }
    };
    for name in &LEFT_OUT {
        headers.remove(name);
    }
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("if-"))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Fault::Internal);
    headers.insert(METHOD, value(parts.method.as_str())?);
    headers.insert(URI, value(target)?);
    Ok(headers)
}
