//! What is stored and used again, and what is not (RFC 9111 3 and 4).

use super::{Origin, Reply, date, get, is_hit, proxy, proxy_with, send, twice};

#[tokio::test]
async fn a_fresh_answer_is_used_again_and_tells_its_age() {
    let origin = Origin::start(|_| Reply::cached("one", "max-age=60").with("age", "7")).await;
    let proxy = proxy(&origin);
    let (first, second) = twice(&proxy, "", "").await;
    assert_eq!((first.text(), second.text()), ("one".into(), "one".into()));
    assert_eq!(first.header("cache-status"), "kiuas; fwd=uri-miss; stored");
    assert!(is_hit(&second), "{}", second.head);
    assert!(second.header("cache-status").contains("ttl=5"));
    let age: u32 = second.header("age").parse().expect("an age");
    assert!((7..20).contains(&age), "{age}");
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn nothing_is_cached_unless_the_route_says_so() {
    let origin = Origin::start(|_| Reply::cached("x", "max-age=60")).await;
    for proxy in [
        crate::harness::Proxy::to(&origin.target),
        proxy_with(&origin, "enabled = false", ""),
    ] {
        let (_, second) = twice(&proxy, "", "").await;
        assert!(!second.has("cache-status"));
    }
    assert_eq!(origin.count(), 4);
}

#[tokio::test]
async fn what_must_not_be_shared_is_not_stored() {
    for (name, value, reason) in [
        ("cache-control", "no-store", "no-store"),
        ("cache-control", "private", "private"),
        ("set-cookie", "a=b", "set-cookie"),
        ("vary", "*", "vary"),
    ] {
        let origin =
            Origin::start(move |_| Reply::cached("x", "public, max-age=60").with(name, value))
                .await;
        let proxy = proxy(&origin);
        let (first, second) = twice(&proxy, "", "").await;
        assert_eq!(origin.count(), 2, "{name}: {value}");
        let status = format!("kiuas; fwd=uri-miss; detail={reason}");
        assert_eq!(first.header("cache-status"), status);
        assert!(!is_hit(&second));
    }
}

#[tokio::test]
async fn failures_are_not_stored() {
    let origin = Origin::start(|_| Reply::cached("x", "public, max-age=60").status(503)).await;
    let proxy = proxy(&origin);
    let (_, second) = twice(&proxy, "", "").await;
    assert_eq!((second.status, origin.count()), (503, 2));
}

#[tokio::test]
async fn answers_to_credentials_are_shared_only_if_they_say_so() {
    for (control, shared) in [
        ("max-age=60", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
    ] {
        let origin = Origin::start(move |_| Reply::cached("x", control)).await;
        let proxy = proxy(&origin);
        let (_, second) = twice(&proxy, "Authorization: Basic eDp5\r\n", "").await;
        assert_eq!(is_hit(&second), shared, "{control}");
    }
}

#[tokio::test]
async fn requests_that_vary_tells_apart_have_answers_of_their_own() {
    let origin = Origin::start(|asked| {
        Reply::cached(format!("for {}", asked.header("foo")), "max-age=60").with("vary", "Foo")
    })
    .await;
    let proxy = proxy(&origin);
    for round in 0..2 {
        for foo in ["1", "2", "3"] {
            let answer = get(proxy.http, "/x", &format!("Foo: {foo}\r\n")).await;
            assert_eq!(answer.text(), format!("for {foo}"));
            assert_eq!(is_hit(&answer), round == 1, "{}", answer.head);
        }
    }
    let other = get(proxy.http, "/x", "").await;
    assert_eq!(other.text(), "for ");
    assert_eq!(other.header("cache-status"), "kiuas; fwd=vary-miss; stored");
}

#[tokio::test]
async fn queries_hosts_and_schemes_are_apart_unless_the_query_is_ignored() {
    let origin = Origin::start(|asked| Reply::cached(&asked.target, "max-age=60")).await;
    let strict = proxy(&origin);
    get(strict.http, "/x?a", "").await;
    assert!(!is_hit(&get(strict.http, "/x?b", "").await));
    assert!(is_hit(&get(strict.http, "/x?a", "").await));
    let other_host = "GET /x?a HTTP/1.1\r\nHost: b\r\n\r\n";
    assert!(!is_hit(
        &crate::harness::Visitor::ask(strict.http, other_host).await
    ));
    let lax = proxy_with(&origin, "ignore_query = true", "");
    get(lax.http, "/x?a", "").await;
    assert!(is_hit(&get(lax.http, "/x?b", "").await));
}

#[tokio::test]
async fn head_is_answered_from_what_get_stored() {
    let origin = Origin::start(|_| Reply::cached("12345", "max-age=60")).await;
    let proxy = proxy(&origin);
    get(proxy.http, "/x", "").await;
    let head = send(proxy.http, "HEAD", "/x", "").await;
    assert!(is_hit(&head));
    assert_eq!(head.header("content-length"), "5");
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_range_comes_from_the_whole_that_is_stored() {
    let origin =
        Origin::start(|_| Reply::cached("0123456789", "max-age=60").with("etag", "\"a\"")).await;
    let proxy = proxy(&origin);
    get(proxy.http, "/x", "").await;
    for (fields, status, range, body) in [
        ("Range: bytes=2-4\r\n", 206, "bytes 2-4/10", "234"),
        ("Range: bytes=-1\r\n", 206, "bytes 9-9/10", "9"),
        ("Range: bytes=20-\r\n", 416, "bytes */10", ""),
        ("Range: bytes=0-0,2-2\r\n", 200, "", "0123456789"),
        (
            "Range: bytes=0-0\r\nIf-Range: \"a\"\r\n",
            206,
            "bytes 0-0/10",
            "0",
        ),
        (
            "Range: bytes=0-0\r\nIf-Range: \"b\"\r\n",
            200,
            "",
            "0123456789",
        ),
        (
            "Range: bytes=0-0\r\nIf-Range: W/\"a\"\r\n",
            200,
            "",
            "0123456789",
        ),
    ] {
        let answer = get(proxy.http, "/x", fields).await;
        assert_eq!(answer.status, status, "{fields}");
        assert_eq!(answer.header("content-range"), range, "{fields}");
        assert_eq!(answer.text(), body, "{fields}");
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_part_that_the_application_sends_is_passed_and_not_stored() {
    let origin = Origin::start(|asked| {
        if asked.header("range").is_empty() {
            return Reply::cached("0123456789", "max-age=60");
        }
        Reply::cached("01", "max-age=60")
            .status(206)
            .with("content-range", "bytes 0-1/10")
    })
    .await;
    let proxy = proxy(&origin);
    let part = get(proxy.http, "/x", "Range: bytes=0-1\r\n").await;
    assert_eq!((part.status, part.text().as_str()), (206, "01"));
    let whole = get(proxy.http, "/x", "").await;
    assert_eq!(
        (whole.text().as_str(), is_hit(&whole)),
        ("0123456789", false)
    );
}

#[tokio::test]
async fn fields_for_the_cache_alone_reach_no_visitor() {
    let origin = Origin::start(|_| {
        Reply::new("x")
            .with("x-accel-expires", "60")
            .with("surrogate-key", "a b")
            .with("cache-control", "no-cache=\"x-user\"")
            .with("x-user", "me")
    })
    .await;
    let proxy = proxy(&origin);
    let (first, second) = twice(&proxy, "", "").await;
    assert!(is_hit(&second), "{}", second.head);
    for answer in [&first, &second] {
        assert!(!answer.has("x-accel-expires") && !answer.has("surrogate-key"));
    }
    assert!(first.has("x-user") && !second.has("x-user"));
}

#[tokio::test]
async fn settings_give_lifetimes() {
    let origin = Origin::start(|asked| match asked.target.as_str() {
        "/missing" => Reply::cached("x", "max-age=0").status(404),
        "/changed" => Reply::new("x").with("last-modified", date(-10_000)),
        _ => Reply::new("x"),
    })
    .await;
    let set = proxy_with(
        &origin,
        "default_ttl = '1m'\nttl = { 404 = '10s' }\nheuristic = false",
        "",
    );
    let plain = proxy(&origin);
    for (path, with, without) in [
        ("/silent", true, false),
        ("/missing", true, false),
        ("/changed", true, true),
    ] {
        for (proxy, hit) in [(&set, with), (&plain, without)] {
            get(proxy.http, path, "").await;
            assert_eq!(is_hit(&get(proxy.http, path, "").await), hit, "{path}");
        }
    }
}

#[tokio::test]
async fn named_cookies_bypass() {
    let origin = Origin::start(|asked| Reply::cached(asked.number.to_string(), "max-age=60")).await;
    let proxy = proxy_with(&origin, "bypass_cookies = 'session'", "");
    get(proxy.http, "/x", "").await;
    assert!(is_hit(&get(proxy.http, "/x", "Cookie: other=1\r\n").await));
    let own = get(proxy.http, "/x", "Cookie: other=1; session=2\r\n").await;
    assert_eq!(own.header("cache-status"), "kiuas; fwd=bypass");
    assert_eq!(get(proxy.http, "/x", "").await.text(), "1");
}

#[tokio::test]
async fn what_visitors_wish_counts_unless_the_settings_say_no() {
    let origin = Origin::start(|_| Reply::cached("x", "max-age=60").with("age", "10")).await;
    let kind = proxy(&origin);
    let deaf = proxy_with(&origin, "obey_requests = false", "");
    for proxy in [&kind, &deaf] {
        get(proxy.http, "/x", "").await;
    }
    for wish in [
        "no-cache",
        "no-store",
        "max-age=5",
        "max-age=0",
        "min-fresh=100",
    ] {
        let wish = format!("Cache-Control: {wish}\r\n");
        assert!(!is_hit(&get(kind.http, "/x", &wish).await), "{wish}");
        assert!(is_hit(&get(deaf.http, "/x", &wish).await), "{wish}");
    }
    assert!(!is_hit(&get(kind.http, "/x", "Pragma: no-cache\r\n").await));
    let only = "Cache-Control: only-if-cached\r\n";
    assert!(is_hit(&get(kind.http, "/x", only).await));
    assert_eq!(get(kind.http, "/other", only).await.status, 504);
}

#[tokio::test]
async fn a_change_that_went_well_forgets_the_url_and_those_it_names() {
    let origin = Origin::start(|asked| match asked.method.as_str() {
        "GET" => Reply::cached(asked.number.to_string(), "max-age=60"),
        "DELETE" => Reply::new("x").status(500),
        _ => Reply::new("x")
            .with("location", "/y")
            .with("content-location", "http://b/z"),
    })
    .await;
    let proxy = proxy(&origin);
    for path in ["/x", "/y", "/z"] {
        get(proxy.http, path, "").await;
    }
    send(proxy.http, "DELETE", "/x", "").await;
    assert!(
        is_hit(&get(proxy.http, "/x", "").await),
        "a change that failed changes nothing"
    );
    send(proxy.http, "POST", "/x", "Content-Length: 0\r\n").await;
    assert!(!is_hit(&get(proxy.http, "/x", "").await));
    assert!(!is_hit(&get(proxy.http, "/y", "").await));
    assert!(is_hit(&get(proxy.http, "/z", "").await), "another origin's");
}

#[tokio::test]
async fn an_answer_to_post_that_says_what_the_url_holds_serves_get() {
    for (place, hit) in [("/x", true), ("/y", false)] {
        let origin = Origin::start(move |asked| {
            Reply::cached(asked.method.clone(), "max-age=60").with("content-location", place)
        })
        .await;
        let proxy = proxy(&origin);
        let posted = send(proxy.http, "POST", "/x", "Content-Length: 0\r\n").await;
        assert_eq!(posted.text(), "POST");
        assert_eq!(is_hit(&get(proxy.http, "/x", "").await), hit);
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let origin = Origin::start(|_| Reply::cached("x".repeat(20_000), "max-age=60")).await;
    let proxy = proxy_with(&origin, "", "cache = { memory = '256KiB' }");
    for number in 0..40 {
        get(proxy.http, &format!("/{number}"), "").await;
    }
    let mut kept = 0;
    for number in 0..40 {
        let only = "Cache-Control: only-if-cached\r\n";
        kept += usize::from(get(proxy.http, &format!("/{number}"), only).await.status == 200);
    }
    assert!((4..=13).contains(&kept), "{kept}");
}

#[tokio::test]
async fn what_is_too_large_passes_whole() {
    let origin = Origin::start(|_| Reply::cached("x".repeat(20_000), "max-age=60")).await;
    let proxy = proxy_with(&origin, "max_size = '10KiB'", "");
    let (first, second) = twice(&proxy, "", "").await;
    assert_eq!((first.body.len(), second.body.len()), (20_000, 20_000));
    assert!(first.header("cache-status").ends_with("detail=too-large"));
    assert_eq!(origin.count(), 2);
}
