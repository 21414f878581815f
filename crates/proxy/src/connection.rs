//! One visitor's connection, from accept to its end: TLS if it is due, the protocol by ALPN, the time
//! limits, the drain.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kiuas_common::listener::Stream;
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::body::Inbound;
use crate::crowd::{self, Crowded};
use crate::exchange::{Connection, Place, Reader, Work};
use crate::flood::{Calm, Guarded, Watch};
use crate::gate::{MOST_FIELDS, MOST_HEAD};
use crate::hints::Hints;
use crate::lane::{Exit, Lane, LaneIo};
use crate::meter::Handshake;
use crate::preface;
use crate::proxy_protocol::{self, Said};
use crate::pulse::{Order, Pulse, Stage};
use crate::record::Recorded;
use crate::screen::{Gatekeeper, Screen};
use crate::tls::{Peer, Session, Tls};
use crate::watched::Watched;
use crate::worker::Worker;

/// hyper's read buffer; heads are bounded by the gate.
const MOST_BUFFER: usize = 64 * 1024;
/// Streams of one HTTP/2 connection at a time.
const MOST_STREAMS: u32 = 128;
/// Streams that a visitor opened and reset before we came to them (rapid reset).
const MOST_RESETS: usize = 20;
/// Resets that a visitor provoked (CVE-2025-8671).
const MOST_LOCAL_RESETS: usize = 256;
/// Answers waiting in memory for the flow control of one stream.
const MOST_SEND_BUFFER: usize = 256 * 1024;
/// A connection that is cut looks so often whether its last WebSocket has ended.
const TUNNELS_EVERY: Duration = Duration::from_millis(50);
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// What was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub stream: Stream,
    /// The other end.
    pub peer: Option<SocketAddr>,
    /// Its place.
    pub place: Place,
}

/// Serves one connection to its end.
pub async fn serve(worker: Rc<Worker>, accepted: Accepted, tls: Option<Arc<Tls>>) {
    let Accepted {
        mut stream,
        peer,
        mut place,
    } = accepted;
    let peer = match introduced(&worker, &mut stream, peer).await {
        Ok(peer) => peer,
        Err(error) => {
            tracing::info!(
                error = &*error as &dyn std::error::Error,
                "a connection from a balancer is closed: {error}"
            );
            return;
        }
    };
    match crowd::enter(&worker, peer) {
        Ok(present) => place.present = present,
        Err(Crowded) => return crowd::turn_away(stream, tls.is_some()),
    }
    let outcome = match tls {
        // In a place of its own: a plain connection need not have room for a session of TLS.
        Some(tls) => Box::pin(secured(worker, stream, peer, tls, place)).await,
        None if worker.plan().h2c => Box::pin(sniffed(worker, stream, peer, place)).await,
        None => first(worker, stream, peer, Shown::default(), place).await,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a visitor's connection ended early");
    }
}

/// Whose connection it is, by the word of a balancer in front if the settings say that one speaks.
async fn introduced(
    worker: &Worker,
    stream: &mut Stream,
    peer: Option<SocketAddr>,
) -> Result<Option<SocketAddr>, BoxError> {
    let plan = worker.plan();
    if !plan.balancers.contain(peer.map(|peer| peer.ip())) {
        return Ok(peer);
    }
    let read = tokio::time::timeout(plan.limits.handshake, proxy_protocol::read(stream));
    // Rare: no connection need have room for it.
    let said = Box::pin(read).await??;
    Ok(match said {
        Said::Visitor(visitor) => Some(visitor),
        Said::Nothing => peer,
    })
}

