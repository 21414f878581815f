//! What a thread is busy with: open connections and requests in flight. The drain asks it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::Notify;

/// Counters of one thread; never leaves it.
#[derive(Debug)]
pub(crate) struct Load {
    connections: Cell<usize>,
    in_flight: Cell<usize>,
    /// Those in flight whose body has no end: they are told to stop and are not waited for.
    endless: Cell<usize>,
    /// When the last request ended whose connection stayed open for another one.
    last_reusable: Cell<Option<Instant>>,
    changed: Notify,
}

impl Load {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            connections: Cell::new(0),
            in_flight: Cell::new(0),
            endless: Cell::new(0),
            last_reusable: Cell::new(None),
            changed: Notify::new(),
        })
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn connect(self: &Rc<Self>) -> Open {
        self.connections.set(self.connections.get() + 1);
        Open(Rc::clone(self))
    }

    /// Counts a request until the slot is dropped: with the body of its answer.
    pub(crate) fn enter(self: &Rc<Self>, pulse: Option<&Rc<Pulse>>) -> Slot {
        self.in_flight.set(self.in_flight.get() + 1);
        if let Some(pulse) = pulse {
            pulse.begun.set(pulse.begun.get() + 1);
            pulse.in_flight.set(pulse.in_flight.get() + 1);
        }
        Slot {
            load: Rc::clone(self),
            pulse: pulse.cloned(),
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

    pub(crate) fn last_reusable(&self) -> Option<Instant> {
        self.last_reusable.get()
    }

    /// Resolves when a connection or a request has ended since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Open(Rc<Load>);

impl Drop for Open {
    fn drop(&mut self) {
        let load = &self.0;
        load.connections.set(load.connections.get() - 1);
        load.changed.notify_one();
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Slot {
    load: Rc<Load>,
    pulse: Option<Rc<Pulse>>,
    endless: bool,
    last: bool,
}

impl Slot {
    /// The answer's body has no end.
    pub(crate) fn mark_endless(&mut self) {
        if !self.endless {
            self.endless = true;
            self.load.endless.set(self.load.endless.get() + 1);
            self.load.changed.notify_one();
        }
    }

    /// The connection closes after this answer.
    pub(crate) fn mark_last(&mut self) {
        self.last = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let load = &self.load;
        load.in_flight.set(load.in_flight.get() - 1);
        if let Some(pulse) = &self.pulse {
            pulse.in_flight.set(pulse.in_flight.get() - 1);
        }
        if self.endless {
            load.endless.set(load.endless.get() - 1);
        } else if !self.last {
            load.last_reusable.set(Some(Instant::now()));
        }
        load.changed.notify_one();
    }
}

/// Requests of one connection: how many have begun, how many are in flight.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    begun: Cell<u64>,
    in_flight: Cell<u64>,
}

impl Pulse {
    pub(crate) fn begun(&self) -> u64 {
        self.begun.get()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }
}
