//! Which site a host belongs to, its canonical name, and strangers.

use crate::harness::{Proxy, Visitor};

const SETTINGS: &str = "\
[[proxy.sites]]
hosts = 'example.org, www.example.org, *.old.example'
canonical = 'example.org'
[[proxy.sites.routes]]
prefix = '/'
respond = { body = 'main' }
[[proxy.sites]]
hosts = 'staging.example'
noindex = true
[[proxy.sites.routes]]
prefix = '/'
respond = { body = 'staging' }
";

async fn ask(proxy: &Proxy, host: &str, line: &str) -> crate::harness::visitor::Answer {
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
    Visitor::ask(proxy.http, &request).await
}

#[tokio::test]
async fn an_unknown_host_is_misdirected() {
    let proxy = Proxy::start(SETTINGS);
    for host in [
        "evil.example",
        "127.0.0.1",
        "example.org.evil.example",
        "old.example",
    ] {
        assert_eq!(ask(&proxy, host, "GET /").await.status, 421, "{host}");
    }
    assert_eq!(ask(&proxy, "EXAMPLE.org.:80", "GET /").await.text(), "main");
}

#[tokio::test]
async fn other_names_of_a_site_lead_to_its_canonical_one() {
    let proxy = Proxy::start(SETTINGS);
    for (host, line, status, location) in [
        (
            "www.example.org",
            "GET /a?b=c",
            301,
            "http://example.org/a?b=c",
        ),
        (
            "www.example.org:8080",
            "HEAD /",
            301,
            "http://example.org:8080/",
        ),
        (
            "x.old.example",
            "POST /form",
            308,
            "http://example.org/form",
        ),
        (
            "www.example.org",
            "GET //evil.example/",
            301,
            "http://example.org//evil.example/",
        ),
    ] {
        let answer = ask(&proxy, host, line).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (status, location),
            "{line}"
        );
    }
}

#[tokio::test]
async fn search_engines_are_told_to_keep_away_from_staging() {
    let proxy = Proxy::start(SETTINGS);
    let answer = ask(&proxy, "staging.example", "GET /").await;
    assert_eq!(answer.header("x-robots-tag"), "noindex, nofollow");
    let robots = ask(&proxy, "staging.example", "GET /robots.txt").await;
    assert_eq!(robots.text(), "User-agent: *\nDisallow: /\n");
    assert!(
        !ask(&proxy, "example.org", "GET /")
            .await
            .has("x-robots-tag")
    );
}
