//! How many connections and requests one address has at a time.
//!
//! A visitor's IPv6 network of 64 bits counts as one address. There are as many counters as addresses
//! with something open, so their number is bounded by what is counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kiuas_common::listener::Stream;
use parking_lot::Mutex;

use crate::rate::of_address;
use crate::worker::Worker;

const SHARDS: usize = 64;

/// The counters, shared by all threads.
#[derive(Debug)]
pub struct Crowd {
    shards: Vec<Mutex<HashMap<u128, u32>>>,
    hasher: RandomState,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

/// Too many of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

/// A place among the connections of `peer`, if they are counted: a load balancer's are not.
///
/// # Errors
/// It has as many as it may.
pub fn enter(worker: &Worker, peer: Option<SocketAddr>) -> Result<Option<Present>, Crowded> {
    let plan = worker.plan();
    let (Some(most), Some(peer)) = (plan.limits.connections_per_address, peer) else {
        return Ok(None);
    };
    let address = peer.ip();
    if plan.trusted.iter().any(|network| network.contains(address)) {
        return Ok(None);
    }
    let crowd = &worker.shared.protection.connections;
    match crowd.enter(address, most) {
        Some(present) => Ok(Some(present)),
        None => {
            worker.shared.meter.refused("connections_per_address");
            Err(Crowded)
        }
    }
}

/// Closes a connection that is one too many; over plain HTTP with a word, if it can be said at once.
pub fn turn_away(stream: Stream, secure: bool) {
    const WORD: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\
        Retry-After: 5\r\nConnection: close\r\n\r\n";
    if let Stream::Tcp(stream) = stream
        && !secure
    {
        // Who does not take it is closed all the same.
        drop(stream.try_write(WORD));
    }
}

/// One that is counted while this lives.
#[derive(Debug)]
pub struct Present {
    crowd: Arc<Crowd>,
    key: u128,
}

impl Crowd {
    /// One more of `address`; `None` if there are `most` already.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr, most: u32) -> Option<Present> {
        let key = of_address(address);
        let mut counts = self.shard(key)?.lock();
        let count = counts.entry(key).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Present {
            crowd: Arc::clone(self),
            key,
        })
    }

    fn shard(&self, key: u128) -> Option<&Mutex<HashMap<u128, u32>>> {
        let hash = usize::try_from(self.hasher.hash_one(key) & 0xffff).unwrap_or_default();
        self.shards.get(hash % SHARDS)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let Some(shard) = self.crowd.shard(self.key) else {
            return;
        };
        let mut counts = shard.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_leaves_nothing_behind() {
        let crowd = Arc::new(Crowd::default());
        let address: IpAddr = [10, 0, 0, 1].into();
        let first = crowd.enter(address, 2).expect("a place");
        let second = crowd.enter(address, 2).expect("a place");
        assert!(crowd.enter(address, 2).is_none());
        assert!(crowd.enter([10, 0, 0, 2].into(), 2).is_some());
        drop(first);
        assert!(crowd.enter(address, 2).is_some());
        drop(second);
        let left: usize = crowd.shards.iter().map(|shard| shard.lock().len()).sum();
        assert_eq!(left, 0);
    }
}
