//! A thread's idle connections to one target, the most recently used first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use crate::body::Inbound;

/// How long a connection that has just finished an answer may take to say that it is ready.
const SETTLE: Duration = Duration::from_millis(20);

/// What sends requests over one connection.
pub(super) type Sender = SendRequest<Inbound>;

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

/// Idle connections.
#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<VecDeque<Idle>>,
    timeout: Duration,
    most: usize,
}

impl Pool {
    pub(super) fn new(timeout: Duration, most: usize) -> Self {
        Self {
            idle: RefCell::new(VecDeque::new()),
            timeout,
            most,
        }
    }

    /// A connection that is alive as far as can be known without asking the peer: hyper watches idle
    /// connections, so one whose end was seen by the poller is closed here.
    pub(super) async fn take(&self) -> Option<Sender> {
        loop {
            let Idle { mut sender, since } = self.idle.borrow_mut().pop_back()?;
            if sender.is_closed() || since.elapsed() >= self.timeout {
                continue;
            }
            if sender.is_ready() {
                return Some(sender);
            }
            if let Ok(Ok(())) = tokio::time::timeout(SETTLE, sender.ready()).await {
                return Some(sender);
            }
        }
    }

    /// Keeps `sender` for the next request.
    pub(super) fn give_back(&self, sender: Sender) {
        let mut idle = self.idle.borrow_mut();
        if sender.is_closed() || idle.len() >= self.most {
            return;
        }
        idle.push_back(Idle {
            sender,
            since: Instant::now(),
        });
    }

    /// Closes what was idle for too long: the longest idle ones are in front.
    pub(super) fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        while idle
            .front()
            .is_some_and(|one| one.sender.is_closed() || one.since.elapsed() >= self.timeout)
        {
            idle.pop_front();
        }
    }
}
