//! How much a visitor lets us send (RFC 9113 5.2), as far as it tells who keeps answers waiting in our
//! memory.

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
    connection: i64,
    connection_shut: Option<u64>,
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    window: i64,
    /// Since when nothing may be sent.
    shut: Option<u64>,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self {
            initial: INITIAL,
            connection: INITIAL,
            connection_shut: None,
            streams: Vec::new(),
        }
    }

    /// The visitor's `SETTINGS_INITIAL_WINDOW_SIZE`; it changes open streams too (RFC 9113 6.9.2).
    pub(super) fn set_initial(&mut self, initial: u32, now: u64) {
        let initial = i64::from(initial);
        let change = initial - self.initial;
        self.initial = initial;
        for stream in &mut self.streams {
            stream.window += change;
            stream.shut = shut(stream.window, stream.shut, now);
        }
    }

    /// A request.
    pub(super) fn opened(&mut self, id: u32, now: u64) {
        let known = self.streams.iter().any(|stream| stream.id == id);
        if !known && self.streams.len() < MOST {
            let window = self.initial;
            self.streams.push(Stream {
                id,
                window,
                shut: shut(window, None, now),
            });
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
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.connection -= bytes;
        self.connection_shut = shut(self.connection, self.connection_shut, now);
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            stream.window -= bytes;
            stream.shut = shut(stream.window, stream.shut, now);
        }
    }

    /// `WINDOW_UPDATE`; stream 0 is the connection. True if it opened a shut window by a crack only.
    pub(super) fn widened(&mut self, id: u32, increment: u32, now: u64) -> bool {
        let increment = i64::from(increment);
        let (window, since) = if id == 0 {
            (&mut self.connection, &mut self.connection_shut)
        } else {
            match self.streams.iter_mut().find(|stream| stream.id == id) {
                Some(stream) => (&mut stream.window, &mut stream.shut),
                None => return false,
            }
        };
        let was_shut = *window <= 0;
        *window = window.saturating_add(increment);
        *since = shut(*window, *since, now);
        was_shut && *window < CRACK
    }

    /// Since when the longest-shut window is shut; the connection's counts only while there is a
    /// request.
    pub(super) fn shut_since(&self) -> Option<u64> {
        let connection = self.connection_shut.filter(|_| !self.streams.is_empty());
        self.streams
            .iter()
            .filter_map(|stream| stream.shut)
            .chain(connection)
            .min()
    }

    /// How many requests wait although the visitor never let more than a crack be sent.
    pub(super) fn never_opened(&self) -> usize {
        if self.initial < CRACK {
            self.streams
                .iter()
                .filter(|stream| stream.window < CRACK)
                .count()
        } else {
            0
        }
    }
}

/// A window that stays shut keeps its stamp.
fn shut(window: i64, since: Option<u64>, now: u64) -> Option<u64> {
    (window <= 0).then(|| since.unwrap_or(now))
}
