//! What a thread is busy with: open connections and requests in flight. The drain asks it, and what it
//! counts is shown on the scoreboard.

mod talk;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use kiuas_common::balance::{Courtesy, Seat};
use kiuas_common::scoreboard::{
    Deadlines, Kind, PollGuard, SlotGuard, ThreadWriter, Work, now, roughly_now,
};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// Counters of one thread; never leaves it.
#[derive(Debug)]
pub(crate) struct Load {
    connections: Cell<usize>,
    in_flight: Cell<usize>,
    /// Those in flight whose body has no end: they are told to stop and are waited for less long.
    endless: Cell<usize>,
    /// When the last request ended whose connection stayed open for another one.
    last_reusable: Cell<Option<Instant>>,
    changed: Notify,
    /// The thread's place on the scoreboard.
    board: Option<ThreadWriter>,
    /// Requests are shown and counted: those of visitors, not the probe.
    counts: Cell<bool>,
    /// Its seat among the threads that accept from the same sockets.
    seat: Option<Seat>,
    /// From a handler's deadline to the supervisor's.
    hard_grace: u64,
}

/// A request that begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begin<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) id: &'a str,
    /// Hexadecimal, or empty.
    pub(crate) trace_id: &'a str,
    /// How long its handler may take.
    pub(crate) limit: Duration,
}

