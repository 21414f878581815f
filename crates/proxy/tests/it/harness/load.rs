//! Visitors of every kind at once, while something is done to the proxy: connections that are kept, new
//! connections, open WebSockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{accept_async, client_async};

use super::{PATIENCE, Visitor, until};

const KEPT: usize = 4;
const NEW: usize = 2;
const SOCKETS: usize = 5;
/// Between two requests of one visitor.
const PACE: Duration = Duration::from_millis(5);

/// What the visitors saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    answered: AtomicUsize,
    lost: AtomicUsize,
    told_to_close: AtomicUsize,
    open: AtomicUsize,
    echoed: AtomicUsize,
    restarted: AtomicUsize,
    broken: AtomicUsize,
    stop: AtomicBool,
}

impl Tally {
    fn add(number: &AtomicUsize) {
        number.fetch_add(1, Ordering::SeqCst);
    }

    /// Requests answered with 200.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Requests answered otherwise or not at all, and connections refused.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    /// Kept connections that an answer ended.
    pub(crate) fn told_to_close(&self) -> usize {
        self.told_to_close.load(Ordering::SeqCst)
    }

    /// WebSockets that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Messages that came back.
    pub(crate) fn echoed(&self) -> usize {
        self.echoed.load(Ordering::SeqCst)
    }

    /// WebSockets closed with 1012.
    pub(crate) fn restarted(&self) -> usize {
        self.restarted.load(Ordering::SeqCst)
    }

    /// WebSockets that ended in any other way.
    pub(crate) fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// The visitors at work.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) tally: Arc<Tally>,
    visitors: Vec<JoinHandle<()>>,
}

impl Load {
    /// Sites must forward `/ws` to [`echo`] and `/` to an application. Returns when all are at work.
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let tally = Arc::new(Tally::default());
        let mut visitors = Vec::new();
        for _ in 0..KEPT {
            visitors.push(tokio::spawn(kept(to, Arc::clone(&tally))));
        }
        for _ in 0..NEW {
            visitors.push(tokio::spawn(new(to, Arc::clone(&tally))));
        }
        for _ in 0..SOCKETS {
            visitors.push(tokio::spawn(socket(to, Arc::clone(&tally))));
        }
        until("the load runs", || {
            tally.answered() > 50 && tally.open() == SOCKETS
        })
        .await;
        Self { tally, visitors }
    }

    /// Waits for `count` more answers.
    pub(crate) async fn more(&self, count: usize) {
        let aim = self.tally.answered() + count;
        until("more is answered", || self.tally.answered() >= aim).await;
    }

    /// Ends all visitors.
    pub(crate) async fn stop(self) -> Arc<Tally> {
        self.tally.stop.store(true, Ordering::SeqCst);
        for visitor in self.visitors {
            visitor.await.expect("a visitor");
        }
        self.tally
    }
}

async fn kept(to: SocketAddr, tally: Arc<Tally>) {
    while !tally.stopped() {
        let Ok(stream) = TcpStream::connect(to).await else {
            Tally::add(&tally.lost);
            continue;
        };
        let mut visitor = Visitor::new(stream);
        while !tally.stopped() {
            visitor.send("GET /kept HTTP/1.1\r\nHost: a\r\n\r\n").await;
            match visitor.try_answer(false).await {
                Some(answer) if answer.status == 200 => {
                    Tally::add(&tally.answered);
                    if answer.header("connection") == "close" {
                        Tally::add(&tally.told_to_close);
                        break;
                    }
                }
                _ => {
                    Tally::add(&tally.lost);
                    break;
                }
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

async fn new(to: SocketAddr, tally: Arc<Tally>) {
    while !tally.stopped() {
        let Ok(stream) = TcpStream::connect(to).await else {
            Tally::add(&tally.lost);
            continue;
        };
        let mut visitor = Visitor::new(stream);
        visitor
            .send("GET /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        match visitor.try_answer(false).await {
            Some(answer) if answer.status == 200 => Tally::add(&tally.answered),
            _ => Tally::add(&tally.lost),
        }
        tokio::time::sleep(PACE).await;
    }
}

/// One WebSocket with a message at a time, to its end.
async fn socket(to: SocketAddr, tally: Arc<Tally>) {
    let stream = TcpStream::connect(to).await.expect("connection");
    let (mut socket, _) = client_async("ws://a/ws", stream).await.expect("handshake");
    Tally::add(&tally.open);
    while !tally.stopped() {
        // A failed write is told by what is read next.
        drop(socket.send(Message::text("again")).await);
        let message = tokio::time::timeout(PATIENCE, socket.next()).await;
        match message.expect("a message in time") {
            Some(Ok(Message::Text(_))) => Tally::add(&tally.echoed),
            Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Restart => {
                Tally::add(&tally.restarted);
                return;
            }
            _ => {
                Tally::add(&tally.broken);
                return;
            }
        }
        tokio::time::sleep(PACE * 2).await;
    }
}

/// An application that sends every text back; its address.
pub(crate) async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = accept_async(stream).await else {
                    return;
                };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    target
}

/// Settings with `/ws` to `echo` and everything else to `app`.
pub(crate) fn sites(app: &str, echo: &str) -> String {
    format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/ws'\nupstream = 'echo'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [proxy.upstreams.app]\ntargets = '{app}'\n\
         [proxy.upstreams.echo]\ntargets = '{echo}'\n"
    )
}
