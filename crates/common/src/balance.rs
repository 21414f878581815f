//! How many connections each accepting thread of a pool has, so that they share new ones evenly.
//!
//! The kernel wakes every thread that waits on a shared listening socket; who is quickest takes the
//! connection, and keep-alive connections stay where they were taken. A thread that has more than
//! another one gives the others a moment before it takes one more ([`Courtesy`]).
//!
//! How long a moment is depends on what the other one does. A thread that waits for events is woken by
//! the same connection and needs only a processor: on a busy machine that may take a while, and it is
//! worth it. A thread that runs may be in a long handler, and is waited for shortly. Who was waited for
//! in vain is not waited for again before it has shown that it lives.
//!
//! The supervisor makes the memory once for all its children and names its descriptor in [`VARIABLE`].
//! A child that writes nonsense there harms the balance of connections and nothing else: a thread waits
//! some milliseconds at most, whatever it reads.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

use crate::kernel::descriptors;
use crate::kernel::memory::{self, Mapping, shared};
use crate::scoreboard::now;

/// Names the number of the descriptor of the memory.
pub const VARIABLE: &str = "KIUAS_BALANCE_FD";

/// Accepting threads of a pool that are weighed; further ones take what they get.
const SEATS: usize = 256;
/// A thread that has not given a sign for so long takes no connection, so nobody waits for it.
const SILENT: u64 = 1_000_000_000;
/// The seat of a thread that has not given a sign for so long is free.
const GONE: u64 = 5_000_000_000;
/// A thread that runs is let go first only if it has fewer connections by more than this: it may have no
/// time for one.
const TOLERANCE: u32 = 1;
/// A thread asks so often, a millisecond apart, whether one that runs has become able to take the
/// connection.
const RUNNING: u32 = 20;
/// And so often whether one that was woken has begun to run.
const WOKEN: u32 = 100;
/// No such place.
const NOWHERE: u32 = u32::MAX;

shared! {
    #[derive(Debug)]
    struct Table align 64 {
        /// No seat from this one on was ever taken.
        used: AtomicU32,
        seats: [Place; SEATS],
    }

    #[derive(Debug)]
    struct Place align 64 {
        /// Process and number of the thread; 0: free.
        owner: AtomicU64,
        /// Last sign of its event loop, as in [`crate::scoreboard`].
        heartbeat: AtomicU64,
        connections: AtomicU32,
        /// 1 if it takes connections.
        accepts: AtomicU32,
        /// Raised whenever its event loop begins or ends to wait for events; odd: it waits.
        turn: AtomicU32,
    }
}

/// Memory for the children of a pool.
///
/// # Errors
/// No memory, or no descriptor is left.
pub fn create() -> io::Result<OwnedFd> {
    let (_, descriptor) = memory::create::<Table>("kiuas-balance")?;
    Ok(descriptor)
}

/// Where the threads of a pool are weighed. Copies are the same one.
#[derive(Debug, Clone, Copy)]
pub struct Scales {
    table: &'static Table,
}

impl Scales {
    /// Those that the supervisor handed on; `None` if there are none, or none that this version can use
    /// (that is logged). The same ones at every call.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        static ONE: OnceLock<Option<Scales>> = OnceLock::new();
        *ONE.get_or_init(|| {
            let announced = std::env::var(VARIABLE).ok()?;
            let number = announced
                .parse()
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it is no number"));
            match number.and_then(descriptors::inherit).and_then(Scales::on) {
                Ok(scales) => Some(scales),
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "cannot use the memory announced by {VARIABLE}={announced}; \
                         connections may be spread unevenly"
                    );
                    None
                }
            }
        })
    }

    /// Scales for the threads of this process alone. They are never freed.
    ///
    /// # Errors
    /// No memory, or no descriptor is left.
    pub fn detached() -> io::Result<Self> {
        create().and_then(Self::on)
    }

    /// Scales in memory of [`create`].
    ///
    /// # Errors
    /// The descriptor is something else.
    pub fn on(descriptor: impl AsFd) -> io::Result<Self> {
        let table = Mapping::<Table>::of(descriptor)?.leak();
        Ok(Self { table })
    }

    /// A seat for a thread that does not accept yet.
    #[must_use]
    pub fn seat(self) -> Seat {
        static THREADS: AtomicU32 = AtomicU32::new(0);
        let number = THREADS.fetch_add(1, Relaxed).wrapping_add(1);
        let seat = Seat {
            sign: Sign {
                table: self.table,
                place: Arc::new(AtomicU32::new(NOWHERE)),
            },
            owner: u64::from(std::process::id()) << 32 | u64::from(number),
            connections: Cell::new(0),
            accepts: Cell::new(false),
            in_vain: RefCell::default(),
        };
        seat.sit();
        seat
    }

    /// Frees the seats of process `pid`, which has ended.
    pub fn clear(self, pid: u32) {
        for place in self.table.used() {
            let owner = place.owner.load(Relaxed);
            if owner >> 32 == u64::from(pid) {
                place.accepts.store(0, Relaxed);
                // Fails if somebody else has it by now.
                let _freed = place.owner.compare_exchange(owner, 0, AcqRel, Relaxed);
            }
        }
    }
}

/// Tells the others whether a thread's event loop waits for events; for the hooks of its runtime.
#[derive(Debug, Clone)]
pub struct Sign {
    table: &'static Table,
    place: Arc<AtomicU32>,
}

impl Sign {
    /// The event loop is about to wait.
    pub fn waits(&self) {
        self.turn(1);
    }

    /// It goes on.
    pub fn runs(&self) {
        self.turn(0);
    }

