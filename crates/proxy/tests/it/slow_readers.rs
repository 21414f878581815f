//! Visitors who read answers, but so slowly that they would have them for ever.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::frames::{
    END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, SETTINGS, frame, frames,
};
use crate::harness::{App, PATIENCE, Proxy, Visitor, proxy};

const ENHANCE_YOUR_CALM: u32 = 0xb;
const WINDOW_UPDATE: u8 = 8;
/// GET /large of `site.example`, without entries in the dynamic table.
const HEAD: &[u8] = b"\x82\x86\x41\x0csite.example\x04\x06/large";

/// Reads so many bytes twenty times a second, to the end.
async fn trickle(mut stream: TcpStream, bytes: usize) {
    let mut space = vec![0; bytes];
    while stream.read(&mut space).await.is_ok_and(|read| read > 0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_visitor_who_reads_a_trickle_is_cut_off_though_he_never_pauses() {
    let app = App::start().await;
    let proxy = Proxy::start(&format!(
        "admin = '127.0.0.1:0'\n[proxy.limits]\nwrite_min_rate = '1MiB'\n{}",
        proxy::app(&app.target)
    ));
    let socket = TcpSocket::new_v4().expect("socket");
    // The kernels between us shall not read in the visitor's place.
    socket.set_recv_buffer_size(4096).expect("buffer");
    let mut stream = socket.connect(proxy.http).await.expect("connect");
    let request = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(8);
    stream.write_all(request.as_bytes()).await.expect("sent");
    // 100 KiB a second: the answers would take four minutes.
    let reader = tokio::spawn(trickle(stream, 5 * 1024));
    let admin = proxy.admin.expect("admin");
    let open = |count| format!("kiuas_proxy_connections{{scheme=\"http\"}} {count}\n");
    let gauge = async |count| {
        while !Visitor::get(admin, "/metrics")
            .await
            .text()
            .contains(&open(count))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    gauge(1).await;
    tokio::time::timeout(PATIENCE, gauge(0))
        .await
        .expect("it is cut off");
    reader.abort();
}

/// Opens the window of its one stream by so many bytes every half second; the error code that its
/// connection ends with.
async fn widen(proxy: &Proxy, bytes: u32) -> Option<u32> {
    let mut stream = TcpStream::connect(proxy.http).await.expect("connect");
    let [_, _, high, low] = bytes.to_be_bytes();
    let mut opening = PREFACE.to_vec();
    opening.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, high, low]));
    opening.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, HEAD));
    stream.write_all(&opening).await.expect("sent");
    let (mut from, mut to) = stream.split();
    let mut heard = Vec::new();
    let update = frame(WINDOW_UPDATE, 0, 1, &bytes.to_be_bytes());
    let updates = async {
        while to.write_all(&update).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // However it ends: what was read counts.
        _ = from.read_to_end(&mut heard) => {}
        () = updates => {}
    }
    let goaway = frames(&heard).filter(|frame| frame.kind == GOAWAY);
    goaway.map(|frame| frame.code()).last()
}

#[tokio::test]
async fn a_stream_that_is_read_in_a_trickle_ends_its_connection_and_a_slow_one_does_not() {
    let app = App::start().await;
    let proxy = Proxy::start(&format!("h2c = true\n{}", proxy::app(&app.target)));
    // 400 and 4,000 bytes a second, where 500 are the least.
    let both = async {
        tokio::select! {
            code = widen(&proxy, 200) => code,
            code = widen(&proxy, 2000) => panic!("the faster one ended with {code:?}"),
        }
    };
    let code = tokio::time::timeout(PATIENCE, both).await.expect("an end");
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
}
