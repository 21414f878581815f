//! Answers that are compressed on their way out, read with real decoders.

use std::io::Read;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::files::write;
use crate::harness::raw::{raw, read_request, says};
use crate::harness::visitor::Answer;
use crate::harness::{PATIENCE, Proxy, Visitor};

const TEXT: &str = "An answer that repeats itself, repeats itself, repeats itself. ";

fn text() -> String {
    TEXT.repeat(100)
}

fn start(target: &str, compress: &str) -> Proxy {
    Proxy::start(&format!(
        "[[proxy.sites]]\nhosts = '*'\ncompress = {compress}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\nprefix = '/plain'\nupstream = 'app'\ncompress = false\n\
         [[proxy.sites.routes]]\nprefix = '/files/'\nfiles = {{ root = '$DIR/root' }}\n\
         [proxy.upstreams.app]\ntargets = '{target}'\n"
    ))
}

/// A proxy in front of an application that answers everything with these fields and `text`.
async fn with(fields: &str) -> Proxy {
    let body = text();
    let (target, _) = says(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    ))
    .await;
    start(&target, "true")
}

async fn get(proxy: &Proxy, path: &str, fields: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    Visitor::ask(proxy.http, &request).await
}

/// The bytes of a chunked body.
fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let end = body
            .windows(2)
            .position(|two| two == b"\r\n")
            .expect("a line");
        let size = std::str::from_utf8(&body[..end]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return bytes;
        }
        bytes.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}

fn decoded(answer: &Answer) -> String {
    let body = match answer.header("transfer-encoding") {
        "chunked" => dechunked(&answer.body),
        _ => answer.body.clone(),
    };
    let mut text = String::new();
    match answer.header("content-encoding") {
        "gzip" => drop(flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text)),
        "br" => drop(brotli::Decompressor::new(&body[..], 4096).read_to_string(&mut text)),
        "zstd" => {
            text = String::from_utf8(zstd::decode_all(&body[..]).expect("zstd")).expect("text")
        }
        "" => text = String::from_utf8(body).expect("text"),
        other => panic!("what is {other}?"),
    }
    text
}

#[tokio::test]
async fn answers_come_in_the_coding_that_is_liked_best() {
    let proxy = with("Content-Type: text/html\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n").await;
    for (accepted, encoding, tag) in [
        ("gzip", "gzip", "W/\"a-gzip\""),
        ("gzip, deflate, br, zstd", "br", "W/\"a-br\""),
        ("gzip, zstd", "zstd", "W/\"a-zstd\""),
        ("br;q=0.1, gzip;q=0.2", "gzip", "W/\"a-gzip\""),
        ("identity;q=0, *;q=0.1", "br", "W/\"a-br\""),
        ("deflate", "", "\"a\""),
        ("gzip;q=0", "", "\"a\""),
    ] {
        let answer = get(&proxy, "/", &format!("Accept-Encoding: {accepted}\r\n")).await;
        assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(answer.header("vary"), "accept-encoding", "{accepted}");
        assert_eq!(answer.header("etag"), tag, "{accepted}");
        assert_eq!(answer.has("accept-ranges"), encoding.is_empty());
        assert_eq!(decoded(&answer), text(), "{accepted}");
        assert!(encoding.is_empty() || answer.body.len() < text().len() / 4);
    }
    let answer = get(&proxy, "/", "").await;
    assert_eq!(
        (answer.header("vary"), decoded(&answer)),
        ("accept-encoding", text())
    );
    let answer = get(&proxy, "/plain", "Accept-Encoding: br\r\n").await;
    assert!(!answer.has("vary") && !answer.has("content-encoding"));
}