    fn turn(&self, parity: u32) {
        if let Some(place) = self.place() {
            // The thread alone writes it, so no locked instruction is needed.
            let next = place.turn.load(Relaxed).wrapping_add(1);
            place.turn.store(next & !1 | parity, Relaxed);
        }
    }

    fn place(&self) -> Option<&'static Place> {
        let index = usize::try_from(self.place.load(Relaxed)).ok()?;
        self.table.seats.get(index)
    }
}

/// The seat of a thread. It is free again when dropped.
#[derive(Debug)]
pub struct Seat {
    sign: Sign,
    owner: u64,
    connections: Cell<u32>,
    accepts: Cell<bool>,
    /// By place, the turn at which its thread was waited for in vain.
    in_vain: RefCell<Vec<Option<u32>>>,
}

impl Seat {
    /// For the thread's runtime.
    #[must_use]
    pub fn sign(&self) -> Sign {
        self.sign.clone()
    }

    /// So many connections are open now.
    pub fn set_connections(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.connections.set(count);
        if let Some(place) = self.sign.place() {
            place.connections.store(count, Relaxed);
        }
    }

    /// Whether the thread takes connections.
    pub fn set_accepts(&self, accepts: bool) {
        if self.accepts.replace(accepts) != accepts
            && let Some(place) = self.sign.place()
        {
            place.accepts.store(u32::from(accepts), Relaxed);
        }
    }

    /// The event loop runs: call it every 100 ms from a timer on it.
    pub fn beat(&self) {
        let place = self.sign.place();
        match place.filter(|place| place.owner.load(Relaxed) == self.owner) {
            Some(place) => place.heartbeat.store(now(), Relaxed),
            // There was none, or somebody thought that this thread was gone.
            None => self.sit(),
        }
    }

    /// There is a connection to take: see [`Courtesy::waits`].
    #[must_use]
    pub fn courtesy(&self) -> Courtesy<'_> {
        Courtesy {
            seat: self,
            asked: 0,
            seen: Vec::new(),
        }
    }

    /// Threads that have fewer connections than this one and are likely to take the next.
    fn lighter(&self) -> impl Iterator<Item = (usize, u32)> {
        let mine = self.connections.get();
        let places: &[Place] = match mine {
            0 => &[],
            // Who has no seat takes what it gets.
            _ if self.sign.place().is_none() => &[],
            _ => self.sign.table.used(),
        };
        let alive_since = now().saturating_sub(SILENT);
        places.iter().enumerate().filter_map(move |(index, place)| {
            let turn = place.turn.load(Relaxed);
            let tolerated = if is_waiting(turn) { 0 } else { TOLERANCE };
            let is_lighter = place.connections.load(Relaxed).saturating_add(tolerated) < mine
                && place.accepts.load(Relaxed) == 1
                && place.owner.load(Relaxed) != 0
                && place.heartbeat.load(Relaxed) >= alive_since;
            is_lighter.then_some((index, turn))
        })
    }

    fn sit(&self) {
        let now = now();
        let gone = now.saturating_sub(GONE);
        let table = self.sign.table;
        let free = table.seats.iter().enumerate().find(|(_, place)| {
            let owner = place.owner.load(Relaxed);
            (owner == 0 || place.heartbeat.load(Relaxed) < gone)
                && place
                    .owner
                    .compare_exchange(owner, self.owner, AcqRel, Relaxed)
                    .is_ok()
        });
        let index = free.and_then(|(index, _)| u32::try_from(index).ok());
        let index = index.unwrap_or(NOWHERE);
        self.sign.place.store(index, Relaxed);
        if let Some((_, place)) = free {
            place.connections.store(self.connections.get(), Relaxed);
            place.accepts.store(u32::from(self.accepts.get()), Relaxed);
            place.heartbeat.store(now, Relaxed);
            self.sign.runs();
            table.used.fetch_max(index + 1, Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(place) = self.sign.place() {
            place.accepts.store(0, Relaxed);
            // Fails if somebody else has it by now.
            let _freed = place.owner.compare_exchange(self.owner, 0, AcqRel, Relaxed);
        }
    }
}

/// One connection, and the patience of a thread that might leave it to another one.
#[derive(Debug)]
pub struct Courtesy<'a> {
    seat: &'a Seat,
    asked: u32,
    /// Places and turns of the threads that were waited for last time, and since when.
    seen: Vec<(usize, u32, u32)>,
}

impl Courtesy<'_> {
    /// True if the thread should look again in a millisecond, because another one that has fewer
    /// connections may take this one meanwhile. It is false after some calls, whatever others do.
    #[must_use]
    pub fn waits(&mut self) -> bool {
        let now = self.asked;
        self.asked += 1;
        let mut in_vain = self.seat.in_vain.borrow_mut();
        let mut seen = Vec::new();
        for (index, turn) in self.seat.lighter() {
            if in_vain.get(index).copied().flatten() == Some(turn) {
                continue;
            }
            let before = self.seen.iter().find(|it| (it.0, it.1) == (index, turn));
            let since = before.map_or(now, |(.., since)| *since);
            let patience = if is_waiting(turn) { WOKEN } else { RUNNING };
            if now - since < patience {
                seen.push((index, turn, since));
            } else {
                let known = in_vain.len().max(index + 1);
                in_vain.resize(known, None);
                in_vain[index] = Some(turn);
            }
        }
        self.seen = seen;
        !self.seen.is_empty() && now < WOKEN
    }
}

fn is_waiting(turn: u32) -> bool {
    turn % 2 == 1
}

impl Table {
    fn used(&self) -> &[Place] {
        let used = usize::try_from(self.used.load(Relaxed)).unwrap_or(SEATS);
        &self.seats[..used.min(SEATS)]
    }
}

#[cfg(test)]
mod tests;
