//! Conditional requests for files (RFC 9110 13).

use crate::files::{get, start};

#[tokio::test]
async fn conditions_are_kept() {
    let proxy = start();
    let first = get(&proxy, "a.txt", "").await;
    let (tag, date) = (first.header("etag"), first.header("last-modified"));
    let old = "Thu, 01 Jan 1998 00:00:00 GMT";
    for (fields, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: \"x\"\r\n".to_owned(), 200),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        (format!("If-Modified-Since: {old}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".to_owned(), 200),
        (
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"),
            200,
        ),
        (format!("If-Match: {tag}\r\n"), 200),
        (format!("If-Match: W/{tag}\r\n"), 412),
        ("If-Match: \"x\"\r\n".to_owned(), 412),
        (format!("If-Unmodified-Since: {old}\r\n"), 412),
        (format!("If-Unmodified-Since: {date}\r\n"), 200),
        ("If-Unmodified-Since: yesterday\r\n".to_owned(), 200),
        ("If-Match: *\r\n".to_owned(), 200),
        // RFC 9110 13.2.2: the tag decides alone where there is one.
        (
            format!("If-Match: {tag}\r\nIf-Unmodified-Since: {old}\r\n"),
            200,
        ),
        (
            format!("If-None-Match: {tag}\r\nIf-Modified-Since: {old}\r\n"),
            304,
        ),
        // 412 comes before 304, and both before a range.
        (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 412),
        (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: {tag}\r\nRange: bytes=0-1\r\n"), 304),
        (
            format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"),
            304,
        ),
        (
            format!("If-Modified-Since: {date}\r\nIf-Modified-Since: {old}\r\n"),
            200,
        ),
    ] {
        let answer = get(&proxy, "a.txt", &fields).await;
        assert_eq!(answer.status, status, "{fields}");
        if status == 304 {
            assert_eq!(answer.header("cache-control"), "public, max-age=60");
            assert!(answer.has("last-modified") && !answer.has("content-type"));
            assert_eq!(answer.header("etag"), tag);
            assert!(!answer.has("content-length") || answer.body.is_empty());
        }
    }
}