#[tokio::test]
async fn what_must_not_or_need_not_be_compressed_is_left_alone() {
    for fields in [
        "Content-Type: image/png\r\n",
        "",
        "Content-Type: text/event-stream\r\n",
        "Content-Type: text/html\r\nContent-Encoding: br\r\n",
        "Content-Type: text/html\r\nCache-Control: max-age=1, No-Transform\r\n",
        "Content-Type: text/html\r\nContent-Range: bytes 0-9/10\r\n",
        "Content-Type: text/html\r\nContent-Digest: sha-256=:x:\r\n",
    ] {
        let proxy = with(fields).await;
        let answer = get(&proxy, "/", "Accept-Encoding: br, gzip\r\n").await;
        assert_eq!(answer.body, text().as_bytes(), "{fields}");
        assert!(!answer.has("vary"), "{fields}");
    }
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/html\r\n\r\nshort",
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Type: text/html\r\n\r\nshort",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let (target, _) = says(head).await;
        let proxy = start(&target, "{ minimum = '6B' }");
        let answer = get(&proxy, "/", "Accept-Encoding: br\r\n").await;
        assert!(
            !answer.has("content-encoding") && !answer.has("vary"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn the_settings_choose_codings_types_and_length() {
    let (target, _) =
        says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: X/Y; a=b\r\n\r\nshort").await;
    let settings = "{ encodings = ['gzip'], types = ['x/y'], minimum = '5B', gzip_level = 9 }";
    let proxy = start(&target, settings);
    let answer = get(&proxy, "/", "Accept-Encoding: br, gzip;q=0.1\r\n").await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(decoded(&answer), "short");
}

#[tokio::test]
async fn head_says_what_get_would() {
    let (target, _) = says(
        "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Type: text/css\r\nETag: \"a\"\r\n\r\n",
    )
    .await;
    let proxy = start(&target, "true");
    let request = "HEAD / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("etag"), "W/\"a-gzip\"");
    assert_eq!(answer.header("vary"), "accept-encoding");
    assert!(!answer.has("content-length"));
}

/// Answers 304 to who has `"a"`, and with the fields it was asked with to everybody else.
async fn validating() -> String {
    let (target, _) = raw(|mut stream, _| async move {
        while let Some(request) = read_request(&mut stream).await {
            let known = request.contains("\r\nif-none-match: \"a\"")
                || request.contains("\r\nif-none-match: \"x\", \"a\"");
            let answer = if known {
                "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nVary: cookie\r\n\r\n".to_owned()
            } else {
                let body = format!("{request}{}", text());
                format!(
                    "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nVary: cookie\r\nContent-Type: text/plain\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    target
}

#[tokio::test]
async fn a_copy_is_revalidated_under_its_own_tag() {
    let proxy = start(&validating().await, "true");
    for (accepted, tag, status, own) in [
        ("br", "W/\"a-br\"", 304, "W/\"a-br\""),
        ("br", "\"x\", W/\"a-br\"", 304, "W/\"a-br\""),
        ("gzip", "W/\"a-gzip\"", 304, "W/\"a-gzip\""),
        // A copy as it is stays good for everybody.
        ("br", "\"a\"", 304, "\"a\""),
        // A copy in another coding is not what this visitor would get.
        ("gzip", "W/\"a-br\"", 200, "W/\"a-gzip\""),
        ("identity", "W/\"a-br\"", 200, "\"a\""),
    ] {
        let fields = format!("Accept-Encoding: {accepted}\r\nIf-None-Match: {tag}\r\n");
        let answer = get(&proxy, "/", &fields).await;
        assert_eq!(
            (answer.status, answer.header("etag")),
            (status, own),
            "{fields}"
        );
        assert_eq!(answer.header("vary"), "cookie, accept-encoding");
    }
    // For a change, the application must see its own tag.
    let answer = get(&proxy, "/", "If-Match: W/\"a-zstd\"\r\n").await;
    assert!(
        answer.text().contains("if-match: \"a\"\r\n"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn pieces_go_out_as_they_come_and_trailers_stay() {
    let (target, _) = raw(|mut stream, _| async move {
        read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTrailer: x-sum\r\n\
                    Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        stream.write_all(head.as_bytes()).await.expect("written");
        // The rest comes when the visitor has the beginning, and says so by a second request.
        let _next = read_request(&mut stream).await;
    })
    .await;
    for encoding in ["br", "zstd", "gzip"] {
        let proxy = start(&target, "true");
        let mut visitor = Visitor::connect(proxy.http).await;
        visitor
            .send(format!(
                "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\n\r\n"
            ))
            .await;
        let mut received = Vec::new();
        let read = async {
            loop {
                let mut piece = [0; 1024];
                let length = visitor.stream.read(&mut piece).await.expect("bytes");
                assert!(length > 0, "it ended");
                received.extend_from_slice(&piece[..length]);
                if beginning(&received, encoding).as_deref() == Some("first") {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("in time");
    }
    let app = crate::harness::App::start().await;
    let settings = "{ minimum = '0B', types = ['text/plain'] }";
    let proxy = start(&app.target, settings);
    let answer = get(
        &proxy,
        "/stream",
        "Accept-Encoding: gzip\r\nTE: trailers\r\n",
    )
    .await;
    assert!(
        answer.text().ends_with("x-sum: 42\r\n\r\n"),
        "{}",
        answer.text()
    );
}

/// What a visitor can read of an answer that is not complete.
fn beginning(received: &[u8], encoding: &str) -> Option<String> {
    let at = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let mut body = &received[at..];
    let mut bytes = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
        bytes.extend_from_slice(body.get(end + 2..end + 2 + size)?);
        body = body.get(end + 4 + size..).unwrap_or_default();
    }
    let mut text = vec![0; 5];
    let mut reader: Box<dyn Read> = match encoding {
        "br" => Box::new(brotli::Decompressor::new(&bytes[..], 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(&bytes[..]).ok()?),
        _ => Box::new(flate2::read::GzDecoder::new(&bytes[..])),
    };
    reader.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}

#[tokio::test]
async fn large_answers_and_files_come_whole() {
    let body = (0..400_000)
        .map(|number| format!("{number} "))
        .collect::<String>();
    let (target, _) = says(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let proxy = start(&target, "true");
    write(&proxy, "large.txt", body.as_bytes());
    write(&proxy, "small.txt", text().as_bytes());
    for encoding in ["br", "zstd", "gzip"] {
        let accepts = format!("Accept-Encoding: {encoding}\r\n");
        for path in ["/", "/files/large.txt"] {
            let answer = get(&proxy, path, &accepts).await;
            assert_eq!(answer.header("content-encoding"), encoding);
            assert!(decoded(&answer) == body, "{path} {encoding}");
        }
        // Small ones have a length, and the second one is known already.
        for _ in 0..2 {
            let answer = get(&proxy, "/files/small.txt", &accepts).await;
            assert_eq!(
                answer.header("content-length"),
                answer.body.len().to_string()
            );
            assert_eq!(decoded(&answer), text());
            let tag = answer.header("etag");
            let fields = format!("{accepts}If-None-Match: {tag}\r\n");
            let known = get(&proxy, "/files/small.txt", &fields).await;
            assert_eq!((known.status, known.header("etag")), (304, tag));
        }
    }
    let fields = "Accept-Encoding: br\r\nRange: bytes=0-3\r\n";
    let part = get(&proxy, "/files/small.txt", fields).await;
    assert_eq!((part.status, part.text().as_str()), (206, &TEXT[..4]));
    assert!(!part.has("content-encoding"));
}

#[tokio::test]
async fn requests_that_another_site_caused_with_cookies_are_not_compressed() {
    let proxy = with("Content-Type: text/html\r\nSet-Cookie: a=b\r\n").await;
    for (fields, encoding) in [
        ("Sec-Fetch-Site: cross-site\r\nCookie: a=b\r\n", ""),
        ("Sec-Fetch-Site: cross-site\r\nAuthorization: x\r\n", ""),
        ("Sec-Fetch-Site: cross-site\r\n", "br"),
        ("Sec-Fetch-Site: same-origin\r\nCookie: a=b\r\n", "br"),
        ("Cookie: a=b\r\n", "br"),
    ] {
        let answer = get(&proxy, "/", &format!("Accept-Encoding: br\r\n{fields}")).await;
        assert_eq!(answer.header("content-encoding"), encoding, "{fields}");
        assert_eq!(answer.header("vary"), "accept-encoding", "{fields}");
    }
}

#[test]
fn wrong_settings_are_named() {
    for (compress, problem) in [
        ("{ encodings = ['deflate'] }", "`deflate` is not known"),
        ("{ encodings = [] }", "write `compress = false`"),
        ("{ types = ['html'] }", "`html` is no media type"),
        ("{ gzip_level = 10 }", "10 is no level: write 1 to 9"),
        ("{ level = 1 }", "level"),
        ("7", "`true`, `false` or a table"),
    ] {
        let settings = format!(
            "[[proxy.sites]]\nhosts = '*'\ncompress = {compress}\n\
             [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ }}\n"
        );
        let output = crate::harness::proxy::output(&settings, &["check"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{compress}");
        assert!(text.contains(problem), "{compress}: {text}");
    }
}
