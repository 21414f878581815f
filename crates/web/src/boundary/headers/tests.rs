use super::*;

fn visitor(host: &str) -> Visitor {
    Visitor {
        address: None,
        https: true,
        host: host.to_owned(),
        request_id: String::new(),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn policy(host: &str) -> String {
    let mut headers = HeaderMap::new();
    SecurityHeaders::default().apply(&mut headers, &visitor(host));
    text(&headers, CONTENT_SECURITY_POLICY).to_owned()
}

#[test]
fn scripts_come_from_the_site_and_sockets_go_to_it() {
    let policy = policy("example.org");
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(
        policy.contains("connect-src 'self' ws://example.org wss://example.org;"),
        "{policy}"
    );
}

#[test]
fn an_unknown_host_leaves_no_placeholder() {
    assert!(!policy("").contains('{'));
}

#[test]
fn a_handlers_own_header_stays() {
    let mut headers = HeaderMap::new();
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    SecurityHeaders::default().apply(&mut headers, &visitor("a"));
    assert_eq!(text(&headers, X_FRAME_OPTIONS), "SAMEORIGIN");
    assert_eq!(text(&headers, X_CONTENT_TYPE_OPTIONS), "nosniff");
}

#[test]
fn every_cookie_becomes_secure_once() {
    let mut headers = HeaderMap::new();
    for cookie in ["a=1; Path=/", "secure=1", "b=2; secure; HttpOnly"] {
        headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
    }
    secure_cookies(&mut headers);
    let cookies: Vec<_> = headers.get_all(SET_COOKIE).collect();
    assert_eq!(
        cookies,
        [
            "a=1; Path=/; Secure",
            "secure=1; Secure",
            "b=2; secure; HttpOnly"
        ]
    );
}
