//! Stale answers (RFC 9111 4.2.4, RFC 5861).

use super::{Origin, Reply, get, is_hit, proxy, proxy_with, twice};
use crate::harness::until;

#[tokio::test]
async fn a_stale_answer_serves_while_it_is_validated() {
    let origin = Origin::start(|asked| {
        let control = if asked.number == 1 {
            "max-age=0, stale-while-revalidate=60"
        } else {
            "max-age=60"
        };
        Reply::cached(asked.number.to_string(), control)
    })
    .await;
    let proxy = proxy(&origin);
    let (_, second) = twice(&proxy, "", "").await;
    assert_eq!(second.text(), "1");
    assert!(
        second
            .header("cache-status")
            .ends_with("detail=stale-while-revalidate")
    );
    until("it was validated", || origin.count() == 2).await;
    let third = loop {
        let answer = get(proxy.http, "/x", "").await;
        if answer.text() == "2" {
            break answer;
        }
    };
    assert!(is_hit(&third));
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn a_stale_answer_serves_when_the_application_fails() {
    for broken in [false, true] {
        let origin = Origin::start(move |asked| match asked.number {
            1 => Reply::cached("good", "max-age=0, stale-if-error=60").with("etag", "\"a\""),
            _ if broken => Reply::broken(),
            _ => Reply::new("bad").status(503),
        })
        .await;
        let proxy = proxy_with(&origin, "stale_if_error = '0s'", "");
        let (_, second) = twice(&proxy, "", "").await;
        assert_eq!(
            (second.status, second.text().as_str()),
            (200, "good"),
            "{broken}"
        );
        assert!(
            second
                .header("cache-status")
                .ends_with("detail=stale-if-error")
        );
    }
}

#[tokio::test]
async fn the_settings_allow_stale_answers_and_the_answer_forbids_them() {
    for (control, serves) in [
        ("max-age=0", true),
        ("max-age=0, must-revalidate", false),
        ("max-age=0, proxy-revalidate", false),
        ("max-age=0, s-maxage=0", false),
        ("max-age=60, no-cache", false),
    ] {
        let origin = Origin::start(move |asked| match asked.number {
            1 => Reply::cached("good", control).with("etag", "\"a\""),
            _ => Reply::broken(),
        })
        .await;
        let proxy = proxy_with(&origin, "stale_if_error = '1m'", "");
        let (_, second) = twice(&proxy, "", "").await;
        assert_eq!(second.status == 200, serves, "{control}: {}", second.status);
    }
}

#[tokio::test]
async fn a_visitor_may_take_a_stale_answer() {
    let origin = Origin::start(|asked| {
        Reply::cached(asked.number.to_string(), "max-age=5")
            .with("age", "10")
            .with("etag", "\"a\"")
    })
    .await;
    let proxy = proxy(&origin);
    let (_, second) = twice(&proxy, "", "Cache-Control: max-stale=100\r\n").await;
    assert_eq!(second.text(), "1");
    let third = get(proxy.http, "/x", "Cache-Control: max-stale=1\r\n").await;
    assert_eq!(third.text(), "2");
}
