//! What a process has started itself: servers of other people's keep their own worker processes, and a
//! limit on the one that the pool started would say nothing of them.

use std::time::Duration;

use super::stat::Stat;
use super::statm::Statm;

/// Descendants beyond this number are not counted.
const MOST: usize = 256;

/// The descendants of a process, together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Family {
    /// Resident memory, bytes. What they share is counted for each.
    pub(crate) resident: u64,
    /// Processor time of those that live.
    pub(crate) cpu: Duration,
}

impl Family {
    /// Of process `pid`, which is not counted itself. Empty where the kernel does not list children
    /// (`CONFIG_PROC_CHILDREN`).
    pub(crate) fn of(pid: i32) -> Self {
        let mut family = Self::default();
        let mut all = children(pid);
        let mut next = 0;
        while let Some(&pid) = all.get(next).filter(|_| next < MOST) {
            next += 1;
            let resident = Statm::open(pid).and_then(|statm| statm.resident());
            family.resident = family.resident.saturating_add(resident.unwrap_or(0));
            family.cpu += Stat::of(pid).map_or(Duration::ZERO, |stat| stat.cpu);
            all.extend(children(pid));
        }
        family
    }
}

/// Those that its threads have started.
fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .take(MOST)
        .filter_map(|thread| super::read(thread.ok()?.path().join("children")));
    lists
        .flat_map(|list| {
            let pids = list.split_ascii_whitespace().map(str::parse);
            pids.filter_map(Result::ok).collect::<Vec<i32>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn children_and_their_children_count_and_the_process_itself_does_not() {
        let own = i32::try_from(std::process::id()).expect("pid");
        let script = "sleep 60 & read line; kill $!";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh");
        let pid = i32::try_from(shell.id()).expect("pid");
        while Family::of(pid).resident == 0 {
            std::thread::yield_now();
        }
        assert!(Family::of(own).resident > Family::of(pid).resident);
        drop(shell.stdin.take());
        shell.wait().expect("end");
        assert_eq!(Family::of(pid), Family::default());
    }
}
