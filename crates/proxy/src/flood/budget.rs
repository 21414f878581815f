//! How often each cheap thing may happen in one connection within a while.

use std::time::{Duration, Instant};

/// Counts begin anew after this.
const WHILE: Duration = Duration::from_secs(10);

/// What a visitor may not do for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abuse {
    /// Opens streams and resets them (CVE-2023-44487).
    RapidReset,
    /// Makes us reset streams (CVE-2025-8671).
    ProvokedReset,
    /// A head in ever more CONTINUATION frames (CVE-2024-27316).
    Continuation,
    /// DATA without data that ends nothing (CVE-2019-9518).
    EmptyData,
    /// SETTINGS (CVE-2019-9515).
    Settings,
    /// PING (CVE-2019-9512).
    Ping,
    /// PRIORITY (CVE-2019-9513).
    Priority,
    /// `WINDOW_UPDATE` that answers no data, or opens the window by a crack (CVE-2019-9511).
    WindowUpdate,
    /// Frames of types that nobody knows.
    Unknown,
    /// Many requests under a window that is kept shut (CVE-2019-9517).
    ShutWindow,
}

/// All of them, for the counters.
const KINDS: usize = 10;

impl Abuse {
    /// Its name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RapidReset => "rapid_reset",
            Self::ProvokedReset => "provoked_reset",
            Self::Continuation => "continuation",
            Self::EmptyData => "empty_data",
            Self::Settings => "settings",
            Self::Ping => "ping",
            Self::Priority => "priority",
            Self::WindowUpdate => "window_update",
            Self::Unknown => "unknown_frames",
            Self::ShutWindow => "shut_window",
        }
    }

    /// How often in a while is still no abuse. Browsers stay far below each: they cancel at most the
    /// streams of a page, send SETTINGS once and PING now and then.
    fn most(self) -> u32 {
        match self {
            Self::RapidReset => 250,
            Self::ProvokedReset => 100,
            Self::Continuation => 0,
            Self::EmptyData => 100,
            Self::Settings => 20,
            Self::Ping => 100,
            Self::Priority | Self::Unknown => 200,
            Self::WindowUpdate => 400,
            Self::ShutWindow => 0,
        }
    }
}

/// What happened so far.
#[derive(Debug)]
pub(super) struct Budget {
    since: Instant,
    counts: [u32; KINDS],
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            counts: [0; KINDS],
        }
    }

    /// Once more.
    pub(super) fn note(&mut self, kind: Abuse) -> Result<(), Abuse> {
        let Some(count) = self.counts.get_mut(kind as usize) else {
            return Ok(());
        };
        *count += 1;
        if *count <= kind.most() {
            return Ok(());
        }
        // The clock is asked only here: who stays below the limits costs nothing.
        if self.since.elapsed() < WHILE {
            return Err(kind);
        }
        self.since = Instant::now();
        self.counts = [0; KINDS];
        match kind.most() {
            0 => Err(kind),
            _ => Ok(()),
        }
    }

    /// Takes back one of `kind`: something useful happened.
    pub(super) fn forgive(&mut self, kind: Abuse, times: u32) {
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count = count.saturating_sub(times);
        }
    }
}
