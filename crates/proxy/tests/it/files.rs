//! Static files over a real connection.

use std::os::unix::fs::symlink;

use crate::harness::visitor::Answer;
use crate::harness::{Proxy, Visitor};

const SETTINGS: &str = "[[proxy.sites]]\nhosts = '*'\n\
    [[proxy.sites.routes]]\nprefix = '/static/'\n\
    files = { root = '$DIR', cache_control = 'public, max-age=60' }\n";

fn start() -> Proxy {
    let proxy = Proxy::start(SETTINGS);
    let root = proxy.directory();
    let write =
        |name: &str, content: &[u8]| std::fs::write(root.join(name), content).expect("file");
    std::fs::create_dir(root.join("sub")).expect("directory");
    write("a.txt", b"0123456789");
    write("style.css", b"a{}");
    write(".env", b"secret");
    write("empty", b"");
    write("large.bin", &vec![7; 1 << 20]);
    write("sub/index.html", b"<h1>index</h1>");
    write("with space.txt", b"space");
    symlink("/etc/passwd", root.join("link")).expect("link");
    symlink("/etc", root.join("etc")).expect("link");
    proxy
}

async fn get(proxy: &Proxy, path: &str, fields: &str) -> Answer {
    let request = format!("GET /static/{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    Visitor::ask(proxy.http, &request).await
}

#[tokio::test]
async fn a_file_comes_with_all_it_needs() {
    let proxy = start();
    let answer = get(&proxy, "style.css", "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "a{}"));
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.has("last-modified") && answer.header("etag").starts_with('"'));
    assert_eq!(get(&proxy, "large.bin", "").await.body, vec![7; 1 << 20]);
    assert_eq!(get(&proxy, "with%20space.txt", "").await.text(), "space");
    assert_eq!(get(&proxy, "empty", "").await.status, 200);
    assert_eq!(get(&proxy, "sub/", "").await.text(), "<h1>index</h1>");
    let answer = get(&proxy, "sub", "").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, "/static/sub/")
    );
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let proxy = start();
    let mut visitor = Visitor::connect(proxy.http).await;
    for (name, length) in [("a.txt", "10"), ("large.bin", "1048576")] {
        visitor
            .send(format!("HEAD /static/{name} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let answer = visitor.answer(true).await;
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (200, length)
        );
    }
    let request = "POST /static/a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn nothing_outside_the_directory_can_be_reached() {
    let proxy = start();
    for path in [
        "../default.toml",
        "%2e%2e/default.toml",
        "..%2fdefault.toml",
        "sub/../a.txt",
        "sub/%2e%2e/a.txt",
        "%2e%2e%2f%2e%2e%2fetc/passwd",
        "..%5c..%5cetc",
        "a.txt%00.css",
    ] {
        assert_eq!(get(&proxy, path, "").await.status, 400, "{path}");
    }
    for path in [
        "link",
        "etc/passwd",
        "etc/",
        "/etc/passwd",
        "%2fetc/passwd",
        ".env",
        "%2eenv",
        "sub/.hidden",
        "none",
        "a.txt/",
        "a.txt/b",
        "",
        "%ff%fe",
    ] {
        assert_eq!(get(&proxy, path, "").await.status, 404, "{path}");
    }
}

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
    ] {
        let answer = get(&proxy, "a.txt", &fields).await;
        assert_eq!(answer.status, status, "{fields}");
        if status == 304 {
            assert_eq!(answer.header("etag"), tag);
            assert!(!answer.has("content-length") || answer.body.is_empty());
        }
    }
}

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
    let answer = get(&proxy, "a.txt", "Range: bytes=0-1, 4-5\r\n").await;
    assert_eq!(answer.status, 206);
    let boundary = answer
        .header("content-type")
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("boundary")
        .to_owned();
    let part = |range: &str, body: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/10\r\n\r\n{body}\r\n"
        )
    };
    let expected = format!(
        "{}{}--{boundary}--\r\n",
        part("0-1", "01"),
        part("4-5", "45")
    );
    assert_eq!(answer.text(), expected);
}
