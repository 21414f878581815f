//! How many descriptors a process has open.

use std::os::linux::fs::MetadataExt;

/// Since Linux 6.2 the size of the directory says it; before, its entries are counted, up to this many.
const MOST_COUNTED: usize = 65_536;

/// Open descriptors of process `pid`; `None` if it has ended or may not be looked at.
pub(crate) fn count(pid: i32) -> Option<u64> {
    let path = format!("/proc/{pid}/fd");
    match std::fs::metadata(&path).ok()?.st_size() {
        0 => {
            let entries = std::fs::read_dir(&path).ok()?;
            u64::try_from(entries.take(MOST_COUNTED).count()).ok()
        }
        size => Some(size),
    }
}
