//! Forwarding: what an application is sent and what a visitor gets back.

use std::time::SystemTime;

use crate::harness::{App, Proxy, Visitor};

#[tokio::test]
async fn a_request_goes_to_a_unix_socket_and_back() {
    let app = App::start_unix().await;
    let proxy = Proxy::to(&app.target);
    let answer = Visitor::get(proxy.http, "/hello?a=b").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    let seen = app.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("GET", "/hello?a=b")
    );
}

#[tokio::test]
async fn connections_to_the_application_are_used_again() {
    let app = App::start_unix().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    for _ in 0..20 {
        assert_eq!(visitor.get_again("/").await.status, 200);
    }
    let answer = Visitor::ask(
        proxy.http,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    )
    .await;
    assert_eq!(answer.text(), "abc");
    assert_eq!(app.connections(), 1);
}

#[tokio::test]
async fn a_body_passes_unchanged_in_both_directions() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let body = "0123456789".repeat(50_000);
    let mut visitor = Visitor::connect(proxy.http).await;
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    visitor.send(head + &body).await;
    assert!(visitor.answer(false).await.text() == body);
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n")
        .await;
    assert_eq!(visitor.answer(false).await.text(), "abcde");
    assert_eq!(visitor.get_again("/large").await.body.len(), 3 << 20);
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n";
    Visitor::ask(proxy.http, request).await;
    let trailers = app.only().trailers.expect("trailers");
    assert_eq!(trailers["x-sum"], "7");
    let request = "GET /stream HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    assert!(answer.text().contains("three"), "{}", answer.text());
    assert!(answer.text().contains("x-sum: 42"), "{}", answer.text());
}

#[tokio::test]
async fn the_application_is_told_who_asks_by_us_alone() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let request = "GET / HTTP/1.1\r\nHost: Site.example:81\r\nX-Forwarded-For: 6.6.6.6\r\n\
        X_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\nX-Request-Id: mine-mine-mine\r\n\
        X-Request-Start: t=1.000\r\nX_Request_Start: t=1.000\r\nX-Queue-Start: t=1.000\r\n\
        Proxy: http://evil\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
        Accept: */*\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    let seen = app.only();
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("x-forwarded-host"), "Site.example:81");
    assert_eq!(seen.header("host"), "Site.example:81");
    assert_eq!(
        seen.header("forwarded"),
        "for=127.0.0.1;host=\"Site.example:81\";proto=http"
    );
    assert_eq!(seen.header("accept"), "*/*");
    let start = seen.header("x-request-start");
    let start: f64 = start
        .strip_prefix("t=")
        .and_then(|it| it.parse().ok())
        .expect("time");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    assert!(
        (now.expect("clock").as_secs_f64() - start).abs() < 60.0,
        "{start}"
    );
    let dropped = [
        "x_forwarded_for",
        "x-real-ip",
        "proxy",
        "traceparent",
        "x_request_start",
        "x-queue-start",
    ];
    for name in dropped {
        assert!(!seen.headers.contains_key(name), "{name} came through");
    }
    let id = seen.header("x-request-id");
    assert!(
        id.len() == 36 && answer.header("x-request-id") == id,
        "{id}"
    );
}

#[tokio::test]
async fn a_trusted_peer_is_believed() {
    let app = App::start().await;
    let settings = format!(
        "trusted = '127.0.0.0/8'\n{}",
        crate::harness::proxy::app(&app.target)
    );
    let proxy = Proxy::start(&settings);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 9.9.9.9, 127.0.0.5\r\n\
        X-Forwarded-Proto: https\r\nX-Request-Id: from-the-balancer\r\n\
        traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    Visitor::ask(proxy.http, request).await;
    let seen = app.only();
    assert_eq!(seen.header("x-forwarded-for"), "9.9.9.9");
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert_eq!(seen.header("x-request-id"), "from-the-balancer");
    assert!(
        seen.header("traceparent")
            .contains("0af7651916cd43dd8448eb211c80319c")
    );
}

