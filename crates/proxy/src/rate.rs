//! How often somebody may ask: a bucket of tokens for each key, shared by all threads and kept over
//! reloads.
//!
//! A bucket is one number, the time at which it will be full again (GCRA, ITU-T I.371); taking a token
//! moves it on. All buckets lie in one table of fixed size: a set of eight slots for each hash, a lock
//! for many sets, held for a few comparisons. When a set is full, the bucket that is full again first
//! gives way: usually that loses nothing.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const WAYS: usize = 8;
const SETS: usize = 256;
const SHARDS: usize = 64;

/// How fast tokens come, and how many a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Between two tokens.
    pub every: Duration,
    /// Tokens beside the one that is always there for a key that kept to the rate.
    pub burst: u32,
}

impl Quota {
    /// Tokens of a full bucket.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::from(self.burst) + 1
    }

    fn step(&self) -> u64 {
        u64::try_from(self.every.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

/// What became of a wish for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether there was one.
    pub granted: bool,
    /// Tokens that are left.
    pub left: u64,
    /// Until the bucket is full again.
    pub full_in: Duration,
    /// Until the rate is kept: how long a request that is not granted must wait, or how long a granted
    /// one waits if bursts are spread out.
    pub wait: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    full_at: u64,
}

type Set = [Slot; WAYS];

/// All buckets.
#[derive(Debug)]
pub struct Buckets {
    shards: Vec<Mutex<Box<[Set]>>>,
    hasher: RandomState,
    start: Instant,
}

impl Default for Buckets {
    fn default() -> Self {
        let shard = || Mutex::new(vec![Set::default(); SETS].into_boxed_slice());
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            // Random: nobody can aim at another's set.
            hasher: RandomState::new(),
            start: Instant::now(),
        }
    }
}

impl Buckets {
    /// Takes a token of `key` under the limit with the number `limit`.
    pub fn take(&self, limit: u64, key: impl Hash, quota: Quota) -> Taken {
        self.take_at(limit, key, quota, self.now())
    }

    /// Puts a token back that was not used.
    pub fn give_back(&self, limit: u64, key: impl Hash, quota: Quota) {
        let hash = self.hash(limit, key);
        self.with_slot(hash, self.now(), |slot, now| {
            slot.full_at = slot.full_at.saturating_sub(quota.step());
            judge(slot.full_at.max(now), quota, now)
        });
    }

    fn take_at(&self, limit: u64, key: impl Hash, quota: Quota, now: u64) -> Taken {
        let hash = self.hash(limit, key);
        self.with_slot(hash, now, |slot, now| {
            let full_at = slot.full_at.max(now);
            let taken = judge(full_at, quota, now);
            if taken.granted {
                slot.full_at = full_at.saturating_add(quota.step());
            }
            taken
        })
    }

    fn hash(&self, limit: u64, key: impl Hash) -> u64 {
        // 0 marks a free slot.
        self.hasher.hash_one((limit, key)).max(1)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn with_slot(&self, hash: u64, now: u64, then: impl FnOnce(&mut Slot, u64) -> Taken) -> Taken {
        let place = |bits: u64, count: usize| usize::try_from(bits).unwrap_or_default() % count;
        let mut outside = Slot::default();
        let Some(shard) = self.shards.get(place(hash & 0xffff, SHARDS)) else {
            return then(&mut outside, now);
        };
        let mut sets = shard.lock();
        let Some(set) = sets.get_mut(place(hash >> 32, SETS)) else {
            return then(&mut outside, now);
        };
        let found = set.iter().position(|slot| slot.key == hash);
        let index = found.unwrap_or_else(|| {
            let oldest = set.iter().enumerate().min_by_key(|(_, slot)| slot.full_at);
            oldest.map_or(0, |(index, _)| index)
        });
        let Some(slot) = set.get_mut(index) else {
            return then(&mut outside, now);
        };
        if found.is_none() {
            *slot = Slot {
                key: hash,
                full_at: now,
            };
        }
        then(slot, now)
    }
}

/// `full_at` is not before `now`.
fn judge(full_at: u64, quota: Quota, now: u64) -> Taken {
    let step = quota.step();
    let missing = full_at - now;
    let most = step.saturating_mul(u64::from(quota.burst));
    let granted = missing <= most;
    let after = if granted {
        missing.saturating_add(step)
    } else {
        missing
    };
    let left = most.saturating_add(step).saturating_sub(after) / step;
    Taken {
        granted,
        left: if granted { left } else { 0 },
        full_in: Duration::from_nanos(after),
        wait: Duration::from_nanos(if granted { missing } else { missing - most }),
    }
}

/// An address as a key: a visitor has a whole /64 of IPv6 to choose from.
#[must_use]
pub fn of_address(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests;
