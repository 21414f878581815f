//! How the monitor names things in log lines and answers.

use std::time::Duration;

use kiuas_common::scoreboard::SlotView;

use crate::report::time;

/// `GET /slow (1.2s, request 7f3c…)`.
pub(crate) fn running(slot: &SlotView, now: u64) -> String {
    let age = time(Duration::from_nanos(slot.age(now)));
    let label = if slot.label.is_empty() {
        "something without a name"
    } else {
        &slot.label
    };
    if slot.id.is_empty() {
        format!("{label} ({age})")
    } else {
        format!("{label} ({age}, id {})", slot.id)
    }
}

/// `1.5 MiB`, `312 KiB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = "B";
    let mut rest = number;
    let mut tenths = 0;
    for name in UNITS {
        if rest < 1024 {
            break;
        }
        tenths = (rest % 1024) * 10 / 1024;
        rest /= 1024;
        unit = name;
    }
    if unit == "B" || rest >= 100 {
        format!("{rest} {unit}")
    } else {
        format!("{rest}.{tenths} {unit}")
    }
}