#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let request = "GET /hop HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: 5\r\n\
        X-Mine: 1\r\nX-Kept: 1\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nTE: gzip\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    let seen = app.only();
    for name in [
        "connection",
        "keep-alive",
        "x-mine",
        "proxy-connection",
        "upgrade",
        "te",
    ] {
        assert!(!seen.headers.contains_key(name), "{name} came through");
    }
    assert_eq!(seen.header("x-kept"), "1");
    assert!(
        !answer.has("keep-alive") && !answer.has("x-private"),
        "{}",
        answer.head
    );
    assert_eq!(answer.header("x-public"), "1");
}

#[tokio::test]
async fn expect_100_continue_is_answered() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    let mut line = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut visitor.stream, &mut line)
        .await
        .expect("an interim answer");
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    visitor.send("abc").await;
    assert_eq!(visitor.answer(false).await.text(), "abc");
}

#[tokio::test]
async fn every_request_is_one_log_line_without_its_query() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    Visitor::get(proxy.http, "/logged?token=secret").await;
    crate::harness::until("the line is there", || proxy.log().contains("/logged")).await;
    let log = proxy.log();
    let line = log
        .lines()
        .find(|line| line.contains("/logged"))
        .expect("line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["target"], "access");
    assert_eq!(line["url.path"], "/logged");
    assert_eq!(line["http.response.status_code"], 200);
    assert_eq!(line["http.response.body.bytes"], 2);
    assert!(line["duration_ms"].is_f64() && line["upstream.duration_ms"].is_f64());
    assert!(!log.contains("secret"));
}

#[tokio::test]
async fn the_admin_listener_counts() {
    let app = App::start().await;
    let settings = format!(
        "admin = '127.0.0.1:0'\n{}",
        crate::harness::proxy::app(&app.target)
    );
    let proxy = Proxy::start(&settings);
    Visitor::get(proxy.http, "/").await;
    Visitor::ask(proxy.http, "GET / HTTP/1.1\r\n\r\n").await;
    let metrics = Visitor::get(proxy.admin.expect("admin"), "/metrics")
        .await
        .text();
    for line in [
        "kiuas_proxy_requests_total{class=\"2xx\"} 1",
        "kiuas_proxy_requests_total{class=\"4xx\"} 1",
        "kiuas_proxy_refused_requests_total{rule=\"no_host\"} 1",
        "kiuas_proxy_upstream_connections{upstream=\"app\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn the_application_is_a_child_of_our_span_when_traces_are_exported() {
    const THEIRS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let app = App::start().await;
    for (trusted, kept) in [("", false), ("127.0.0.1", true)] {
        let proxy = Proxy::start(&format!(
            "[proxy]\nhttp = '127.0.0.1:0'\ntrusted = '{trusted}'\n\
             [telemetry]\notlp_endpoint = 'http://127.0.0.1:1'\n{}",
            crate::harness::proxy::app(&app.target)
        ));
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {THEIRS}\r\n\r\n");
        Visitor::ask(proxy.http, &request).await;
        let sent = app.only().header("traceparent").to_owned();
        assert_eq!(sent.len(), THEIRS.len(), "{sent}");
        assert_eq!(sent[3..35] == THEIRS[3..35], kept, "{sent}");
        assert_ne!(sent[36..52], THEIRS[36..52], "the parent is our span");
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_is_logged_and_the_application_is_let_go() {
    let app = App::start().await;
    let settings = format!(
        "admin = '127.0.0.1:0'\n{}",
        crate::harness::proxy::app(&app.target)
    );
    let proxy = Proxy::start(&settings);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("GET /slow/60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    crate::harness::until("it is at work", || app.begun() == 1).await;
    drop(visitor);
    crate::harness::until("it is logged", || proxy.log().contains("/slow/60000 499")).await;
    let metrics = Visitor::get(proxy.admin.expect("admin"), "/metrics")
        .await
        .text();
    assert!(
        metrics.contains("kiuas_proxy_requests_in_flight 0"),
        "{metrics}"
    );
}
