use http::{Uri, Version};
use proptest::prelude::*;

use super::*;

fn judge(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<Passed, Refusal> {
    let fields: Vec<(&[u8], &[u8])> = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    check(&Head {
        method: method.as_bytes(),
        target: target.as_bytes(),
        version: Version::HTTP_11,
        authority: None,
        fields: &fields,
    })
}

const HOST: (&str, &str) = ("Host", "example.org");

#[test]
fn a_websocket_is_told_from_other_upgrades() {
    let upgrade = |method, protocol, connection| {
        let fields = [HOST, ("Upgrade", protocol), ("Connection", connection)];
        judge(method, "/", &fields).map(|passed| passed.upgrade)
    };
    assert_eq!(upgrade("GET", "WebSocket", "keep-alive, Upgrade"), Ok(true));
    assert_eq!(upgrade("GET", "h2c", "Upgrade"), Ok(false));
    assert_eq!(upgrade("POST", "websocket", "Upgrade"), Ok(false));
    assert_eq!(upgrade("GET", "websocket", "keep-alive"), Ok(false));
}

#[test]
fn an_upgrade_with_a_body_is_none() {
    let fields = [
        HOST,
        ("Upgrade", "websocket"),
        ("Connection", "upgrade"),
        ("Content-Length", "3"),
    ];
    let passed = judge("GET", "/", &fields).expect("passes");
    assert_eq!(
        (passed.upgrade, passed.framing),
        (false, Framing::Length(3))
    );
}

#[test]
fn hosts_are_names_or_addresses_with_a_port() {
    for good in [
        "a",
        "a.b",
        "A-b.c:80",
        "127.0.0.1",
        "[::1]",
        "[::1]:8443",
        "a:",
    ] {
        assert!(is_authority(good.as_bytes()), "{good}");
    }
    for bad in [
        "", ":80", "a b", "a/b", "a@b", "[::1", "[x]", "a:b", "a:123456", "a,b", "[::1]x", "a%00",
    ] {
        assert!(!is_authority(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn http_2_names_its_host_once_or_twice_alike() {
    let with = |authority: Option<&str>, host: Option<&str>| {
        let fields: Vec<(&[u8], &[u8])> = host
            .iter()
            .map(|host| (b"host".as_slice(), host.as_bytes()))
            .collect();
        check(&Head {
            method: b"GET",
            target: b"/",
            version: Version::HTTP_2,
            authority: authority.map(str::as_bytes),
            fields: &fields,
        })
        .map(drop)
    };
    assert_eq!(with(Some("a"), None), Ok(()));
    assert_eq!(with(None, Some("a")), Ok(()));
    assert_eq!(with(Some("a"), Some("A")), Ok(()));
    assert_eq!(with(Some("a"), Some("b")), Err(Refusal::HostIsNotAuthority));
    assert_eq!(with(None, None), Err(Refusal::NoHost));
}

#[test]
fn every_refusal_is_a_client_error_or_unsupported() {
    for refusal in [
        Refusal::Line,
        Refusal::LongLine,
        Refusal::Coding,
        Refusal::Version,
        Refusal::Chunk,
    ] {
        let status = refusal.status().as_u16();
        assert!((400..500).contains(&status) || [501, 505].contains(&status));
        assert!(!refusal.name().is_empty());
    }
}

proptest! {
    #[test]
    fn an_accepted_target_is_a_url_for_hyper_too(target in "/[!-~]{0,20}") {
        if judge("GET", &target, &[HOST]).is_ok() {
            let uri: Uri = target.parse().expect("a URL");
            prop_assert_eq!(uri.to_string(), target);
        }
    }

    #[test]
    fn an_accepted_host_is_an_authority_for_hyper_too(host in "[!-~]{1,12}") {
        if is_authority(host.as_bytes()) {
            let authority: http::uri::Authority = host.parse().expect("an authority");
            prop_assert_eq!(authority.as_str(), host);
        }
    }

    #[test]
    fn no_accepted_path_decodes_to_dots(target in "/([a-z./%]|%2e|%2F|%5c){0,12}") {
        if judge("GET", &target, &[HOST]).is_ok() {
            let decoded = percent_encoding::percent_decode_str(&target).decode_utf8_lossy().into_owned();
            prop_assert!(!decoded.split(['/', '\\']).any(|part| part == "." || part == ".."), "{}", decoded);
        }
    }
}
