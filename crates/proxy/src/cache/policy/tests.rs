use http::header::HeaderName;
use http::{HeaderMap, StatusCode};

use super::{Exchange, Refusal, Source, Storable};
use crate::cache::date;
use crate::cache::rules::Rules;

/// 2026-01-01, a Thursday.
const NOW: u64 = 1_767_225_600_000;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("name");
        headers.append(name, value.parse().expect("value"));
    }
    headers
}

fn at(seconds: i64) -> String {
    date::format(NOW.saturating_add_signed(seconds * 1000))
}

fn judge_for(
    rules: &Rules,
    status: u16,
    request: &[(&str, &str)],
    answer: &[(&str, &str)],
) -> Result<Storable, Refusal> {
    Exchange {
        request: &headers(request),
        query: false,
        status: StatusCode::from_u16(status).expect("status"),
        answer: &headers(answer),
        asked: NOW,
        answered: NOW,
    }
    .judge(rules)
}

fn judge(status: u16, answer: &[(&str, &str)]) -> Result<Storable, Refusal> {
    judge_for(&Rules::default(), status, &[], answer)
}

fn lifetime(answer: &[(&str, &str)]) -> (u32, Source) {
    let lifetime = judge(200, answer).expect("storable").lifetime;
    (lifetime.fresh_for, lifetime.source)
}

#[test]
fn an_answer_without_any_word_is_not_stored() {
    assert_eq!(judge(200, &[]), Err(Refusal::NotFresh));
    assert_eq!(
        judge(200, &[("cache-control", "max-age=0")]),
        Err(Refusal::NotFresh)
    );
    assert!(
        judge(200, &[("etag", "\"a\"")]).is_ok(),
        "it can be validated"
    );
}

#[test]
fn prohibitions_hold_whatever_else_is_said() {
    for (field, value, refusal) in [
        ("cache-control", "no-store", Refusal::NoStore),
        ("cache-control", "private", Refusal::Private),
        ("set-cookie", "a=b", Refusal::SetCookie),
        ("vary", "*", Refusal::Vary),
        ("trailer", "x", Refusal::Trailers),
    ] {
        let answer = [("cache-control", "public, max-age=60"), (field, value)];
        assert_eq!(judge(200, &answer), Err(refusal));
    }
}

#[test]
fn failures_and_parts_are_never_stored() {
    for status in [206, 304, 500, 502, 503, 504, 599] {
        let answer = [("cache-control", "public, max-age=60")];
        assert_eq!(judge(status, &answer), Err(Refusal::Status), "{status}");
    }
    for status in [
        200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499,
    ] {
        assert!(
            judge(status, &[("cache-control", "max-age=60")]).is_ok(),
            "{status}"
        );
    }
}

#[test]
fn must_understand_takes_the_place_of_no_store_for_known_statuses() {
    let answer = [("cache-control", "max-age=60, no-store, must-understand")];
    assert!(judge(200, &answer).is_ok());
    assert_eq!(judge(299, &answer), Err(Refusal::NoStore));
    let answer = [("cache-control", "max-age=60, must-understand")];
    assert_eq!(judge(299, &answer), Err(Refusal::Status));
}

#[test]
fn credentials_need_an_explicit_word() {
    for (word, stored) in [
        ("max-age=60", false),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
    ] {
        let verdict = judge_for(
            &Rules::default(),
            200,
            &[("authorization", "Basic eDp5")],
            &[("cache-control", word)],
        );
        assert_eq!(verdict.is_ok(), stored, "{word}");
    }
}

#[test]
fn lifetimes_have_their_order() {
    let date = at(0);
    let expires = at(50);
    let base = [("date", date.as_str()), ("expires", &expires)];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all = base.to_vec();
        all.extend_from_slice(more);
        lifetime(&all)
    };
    assert_eq!(with(&[]), (50, Source::Expires));
    assert_eq!(
        with(&[("cache-control", "max-age=60")]),
        (60, Source::MaxAge)
    );
    let both = ("cache-control", "max-age=60, s-maxage=70");
    assert_eq!(with(&[both]), (70, Source::SharedMaxAge));
    assert_eq!(
        with(&[both, ("cdn-cache-control", "max-age=80")]),
        (80, Source::MaxAge)
    );
    assert_eq!(
        with(&[both, ("x-accel-expires", "90")]),
        (90, Source::Accelerator)
    );
    assert_eq!(
        judge(200, &[both, ("x-accel-expires", "0")]),
        Err(Refusal::NotFresh)
    );
}

#[test]
fn settings_change_lifetimes_and_no_prohibition() {
    let rules = Rules {
        ttl: vec![(404, 5)],
        default_ttl: Some(7),
        ..Rules::default()
    };
    let fresh = |status, answer: &[(&str, &str)]| {
        judge_for(&rules, status, &[], answer).map(|stored| stored.lifetime.fresh_for)
    };
    assert_eq!(fresh(200, &[]), Ok(7));
    assert_eq!(fresh(200, &[("cache-control", "max-age=60")]), Ok(60));
    assert_eq!(fresh(404, &[("cache-control", "max-age=60")]), Ok(5));
    assert_eq!(
        fresh(404, &[("cache-control", "private")]),
        Err(Refusal::Private)
    );
    assert_eq!(fresh(403, &[]), Err(Refusal::NotFresh));
}