/// What the handshake told about the other end, if there was one.
#[derive(Debug, Default)]
struct Shown {
    secure: bool,
    session: Option<Session>,
    client: Option<Rc<Peer>>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn secured(
    worker: Rc<Worker>,
    stream: Stream,
    peer: Option<SocketAddr>,
    tls: Arc<Tls>,
    place: Place,
) -> Result<(), BoxError> {
    let limit = worker.plan().limits.handshake;
    // A handshake that does not go on may have to make room for others.
    let pulse = worker.sweeper.watch(Stage::Over);
    // In a place that is given back after it.
    let handshake = Box::pin(tokio::time::timeout(limit, tls.accept(stream)));
    let meter = &worker.shared.meter;
    let accepted = tokio::select! {
        biased;
        accepted = handshake => accepted.map_err(io::Error::from).flatten(),
        _ = pulse.order() => return Ok(()),
    };
    drop(pulse);
    let accepted = accepted.inspect_err(|_| meter.handshake(Handshake::Failed))?;
    let Some((stream, client)) = accepted else {
        return Ok(());
    };
    meter.handshake(match stream.get_ref().1.handshake_kind() {
        Some(HandshakeKind::Resumed) => Handshake::Resumed,
        _ => Handshake::Full,
    });
    let shown = Shown {
        secure: true,
        session: Session::of(stream.get_ref().1),
        client,
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        Box::pin(multiplexed(worker, stream, peer, shown, place)).await
    } else {
        first(worker, stream, peer, shown, place).await
    }
}

/// A plain connection where both versions of HTTP are spoken (RFC 9113 3.3).
async fn sniffed(
    worker: Rc<Worker>,
    stream: Stream,
    peer: Option<SocketAddr>,
    place: Place,
) -> Result<(), BoxError> {
    let limit = worker.plan().limits.head;
    let pulse = worker.sweeper.watch(Stage::Over);
    let (stream, is_http2) = tokio::select! {
        biased;
        sniffed = tokio::time::timeout(limit, preface::sniff(stream)) => sniffed??,
        _ = pulse.order() => return Ok(()),
    };
    drop(pulse);
    if is_http2 {
        multiplexed(worker, stream, peer, Shown::default(), place).await
    } else {
        first(worker, stream, peer, Shown::default(), place).await
    }
}

/// HTTP/1: the fast lane, and hyper from the first request on that is not for it.
async fn first<S: LaneIo>(
    worker: Rc<Worker>,
    stream: S,
    peer: Option<SocketAddr>,
    shown: Shown,
    place: Place,
) -> Result<(), BoxError> {
    let pulse = worker.sweeper.watch(Stage::GraceOver);
    let fast = worker.plan().fast_lane;
    let connection = Rc::new(Connection {
        worker,
        peer,
        secure: shown.secure,
        session: shown.session,
        client: shown.client,
        reader: Reader::Lane,
        pulse,
        place: Rc::new(place),
        hints: Hints::default(),
    });
    if !fast {
        return Box::pin(screened(&connection, stream, BytesMut::new(), false)).await;
    }
    match Lane::new(stream, Rc::clone(&connection)).await {
        Exit::Closed => Ok(()),
        Exit::Odd { io, read, late } => {
            connection.worker.shared.meter.lane_handovers.inc();
            Box::pin(screened(&connection, io, read, late)).await
        }
    }
}

/// HTTP/1 by hyper. `read` was read before; `late` says that it is a head that took too long.
async fn screened<S>(
    before: &Connection,
    stream: S,
    read: BytesMut,
    late: bool,
) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let keeper = Arc::new(Gatekeeper::default());
    if late {
        keeper.be_late();
    }
    let pulse = Arc::clone(&before.pulse);
    let connection = Rc::new(Connection {
        worker: Rc::clone(&before.worker),
        peer: before.peer,
        secure: before.secure,
        session: before.session,
        client: before.client.clone(),
        reader: Reader::Screen(Arc::clone(&keeper)),
        pulse: Arc::clone(&pulse),
        place: Rc::clone(&before.place),
        hints: Hints::default(),
    });
    let service = service_fn(move |request| answer(Rc::clone(&connection), request));
    let screen = Screen::new(stream, read, Arc::clone(&keeper), Arc::clone(&pulse));
    // `pipeline_flush` stays off: with it, the last answer before an end is swallowed. No timer: the
    // sweeper's limits are finer.
    let served = http1::Builder::new()
        .max_headers(MOST_FIELDS)
        .max_header_size(MOST_HEAD)
        .max_buf_size(MOST_BUFFER)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(screen), service)
        .with_upgrades();
    drive(
        served,
        |served| served.graceful_shutdown(),
        |_| {},
        &pulse,
        Protocol::Http1(&keeper),
    )
    .await
}

