//! How many connections each accepting thread of a pool has, so that they share new ones evenly.
//!
//! The kernel wakes every thread that waits on a shared listening socket; who is quickest takes the
//! connection, and keep-alive connections stay where they were taken. A thread that has more than
//! another one gives the others a moment before it takes one more.
//!
//! The supervisor makes the memory once for all its children and names its descriptor in [`VARIABLE`].
//! A child that writes nonsense there harms the balance of connections and nothing else: a thread waits
//! some milliseconds at most, whatever it reads.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::kernel::descriptors;
use crate::kernel::memory::{self, Mapping, shared};
use crate::scoreboard::now;

/// Names the number of the descriptor of the memory.
pub const VARIABLE: &str = "KIUAS_BALANCE_FD";

/// Accepting threads of a pool that are weighed; further ones take what they get.
const SEATS: usize = 256;
/// A thread that has not given a sign for so long takes no connection, so nobody waits for it.
const SILENT: u64 = 300_000_000;
/// The seat of a thread that has not given a sign for so long is free.
const GONE: u64 = 5_000_000_000;

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
            match number.and_then(descriptors::inherit).and_then(Self::on) {
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
    pub fn on(descriptor: OwnedFd) -> io::Result<Self> {
        let table = Mapping::<Table>::of(&descriptor)?.leak();
        Ok(Self { table })
    }

    /// A seat for a thread that does not accept yet.
    #[must_use]
    pub fn seat(self) -> Seat {
        static THREADS: AtomicU32 = AtomicU32::new(0);
        let number = THREADS.fetch_add(1, Relaxed).wrapping_add(1);
        let seat = Seat {
            table: self.table,
            owner: u64::from(std::process::id()) << 32 | u64::from(number),
            place: Cell::new(None),
            connections: Cell::new(0),
            accepts: Cell::new(false),
        };
        seat.sit();
        seat
    }
}

/// The seat of a thread. It is free again when dropped.
#[derive(Debug)]
pub struct Seat {
    table: &'static Table,
    owner: u64,
    place: Cell<Option<&'static Place>>,
    connections: Cell<u32>,
    accepts: Cell<bool>,
}

impl Seat {
    /// So many connections are open now.
    pub fn set_connections(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.connections.set(count);
        if let Some(place) = self.place.get() {
            place.connections.store(count, Relaxed);
        }
    }

    /// Whether the thread takes connections.
    pub fn set_accepts(&self, accepts: bool) {
        self.accepts.set(accepts);
        if let Some(place) = self.place.get() {
            place.accepts.store(u32::from(accepts), Relaxed);
        }
    }

    /// The event loop runs: call it every 100 ms from a timer on it.
    pub fn beat(&self) {
        let place = self.place.get();
        match place.filter(|place| place.owner.load(Relaxed) == self.owner) {
            Some(place) => place.heartbeat.store(now(), Relaxed),
            // There was none, or somebody thought that this thread was gone.
            None => self.sit(),
        }
    }

    /// True if another thread that takes connections has fewer than this one, by more than `tolerance`.
    #[must_use]
    pub fn is_heavier(&self, tolerance: u32) -> bool {
        let Some(most) = self
            .connections
            .get()
            .checked_sub(tolerance)
            .filter(|most| *most > 0 && self.place.get().is_some())
        else {
            return false;
        };
        let alive_since = now().saturating_sub(SILENT);
        self.table.used().iter().any(|place| {
            place.connections.load(Relaxed) < most
                && place.accepts.load(Relaxed) == 1
                && place.heartbeat.load(Relaxed) >= alive_since
                && place.owner.load(Relaxed) != 0
        })
    }

