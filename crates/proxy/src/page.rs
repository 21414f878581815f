//! The answers that the proxy writes itself when something went wrong: a small page for people, a line
//! of text for programs. They say what a visitor can do and nothing about what is behind.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::body::Outbound;
use crate::fault::Fault;
use crate::gate::Refusal;

/// What CONNECT and TRACE are told (RFC 9110 15.5.6 requires the field).
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// What the visitor's program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// HTML.
    Page,
    /// RFC 9457.
    Json,
    /// Plain text.
    Line,
}

impl Form {
    /// By `Accept`: the better of HTML and JSON, the first of equals; a line if neither is named.
    #[must_use]
    pub fn wished(headers: &HeaderMap) -> Self {
        let mut best = (0.0, Self::Line);
        let values = headers.get_all(ACCEPT).iter();
        let ranges = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default() {
                "text/html" | "application/xhtml+xml" => Self::Page,
                "application/json" | "application/problem+json" => Self::Json,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            let quality = quality.map_or(1.0, |text| text.parse().unwrap_or(0.0));
            if quality > best.0 {
                best = (quality, form);
            }
        }
        best.1
    }
}

/// The answer to `fault`. `notice` is an operator's own words, instead of the usual advice; `own` is the
/// site's own page for people.
pub fn answer(
    fault: Fault,
    form: Form,
    request_id: &str,
    notice: Option<&str>,
    own: Option<&str>,
) -> Response<Outbound> {
    let status = fault.status();
    let (title, advice) = words(fault);
    let advice = notice.filter(|text| !text.is_empty()).unwrap_or(advice);
    let (text, media_type) = match (form, own) {
        (Form::Page, Some(own)) => (
            filled(own, status, &escaped(advice), request_id),
            "text/html; charset=utf-8",
        ),
        (Form::Page, None) => (
            page(status, (title, &escaped(advice)), request_id),
            "text/html; charset=utf-8",
        ),
        (Form::Json, _) => (
            json(status, (title, advice), request_id),
            "application/problem+json",
        ),
        (Form::Line, _) => (
            line(status, (title, advice), request_id),
            "text/plain; charset=utf-8",
        ),
    };
    let mut response = Response::new(Outbound::full(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // What a site's own page needs, the site knows (`headers`).
    if form == Form::Page && own.is_none() {
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
        );
    }
    if let Some(seconds) = fault.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match fault {
        Fault::MethodNotAllowed(allow) => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        Fault::Refused(Refusal::MethodNotServed) => {
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        _ => {}
    }
    response
}

/// A site's own page with its places filled.
fn filled(own: &str, status: StatusCode, advice: &str, request_id: &str) -> String {
    own.replace("{{status}}", status.as_str())
        .replace("{{request_id}}", request_id)
        .replace("{{message}}", advice)
}

fn line(status: StatusCode, (title, advice): (&str, &str), request_id: &str) -> String {
    format!(
        "{} {title}. {advice}\nRequest: {request_id}\n",
        status.as_u16()
    )
}

fn json(status: StatusCode, (title, advice): (&str, &str), request_id: &str) -> String {
    serde_json::json!({
        "status": status.as_u16(),
        "title": title,
        "detail": advice,
        "request_id": request_id,
    })
    .to_string()
}

fn page(status: StatusCode, (title, advice): (&str, &str), request_id: &str) -> String {
    let code = status.as_u16();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} ({code})</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem; }}
small {{ opacity: .75; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{advice}</p>
<p><small>Error {code}, request <code>{request_id}</code></small></p>
</main>
</body>
</html>
"#
    )
}

/// What a browser shows as it is.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// A title and a piece of advice.
type Words = (&'static str, &'static str);

fn words(fault: Fault) -> Words {
    match fault {
        Fault::NoTarget | Fault::BreakerOpen(_) => (
            "Out of order",
            "A part of the site is not working. Please try again in a moment.",
        ),
        Fault::Paused => (
            "One moment",
            "The site is being changed. Please try again in a moment.",
        ),
        Fault::Maintenance => (
            "Maintenance",
            "The site is being worked on. Please try again later.",
        ),
        _ => words_for(fault.status()),
    }
}

fn words_for(status: StatusCode) -> Words {
    match status.as_u16() {
        401 => (
            "Password needed",
            "This page is shown to those who know its password.",
        ),
        403 => ("Not allowed", "You may not see this page."),
        404 => (
            "Page not found",
            "Check the address, or start again from the front page.",
        ),
        405 => (
            "Not possible here",
            "This address does not take this kind of request.",
        ),
        408 => (
            "Too slow",
            "Your request did not arrive in time. Please try again.",
        ),
        412 => (
            "Changed meanwhile",
            "The file is not the version you asked for.",
        ),
        413 => (
            "Too large",
            "What you sent is larger than this site accepts.",
        ),
        414 => (
            "Address too long",
            "The address is longer than this site accepts.",
        ),
        417 => (
            "Expectation failed",
            "Your program expects something that this site does not do.",
        ),
        421 => (
            "Not this server",
            "No site of this name is served here. Check the address.",
        ),
        429 => (
            "Too many requests",
            "You asked too often. Please wait a moment.",
        ),
        431 => (
            "Request too large",
            "Your browser sent too much. Deleting this site's cookies may help.",
        ),
        500 => (
            "Something went wrong",
            "The fault is ours. Please try again later.",
        ),
        501 => (
            "Not supported",
            "Your program asked for something that this site does not do.",
        ),
        502 => (
            "No answer",
            "The site is not answering properly. Please try again in a moment.",
        ),
        503 => (
            "Very busy",
            "The site has too much to do. Please try again in a moment.",
        ),
        504 => (
            "No answer in time",
            "The site took too long to answer. Please try again in a moment.",
        ),
        505 => (
            "Not supported",
            "Your program speaks a version of HTTP that this site does not.",
        ),
        507 => (
            "No room",
            "The site cannot take what you sent just now. Please try again in a moment.",
        ),
        _ => (
            "Bad request",
            "Your program sent a request that cannot be understood.",
        ),
    }
}