/// HTTP/2.
async fn multiplexed<S>(
    worker: Rc<Worker>,
    stream: S,
    peer: Option<SocketAddr>,
    shown: Shown,
    place: Place,
) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let pulse = worker.sweeper.watch(Stage::Begun);
    // Frames, not heads: from here on it is idle or not.
    pulse.head_ends();
    let held = Rc::new(place);
    let place = Rc::downgrade(&held);
    let connection = Rc::new(Connection {
        worker: Rc::clone(&worker),
        peer,
        secure: shown.secure,
        session: shown.session,
        client: shown.client,
        reader: Reader::Frames,
        pulse: Arc::clone(&pulse),
        place: held,
        hints: Hints::default(),
    });
    let service = service_fn(move |request| answer(Rc::clone(&connection), request));
    let calm = Calm::default();
    let watch = Watch::new(&pulse, &worker.shared.meter, peer.map(|peer| peer.ip()));
    let (watched, turn) = Watched::new(stream, Arc::clone(&pulse));
    let io = TokioIo::new(Guarded::new(watched, watch, calm.clone()));
    let served = http2::Builder::new(OnThisThread)
        .timer(TokioTimer::new())
        // WebSockets (RFC 8441).
        .enable_connect_protocol()
        .max_concurrent_streams(MOST_STREAMS)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_LOCAL_RESETS)
        .max_header_list_size(u32::try_from(MOST_HEAD).unwrap_or(u32::MAX))
        .max_send_buf_size(MOST_SEND_BUFFER)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(io, service);
    drive(
        served,
        |served| served.graceful_shutdown(),
        |cx| turn.end(cx),
        &pulse,
        Protocol::Http2(&calm, &place),
    )
    .await
}

/// A request that came by way of hyper, which moves what it gets from here to a task: it is small.
fn answer(
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Recorded>, Infallible>> {
    let (parts, body) = request.into_parts();
    let body = Inbound::visitor(body, &connection.pulse);
    Work::begin(connection, parts, body).map(|answer| Ok(answer.into_response()))
}

/// What ends a connection politely.
#[derive(Debug, Clone, Copy)]
enum Protocol<'a> {
    /// Its reader answers 408.
    Http1(&'a Gatekeeper),
    /// GOAWAY. WebSockets keep the place, and their connection with it: they have a deadline of their own.
    Http2(&'a Calm, &'a Weak<Place>),
}

/// Drives a connection through its limits and the drain. `turned` is called after each poll of it.
async fn drive<C>(
    served: C,
    finish: impl Fn(Pin<&mut C>),
    turned: impl Fn(&mut Context<'_>),
    pulse: &Pulse,
    protocol: Protocol<'_>,
) -> Result<(), BoxError>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut served = pin!(served);
    let mut asked = false;
    let mut cut = false;
    let has_tunnels = || matches!(protocol, Protocol::Http2(_, place) if place.strong_count() > 1);
    loop {
        if cut && !has_tunnels() {
            return Ok(());
        }
        let turn = std::future::poll_fn(|cx| {
            let outcome = served.as_mut().poll(cx);
            turned(cx);
            outcome
        });
        tokio::select! {
            biased;
            outcome = turn => return Ok(outcome?),
            () = tokio::time::sleep(TUNNELS_EVERY), if cut => {}
            order = pulse.order() => match (order, protocol) {
                (Order::Cut, _) => {
                    cut = true;
                    finish(served.as_mut());
                }
                (Order::Stalled, Protocol::Http2(calm, _)) if !asked => {
                    asked = true;
                    calm.ask();
                }
                (Order::Stalled, _) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
                (Order::Late, Protocol::Http1(keeper)) => keeper.be_late(),
                (Order::Late | Order::Idle | Order::Finish, _) => finish(served.as_mut()),
            },
        }
    }
}

/// Runs HTTP/2's streams on the thread of their connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnThisThread;

impl<F> Executor<F> for OnThisThread
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        // Ends with its connection, which is tracked.
        tokio::task::spawn_local(future);
    }
}
