//! What this process has used, in the form of Python's `resource.getrusage`.

use serde_json::{Value, json};

/// CPU seconds and the largest memory in kB, from `/proc`; absent values are 0.
pub(crate) fn of_this_process() -> Value {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}"));
    let stat = read("stat").unwrap_or_default();
    // After the name in brackets, which may hold anything: the 12th and 13th number.
    let numbers: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(0))
        .collect();
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    #[expect(clippy::cast_precision_loss, reason = "a few ticks more or less")]
    let seconds = |at: usize| numbers.get(at).copied().unwrap_or(0) as f64 / ticks as f64;
    let status = read("status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    json!({ "utime": seconds(11), "stime": seconds(12), "maxrss": peak.unwrap_or(0) })
}