#[test]
fn a_tenth_of_the_time_since_the_change_is_fresh_where_that_is_allowed() {
    let (date, modified) = (at(0), at(-1000));
    let answer = [("date", date.as_str()), ("last-modified", &modified)];
    assert_eq!(lifetime(&answer), (100, Source::Heuristic));
    let source = |status, request: &[(&str, &str)]| {
        judge_for(&Rules::default(), status, request, &answer)
            .expect("it has a validator")
            .lifetime
            .source
    };
    assert_eq!(source(404, &[]), Source::Heuristic);
    assert_eq!(source(201, &[]), Source::Nothing);
    assert_eq!(source(200, &[("cookie", "a=b")]), Source::Nothing);
    let ancient = at(-100_000_000);
    let answer = [("date", date.as_str()), ("last-modified", &ancient)];
    assert_eq!(lifetime(&answer), (86_400, Source::Heuristic));
}

#[test]
fn an_invalid_expires_is_the_past() {
    let (soon, later) = (at(60), at(61));
    for expires in ["0", "Thu, 01 Jan 2037 00:00:00 UTC"] {
        assert_eq!(judge(200, &[("expires", expires)]), Err(Refusal::NotFresh));
    }
    let twice = [("expires", soon.as_str()), ("expires", &later)];
    assert_eq!(judge(200, &twice), Err(Refusal::NotFresh));
    let invalid_date = [("date", "foo"), ("expires", soon.as_str())];
    assert_eq!(lifetime(&invalid_date), (60, Source::Expires));
}

#[test]
fn age_is_the_larger_of_what_was_told_and_what_the_date_says() {
    let (now, old) = (at(0), at(-30));
    let age = |answer: &[(&str, &str)]| {
        let mut all = vec![("cache-control", "max-age=600")];
        all.extend_from_slice(answer);
        judge(200, &all).expect("storable").lifetime.initial_age
    };
    assert_eq!(age(&[("date", &now)]), 0);
    assert_eq!(age(&[("date", &old)]), 30);
    assert_eq!(age(&[("date", &old), ("age", "45")]), 45);
    assert_eq!(age(&[("date", &now), ("age", "7, 900")]), 7);
    assert_eq!(age(&[("date", &now), ("age", "7"), ("age", "900")]), 7);
    for invalid in ["abc", "-7200", "7200.0", "7;a=1"] {
        assert_eq!(age(&[("date", &now), ("age", invalid)]), 0, "{invalid}");
    }
}

#[test]
fn the_time_the_application_took_counts_as_age() {
    let answer = headers(&[("cache-control", "max-age=60"), ("age", "10")]);
    let stored = Exchange {
        request: &HeaderMap::new(),
        query: false,
        status: StatusCode::OK,
        answer: &answer,
        asked: NOW - 5000,
        answered: NOW,
    }
    .judge(&Rules::default())
    .expect("storable");
    assert_eq!(stored.lifetime.age(NOW), 15);
    assert_eq!(stored.lifetime.age(NOW + 2999), 17);
    assert_eq!(stored.lifetime.left(NOW + 50_000), -5);
}

#[test]
fn stale_answers_need_a_word_and_must_revalidate_is_the_last_one() {
    let rules = Rules {
        stale_if_error: 30,
        stale_while_revalidate: 20,
        ..Rules::default()
    };
    for (word, while_revalidate, if_error) in [
        ("max-age=60", 20, 30),
        (
            "max-age=60, stale-while-revalidate=5, stale-if-error=6",
            5,
            6,
        ),
        ("max-age=60, must-revalidate, stale-if-error=6", 0, 0),
        ("max-age=60, proxy-revalidate", 0, 0),
        ("s-maxage=60", 0, 0),
        ("s-maxage=60, stale-while-revalidate=5", 5, 0),
    ] {
        let lifetime = judge_for(&rules, 200, &[], &[("cache-control", word)])
            .expect("storable")
            .lifetime;
        assert_eq!(
            (lifetime.while_revalidate, lifetime.if_error),
            (while_revalidate, if_error),
            "{word}"
        );
    }
}

#[test]
fn no_cache_is_stored_and_never_used_unasked() {
    let answer = [("cache-control", "max-age=60, no-cache"), ("etag", "\"a\"")];
    let lifetime = judge(200, &answer).expect("storable").lifetime;
    assert!(!lifetime.is_fresh(NOW) && !lifetime.allows_if_error(NOW) && lifetime.strict);
    let fields = [("cache-control", "max-age=60, no-cache=\"x-user\"")];
    let stored = judge(200, &fields).expect("storable");
    assert_eq!(stored.withheld, ["x-user"]);
    assert!(stored.lifetime.is_fresh(NOW));
}
