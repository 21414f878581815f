//! Who is believed what it says about visitors: the proxy on this machine, and nobody else.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use actix_web::web::{self, ServiceConfig};
use kiuas_common::testing::skip;
use kiuas_web::Visitor;

use crate::harness::{Running, settings, start, start_at, start_tcp};

fn routes(config: &mut ServiceConfig) {
    config.route("/visitor", web::get().to(visitor));
}

async fn visitor(visitor: Visitor) -> String {
    let address = visitor
        .address
        .map_or_else(String::new, |it| it.to_string());
    format!("{} {address} {}", visitor.origin(), visitor.request_id)
}

/// What the proxy would say of a visitor. The request would have waited too long, too.
async fn claims(server: &Running) -> (u16, String) {
    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let start = start.expect("clock") - Duration::from_secs(5);
    let start = format!("t={}.000", start.as_secs());
    let headers = [
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "example.org"),
        ("X-Request-Id", "abc-123"),
        ("X-Request-Start", &start),
    ];
    let mut client = server.connect().await;
    let answer = client.request("GET", "/visitor", &headers, "").await;
    let answer = answer.expect("answer");
    (answer.status, answer.body)
}

/// An address of this machine that is not loopback. No packet is sent for it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[tokio::test]
async fn the_proxy_on_a_unix_socket_or_on_loopback_is_believed() {
    for server in [start(routes).await, start_tcp(routes).await] {
        let said = "https://example.org 198.51.100.7 abc-123".to_owned();
        assert_eq!(claims(&server).await, (200, said));
    }
}

#[tokio::test]
async fn a_peer_from_elsewhere_is_believed_nothing() {
    let Some(ip) = own_address() else {
        return skip("peers from elsewhere: this machine has no address but loopback");
    };
    let strict = kiuas_web::WebSettings {
        queue_timeout: kiuas_common::Period::seconds(1),
        ..settings()
    };
    let server = start_at(ip, strict, routes).await;
    let (status, said) = claims(&server).await;
    assert_eq!(status, 200, "{said}");
    let (seen, id) = said.rsplit_once(' ').expect("words");
    assert_eq!(seen, format!("http://site.test {ip}"));
    assert_ne!(id, "abc-123");
}
