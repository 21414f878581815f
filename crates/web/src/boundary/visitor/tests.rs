use std::net::Ipv4Addr;

use actix_web::http::header::HeaderValue;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const PROXY: Peer = Peer {
    address: None,
    probe: false,
};
const STRANGER: Peer = Peer {
    address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))),
    probe: false,
};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).expect("value"),
            )
        })
        .collect()
}

fn forwarded() -> HeaderMap {
    headers(&[
        ("host", "inside:8000"),
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "Example.org"),
        ("x-request-id", "abc-1"),
    ])
}

#[test]
fn the_proxy_is_believed() {
    let visitor = Visitor::read(&forwarded(), Some(PROXY));
    assert_eq!(
        visitor,
        Visitor {
            address: Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7))),
            https: true,
            host: "example.org".to_owned(),
            request_id: "abc-1".to_owned(),
        }
    );
}

#[test]
fn a_stranger_is_not_believed() {
    let visitor = Visitor::read(&forwarded(), Some(STRANGER));
    assert_eq!(visitor.address, STRANGER.address);
    assert_eq!(visitor.origin(), "http://inside:8000");
    assert_ne!(visitor.request_id, "abc-1");
}

#[test]
fn an_ill_formed_request_id_or_host_is_replaced() {
    let headers = headers(&[("x-request-id", "a b"), ("x-forwarded-host", "a;b")]);
    let visitor = Visitor::read(&headers, Some(PROXY));
    assert!(Uuid::parse_str(&visitor.request_id).is_ok());
    assert_eq!(visitor.host, "");
}

#[test]
fn another_sites_page_is_told_apart() {
    let visitor = Visitor::read(&forwarded(), Some(PROXY));
    for (pairs, same) in [
        (vec![], true),
        (vec![("origin", "https://example.org")], true),
        (vec![("origin", "https://EXAMPLE.org")], true),
        (vec![("origin", "http://example.org")], false),
        (vec![("origin", "https://example.org.evil.test")], false),
        (vec![("origin", "null")], false),
        (vec![("sec-fetch-site", "same-origin")], true),
        (vec![("sec-fetch-site", "none")], true),
        (vec![("sec-fetch-site", "cross-site")], false),
        (vec![("sec-fetch-site", "same-site")], false),
    ] {
        assert_eq!(visitor.is_same_origin(&headers(&pairs)), same, "{pairs:?}");
    }
}

proptest! {
    #[test]
    fn a_host_never_carries_what_ends_a_policy_or_a_header(host in "[ -~]{0,80}") {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&host).expect("printable"));
        let visitor = Visitor::read(&headers, Some(PROXY));
        prop_assert!(!visitor.host.contains([' ', ';', ',', '\'', '"', '/']));
    }
}
