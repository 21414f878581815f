//! Ranges of files (RFC 9110 14).

use crate::files::{get, start};
use crate::harness::Visitor;

#[tokio::test]
async fn ranges_are_kept() {
    let proxy = start();
    let first = get(&proxy, "a.txt", "").await;
    let (tag, date) = (first.header("etag"), first.header("last-modified"));
    let long = format!("Range: bytes={}\r\n", ["0-0"; 9].join(","));
    for (fields, status, range, body) in [
        (
            "Range: bytes=0-3\r\n".to_owned(),
            206,
            "bytes 0-3/10",
            "0123",
        ),
        ("Range: bytes=8-\r\n".to_owned(), 206, "bytes 8-9/10", "89"),
        ("Range: bytes=-2\r\n".to_owned(), 206, "bytes 8-9/10", "89"),
        (
            "Range: bytes=-20\r\n".to_owned(),
            206,
            "bytes 0-9/10",
            "0123456789",
        ),
        (
            "Range: bytes=5-99\r\n".to_owned(),
            206,
            "bytes 5-9/10",
            "56789",
        ),
        ("Range: bytes=10-\r\n".to_owned(), 416, "bytes */10", ""),
        ("Range: bytes=-0\r\n".to_owned(), 416, "bytes */10", ""),
        ("Range: bytes=5-2\r\n".to_owned(), 200, "", "0123456789"),
        ("Range: lines=1-2\r\n".to_owned(), 200, "", "0123456789"),
        (long, 200, "", "0123456789"),
        (
            format!("Range: bytes=0-0\r\nIf-Range: {tag}\r\n"),
            206,
            "bytes 0-0/10",
            "0",
        ),
        (
            format!("Range: bytes=0-0\r\nIf-Range: {date}\r\n"),
            206,
            "bytes 0-0/10",
            "0",
        ),
        (
            format!("Range: bytes=0-0\r\nIf-Range: W/{tag}\r\n"),
            200,
            "",
            "0123456789",
        ),
        (
            "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n".to_owned(),
            200,
            "",
            "0123456789",
        ),
    ] {
        let answer = get(&proxy, "a.txt", &fields).await;
        assert_eq!(
            (
                answer.status,
                answer.header("content-range"),
                answer.text().as_str()
            ),
            (status, range, body),
            "{fields}"
        );
    }
    let large = get(&proxy, "large.bin", "Range: bytes=100-300099\r\n").await;
    assert_eq!((large.status, large.body.len()), (206, 300_000));
}

#[tokio::test]
async fn several_ranges_come_in_one_answer() {
    let proxy = start();
    let answer = get(&proxy, "large.bin", "Range: bytes=0-1, 1000-1002\r\n").await;
    assert_eq!(answer.status, 206);
    let boundary = answer
        .header("content-type")
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("boundary")
        .to_owned();
    let part = |range: &str, body: &str| {
        format!(
            "--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {range}/1048576\r\n\r\n{body}\r\n"
        )
    };
    let expected = format!(
        "{}{}--{boundary}--\r\n",
        part("0-1", "\u{7}\u{7}"),
        part("1000-1002", "\u{7}\u{7}\u{7}")
    );
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn ranges_that_touch_come_as_one() {
    let proxy = start();
    let answer = get(&proxy, "a.txt", "Range: bytes=0-1,4-5\r\n").await;
    assert_eq!(
        (answer.header("content-range"), answer.text().as_str()),
        ("bytes 0-5/10", "012345")
    );
    let answer = get(&proxy, "a.txt", "Range: bytes=0-1,-1,99-\r\n").await;
    assert_eq!(answer.header("content-range"), "bytes 0-9/10");
}

#[tokio::test]
async fn a_range_is_for_get_alone() {
    let proxy = start();
    let request = "HEAD /static/a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "10")
    );
}
