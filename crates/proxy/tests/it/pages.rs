//! Own pages for errors, and what an answer tells about its time.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::harness::proxy::output;
use crate::harness::{Answer, App, Proxy, Visitor};

/// An application that answers 503 with its own words.
async fn broken() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|_| async {
                let mut response = Response::new(Full::new(Bytes::from_static(b"stack trace")));
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Ok::<_, Infallible>(response)
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    target
}

async fn browse(proxy: &Proxy, host: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n");
    Visitor::ask(proxy.http, &request).await
}

fn pages() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    for (name, text) in [
        ("404.html", "<p>nothing here: {{request_id}}"),
        ("5xx.html", "<p>all sites: {{status}} {{message}}"),
        ("own.html", "<p>this site: {{status}}"),
        ("notes.txt", "no page"),
    ] {
        std::fs::write(directory.path().join(name), text).expect("page");
    }
    directory
}

#[tokio::test]
async fn pages_replace_what_browsers_see_and_programs_get_their_line() {
    let pages = pages();
    let at = pages.path().display();
    let target = broken().await;
    let proxy = Proxy::start(&format!(
        "[proxy.pages]\ndirectory = '{at}'\n\
         [[proxy.sites]]\nhosts = 'a'\npages = {{ 5xx = '{at}/own.html' }}\n\
         [[proxy.sites.routes]]\nprefix = '/app'\nupstream = 'app'\nintercept_errors = true\n\
         [[proxy.sites.routes]]\nprefix = '/raw'\nupstream = 'app'\n\
         [[proxy.sites]]\nhosts = 'b'\n\
         [[proxy.sites.routes]]\nprefix = '/app'\nupstream = 'app'\nintercept_errors = true\n\
         [proxy.upstreams.app]\ntargets = '{target}'\n"
    ));
    let missing = browse(&proxy, "a", "/x").await;
    let id = missing.header("x-request-id").to_owned();
    assert_eq!(
        (missing.status, missing.text()),
        (404, format!("<p>nothing here: {id}"))
    );
    assert!(!missing.has("content-security-policy"));
    assert_eq!(missing.header("cache-control"), "no-store");
    assert_eq!(
        browse(&proxy, "a", "/app").await.text(),
        "<p>this site: 503"
    );
    let other = browse(&proxy, "b", "/app").await;
    assert!(
        other.text().starts_with("<p>all sites: 503 "),
        "{}",
        other.text()
    );
    assert_eq!(browse(&proxy, "a", "/raw").await.text(), "stack trace");
    let program = Visitor::get(proxy.http, "/app").await;
    assert!(program.header("content-type").starts_with("text/plain"));
    assert!(!program.text().contains("stack trace"));
}

#[test]
fn a_page_that_cannot_be_read_is_a_problem_of_the_settings() {
    let settings = "[proxy.pages]\ndirectory = '/nonexistent'\n\
        [[proxy.sites]]\nhosts = 'a'\npages = { 404 = '/nonexistent/x.html', 200 = '/etc/hostname' }\n";
    let output = output(settings, &["check"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64));
    for part in [
        "`proxy.pages.directory`",
        "`proxy.sites[0].pages.404`",
        "`proxy.sites[0].pages.200`",
        "4xx",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[tokio::test]
async fn server_timing_is_told_where_it_is_asked_for() {
    let app = App::start().await;
    let proxy = Proxy::start(&format!(
        "[[proxy.sites]]\nhosts = '*'\nserver_timing = true\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\nprefix = '/quiet'\nupstream = 'app'\nserver_timing = false\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    ));
    let told = Visitor::get(proxy.http, "/").await;
    let timing = told.header("server-timing");
    assert!(
        timing.starts_with("total;dur=") && timing.contains(", upstream;dur="),
        "{timing}"
    );
    assert!(
        !Visitor::get(proxy.http, "/quiet")
            .await
            .has("server-timing")
    );
}

#[tokio::test]
async fn durations_and_bytes_are_counted_by_site_and_upstream() {
    let app = App::start().await;
    let settings = crate::harness::proxy::app(&app.target).replace("'*'", "'a'");
    let proxy = Proxy::start(&format!("admin = '127.0.0.1:0'\n{settings}"));
    for _ in 0..3 {
        assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
    }
    let admin = proxy.admin.expect("an admin address");
    let metrics = Visitor::get(admin, "/metrics").await.text();
    for line in [
        "kiuas_proxy_request_duration_seconds_count{site=\"a\"} 3",
        "kiuas_proxy_site_requests_total{site=\"a\",class=\"2xx\"} 3",
        "kiuas_proxy_site_response_bytes_total{site=\"a\"} 6",
        "kiuas_proxy_upstream_duration_seconds_count{upstream=\"app\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn a_program_that_prefers_json_gets_a_problem_in_json() {
    let proxy = crate::harness::Proxy::start("[[proxy.sites]]\nhosts = '*'\n");
    for (accept, media_type) in [
        ("application/json", "application/problem+json"),
        (
            "application/json, text/html;q=0.5",
            "application/problem+json",
        ),
        ("text/html, application/json", "text/html; charset=utf-8"),
        ("application/json;q=0, */*", "text/plain; charset=utf-8"),
    ] {
        let request = format!("GET /x HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
        let answer = crate::harness::Visitor::ask(proxy.http, &request).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, media_type)
        );
        if media_type == "application/problem+json" {
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(problem["status"], 404);
        }
    }
}
