//! The page of an error: accessible HTML, JSON or text, by what the visitor accepts.

use std::sync::Arc;

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;

use super::Problem;

/// An application's own error page, put into `app_data`.
#[derive(Clone)]
pub struct ErrorPage(Arc<dyn Fn(&Problem) -> String + Send + Sync>);

impl ErrorPage {
    /// `page` returns a whole HTML document for a problem; escape what it shows.
    pub fn new(page: impl Fn(&Problem) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(page))
    }
}

impl std::fmt::Debug for ErrorPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ErrorPage")
    }
}

/// The form that a visitor prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Json,
    Text,
}

impl Form {
    /// The best of `Accept` (RFC 9110, section 12.5.1); text if it names neither HTML nor JSON.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers
            .get(ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let mut best = (0, Self::Text);
        for item in accept.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default() {
                "text/html" | "application/xhtml+xml" => Self::Html,
                "application/json" | "application/problem+json" => Self::Json,
                "text/plain" => Self::Text,
                _ => continue,
            };
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1000, thousandths);
            if weight > best.0 {
                best = (weight, form);
            }
        }
        best.1
    }
}

/// `0.8` as 800; what is no weight counts as 0.
fn thousandths(text: &str) -> u32 {
    let weight: f32 = text.parse().unwrap_or(0.0);
    // In range 0 to 1000 after the clamp; NaN casts to 0.
    (weight.clamp(0.0, 1.0) * 1000.0) as u32
}

/// Content type and body for `problem`.
pub(crate) fn render(
    problem: &Problem,
    form: Form,
    page: Option<&ErrorPage>,
) -> ((actix_web::http::header::HeaderName, HeaderValue), String) {
    let (media_type, body) = match form {
        Form::Html => (
            "text/html; charset=utf-8",
            page.map_or_else(|| html(problem), |page| (page.0)(problem)),
        ),
        Form::Json => ("application/problem+json", json(problem)),
        Form::Text => ("text/plain; charset=utf-8", text(problem)),
    };
    ((CONTENT_TYPE, HeaderValue::from_static(media_type)), body)
}

fn title(problem: &Problem) -> &'static str {
    problem.status.canonical_reason().unwrap_or("Error")
}

fn sentence(problem: &Problem) -> &str {
    if let Some(detail) = &problem.detail {
        return detail;
    }
    match problem.status.as_u16() {
        403 => "You may not do this.",
        404 => "There is no such page.",
        405 => "This page does not take such a request.",
        408 | 504 => "This took too long. Please try again.",
        413 => "What you sent is too large.",
        429 => "Too many requests. Please wait a little.",
        500 => "Something went wrong on our side. It has been recorded.",
        502 | 503 => "This is not available at the moment. Please try again soon.",
        _ => "The request could not be answered.",
    }
}

fn json(problem: &Problem) -> String {
    json!({
        "status": problem.status.as_u16(),
        "title": title(problem),
        "detail": sentence(problem),
        "request_id": problem.request_id,
    })
    .to_string()
}

fn text(problem: &Problem) -> String {
    format!(
        "{} {}\n{}\nRequest: {}\n",
        problem.status.as_u16(),
        title(problem),
        sentence(problem),
        problem.request_id
    )
}

fn html(problem: &Problem) -> String {
    let (code, title) = (problem.status.as_u16(), title(problem));
    let (sentence, id) = (escape(sentence(problem)), escape(&problem.request_id));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{code} {title}</title>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p>{sentence}</p>\n<p><a href=\"/\">To the front page</a></p>\n\
         <p><small>Error {code}, request <code>{id}</code></small></p>\n</main>\n</body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
