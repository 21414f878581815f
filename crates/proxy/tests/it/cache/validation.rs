//! Conditions of visitors, and our own towards the application (RFC 9111 4.3).

use super::{Origin, Reply, date, get, is_hit, proxy, send, twice};

#[tokio::test]
async fn a_visitor_who_has_the_answer_is_told_304() {
    let changed = date(-1000);
    let modified = changed.clone();
    let origin = Origin::start(move |_| {
        Reply::cached("x", "max-age=60")
            .with("etag", "W/\"a\"")
            .with("last-modified", modified.clone())
    })
    .await;
    let proxy = proxy(&origin);
    get(proxy.http, "/x", "").await;
    let (older, newer) = (date(-2000), date(-10));
    for (fields, status) in [
        ("If-None-Match: W/\"a\"\r\n".to_owned(), 304),
        ("If-None-Match: \"b\", \"a\"\r\n".to_owned(), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: \"b\"\r\n".to_owned(), 200),
        (
            format!("If-None-Match: \"b\"\r\nIf-Modified-Since: {newer}\r\n"),
            200,
        ),
        (
            format!("If-None-Match: \"a\"\r\nIf-Modified-Since: {older}\r\n"),
            304,
        ),
        (format!("If-Modified-Since: {changed}\r\n"), 304),
        (format!("If-Modified-Since: {newer}\r\n"), 304),
        (format!("If-Modified-Since: {older}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".to_owned(), 200),
    ] {
        let answer = get(proxy.http, "/x", &fields).await;
        assert_eq!(answer.status, status, "{fields}");
        assert_eq!(answer.header("etag"), "W/\"a\"");
        if status == 304 {
            assert!(!answer.has("content-length") && answer.has("age") && answer.has("date"));
        }
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_stale_answer_is_validated_and_its_fields_are_renewed() {
    let origin = Origin::start(|asked| {
        if asked.header("if-none-match") == "\"a\"" {
            return Reply::cached("", "max-age=60")
                .status(304)
                .with("etag", "\"a\"")
                .with("x-new", "2")
                .with("content-length", "99");
        }
        Reply::cached("body", "max-age=0")
            .with("etag", "\"a\"")
            .with("x-new", "1")
            .with("x-old", "1")
    })
    .await;
    let proxy = proxy(&origin);
    let (_, second) = twice(&proxy, "", "").await;
    assert_eq!((second.status, second.text().as_str()), (200, "body"));
    assert_eq!(
        second.header("cache-status"),
        "kiuas; fwd=stale; fwd-status=304; stored"
    );
    let third = get(proxy.http, "/x", "").await;
    assert!(is_hit(&third), "{}", third.head);
    for answer in [&second, &third] {
        assert_eq!((answer.header("x-new"), answer.header("x-old")), ("2", "1"));
        assert_eq!(answer.header("content-length"), "4");
    }
}

#[tokio::test]
async fn the_visitors_own_condition_is_answered_after_validation() {
    let origin = Origin::start(|asked| {
        if asked.header("if-none-match") == "\"a\"" {
            return Reply::cached("", "max-age=0").status(304);
        }
        Reply::cached("body", "max-age=0").with("etag", "\"a\"")
    })
    .await;
    let proxy = proxy(&origin);
    get(proxy.http, "/x", "").await;
    assert_eq!(
        get(proxy.http, "/x", "If-None-Match: \"a\"\r\n")
            .await
            .status,
        304
    );
    let other = get(proxy.http, "/x", "If-None-Match: \"b\"\r\n").await;
    assert_eq!((other.status, other.text().as_str()), (200, "body"));
}

#[tokio::test]
async fn a_304_about_something_else_brings_the_whole() {
    let origin = Origin::start(|asked| {
        if asked.header("if-none-match").is_empty() {
            let tag = format!("\"{}\"", asked.number);
            return Reply::cached(asked.number.to_string(), "max-age=0").with("etag", tag);
        }
        Reply::cached("", "max-age=60")
            .status(304)
            .with("etag", "\"other\"")
    })
    .await;
    let proxy = proxy(&origin);
    let (first, second) = twice(&proxy, "", "").await;
    assert_eq!((first.text().as_str(), second.text().as_str()), ("1", "3"));
}

#[tokio::test]
async fn a_newer_answer_takes_the_place_of_the_stale_one() {
    let origin = Origin::start(|asked| {
        let control = if asked.number == 1 {
            "max-age=0"
        } else {
            "max-age=60"
        };
        Reply::cached(asked.number.to_string(), control)
            .with("etag", format!("\"{}\"", asked.number))
    })
    .await;
    let proxy = proxy(&origin);
    let (_, second) = twice(&proxy, "", "").await;
    assert_eq!(
        (
            second.text().as_str(),
            origin.last().header("if-none-match")
        ),
        ("2", "\"1\"")
    );
    assert!(is_hit(&get(proxy.http, "/x", "").await));
}

#[tokio::test]
async fn a_condition_on_something_not_stored_goes_to_the_application_as_it_is() {
    let origin = Origin::start(|asked| {
        if asked.header("if-none-match") == "\"mine\"" {
            return Reply::new("").status(304).with("etag", "\"mine\"");
        }
        Reply::cached("x", "max-age=60")
    })
    .await;
    let proxy = proxy(&origin);
    let answer = get(proxy.http, "/x", "If-None-Match: \"mine\"\r\n").await;
    assert_eq!(answer.status, 304);
    let whole = get(proxy.http, "/x", "").await;
    assert_eq!((whole.status, is_hit(&whole)), (200, false));
}

#[tokio::test]
async fn a_head_that_shows_a_change_makes_the_stored_answer_stale() {
    let origin = Origin::start(|asked| {
        let tag = if asked.method == "HEAD" || asked.number > 2 {
            "\"b\""
        } else {
            "\"a\""
        };
        Reply::cached(asked.number.to_string(), "max-age=60").with("etag", tag)
    })
    .await;
    let proxy = proxy(&origin);
    get(proxy.http, "/x", "").await;
    send(proxy.http, "HEAD", "/x", "Cache-Control: no-cache\r\n").await;
    let next = get(proxy.http, "/x", "").await;
    assert_eq!((next.text().as_str(), origin.count()), ("3", 3));
}

#[tokio::test]
async fn a_head_that_shows_no_change_renews_the_stored_answer() {
    let origin = Origin::start(|asked| {
        let control = if asked.method == "HEAD" {
            "max-age=60"
        } else {
            "max-age=0"
        };
        Reply::cached("x", control).with("etag", "\"a\"")
    })
    .await;
    let proxy = proxy(&origin);
    get(proxy.http, "/x", "").await;
    send(proxy.http, "HEAD", "/x", "").await;
    assert!(is_hit(&get(proxy.http, "/x", "").await));
    assert_eq!(origin.count(), 2);
}
