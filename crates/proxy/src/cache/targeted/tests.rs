use proptest::prelude::*;

use super::parse;

#[test]
fn a_dictionary_is_read_like_cache_control() {
    let read = parse(b"max-age=60, must-revalidate, foo;a=1;b, private=?0").expect("valid");
    assert_eq!(read.max_age, Some(60));
    assert!(read.must_revalidate && !read.private);
    assert!(parse(b"no-store").expect("valid").no_store);
    assert_eq!(
        parse(b"max-age=99999999999").expect("valid").max_age,
        Some(1 << 31)
    );
}

#[test]
fn what_is_no_dictionary_is_ignored() {
    for text in [
        "",
        "max-age=10000, &&&&&",
        "max-age=\"10000\"",
        "max-age =100",
        "max-age= 100",
        "MaX-aGe=3600",
        "max-age=60,",
        "max-age",
        "max-age=1.5",
        "max-age=60 no-store",
    ] {
        assert_eq!(parse(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        drop(parse(&bytes));
    }
}