    fn sit(&self) {
        let now = now();
        let gone = now.saturating_sub(GONE);
        let free = self.table.seats.iter().enumerate().find(|(_, place)| {
            let owner = place.owner.load(Relaxed);
            (owner == 0 || place.heartbeat.load(Relaxed) < gone)
                && place
                    .owner
                    .compare_exchange(owner, self.owner, AcqRel, Relaxed)
                    .is_ok()
        });
        self.place.set(free.map(|(_, place)| place));
        if let Some((index, place)) = free {
            place.connections.store(self.connections.get(), Relaxed);
            place.accepts.store(u32::from(self.accepts.get()), Relaxed);
            place.heartbeat.store(now, Relaxed);
            let used = u32::try_from(index + 1).unwrap_or(u32::MAX);
            self.table.used.fetch_max(used, Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(place) = self.place.get() {
            place.accepts.store(0, Relaxed);
            // Fails if somebody else has it by now.
            let _freed = place.owner.compare_exchange(self.owner, 0, AcqRel, Relaxed);
        }
    }
}

impl Table {
    fn used(&self) -> &[Place] {
        let used = usize::try_from(self.used.load(Relaxed)).unwrap_or(SEATS);
        &self.seats[..used.min(SEATS)]
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn accepting(scales: Scales, connections: usize) -> Seat {
        let seat = scales.seat();
        seat.set_connections(connections);
        seat.set_accepts(true);
        seat
    }

    #[test]
    fn a_thread_waits_only_for_those_that_are_lighter_and_accept() {
        let scales = Scales::detached().unwrap();
        let heavy = accepting(scales, 5);
        assert!(!heavy.is_heavier(0), "nobody else is there");
        let light = accepting(scales, 4);
        assert!(heavy.is_heavier(0) && !light.is_heavier(0));
        assert!(!heavy.is_heavier(1));
        light.set_accepts(false);
        assert!(!heavy.is_heavier(0));
        light.set_accepts(true);
        light.set_connections(5);
        assert!(!heavy.is_heavier(0));
        light.set_connections(0);
        assert!(heavy.is_heavier(1));
        drop(light);
        assert!(!heavy.is_heavier(0));
    }

    #[test]
    fn nobody_waits_for_a_thread_that_gives_no_sign() {
        let scales = Scales::detached().unwrap();
        let (heavy, light) = (accepting(scales, 5), accepting(scales, 0));
        let place = light.place.get().unwrap();
        place.heartbeat.store(now() - 2 * SILENT, Relaxed);
        assert!(!heavy.is_heavier(0));
        light.beat();
        assert!(heavy.is_heavier(0));
    }

    #[test]
    fn the_seat_of_a_dead_thread_is_taken_and_one_that_lives_finds_another() {
        let scales = Scales::detached().unwrap();
        let slow = accepting(scales, 1);
        let place = slow.place.get().unwrap();
        place.heartbeat.store(1, Relaxed);
        let new = scales.seat();
        assert!(std::ptr::eq(new.place.get().unwrap(), place));
        slow.beat();
        assert!(!std::ptr::eq(slow.place.get().unwrap(), place));
        assert_eq!(slow.place.get().unwrap().connections.load(Relaxed), 1);
    }

    #[test]
    fn nonsense_in_the_memory_is_survived() {
        let descriptor = create().unwrap();
        let memory = std::fs::File::from(descriptor.try_clone().unwrap());
        let scales = Scales::on(descriptor).unwrap();
        let seat = accepting(scales, 3);
        for byte in [0xff, 0x01, 0x00] {
            let bytes = vec![byte; size_of::<Table>()];
            memory.write_all_at(&bytes, 0).unwrap();
            let _any = seat.is_heavier(0);
            seat.beat();
            drop(scales.seat());
        }
    }

    #[test]
    fn more_threads_than_seats_take_what_they_get() {
        let scales = Scales::detached().unwrap();
        let seats: Vec<_> = (0..SEATS + 1).map(|_| accepting(scales, 0)).collect();
        let last = seats.last().unwrap();
        last.set_connections(9);
        last.beat();
        assert!(!last.is_heavier(0));
    }
}
