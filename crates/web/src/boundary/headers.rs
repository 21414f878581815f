//! Headers that every answer gets unless the handler set its own.

use std::cell::RefCell;
use std::rc::Rc;

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

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

/// The headers that an application wants, ready to be put on answers for one host.
#[derive(Debug)]
pub(super) struct Dress {
    made_of: SecurityHeaders,
    host: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Keeps what it has dressed the last answer in: the next one mostly wants the same. One a thread.
#[derive(Debug, Default)]
pub(super) struct Wardrobe {
    own: SecurityHeaders,
    last: RefCell<Option<Rc<Dress>>>,
}

impl Wardrobe {
    /// The headers for `host`, as the application wants them, else the usual ones.
    pub(super) fn dress(&self, wanted: Option<&SecurityHeaders>, host: &str) -> Rc<Dress> {
        let wanted = wanted.unwrap_or(&self.own);
        let mut last = self.last.borrow_mut();
        match &*last {
            Some(dress) if dress.host == host && dress.made_of == *wanted => Rc::clone(dress),
            _ => Rc::clone(last.insert(Rc::new(Dress::new(wanted, host)))),
        }
    }
}

impl Dress {
    fn new(wanted: &SecurityHeaders, host: &str) -> Self {
        let sockets = match host {
            "" => String::new(),
            host => format!("ws://{host} wss://{host}"),
        };
        let policy = wanted.content_security_policy.replace(SOCKETS, &sockets);
        let texts = [
            (CONTENT_SECURITY_POLICY, policy.as_str()),
            (REFERRER_POLICY, &wanted.referrer_policy),
            (X_FRAME_OPTIONS, &wanted.frame_options),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        Self {
            made_of: wanted.clone(),
            host: host.to_owned(),
            headers: texts
                .into_iter()
                .filter_map(|(name, text)| value(&name, text).map(|value| (name, value)))
                .collect(),
        }
    }

    /// Adds those that the handler has not set.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
}

fn value(name: &HeaderName, text: &str) -> Option<HeaderValue> {
    if text.is_empty() {
        return None;
    }
    HeaderValue::from_str(text)
        .inspect_err(|error| {
            tracing::error!(%error, header = %name, "a security header is no header value");
        })
        .ok()
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
