//! Request bodies that are taken in before an application hears of them.

use std::path::Path;
use std::time::Duration;

use crate::harness::{App, Proxy, Visitor, proxy, until};

fn settings(app: &App, spool: &str, route: &str) -> String {
    let sites = proxy::app(&app.target);
    let sites = sites.replace("upstream = 'app'", &format!("upstream = 'app'\n{route}"));
    format!("[proxy.spool]\n{spool}\n{sites}")
}

/// How many files below `directory` the proxy holds open.
fn files(proxy: &Proxy, directory: &Path) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).expect("descriptors");
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|path| path.starts_with(directory))
        .count()
}

#[tokio::test]
async fn an_application_hears_of_a_request_when_its_body_is_complete() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    // Whoever asks later is served before.
    assert_eq!(Visitor::get(proxy.http, "/other").await.status, 200);
    assert_eq!(app.begun(), 1);
    visitor.send("def").await;
    assert_eq!(visitor.answer(false).await.text(), "abcdef");
}

#[tokio::test]
async fn a_large_body_goes_through_a_file_without_a_name() {
    let app = App::start().await;
    let directory = tempfile::tempdir().expect("directory");
    let directory = directory.path();
    let spool = format!("memory = '10KiB'\ndirectory = '{}'", directory.display());
    let proxy = Proxy::start(&settings(&app, &spool, ""));
    let body: String = (0..200_000).map(|number| format!("{number:07}")).collect();
    // The last piece would find room in memory.
    let (first, rest) = body.split_at(body.len() - 3000);
    let mut visitor = Visitor::connect(proxy.http).await;
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    visitor.send(head + first).await;
    until("it is spooled", || files(&proxy, directory) == 1).await;
    let listed = std::fs::read_dir(directory).expect("directory");
    assert_eq!(listed.count(), 0, "the file has no name");
    visitor.send(rest).await;
    assert!(visitor.answer(false).await.text() == body);
    until("the file is gone", || files(&proxy, directory) == 0).await;
    // Also for a body of unknown length; the application learns it.
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    app.take();
    visitor.send(request).await;
    assert!(visitor.answer(false).await.text() == body);
    assert_eq!(app.only().header("content-length"), body.len().to_string());
}

#[tokio::test]
async fn trailers_wait_with_their_body() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n")
        .await;
    visitor.send("0\r\nX-Sum: 3\r\n\r\n").await;
    assert_eq!(visitor.answer(false).await.text(), "abc");
    let trailers = app.only().trailers.expect("trailers");
    assert_eq!(trailers["x-sum"], "3");
}

#[tokio::test]
async fn when_memory_is_used_up_files_take_over() {
    let app = App::start().await;
    let directory = tempfile::tempdir().expect("directory");
    let directory = directory.path();
    let spool = format!(
        "memory_total = '1KiB'\ndirectory = '{}'",
        directory.display()
    );
    let proxy = Proxy::start(&settings(&app, &spool, ""));
    let mut visitor = Visitor::connect(proxy.http).await;
    let body = "x".repeat(2000);
    visitor
        .send(format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n{body}"
        ))
        .await;
    until("it is spooled", || files(&proxy, directory) == 1).await;
    visitor.send(&body).await;
    assert!(visitor.answer(false).await.text() == body.repeat(2));
}

#[tokio::test]
async fn a_full_spool_is_507_and_says_where() {
    let app = App::start().await;
    let text = settings(&app, "memory = '1KiB'\ntotal = '100KiB'", "");
    let proxy = Proxy::start(&text);
    let body = "x".repeat(200_000);
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = Visitor::ask(proxy.http, &request).await;
    assert_eq!((answer.status, answer.header("retry-after")), (507, "30"));
    assert!(proxy.log().contains("finds no room in"), "{}", proxy.log());
    // What was taken is free again.
    let small = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n{}",
        "y".repeat(90_000)
    );
    assert_eq!(Visitor::ask(proxy.http, &small).await.status, 200);
    assert_eq!(app.take().len(), 1);
}

#[tokio::test]
async fn a_body_larger_than_allowed_reaches_no_application() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "body = '10KiB'");
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(11)
    );
    assert_eq!(Visitor::ask(proxy.http, &request).await.status, 413);
    assert_eq!(app.begun(), 0);
}

#[tokio::test]
async fn a_body_that_drips_is_408_although_it_never_pauses() {
    let app = App::start().await;
    let limits = "body_timeout = '300ms'\nbody_min_rate = '1KiB'";
    let proxy = Proxy::with_limits(&app.target, limits);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        .await;
    let (mut read, mut write) = visitor.stream.into_split();
    let drip = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut read, &mut answer);
    tokio::time::timeout(crate::harness::PATIENCE, read)
        .await
        .expect("an answer in time")
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    drip.abort();
    assert_eq!(app.begun(), 0);
}

#[tokio::test]
async fn a_route_may_pass_bodies_on_as_they_come() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app, "", "request_buffering = false"));
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    until("the application has begun", || app.begun() == 1).await;
    visitor.send("def").await;
    assert_eq!(visitor.answer(false).await.text(), "abcdef");
}

#[tokio::test]
async fn who_expects_100_gets_it_before_the_body_is_taken_in() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let mut interim = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut visitor.stream, &mut interim)
        .await
        .expect("100");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(app.begun(), 0);
    visitor.send("abc").await;
    assert_eq!(visitor.answer(false).await.text(), "abc");
}

#[tokio::test]
async fn a_body_cut_off_never_reaches_an_application() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    drop(visitor);
    until("it is logged", || proxy.log().contains("POST / 400")).await;
    assert_eq!(app.begun(), 0);
}
