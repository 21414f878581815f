use http::header::HeaderName;
use proptest::prelude::*;

use super::{Directives, MOST_SECONDS};

fn parse(text: &str) -> Directives {
    Directives::parse(text.as_bytes())
}

#[test]
fn directives_are_read_in_any_case() {
    let read = parse("PUBLIC, Max-Age=60 , s-MaxAge=\"30\",must-revalidate");
    assert!(read.public && read.must_revalidate);
    assert_eq!((read.max_age, read.s_maxage), (Some(60), Some(30)));
}

#[test]
fn a_malformed_lifetime_is_none_at_all() {
    for text in [
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age='60'",
        "max-age =60",
        "max-age= 60",
        "max-age=60s",
        "max-age=\"60",
        "max-age=\"6\\0\"",
    ] {
        assert_eq!(parse(text).max_age, Some(0), "{text}");
    }
}

#[test]
fn of_two_lifetimes_the_shorter_counts() {
    assert_eq!(parse("max-age=1800, max-age=1").max_age, Some(1));
    assert_eq!(parse("max-age=1, max-age=1800").max_age, Some(1));
    assert_eq!(parse("max-age=x, max-age=1800").max_age, Some(0));
}

#[test]
fn large_numbers_are_bounded_and_zeros_in_front_are_nothing() {
    assert_eq!(parse("max-age=99999999999").max_age, Some(MOST_SECONDS));
    assert_eq!(parse("max-age=003600").max_age, Some(3600));
}

#[test]
fn what_stands_in_quotes_is_no_directive() {
    let read = parse("extension=\"max-age=3600, no-store\", max-age=1");
    assert_eq!((read.max_age, read.no_store), (Some(1), false));
    assert!(!parse("a=\"no-store").no_store);
}

#[test]
fn field_names_are_withheld_and_malformed_ones_forbid_all() {
    let read = parse("no-cache=\"a, B\", private=c");
    let names: Vec<&str> = read.withheld.iter().map(HeaderName::as_str).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(!read.no_cache && !read.private);
    for text in ["private", "private=\"\"", "private=\"a b\"", "private= a"] {
        assert!(parse(text).private, "{text}");
    }
}

#[test]
fn what_forbids_counts_in_any_form_and_what_allows_only_in_its_own() {
    assert!(parse("no-store=1").no_store && parse("no-store =1").no_store);
    assert!(!parse("public=1").public && !parse("must-understand=1").must_understand);
}

#[test]
fn requests_have_their_own() {
    let read = parse("max-stale, min-fresh=5, only-if-cached, no-cache");
    assert_eq!(
        (read.max_stale, read.min_fresh),
        (Some(MOST_SECONDS), Some(5))
    );
    assert!(read.only_if_cached && read.no_cache);
    assert_eq!(parse("max-stale=x").max_stale, Some(0));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_a_forbidding_word_in_front_always_counts(
        bytes in proptest::collection::vec(any::<u8>(), 0..64)
    ) {
        let mut text = b"no-store, ".to_vec();
        text.extend_from_slice(&bytes);
        prop_assert!(Directives::parse(&text).no_store);
    }

    #[test]
    fn adding_a_directive_never_makes_an_answer_fresher(
        first in "[a-z=,\" 0-9-]{0,24}", age in 0_u32..100_000
    ) {
        let with = parse(&format!("max-age={age}, {first}"));
        prop_assert!(with.max_age.is_some_and(|read| read <= age));
    }
}
