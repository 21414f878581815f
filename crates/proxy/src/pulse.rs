//! Time limits of visitors' connections: each one keeps stamps of its last progress, one sweeper a
//! thread compares them with the limits. No timer is set or reset while requests flow, and no
//! connection waits for the drain by itself: the sweeper tells it.
//!
//! Covered here: head, idle connection, visitor who does not read. Bodies have their own
//! ([`crate::body::Inbound`]), because only there it is known who waits for whom.

mod pace;
mod sweeper;
mod victim;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;

pub use pace::Pace;
use pace::Reader;
pub use sweeper::{Stage, Sweeper};
pub use victim::Reason;

use crate::clock;
use crate::plan::Limits;

/// What the sweeper tells a connection, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The end, whatever is at work.
    Cut,
    /// The visitor does not read.
    Stalled,
    /// The head took too long.
    Late,
    /// Nothing was asked for too long.
    Idle,
    /// The drain: end when the request at work is answered, now if there is none.
    Finish,
}

impl Order {
    const ALL: [Self; 5] = [
        Self::Cut,
        Self::Stalled,
        Self::Late,
        Self::Idle,
        Self::Finish,
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Stamps of one connection, in milliseconds; 0 means that there is nothing to wait for.
///
/// All but the orders are written by the connection's own thread alone: no instruction here locks the
/// memory bus. (They are atomic because an upgraded connection may be sent to another thread.)
#[derive(Debug)]
pub struct Pulse {
    in_flight: AtomicU32,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    blocked_since: AtomicU64,
    shut_since: AtomicU64,
    /// Of the connection's bytes.
    reader: Reader,
    /// Of the slowest stream of HTTP/2.
    streams: Reader,
    /// Request bodies under way, since when there is one, and how much came since then.
    bodies: AtomicU32,
    body_since: AtomicU64,
    body_bytes: AtomicU64,
    /// It had to go.
    evicted: AtomicBool,
    orders: AtomicU8,
    task: AtomicWaker,
}

impl Pulse {
    /// A connection that was just accepted: its first head is awaited.
    #[must_use]
    pub fn new() -> Self {
        let now = clock::milliseconds();
        Self {
            in_flight: AtomicU32::new(0),
            head_since: AtomicU64::new(now),
            idle_since: AtomicU64::new(now),
            blocked_since: AtomicU64::new(0),
            shut_since: AtomicU64::new(0),
            reader: Reader::default(),
            streams: Reader::default(),
            bodies: AtomicU32::new(0),
            body_since: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            evicted: AtomicBool::new(false),
            orders: AtomicU8::new(0),
            task: AtomicWaker::new(),
        }
    }

    /// The first byte of a head is here.
    pub fn head_begins(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since
                .store(clock::milliseconds(), Ordering::Relaxed);
        }
    }

    /// The head is whole, or nobody waits for one.
    pub fn head_ends(&self) {
        self.head_since.store(0, Ordering::Relaxed);
    }

    /// A request is at work.
    pub fn request_begins(&self) {
        let count = self.in_flight.load(Ordering::Relaxed);
        self.in_flight
            .store(count.saturating_add(1), Ordering::Relaxed);
    }

    /// Its answer is complete.
    pub fn request_ends(&self) {
        let now = clock::milliseconds();
        self.idle_since.store(now, Ordering::Relaxed);
        if self.head_since.load(Ordering::Relaxed) != 0 {
            // A pipelined head that began while we were at work: its time begins now.
            self.head_since.store(now, Ordering::Relaxed);
        }
        let count = self.in_flight.load(Ordering::Relaxed);
        self.in_flight
            .store(count.saturating_sub(1), Ordering::Relaxed);
    }

    /// A request body is waited for.
    pub fn body_begins(&self) {
        let count = self.bodies.load(Ordering::Relaxed);
        if count == 0 {
            self.body_bytes.store(0, Ordering::Relaxed);
            self.body_since
                .store(clock::milliseconds(), Ordering::Relaxed);
        }
        self.bodies
            .store(count.saturating_add(1), Ordering::Relaxed);
    }

    /// So much of it came.
    pub fn body_moves(&self, bytes: u64) {
        let before = self.body_bytes.load(Ordering::Relaxed);
        self.body_bytes
            .store(before.saturating_add(bytes), Ordering::Relaxed);
    }

    /// Nobody waits for it any more.
    pub fn body_ends(&self) {
        let count = self.bodies.load(Ordering::Relaxed).saturating_sub(1);
        self.bodies.store(count, Ordering::Relaxed);
        if count == 0 {
            self.body_since.store(0, Ordering::Relaxed);
        }
    }

    /// Notes whether a write or a flush moved or is blocked.
    pub fn writes<T: Written>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let since = self.blocked_since.load(Ordering::Relaxed);
        match &outcome {
            Poll::Ready(done) => {
                if since != 0 {
                    self.reader
                        .waited(clock::milliseconds().saturating_sub(since));
                    self.blocked_since.store(0, Ordering::Relaxed);
                }
                self.reader.took(done.as_ref().map_or(0, Written::bytes));
            }
            Poll::Pending if since == 0 => {
                self.reader.waits();
                self.blocked_since
                    .store(clock::milliseconds(), Ordering::Relaxed);
            }
            Poll::Pending => {}
        }
        outcome
    }

