//! Headers that every answer gets unless the handler set its own.

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::visitor::Visitor;

/// Stands for the WebSocket origins of the site itself in a policy.
const SOCKETS: &str = "{sockets}";

const POLICY: &str = "default-src 'self'; connect-src 'self' {sockets}; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The security headers of an application; put another one into the root's `app_data` to change them
/// for all routes, or set the header in a handler to change it for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityHeaders {
    /// `Content-Security-Policy`; `{sockets}` stands for the site's own WebSocket origins.
    pub content_security_policy: String,
    /// `Referrer-Policy`.
    pub referrer_policy: String,
    /// `X-Frame-Options`, for browsers that do not know `frame-ancestors`.
    pub frame_options: String,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self {
            content_security_policy: POLICY.to_owned(),
            referrer_policy: "strict-origin-when-cross-origin".to_owned(),
            frame_options: "DENY".to_owned(),
        }
    }
}

impl SecurityHeaders {
    pub(super) fn apply(&self, headers: &mut HeaderMap, visitor: &Visitor) {
        let sockets = match visitor.host.as_str() {
            "" => String::new(),
            host => format!("ws://{host} wss://{host}"),
        };
        let policy = self.content_security_policy.replace(SOCKETS, &sockets);
        set(headers, CONTENT_SECURITY_POLICY, &policy);
        set(headers, REFERRER_POLICY, &self.referrer_policy);
        set(headers, X_FRAME_OPTIONS, &self.frame_options);
        set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if headers.contains_key(&name) || text.is_empty() {
        return;
    }
    match HeaderValue::from_str(text) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(error) => {
            tracing::error!(%error, header = %name, "a security header is no header value")
        }
    }
}

/// Adds `Secure` to every cookie that has it not: the visitor came by HTTPS.
pub(super) fn secure_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<HeaderValue> = headers.remove(SET_COOKIE).collect();
    for cookie in cookies {
        headers.append(SET_COOKIE, secured(cookie));
    }
}

fn secured(cookie: HeaderValue) -> HeaderValue {
    let Ok(text) = cookie.to_str() else {
        return cookie;
    };
    let is_secure = text
        .split(';')
        .skip(1)
        .any(|attribute| attribute.trim().eq_ignore_ascii_case("secure"));
    if is_secure {
        return cookie;
    }
    HeaderValue::from_str(&format!("{text}; Secure")).unwrap_or(cookie)
}

#[cfg(test)]
mod tests;
