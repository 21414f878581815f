use http::Request;
use proptest::prelude::*;

use super::*;

fn host(text: &str) -> Option<Host> {
    let request = Request::get("/").header(HOST, text).body(()).ok()?;
    Host::of(&request.into_parts().0)
}

#[test]
fn a_host_is_looked_up_without_its_port_and_case() {
    for (text, name) in [
        ("Example.ORG", "example.org"),
        ("example.org:8080", "example.org"),
        ("example.org.", "example.org"),
        ("[::1]:443", "[::1]"),
        ("[::1]", "[::1]"),
    ] {
        let host = host(text).expect("host");
        assert_eq!(
            (&*host.name, host.value.to_str().expect("text")),
            (name, text)
        );
    }
}

#[test]
fn a_stranger_is_not_believed() {
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
    headers.insert("x-request-id", HeaderValue::from_static("aaaaaaaaaaaa"));
    let peer = Some(([1, 2, 3, 4], 5).into());
    let visitor = Visitor::new(peer, false, &headers, &[], TrustedField::default());
    assert_eq!(visitor.address, Some([1, 2, 3, 4].into()));
    assert_eq!(visitor.request_id.len(), 36);
}

#[test]
fn a_trusted_peer_names_the_last_stranger() {
    let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().expect("network")];
    let peer = Some(([10, 0, 0, 1], 5).into());
    for (list, expected) in [
        ("6.6.6.6, 9.9.9.9", [9, 9, 9, 9]),
        ("6.6.6.6, 10.0.0.2", [6, 6, 6, 6]),
        ("9.9.9.9, rubbish", [10, 0, 0, 1]),
        ("", [10, 0, 0, 1]),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(list));
        let visitor = Visitor::new(peer, false, &headers, &trusted, TrustedField::default());
        assert_eq!(visitor.address, Some(expected.into()), "{list}");
    }
}

fn address(field: TrustedField, name: &'static str, value: &str) -> Option<IpAddr> {
    let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().expect("network")];
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).expect("value"));
    let peer = Some(([10, 0, 0, 1], 5).into());
    Visitor::new(peer, false, &headers, &trusted, field).address
}

#[test]
fn forwarded_is_read_as_rfc_7239_says() {
    for (value, expected) in [
        ("for=6.6.6.6, for=9.9.9.9", "9.9.9.9"),
        ("for=6.6.6.6;proto=https;by=10.0.0.1", "6.6.6.6"),
        ("For=\"[2001:db8::7]:4711\"", "2001:db8::7"),
        ("for=\"6.6.6.6:80\" , for=10.0.0.9", "6.6.6.6"),
        ("host=\"a,b;c\";for=6.6.6.6", "6.6.6.6"),
        ("for=6.6.6.6, for=unknown", "10.0.0.1"),
        ("for=6.6.6.6, for=_secret, for=10.0.0.2", "10.0.0.2"),
        ("for=\"6.6.6.6", "10.0.0.1"),
        ("rubbish", "10.0.0.1"),
    ] {
        let found = address(TrustedField::Forwarded, "forwarded", value);
        assert_eq!(found, expected.parse().ok(), "{value}");
    }
}

#[test]
fn only_the_field_of_the_settings_is_looked_at() {
    let peer = Some([10, 0, 0, 1].into());
    assert_eq!(
        address(TrustedField::XForwardedFor, "forwarded", "for=6.6.6.6"),
        peer
    );
    assert_eq!(
        address(TrustedField::Forwarded, "x-forwarded-for", "6.6.6.6"),
        peer
    );
    assert_eq!(
        address(TrustedField::XForwardedFor, "x-real-ip", "6.6.6.6"),
        peer
    );
    let real = address(TrustedField::XRealIp, "x-real-ip", "6.6.6.6");
    assert_eq!(real, Some([6, 6, 6, 6].into()));
}

proptest! {
    #[test]
    fn no_forwarded_makes_the_parser_panic(value in "[ -~]{0,60}") {
        prop_assert!(address(TrustedField::Forwarded, "forwarded", &value).is_some());
    }


    #[test]
    fn no_host_makes_the_parser_panic(text in "[!-~]{0,30}") {
        if let Some(host) = host(&text) {
            prop_assert!(!host.name.contains(|c: char| c.is_ascii_uppercase()));
        }
    }
}
