//! This worker's name among Celery's workers.

use std::sync::atomic::{AtomicU32, Ordering};

/// `kiuas-<pid>@<host>`; a second worker of this process is `kiuas-<pid>-2@<host>`.
pub(crate) fn node_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let host = kiuas_queue::message::hostname();
    match number {
        1 => format!("kiuas-{process}@{host}"),
        more => format!("kiuas-{process}-{more}@{host}"),
    }
}
