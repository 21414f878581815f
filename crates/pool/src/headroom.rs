//! For how many more children there is memory.

use std::collections::HashMap;
use std::fs;
use std::hash::BuildHasher;

use rustix::process::Pid;

use crate::proc::cgroup::MemoryGroup;
use crate::proc::statm::Statm;

/// How many more children as large as the largest of these fit, if `reserve` bytes must stay available. No
/// bound where the system does not say.
pub(crate) fn room<T, S: BuildHasher>(children: &HashMap<Pid, T, S>, reserve: u64) -> usize {
    let largest = children
        .keys()
        .filter_map(|pid| Statm::open(pid.as_raw_nonzero().get())?.resident())
        .max();
    match (largest, available()) {
        (Some(largest), Some(available)) => bound(available, reserve, largest),
        _ => usize::MAX,
    }
}

fn bound(available: u64, reserve: u64, largest: u64) -> usize {
    let free = available.saturating_sub(reserve);
    usize::try_from(free / largest.max(1)).unwrap_or(usize::MAX)
}

/// Memory that the machine, and the control group of this process, can still give.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = meminfo(&text)?;
    let group = MemoryGroup::of(rustix::process::getpid().as_raw_nonzero().get());
    let group = group.and_then(|group| Some(group.limit()?.saturating_sub(group.used()?)));
    Some(group.map_or(machine, |group| group.min(machine)))
}

fn meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_fit_as_the_reserve_leaves_room_for() {
        assert_eq!(bound(1000, 100, 300), 3);
        assert_eq!(bound(1000, 800, 300), 0);
        assert_eq!(bound(100, 200, 1), 0);
        assert_eq!(bound(100, 0, 0), 100);
    }

    #[test]
    fn the_machine_says_what_is_available() {
        let text = "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:     1024 kB\n";
        assert_eq!(meminfo(text), Some(1 << 20));
        assert_eq!(meminfo("MemAvailable: lots\n"), None);
        assert!(available().is_some());
    }
}
