//! How fast a visitor reads. Only the time that he makes us wait counts: an application may be as slow
//! as it likes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A rate is known after so much waiting, in milliseconds.
const PERIOD: u64 = 5000;
/// Nothing is known yet.
const UNKNOWN: u64 = u64::MAX;

/// The waits of one reader and what it took since the first of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    waited: u64,
    bytes: u64,
}

impl Pace {
    /// A wait of so many milliseconds is over.
    pub fn waited(&mut self, milliseconds: u64) {
        self.waited = self.waited.saturating_add(milliseconds);
    }

    /// So much was taken. What fits in buffers before the first wait says nothing about the reader.
    pub fn took(&mut self, bytes: u64) {
        if self.waited > 0 {
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// The next wait begins: what was taken since the first one, in bytes for each second of waiting, if
    /// there was enough waiting to tell. Then all begins anew, so that nobody lives on old merits.
    pub fn rate(&mut self) -> Option<u64> {
        if self.waited < PERIOD {
            return None;
        }
        let Self { waited, bytes } = std::mem::take(self);
        Some(in_a_second(bytes, waited))
    }
}

/// A [`Pace`] among the stamps of a connection, and the last rate that it gave.
#[derive(Debug)]
pub(super) struct Reader {
    waited: AtomicU64,
    bytes: AtomicU64,
    rate: AtomicU64,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            waited: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rate: AtomicU64::new(UNKNOWN),
        }
    }
}

impl Reader {
    pub(super) fn waited(&self, milliseconds: u64) {
        self.change(|pace| pace.waited(milliseconds));
    }

    pub(super) fn took(&self, bytes: u64) {
        // Nearly no connection waits for its reader.
        if self.waited.load(Ordering::Relaxed) > 0 {
            self.change(|pace| pace.took(bytes));
        }
    }

    pub(super) fn waits(&self) {
        if let Some(rate) = self.change(Pace::rate) {
            self.rate.store(rate, Ordering::Relaxed);
        }
    }

    /// What streams of the connection were found to do.
    pub(super) fn learn(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// The last whole rate; more than any limit if there is none yet.
    pub(super) fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// The same, or what the waits tell so far, of which the last one began `waiting` milliseconds ago.
    pub(super) fn rate_so_far(&self, waiting: u64, enough: u64) -> u64 {
        let waited = self.waited.load(Ordering::Relaxed).saturating_add(waiting);
        let bytes = self.bytes.load(Ordering::Relaxed);
        let so_far = if waited < enough {
            UNKNOWN
        } else {
            in_a_second(bytes, waited)
        };
        self.rate().min(so_far)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Pace) -> T) -> T {
        let mut pace = Pace {
            waited: self.waited.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        };
        let result = change(&mut pace);
        self.waited.store(pace.waited, Ordering::Relaxed);
        self.bytes.store(pace.bytes, Ordering::Relaxed);
        result
    }
}

fn in_a_second(bytes: u64, milliseconds: u64) -> u64 {
    bytes.saturating_mul(1000) / milliseconds.max(1)
}