impl Load {
    pub(crate) fn new(
        board: Option<ThreadWriter>,
        seat: Option<Seat>,
        hard_grace: Duration,
    ) -> Rc<Self> {
        Rc::new(Self {
            connections: Cell::new(0),
            in_flight: Cell::new(0),
            endless: Cell::new(0),
            last_reusable: Cell::new(None),
            changed: Notify::new(),
            board,
            counts: Cell::new(false),
            seat,
            hard_grace: nanoseconds(hard_grace),
        })
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn connect(self: &Rc<Self>) -> Open {
        self.set_connections(self.connections.get() + 1);
        Open(Rc::clone(self))
    }

    fn set_connections(&self, count: usize) {
        self.connections.set(count);
        if let Some(board) = &self.board {
            board.set_connections(count);
        }
        if let Some(seat) = &self.seat {
            seat.set_connections(count);
        }
    }

    /// Counts a request until the slot is dropped: with the body of its answer.
    pub(crate) fn enter(self: &Rc<Self>, pulse: Option<&Rc<Pulse>>, begin: Begin<'_>) -> Slot {
        self.in_flight.set(self.in_flight.get() + 1);
        let started = roughly_now();
        let hold = nanoseconds(begin.limit).saturating_add(self.hard_grace);
        let soft_deadline = started.saturating_add(nanoseconds(begin.limit));
        let board = self.board().map(|board| {
            board.begin(&Work {
                kind: Kind::Request,
                label: &[begin.method, begin.path],
                id: begin.id,
                trace_id: begin.trace_id,
                started,
                soft_deadline,
                hard_deadline: soft_deadline.saturating_add(self.hard_grace),
            })
        });
        let pulse = pulse.cloned().unwrap_or_default();
        pulse.begun.set(pulse.begun.get() + 1);
        pulse.in_flight.set(pulse.in_flight.get() + 1);
        pulse.started.set(started);
        pulse.soft_deadline.set(soft_deadline);
        pulse.hard_grace.set(self.hard_grace);
        pulse.shown.set(board.as_ref().map(SlotGuard::deadlines));
        pulse.conversation.set(false);
        Slot {
            load: Rc::clone(self),
            board,
            pulse,
            place: None,
            hold,
            endless: false,
            last: false,
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Requests that a drain waits for.
    pub(crate) fn finite(&self) -> usize {
        self.in_flight.get().saturating_sub(self.endless.get())
    }

    /// WebSockets and event streams.
    pub(crate) fn endless(&self) -> usize {
        self.endless.get()
    }

    pub(crate) fn last_reusable(&self) -> Option<Instant> {
        self.last_reusable.get()
    }

    /// Resolves when a connection or a request has ended since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The event loop runs, and was busy for so many nanoseconds in all.
    pub(crate) fn beat(&self, loop_busy: u64) {
        if let Some(board) = &self.board {
            board.beat(loop_busy);
        }
        if let Some(seat) = &self.seat {
            seat.beat();
        }
    }

    /// Whether the thread accepts connections.
    pub(crate) fn set_accepts(&self, accepts: bool) {
        if let Some(seat) = &self.seat {
            seat.set_accepts(accepts);
        }
    }

    /// There is a connection to take: whether another thread that accepts from the same sockets should.
    pub(crate) fn courtesy(&self) -> Option<Courtesy<'_>> {
        self.seat.as_ref().map(Seat::courtesy)
    }

    /// The thread has answered its probe: requests count from now on.
    pub(crate) fn set_counts(&self) {
        self.counts.set(true);
    }

    /// The thread's place on the scoreboard, for what counts.
    pub(crate) fn board(&self) -> Option<&ThreadWriter> {
        self.board.as_ref().filter(|_| self.counts.get())
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Open(Rc<Load>);

impl Drop for Open {
    fn drop(&mut self) {
        let load = &self.0;
        load.set_connections(load.connections.get().saturating_sub(1));
        load.changed.notify_one();
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Slot {
    load: Rc<Load>,
    board: Option<SlotGuard>,
    pulse: Rc<Pulse>,
    /// Its place among those that run at once.
    place: Option<OwnedSemaphorePermit>,
    /// One step of its answer's body may hold the thread so long, in nanoseconds.
    hold: u64,
    endless: bool,
    last: bool,
}

impl Slot {
    /// The handler has answered, in time: its deadline is over. The body of the answer may last.
    pub(crate) fn mark_answered(&self) {
        self.pulse.shown.set(None);
        if let Some(board) = &self.board {
            board.set_deadlines(0, 0);
        }
    }

    /// The answer's body has no end.
    pub(crate) fn mark_endless(&mut self, kind: Kind) {
        if !self.endless {
            self.endless = true;
            self.place = None;
            if self.pulse.conversation.get() {
                // The conversation is shown in its place.
                self.board = None;
            }
            self.load.endless.set(self.load.endless.get() + 1);
            self.load.changed.notify_one();
            if let Some(board) = &self.board {
                board.set_kind(kind);
            }
        }
    }

    /// Keeps the place until the answer is complete; what has no end gives it back at once.
    pub(crate) fn keep(&mut self, place: Option<OwnedSemaphorePermit>) {
        self.place = place;
    }

    /// The connection closes after this answer.
    pub(crate) fn mark_last(&mut self) {
        self.last = true;
    }

    /// Shows that the thread works on this request, until the mark is dropped.
    pub(crate) fn polling(&self) -> Option<PollGuard> {
        self.board.as_ref().map(SlotGuard::polling)
    }

    /// The connection that it came by.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let load = &self.load;
        load.in_flight.set(load.in_flight.get() - 1);
        let pulse = &self.pulse;
        pulse.in_flight.set(pulse.in_flight.get() - 1);
        pulse.shown.set(None);
        if self.endless {
            load.endless.set(load.endless.get() - 1);
        } else if !self.last {
            load.last_reusable.set(Some(Instant::now()));
        }
        load.changed.notify_one();
    }
}

/// Requests of one connection: how many have begun, how many are in flight, and until when the one that
/// runs may run. HTTP/1.1 has one at a time.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    begun: Cell<u64>,
    in_flight: Cell<u64>,
    started: Cell<u64>,
    soft_deadline: Cell<u64>,
    hard_grace: Cell<u64>,
    shown: Cell<Option<Deadlines>>,
    gone: Cell<bool>,
    /// What the request began goes on after its answer.
    conversation: Cell<bool>,
}

impl Pulse {
    /// True once the peer has ended its side of the connection.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    pub(crate) fn mark_conversation(&self) {
        self.conversation.set(true);
    }

    pub(crate) fn mark_gone(&self) {
        self.gone.set(true);
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.get()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// When the handler that runs is given up, in nanoseconds of the scoreboard's clock.
    pub(crate) fn soft_deadline(&self) -> u64 {
        self.soft_deadline.get()
    }

    /// The handler that runs may take so long, counted from the begin of its request.
    pub(crate) fn limit(&self, limit: Duration) {
        self.give_up_at(self.started.get().saturating_add(nanoseconds(limit)));
    }

    /// The handler that runs may take so long from now on.
    pub(crate) fn extend(&self, rest: Duration) {
        self.give_up_at(now().saturating_add(nanoseconds(rest)));
    }

    fn give_up_at(&self, soft: u64) {
        self.soft_deadline.set(soft);
        if let Some(shown) = self.shown.get() {
            shown.set(soft, soft.saturating_add(self.hard_grace.get()));
        }
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
