//! How much a visitor lets us send (RFC 9113 5.2), as far as it tells who keeps answers waiting in our
//! memory.

use crate::pulse::Pace;

/// Streams that are followed; h2 refuses more of them long before.
const MOST: usize = 512;
/// RFC 9113 6.9.2.
const INITIAL: i64 = 65_535;
/// A window opened by less than this was not worth a frame.
pub(super) const CRACK: i64 = 256;

/// The windows of one connection.
#[derive(Debug)]
pub(super) struct Windows {
    initial: i64,
    connection: Flow,
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    flow: Flow,
}

/// One window.
#[derive(Debug)]
struct Flow {
    window: i64,
    /// Since when nothing may be sent.
    shut: Option<u64>,
    pace: Pace,
    /// What the visitor was found to read in a second.
    rate: Option<u64>,
}

impl Flow {
    fn new(window: i64, now: u64) -> Self {
        let mut flow = Self {
            window,
            shut: None,
            pace: Pace::default(),
            rate: None,
        };
        flow.change(0, now);
        flow
    }

    /// Opens the window or shuts it. One that stays shut keeps its stamp.
    fn change(&mut self, by: i64, now: u64) {
        self.window = self.window.saturating_add(by);
        match self.shut {
            None if self.window <= 0 => {
                self.rate = self.pace.rate().or(self.rate);
                self.shut = Some(now);
            }
            Some(since) if self.window > 0 => {
                self.pace.waited(now.saturating_sub(since));
                self.shut = None;
            }
            _ => {}
        }
    }

    fn sent(&mut self, bytes: usize, now: u64) {
        self.pace.took(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.change(-i64::try_from(bytes).unwrap_or(i64::MAX), now);
    }
}

impl Windows {
    pub(super) fn new() -> Self {
        Self {
            initial: INITIAL,
            connection: Flow::new(INITIAL, 0),
            streams: Vec::new(),
        }
    }

    /// The visitor's `SETTINGS_INITIAL_WINDOW_SIZE`; it changes open streams too (RFC 9113 6.9.2).
    pub(super) fn set_initial(&mut self, initial: u32, now: u64) {
        let initial = i64::from(initial);
        let change = initial - self.initial;
        self.initial = initial;
        for stream in &mut self.streams {
            stream.flow.change(change, now);
        }
    }

    /// A request.
    pub(super) fn opened(&mut self, id: u32, now: u64) {
        let known = self.streams.iter().any(|stream| stream.id == id);
        if !known && self.streams.len() < MOST {
            let flow = Flow::new(self.initial, now);
            self.streams.push(Stream { id, flow });
        }
    }

    /// A request that is over.
    pub(super) fn closed(&mut self, id: u32) {
        if let Some(at) = self.streams.iter().position(|stream| stream.id == id) {
            self.streams.swap_remove(at);
        }
    }

    /// So many bytes of DATA were sent.
    pub(super) fn sent(&mut self, id: u32, bytes: usize, now: u64) {
        self.connection.sent(bytes, now);
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            stream.flow.sent(bytes, now);
        }
    }

    /// `WINDOW_UPDATE`; stream 0 is the connection. True if it opened a shut window by a crack only.
    pub(super) fn widened(&mut self, id: u32, increment: u32, now: u64) -> bool {
        let flow = if id == 0 {
            &mut self.connection
        } else {
            match self.streams.iter_mut().find(|stream| stream.id == id) {
                Some(stream) => &mut stream.flow,
                None => return false,
            }
        };
        let was_shut = flow.window <= 0;
        flow.change(i64::from(increment), now);
        was_shut && flow.window < CRACK
    }

    /// Since when the longest-shut window is shut; the connection's counts only while there is a
    /// request.
    pub(super) fn shut_since(&self) -> Option<u64> {
        self.flows().filter_map(|flow| flow.shut).min()
    }

    /// What the slowest reader of an open stream was found to take in a second.
    pub(super) fn slowest(&self) -> Option<u64> {
        self.flows().filter_map(|flow| flow.rate).min()
    }

    fn flows(&self) -> impl Iterator<Item = &Flow> {
        let connection = (!self.streams.is_empty()).then_some(&self.connection);
        self.streams
            .iter()
            .map(|stream| &stream.flow)
            .chain(connection)
    }

    /// How many requests wait although the visitor never let more than a crack be sent.
    pub(super) fn never_opened(&self) -> usize {
        if self.initial < CRACK {
            self.streams
                .iter()
                .filter(|stream| stream.flow.window < CRACK)
                .count()
        } else {
            0
        }
    }
}
