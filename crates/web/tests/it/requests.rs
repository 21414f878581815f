//! What every request gets: ids, headers, error pages, and neighbours that survive panics.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use kiuas_common::telemetry::TRACEPARENT;
use kiuas_web::{Visitor, WebError};

use crate::harness::{start, start_tcp};

fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(async || "hello"))
        .route("/panic", web::get().to(panics))
        .route("/panic-at-once", web::get().to(panics_at_once))
        .service(web::resource("/conflict").get(conflict))
        .route("/broken", web::get().to(broken))
        .route("/visitor", web::get().to(visitor))
        .route("/number/{number}", web::get().to(number));
}

async fn panics() -> HttpResponse {
    tokio::task::yield_now().await;
    panic!("on purpose");
}

/// Panics before there is a future.
fn panics_at_once() -> impl Future<Output = HttpResponse> {
    let empty: [u8; 0] = [];
    let _first = empty.first().expect("on purpose");
    std::future::ready(HttpResponse::Ok().finish())
}

async fn conflict() -> Result<HttpResponse, WebError> {
    Err(WebError::conflict("You have voted already."))
}

async fn broken() -> Result<HttpResponse, WebError> {
    Err(std::io::Error::other("the password is hunter2").into())
}

async fn visitor(visitor: Visitor) -> impl Responder {
    let address = visitor
        .address
        .map_or_else(String::new, |address| address.to_string());
    format!("{} {} {}", visitor.origin(), address, visitor.request_id)
}

async fn number(number: web::Path<u8>) -> String {
    number.to_string()
}

const FROM_PROXY: &[(&str, &str)] = &[
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "example.org"),
    ("X-Request-Id", "abc-123"),
];

#[tokio::test]
async fn a_panic_is_a_500_with_the_request_id_and_the_process_goes_on() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    for path in ["/panic", "/panic-at-once"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        let id = answer.header("x-request-id").expect("id");
        assert!(answer.body.contains(id), "{answer:?}");
        assert!(!answer.body.contains("on purpose"), "{answer:?}");
    }
    assert_eq!(client.get("/").await.body, "hello");
    let metrics = server.metrics.encode().expect("metrics");
    assert!(metrics.contains("kiuas_web_panics_total 2"), "{metrics}");
}

#[tokio::test]
async fn an_unknown_page_is_a_404_in_the_form_that_the_visitor_accepts() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    for (accept, media_type, part) in [
        (
            "text/html",
            "text/html; charset=utf-8",
            "<h1>Not Found</h1>",
        ),
        (
            "application/json",
            "application/problem+json",
            "\"status\":404",
        ),
        ("*/*", "text/plain; charset=utf-8", "404 Not Found"),
    ] {
        let answer = client
            .request("GET", "/nothing", &[("Accept", accept)], "")
            .await
            .expect("answer");
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert!(answer.body.contains(part), "{answer:?}");
    }
    let answer = client.request("HEAD", "/nothing", &[], "").await;
    assert_eq!(answer.expect("answer").body, "");
}

#[tokio::test]
async fn an_error_says_what_the_visitor_may_know_and_no_more() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    let conflict = client.get("/conflict").await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.body.contains("You have voted already."));
    let broken = client.get("/broken").await;
    assert_eq!(broken.status, 500);
    assert!(!broken.body.contains("hunter2"), "{broken:?}");
    let number = client.get("/number/300").await;
    assert_eq!(number.status, 404);
}

#[tokio::test]
async fn the_wrong_method_is_a_405() {
    let server = start(routes).await;
    let answer = server
        .connect()
        .await
        .request("OPTIONS", "/conflict", &[], "")
        .await
        .expect("answer");
    assert_eq!(answer.status, 405);
    assert!(answer.body.contains("405"), "{answer:?}");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = start(routes).await;
    for path in ["/", "/nothing", "/panic"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert!(answer.header("referrer-policy").is_some());
        let policy = answer.header("content-security-policy").expect("policy");
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        assert!(policy.contains("wss://site.test"), "{policy}");
    }
}

#[tokio::test]
async fn the_proxy_on_this_machine_is_believed() {
    for server in [start(routes).await, start_tcp(routes).await] {
        let answer = server
            .connect()
            .await
            .request("GET", "/visitor", FROM_PROXY, "")
            .await
            .expect("answer");
        assert_eq!(answer.body, "https://example.org 198.51.100.7 abc-123");
        assert_eq!(answer.header("x-request-id"), Some("abc-123"));
    }
}

#[tokio::test]
async fn the_readiness_probe_is_nobody_elses() {
    let server = start(routes).await;
    assert_eq!(server.get("/.kiuas/probe").await.status, 404);
}

#[tokio::test]
async fn an_ill_formed_trace_context_is_ignored() {
    let server = start(routes).await;
    let answer = server
        .connect()
        .await
        .request("GET", "/", &[(TRACEPARENT, "00-zz")], "")
        .await;
    assert_eq!(answer.expect("answer").status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_method_class_and_route() {
    let server = start(routes).await;
    server.get("/number/7").await;
    server.get("/nothing").await;
    let metrics = server.metrics.encode().expect("metrics");
    for part in [
        "kiuas_web_requests_total{method=\"GET\",status=\"4xx\"} 1",
        "kiuas_web_request_duration_seconds_count{route=\"/number/{number}\"} 1",
        "kiuas_web_request_duration_seconds_count{route=\"unmatched\"} 1",
        "kiuas_web_requests_in_flight 0",
    ] {
        assert!(metrics.contains(part), "{part} in {metrics}");
    }
}
