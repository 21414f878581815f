//! The last touch on an answer: error pages, headers, log.

use std::rc::Rc;
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{Error, HttpResponse};
use kiuas_common::telemetry::LateSpan;
use kiuas_common::{Environment, Shutdown};

use super::Arrival;
use super::headers::{Dress, secure_cookies};
use super::visitor::REQUEST_ID;
use crate::error::{ErrorPage, Problem, WebError, render};

/// What all answers of a process share.
#[derive(Debug, Clone)]
pub(super) struct Finish {
    pub(super) environment: Environment,
    pub(super) shutdown: Shutdown,
    pub(super) secure_cookies: bool,
}

/// What an application may have put into `app_data`.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) headers: Rc<Dress>,
    pub(super) page: Option<ErrorPage>,
}

impl Finish {
    /// An answer of our own, for a request whose handler gave none.
    pub(super) fn refuse(&self, arrival: &Arrival, look: &Look, error: &Error) -> HttpResponse {
        let response = error.as_response_error().error_response();
        let detail = self.detail(response.status(), error);
        let mut response = page(arrival, look, response, detail);
        self.head(arrival, look, &mut response);
        response
    }

    /// Gives a handler's answer its page, if it is an error without one, and its headers.
    pub(super) fn finish(
        &self,
        arrival: &Arrival,
        look: &Look,
        mut response: HttpResponse<BoxBody>,
    ) -> HttpResponse<BoxBody> {
        if wants_page(&response, &arrival.method) {
            let status = response.status();
            let detail = response
                .error()
                .and_then(|error| self.detail(status, error));
            response = page(arrival, look, response, detail);
        }
        self.head(arrival, look, &mut response);
        response
    }

    /// The sentence for the visitor. Causes of a 5xx are shown to programmers alone.
    fn detail(&self, status: StatusCode, error: &Error) -> Option<String> {
        let known = error.as_error::<WebError>();
        if let Some(detail) = known.and_then(WebError::detail) {
            return Some(detail.to_owned());
        }
        match known {
            Some(error) if status.is_server_error() => {
                (self.environment == Environment::Development).then(|| error.to_string())
            }
            // actix's own refusals (a path or a form that does not parse) say what is wrong.
            None if status.is_client_error() => Some(error.to_string()),
            _ => None,
        }
    }

    fn head(&self, arrival: &Arrival, look: &Look, response: &mut HttpResponse<BoxBody>) {
        if self.shutdown.is_draining() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        let headers: &mut HeaderMap = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&arrival.visitor.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        look.headers.apply(headers);
        if arrival.visitor.https || self.secure_cookies {
            secure_cookies(headers);
        }
    }
}

fn page(
    arrival: &Arrival,
    look: &Look,
    response: HttpResponse<BoxBody>,
    detail: Option<String>,
) -> HttpResponse<BoxBody> {
    let problem = Problem {
        status: response.status(),
        detail,
        request_id: arrival.visitor.request_id.clone(),
    };
    let ((name, media_type), body) = render(&problem, arrival.form, look.page.as_ref());
    let mut response = response.set_body(BoxBody::new(body));
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(name, media_type);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// An error without a body, or with the plain text that actix made of it.
fn wants_page(response: &HttpResponse<BoxBody>, method: &Method) -> bool {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || *method == Method::HEAD {
        return false;
    }
    let is_empty = matches!(response.body().size(), BodySize::None | BodySize::Sized(0));
    response.error().is_some() || (is_empty && !response.headers().contains_key(CONTENT_TYPE))
}

/// Records the outcome in the span.
pub(super) fn record(span: &LateSpan, status: StatusCode) {
    if let Some(span) = span.made() {
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "error");
        }
    }
}

/// A request that took longer than `web.slow_request`.
pub(super) fn log_slow(arrival: &Arrival, status: StatusCode, took: Duration) {
    tracing::warn!(
        http.request.method = %arrival.method,
        http.route = %arrival.route.pattern,
        http.response.status_code = status.as_u16(),
        url.path = %arrival.uri.path(),
        request.id = %arrival.visitor.request_id,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "slow request: {} {} took {:.3} s",
        arrival.method,
        arrival.uri.path(),
        took.as_secs_f64(),
    );
}

/// An answer whose head has left, and whose body does not go on.
pub(super) fn log_stall(arrival: &Arrival, limit: Duration) {
    tracing::warn!(
        http.request.method = %arrival.method,
        http.route = %arrival.route.pattern,
        url.path = %arrival.uri.path(),
        request.id = %arrival.visitor.request_id,
        "cut the answer to {} {}: its body brought nothing for {} s (web.send_timeout)",
        arrival.method,
        arrival.uri.path(),
        limit.as_secs_f64(),
    );
}

/// Failures of ours in the log: once, here.
pub(super) fn log_failure(arrival: &Arrival, status: StatusCode, error: Option<&Error>) {
    if !status.is_server_error() {
        return;
    }
    let cause = error.map_or_else(String::new, |error| match error.as_error::<WebError>() {
        Some(known) => known.to_string(),
        None => error.to_string(),
    });
    tracing::error!(
        http.request.method = %arrival.method,
        http.route = %arrival.route.pattern,
        http.response.status_code = status.as_u16(),
        request.id = %arrival.visitor.request_id,
        cause,
        "answered {status} to {} {}",
        arrival.method,
        arrival.route.pattern,
    );
}