    /// HTTP/2: since when (by [`clock::milliseconds`]) the visitor keeps a window shut, if one is, and the
    /// rate of the slowest open stream, if one is known.
    pub fn windows_are(&self, shut_since: Option<u64>, slowest: Option<u64>) {
        self.shut_since
            .store(shut_since.unwrap_or(0), Ordering::Relaxed);
        self.streams.learn(slowest);
    }

    /// Bytes a second that the visitor reads, for all that is known.
    fn reading_rate(&self) -> u64 {
        self.reader.rate().min(self.streams.rate())
    }

    /// True if there is an order. Whoever was woken by it must register again.
    #[must_use]
    pub fn has_orders(&self) -> bool {
        self.orders.load(Ordering::Acquire) != 0
    }

    /// The sweeper's next order; each comes once.
    pub fn poll_order(&self, cx: &Context<'_>) -> Poll<Order> {
        self.task.register(cx.waker());
        let orders = self.orders.load(Ordering::Acquire);
        if orders == 0 {
            return Poll::Pending;
        }
        match Order::ALL.iter().find(|order| orders & order.bit() != 0) {
            Some(order) => {
                self.orders.fetch_and(!order.bit(), Ordering::AcqRel);
                Poll::Ready(*order)
            }
            None => Poll::Pending,
        }
    }

    /// Resolves with the sweeper's next order.
    pub async fn order(&self) -> Order {
        std::future::poll_fn(|cx| self.poll_order(cx)).await
    }

    /// Ends the connection for the sake of another.
    fn evict(&self) {
        self.evicted.store(true, Ordering::Relaxed);
        self.tell(Order::Cut);
    }

    fn tell(&self, order: Order) {
        self.orders.fetch_or(order.bit(), Ordering::AcqRel);
        self.task.wake();
    }

    fn judge(&self, limits: &Limits, now: u64) {
        if let Some(order) = self.overdue(limits, now) {
            self.tell(order);
        }
    }

    fn overdue(&self, limits: &Limits, now: u64) -> Option<Order> {
        let passed = |stamp: &AtomicU64, limit: Duration| {
            let since = stamp.load(Ordering::Relaxed);
            since != 0 && u128::from(now.saturating_sub(since)) > limit.as_millis()
        };
        if passed(&self.blocked_since, limits.write_pause)
            || passed(&self.shut_since, limits.write_pause)
        {
            return Some(Order::Stalled);
        }
        if self.reading_rate() < limits.write_rate {
            return Some(Order::Stalled);
        }
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return None;
        }
        if self.head_since.load(Ordering::Relaxed) != 0 {
            return passed(&self.head_since, limits.head).then_some(Order::Late);
        }
        passed(&self.idle_since, limits.keep_alive).then_some(Order::Idle)
    }
}

/// What a write did.
pub trait Written {
    /// How much.
    fn bytes(&self) -> u64;
}

/// A flush.
impl Written for () {
    fn bytes(&self) -> u64 {
        0
    }
}

impl Written for usize {
    fn bytes(&self) -> u64 {
        u64::try_from(*self).unwrap_or(u64::MAX)
    }
}

impl Written for u64 {
    fn bytes(&self) -> u64 {
        *self
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
