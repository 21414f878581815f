//! Thousands of idle WebSockets.

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::load::echo;
use crate::harness::{Proxy, proxy};
use kiuas_common::testing::skip;

const WANTED: u64 = 10_000;
/// Opened at the same time.
const AT_ONCE: usize = 100;
/// Of the proxy's memory, for one of them.
const MOST_KIB: u64 = 8;

/// How many fit: this process and the proxy have two descriptors for each, and some others.
fn most() -> u64 {
    let hard = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Nofile, limit).expect("a higher limit of open files");
    let fit = hard.map_or(WANTED, |hard| hard.saturating_sub(1000) / 2);
    if fit < WANTED {
        skip(&format!(
            "{} of {WANTED} idle WebSockets: no more files may be open",
            WANTED - fit
        ));
    }
    fit.min(WANTED)
}

#[tokio::test]
async fn thousands_of_idle_websockets_cost_little_and_all_of_them_live() {
    let count = most();
    let target = echo().await;
    let proxy = Proxy::start(&format!(
        "[proxy.limits]\nconnections = 11000\n{}max_connections = 11000\n",
        proxy::app(&target)
    ));
    let before = proxy.private_kib();
    let open = || async {
        let stream = TcpStream::connect(proxy.http).await.expect("connection");
        client_async("ws://site/live", stream)
            .await
            .expect("handshake")
            .0
    };
    let mut opening = FuturesUnordered::new();
    let mut sockets = Vec::new();
    for _ in 0..count {
        opening.push(open());
        if opening.len() == AT_ONCE {
            sockets.extend(opening.next().await);
        }
    }
    while let Some(socket) = opening.next().await {
        sockets.push(socket);
    }
    let each = proxy.private_kib().saturating_sub(before) / count;
    assert!(each <= MOST_KIB, "{each} KiB for an idle WebSocket");
    for socket in &mut sockets {
        socket.send(Message::text("alive")).await.expect("sent");
        let answer = socket.next().await.expect("message").expect("message");
        assert_eq!(answer, Message::text("alive"));
    }
}
