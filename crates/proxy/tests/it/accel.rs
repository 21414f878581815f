//! `X-Accel-Redirect`: the application says who may have a file, the proxy sends it.

use crate::files::write;
use crate::harness::raw::says;
use crate::harness::visitor::Answer;
use crate::harness::{Proxy, Visitor};

/// A proxy in front of an application that answers everything with these fields.
async fn start(fields: &str) -> Proxy {
    let (target, _) = says(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{fields}\r\nlocal"
    ))
    .await;
    let proxy = Proxy::start(&format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\nprefix = '/protected/'\ninternal = true\n\
         files = {{ root = '$DIR/root', cache_control = 'public' }}\n\
         [[proxy.sites.routes]]\nprefix = '/public/'\nfiles = {{ root = '$DIR/root' }}\n\
         [proxy.upstreams.app]\ntargets = '{target}'\n"
    ));
    write(&proxy, "a b.txt", b"0123456789");
    write(&proxy, "app.3f9a01bc.js", b"let a;");
    write(&proxy, ".secret", b"no");
    write(&proxy, "sub/index.html", b"index");
    proxy
}

async fn get(proxy: &Proxy, fields: &str) -> Answer {
    let request = format!("GET /download HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    Visitor::ask(proxy.http, &request).await
}

#[tokio::test]
async fn the_file_comes_with_what_the_application_said_about_it() {
    let proxy = start(
        "X-Accel-Redirect: /protected/a%20b.txt?ignored\r\nX-Accel-Buffering: no\r\n\
         Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\
         Cache-Control: private\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Other: 1\r\n\
         ETag: \"the application's\"\r\nVary: cookie\r\n",
    )
    .await;
    let answer = get(&proxy, "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"));
    for (name, value) in [
        ("content-type", "application/pdf"),
        ("content-disposition", "attachment; filename=a.pdf"),
        ("cache-control", "private"),
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
        ("vary", "cookie"),
        ("x-other", ""),
        ("x-accel-redirect", ""),
        ("x-accel-buffering", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert_eq!(
        answer.head.matches("set-cookie").count(),
        2,
        "{}",
        answer.head
    );
    let tag = answer.header("etag").to_owned();
    assert!(!tag.contains("application"), "{tag}");
    let part = get(&proxy, "Range: bytes=2-3\r\n").await;
    assert_eq!((part.status, part.text().as_str()), (206, "23"));
    assert_eq!(part.header("content-type"), "application/pdf");
    let known = get(&proxy, &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!(
        (known.status, known.header("cache-control")),
        (304, "private")
    );
    assert!(!known.has("content-type"));
    let request = "POST /download HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"));
}

#[tokio::test]
async fn without_a_word_the_file_speaks_for_itself() {
    let proxy = start("X-Accel-Redirect: /protected/app.3f9a01bc.js\r\n").await;
    let answer = get(&proxy, "").await;
    assert_eq!(
        answer.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    // Not a year in everybody's cache: the next visitor may not have it.
    assert_eq!(answer.header("cache-control"), "public");
}

#[tokio::test]
async fn visitors_cannot_reach_what_is_internal() {
    let proxy = start("X-Accel-Redirect: /protected/a%20b.txt\r\n").await;
    for path in [
        "/protected/a%20b.txt",
        "/protected/",
        "/%70rotected/a%20b.txt",
    ] {
        assert_eq!(Visitor::get(proxy.http, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_not_found() {
    for target in [
        "/protected/none",
        "/protected/../default.toml",
        "/protected/%2e%2e/default.toml",
        "/protected/.secret",
        "/protected/sub",
        "/public/a%20b.txt",
        "/elsewhere",
        "protected/a",
        "@named",
        "https://example.org/protected/a",
        "",
    ] {
        let proxy = start(&format!("X-Accel-Redirect: {target}\r\n")).await;
        let answer = get(&proxy, "").await;
        assert_eq!(answer.status, 404, "{target}");
        assert!(!answer.has("x-accel-redirect") && !answer.text().contains("local"));
    }
}

#[tokio::test]
async fn words_to_the_proxy_never_reach_visitors() {
    let proxy = start("X-Accel-Expires: 60\r\nX-Accel-Limit-Rate: 1\r\nX-Accel: kept\r\n").await;
    let answer = get(&proxy, "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "local"));
    assert!(!answer.has("x-accel-expires") && !answer.has("x-accel-limit-rate"));
    assert!(answer.has("x-accel"));
}
