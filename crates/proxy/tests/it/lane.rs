//! The fast lane: nobody can tell it from the general way by the answers.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::gate::table::table;
use crate::harness::visitor::Answer;
use crate::harness::{App, Proxy, Visitor, until};
use crate::tls::connect;

/// Sites with every kind of answer; `way` says whether the lane is open.
fn settings(app: &App, way: &str, files: &Path) -> String {
    format!(
        "fast_lane = {way}\nhttps = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n\
         [proxy.tls]\ndirectory = '$DIR/tls'\n\
         [[proxy.sites]]\nhosts = '*, site.example'\n\
         [[proxy.sites.routes]]\nprefix = '/fixed'\nrespond = {{ status = 418, body = 'short and stout' }}\n\
         [[proxy.sites.routes]]\nprefix = '/empty'\nrespond = {{ status = 204 }}\n\
         [[proxy.sites.routes]]\nprefix = '/moved'\nredirect = {{ to = 'https://b.example/', status = 308 }}\n\
         [[proxy.sites.routes]]\nprefix = '/files/'\nfiles = {{ root = '{}' }}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        files.display(),
        app.target
    )
}

/// One directory for all the proxies of a test: its files' dates are in their validators.
fn files() -> TempDir {
    let directory = tempfile::tempdir().expect("directory");
    std::fs::write(directory.path().join("small.txt"), "small file").expect("file");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    std::fs::write(directory.path().join("large.bin"), large).expect("file");
    directory
}

/// With the lane open, and without.
fn both(app: &App, files: &TempDir) -> (Proxy, Proxy) {
    let start = |way| Proxy::start(&settings(app, way, files.path()));
    (start("true"), start("false"))
}

fn start(app: &App, files: &TempDir) -> Proxy {
    Proxy::start(&settings(app, "true", files.path()))
}

/// How many connections the lane has given away.
async fn handed_over(proxy: &Proxy) -> u64 {
    let text = Visitor::get(proxy.admin.expect("admin"), "/metrics")
        .await
        .text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("kiuas_proxy_lane_handovers_total "));
    line.expect("the metric").parse().expect("a number")
}

/// What must be equal whichever way an answer took.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    line: String,
    fields: BTreeSet<String>,
    body: Vec<u8>,
}

fn seen(answer: &Answer) -> Seen {
    let id = answer.header("x-request-id").to_owned();
    let boundary = answer.header("content-type").split_once("boundary=");
    let boundary = boundary
        .map_or("no boundary", |(_, boundary)| boundary)
        .to_owned();
    let neutral = |text: &str| text.replace(&id, "ID").replace(&boundary, "BOUNDARY");
    let mut lines = answer.head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let fields = lines
        .filter(|line| !line.is_empty() && !line.starts_with("date:"))
        .map(neutral)
        .collect();
    let mut body = answer.body.clone();
    if answer.header("transfer-encoding") == "chunked" {
        body = without_chunks(&body);
    }
    if let Ok(text) = String::from_utf8(body.clone()) {
        body = neutral(&text).into_bytes();
    }
    Seen { line, fields, body }
}

/// Data and trailers.
fn without_chunks(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = raw.windows(2).position(|two| two == b"\r\n") {
        let digits = std::str::from_utf8(&raw[..end]).expect("text");
        let length = usize::from_str_radix(digits, 16).expect("a chunk's length");
        raw = &raw[end + 2..];
        if length == 0 {
            break;
        }
        body.extend_from_slice(&raw[..length]);
        raw = &raw[length + 2..];
    }
    [&body, &b"|"[..], raw].concat()
}

/// Sends `bytes` and reads until the end or nothing more comes for `count` requests.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    visitor: &mut Visitor<S>,
    bytes: &[u8],
    count: usize,
) -> Vec<Option<Seen>> {
    visitor.send(bytes).await;
    let head = bytes.starts_with(b"HEAD");
    let mut answers = Vec::new();
    for _ in 0..count {
        match visitor.try_answer(head).await {
            Some(answer) => answers.push(Some(seen(&answer))),
            None => {
                answers.push(None);
                break;
            }
        }
    }
    answers
}

