use http::HeaderMap;
use http::header::HeaderName;
use proptest::prelude::*;

use super::Selection;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("name");
        headers.append(name, value.parse().expect("value"));
    }
    headers
}

fn matches(vary: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
    Selection::new(&headers(&[("vary", vary)]), &headers(one))
        .expect("matchable")
        .matches(&headers(other))
}

#[test]
fn a_star_matches_nothing_wherever_it_stands() {
    for vary in ["*", "*, *", ", *", "foo, *", "*, foo", "a b", "f\u{e9}"] {
        let answer = headers(&[("vary", vary)]);
        assert!(
            Selection::new(&answer, &HeaderMap::new()).is_err(),
            "{vary}"
        );
    }
    let answer = headers(&[("vary", ""), ("vary", "*")]);
    assert!(Selection::new(&answer, &HeaderMap::new()).is_err());
}

#[test]
fn all_named_fields_must_match_and_no_others() {
    let first = [("foo", "1"), ("bar", "a"), ("baz", "x")];
    assert!(matches("foo, bar", &first, &[("foo", "1"), ("bar", "a")]));
    assert!(!matches("Foo, Bar", &first, &[("foo", "1"), ("bar", "b")]));
    assert!(!matches("foo, bar", &first, &[("foo", "1")]));
    assert!(!matches("foo", &[], &[("foo", "1")]));
    assert!(!matches("foo", &[("foo", "")], &[]));
}

#[test]
fn what_means_nothing_does_not_count() {
    assert!(matches(
        "foo",
        &[("foo", "1, 2")],
        &[("foo", "1"), ("foo", "2")]
    ));
    assert!(matches("foo", &[("foo", "1,2")], &[("foo", " 1,  2 ")]));
    let language = |one, other| {
        matches(
            "accept-language",
            &[("accept-language", one)],
            &[("accept-language", other)],
        )
    };
    assert!(language("en, de", "eN ,De"));
    assert!(
        !language("en, de", "de, en"),
        "order is a preference to many applications"
    );
    let coding = |one, other| {
        matches(
            "accept-encoding",
            &[("accept-encoding", one)],
            &[("accept-encoding", other)],
        )
    };
    assert!(coding("gzip, br", "BR,gzip"));
    assert!(!coding("gzip, br", "gzip, br;q=0"));
}

#[test]
fn an_answer_in_the_language_preferred_to_all_others_suits() {
    let answer = headers(&[("vary", "accept-language"), ("content-language", "DE")]);
    let request = headers(&[("accept-language", "en, de")]);
    let selection = Selection::new(&answer, &request).expect("matchable");
    for (wanted, suits) in [
        ("fr;q=0.5, de;q=1.0", true),
        ("de", true),
        ("de, en;q=0.9", true),
        ("de, fr", false),
        ("fr, de;q=0.5", false),
        ("de;q=0", false),
        ("de;q=nan", false),
        ("de-ch", false),
        ("*", false),
    ] {
        let request = headers(&[("accept-language", wanted)]);
        assert_eq!(selection.matches(&request), suits, "{wanted}");
    }
}

#[test]
fn white_space_in_quotes_and_case_elsewhere_count() {
    assert!(!matches(
        "foo",
        &[("foo", "\"a, b\"")],
        &[("foo", "\"a,b\"")]
    ));
    assert!(!matches("foo", &[("foo", "a")], &[("foo", "A")]));
}

proptest! {
    #[test]
    fn a_request_always_matches_itself(vary in "[a-c, ]{0,12}", value in "[ -~]{0,20}") {
        let request = headers(&[("a", &value), ("b", "x"), ("accept-encoding", &value)]);
        if let Ok(selection) = Selection::new(&headers(&[("vary", &vary)]), &request) {
            prop_assert!(selection.matches(&request));
            prop_assert_eq!(selection.of(&request), selection);
        }
    }
}
