//! What a server has used: CPU time and memory of its process and of all below it, from `/proc`
//! (proc(5)).

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The process `root` and its descendants.
pub(super) fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let Some(pid) = entry
            .ok()
            .and_then(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        else {
            continue;
        };
        if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
            && let Some(parent) = parent(&stat)
        {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(process) = found.get(at).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == process)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    Ok(found)
}

/// The parent in a line of `/proc/PID/stat`; the name in parentheses may hold anything.
pub(super) fn parent(stat: &str) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

/// CPU time that the threads of `processes` have used, in nanoseconds' resolution. Threads that have
/// ended are not in it; servers keep theirs.
pub(super) fn cpu(processes: &[u32]) -> Duration {
    let mut nanoseconds = 0;
    for process in processes {
        // nginx ends its cache loader after a minute; what has gone does not work any more.
        let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
                nanoseconds += first_number(&text).unwrap_or(0);
            }
        }
    }
    Duration::from_nanos(nanoseconds)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Memory that `processes` have for themselves (`Private_Dirty`), in KiB.
pub(super) fn private_kib(processes: &[u32]) -> u64 {
    memory(processes, "Private_Dirty:")
}

/// Memory of `processes`, what they share with others divided among them (`Pss`), in KiB.
pub(super) fn pss_kib(processes: &[u32]) -> u64 {
    memory(processes, "Pss:")
}

fn memory(processes: &[u32], key: &str) -> u64 {
    let mut sum = 0;
    for process in processes {
        if let Ok(text) = fs::read_to_string(format!("/proc/{process}/smaps_rollup")) {
            sum += kib(&text, key).unwrap_or(0);
        }
    }
    sum
}

/// `Private_Dirty:   123 kB`.
pub(super) fn kib(smaps: &str, key: &str) -> Option<u64> {
    let line = smaps.lines().find_map(|line| line.strip_prefix(key))?;
    first_number(line)
}