/// Requests that the lane takes, and some that it gives away.
fn requests() -> Vec<String> {
    let mut requests = Vec::new();
    for method in ["GET", "HEAD"] {
        for path in [
            "/",
            "/?q=1",
            "/stream",
            "/hop",
            "/large",
            "/fixed",
            "/empty",
            "/moved",
            "/slow/20",
            "/files/small.txt",
            "/files/large.bin",
            "/files/none",
            "/files/../x",
            "/a%2fb",
            "/a//b",
        ] {
            requests.push(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
    }
    for fields in [
        "Connection: close",
        "Connection: keep-alive",
        "TE: trailers",
        "Accept: text/html",
        "X-Forwarded-For: 1.2.3.4",
        "Cookie: a=b\r\nCookie: c=d",
        "X-Long: 0123456789\r\nX: \t y \t",
        "Accept-Encoding: gzip, br",
        "Upgrade-Insecure-Requests: 1",
        "X-\u{e9}: 1",
        "X: caf\u{e9}",
        "Expect: 100-continue",
        "Content-Length: 0",
        "Connection: x-private\r\nX-Private: 1",
        "Empty:",
    ] {
        for path in ["/stream", "/files/small.txt", "/files/none"] {
            requests.push(format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"
            ));
        }
    }
    for fields in [
        "Range: bytes=0-4",
        "Range: bytes=5-",
        "Range: bytes=-3",
        "Range: bytes=99999999-",
        "Range: bytes=0-1,4-5",
        "If-None-Match: *",
        "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT",
        "If-Match: \"x\"",
    ] {
        for path in ["/files/small.txt", "/files/large.bin"] {
            requests.push(format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"
            ));
        }
    }
    requests.push("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned());
    requests.push("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned());
    requests.push("GET /x HTTP/1.0\r\nHost: a\r\n\r\n".to_owned());
    requests.push("OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned());
    requests
}

#[tokio::test]
async fn both_ways_give_the_same_answers() {
    let app = App::start().await;
    let files = files();
    let (fast, general) = both(&app, &files);
    for request in requests() {
        let mut one = Visitor::connect(fast.http).await;
        let mut other = Visitor::connect(general.http).await;
        let expected = talk(&mut other, request.as_bytes(), 1).await;
        assert_eq!(
            talk(&mut one, request.as_bytes(), 1).await,
            expected,
            "{request}"
        );
        assert!(expected[0].is_some(), "no answer: {request}");
    }
}

#[tokio::test]
async fn both_ways_judge_raw_requests_alike() {
    let app = App::start().await;
    let files = files();
    let (fast, general) = both(&app, &files);
    for (name, bytes, _) in table() {
        let mut one = Visitor::connect(fast.http).await;
        let mut other = Visitor::connect(general.http).await;
        // One more than there can be is not waited for: the third request closes.
        let bytes = [
            &bytes[..],
            b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        ]
        .concat();
        let expected = talk(&mut other, &bytes, 4).await;
        app.take();
        assert_eq!(talk(&mut one, &bytes, 4).await, expected, "{name}");
        app.take();
    }
}

#[tokio::test]
async fn both_ways_give_the_same_answers_over_tls() {
    let app = App::start().await;
    let files = files();
    let (fast, general) = both(&app, &files);
    let visitor = async |proxy: &Proxy| {
        let to = proxy.https.expect("https");
        Visitor::new(connect(proxy.directory(), to, "http/1.1").await)
    };
    let (mut one, mut other) = (visitor(&fast).await, visitor(&general).await);
    let before = handed_over(&fast).await;
    for path in [
        "/",
        "/large",
        "/stream",
        "/fixed",
        "/files/small.txt",
        "/files/large.bin",
        "/none",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: site.example\r\n\r\n");
        let expected = talk(&mut other, request.as_bytes(), 1).await;
        assert_eq!(
            talk(&mut one, request.as_bytes(), 1).await,
            expected,
            "{path}"
        );
    }
    assert_eq!(handed_over(&fast).await, before);
    one.send("GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(one.answer(false).await.header("connection"), "close");
    assert!(one.ends().await);
}

#[tokio::test]
async fn plain_requests_stay_in_the_lane_and_others_leave_it() {
    let app = App::start().await;
    let files = files();
    let proxy = start(&app, &files);
    let mut visitor = Visitor::connect(proxy.http).await;
    for path in [
        "/",
        "/stream",
        "/large",
        "/files/large.bin",
        "/fixed",
        "/none",
    ] {
        visitor.get_again(path).await;
    }
    assert_eq!(handed_over(&proxy).await, 0);
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    assert_eq!(visitor.answer(false).await.text(), "hi");
    assert_eq!(visitor.get_again("/").await.status, 200);
    assert_eq!(handed_over(&proxy).await, 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_across_both_ways() {
    let app = App::start().await;
    let files = files();
    let proxy = start(&app, &files);
    let mut visitor = Visitor::connect(proxy.http).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    let all = [
        get("/slow/30"),
        get("/fixed"),
        get("/files/small.txt"),
        post.to_owned(),
        get("/slow/5"),
        get("/fixed"),
    ];
    visitor.send(all.concat()).await;
    let mut texts = Vec::new();
    for _ in 0..all.len() {
        texts.push(visitor.answer(false).await.text());
    }
    let stout = "short and stout";
    assert_eq!(texts, ["ok", stout, "small file", "body", "ok", stout]);
}

#[tokio::test]
async fn trailers_reach_a_visitor_who_wants_them() {
    let app = App::start().await;
    let files = files();
    let proxy = start(&app, &files);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("GET /stream HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
        .await;
    let with = visitor.answer(false).await;
    assert_eq!(
        without_chunks(&with.body),
        b"one two three|x-sum: 42\r\n\r\n"
    );
    let without = visitor.get_again("/stream").await;
    assert_eq!(without_chunks(&without.body), b"one two three|\r\n");
    assert_eq!(handed_over(&proxy).await, 0);
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_work_for_him() {
    let app = App::start().await;
    let files = files();
    let proxy = start(&app, &files);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("GET /slow/60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    until("it is at work", || app.begun() == 1).await;
    drop(visitor);
    until("it is logged as left", || {
        let log = proxy.log();
        log.lines()
            .any(|line| line.contains("/slow/60000") && line.contains("499"))
    })
    .await;
}

#[tokio::test]
async fn who_reads_slowly_gets_everything() {
    let app = App::start().await;
    let files = files();
    let proxy = start(&app, &files);
    for path in ["/large", "/files/large.bin"] {
        let mut visitor = Visitor::connect(proxy.http).await;
        visitor
            .send(format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            ))
            .await;
        let mut read = 0;
        let mut piece = vec![0; 100_000];
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            match visitor.stream.read(&mut piece).await.expect("bytes") {
                0 => break,
                more => read += more,
            }
        }
        let length = if path == "/large" { 3 << 20 } else { 3_000_000 };
        assert!((length..length + 1000).contains(&read), "{path}: {read}");
    }
    assert_eq!(handed_over(&proxy).await, 0);
}
