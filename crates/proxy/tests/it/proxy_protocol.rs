//! Connections that come by way of a balancer which speaks the PROXY protocol.

use crate::harness::{App, Proxy, Visitor, proxy};

fn behind_balancer(target: &str, peers: &str) -> Proxy {
    Proxy::start(&format!(
        "proxy_protocol = '{peers}'\n{}",
        proxy::app(target)
    ))
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn the_application_is_told_the_visitor_whom_the_balancer_names() {
    let app = App::start().await;
    let proxy = behind_balancer(&app.target, "127.0.0.0/8");
    let line = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    let answer = Visitor::ask(proxy.http, &format!("{line}{REQUEST}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(app.only().header("x-forwarded-for"), "192.0.2.7");

    let mut visitor = Visitor::connect(proxy.http).await;
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
    let source: std::net::Ipv6Addr = "2001:db8::7".parse().expect("address");
    bytes.extend(source.octets());
    bytes.extend([0; 16]);
    bytes.extend([0xdc, 4, 1, 0xbb]);
    bytes.extend(REQUEST.as_bytes());
    visitor.send(bytes).await;
    assert_eq!(visitor.answer(false).await.status, 200);
    assert_eq!(app.only().header("x-forwarded-for"), "2001:db8::7");
}

#[tokio::test]
async fn a_balancer_that_does_not_introduce_the_visitor_is_not_served() {
    let app = App::start().await;
    let proxy = behind_balancer(&app.target, "127.0.0.1");
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor.send(REQUEST).await;
    assert_eq!(visitor.try_answer(false).await, None);
    assert_eq!(app.begun(), 0);
}

#[tokio::test]
async fn a_strangers_header_is_no_request_and_names_nobody() {
    let app = App::start().await;
    let proxy = behind_balancer(&app.target, "10.0.0.0/8");
    let line = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    let answer = Visitor::ask(proxy.http, &format!("{line}{REQUEST}")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(app.begun(), 0);
}
