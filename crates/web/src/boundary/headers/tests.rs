use super::*;

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn policy(host: &str) -> String {
    let mut headers = HeaderMap::new();
    Wardrobe::default().dress(None, host).apply(&mut headers);
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
fn another_host_or_another_wish_is_dressed_anew() {
    let wardrobe = Wardrobe::default();
    let frame = |wanted: Option<&SecurityHeaders>, host: &str| {
        let mut headers = HeaderMap::new();
        wardrobe.dress(wanted, host).apply(&mut headers);
        (
            text(&headers, CONTENT_SECURITY_POLICY).contains("wss://b"),
            text(&headers, X_FRAME_OPTIONS).to_owned(),
        )
    };
    let own = SecurityHeaders {
        frame_options: String::new(),
        ..SecurityHeaders::default()
    };
    assert_eq!(frame(None, "a"), (false, "DENY".to_owned()));
    assert_eq!(frame(None, "b"), (true, "DENY".to_owned()));
    assert_eq!(frame(Some(&own), "b"), (true, String::new()));
    assert_eq!(frame(None, "b"), (true, "DENY".to_owned()));
}

#[test]
fn a_handlers_own_header_stays() {
    let mut headers = HeaderMap::new();
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    Wardrobe::default().dress(None, "a").apply(&mut headers);
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
