//! The accept queues of the pool's listening sockets, with their highest mark.

use std::sync::Weak;

use kiuas_common::listener::Inherited;

use super::reading::QueueReading;
use crate::queue::{Depth, Gauge};

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Queues(Vec<Queue>);

#[derive(Debug)]
struct Queue {
    socket: Weak<Inherited>,
    gauge: Option<Gauge>,
    reading: QueueReading,
}

impl Queues {
    /// Reads all sockets; those that are new are looked up first.
    pub(crate) fn read(&mut self, sockets: &[Weak<Inherited>]) -> Vec<QueueReading> {
        let is_same = self.0.len() == sockets.len()
            && self
                .0
                .iter()
                .zip(sockets)
                .all(|(queue, socket)| queue.socket.ptr_eq(socket));
        if !is_same {
            self.0 = sockets.iter().filter_map(Queue::new).collect();
        }
        self.0.iter_mut().map(Queue::read).collect()
    }
}

impl Queue {
    fn new(socket: &Weak<Inherited>) -> Option<Self> {
        let held = socket.upgrade()?;
        let address = held.listener.local_address();
        let gauge = Gauge::new(&held.listener);
        if let Err(error) = &gauge {
            tracing::warn!(%error, socket = held.name, "cannot ask the kernel for the depth of accept queues");
        }
        Some(Self {
            socket: socket.clone(),
            gauge: gauge.ok(),
            reading: QueueReading {
                name: held.name.clone(),
                address: address.map(|it| it.to_string()).unwrap_or_default(),
                depth: None,
                highest: 0,
                full: 0,
            },
        })
    }

    fn read(&mut self) -> QueueReading {
        let depth = self.gauge.as_ref().and_then(|gauge| gauge.read().ok());
        let reading = &mut self.reading;
        reading.depth = depth;
        if let Some(Depth { waiting, limit }) = depth {
            reading.highest = reading.highest.max(waiting);
            // At its limit it is full: the kernel takes one more than the limit says.
            reading.full += u64::from(limit > 0 && waiting >= limit);
        }
        reading.clone()
    }
}
