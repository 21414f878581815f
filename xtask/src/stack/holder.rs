//! Which process listens on a port, from `/proc`.

use std::fmt;
use std::fs;
use std::path::Path;

/// State `LISTEN` in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A process that listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pid: u32,
    name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.name, self.pid)
    }
}

/// The process that listens on `port`, as far as this user may see.
pub(super) fn of_port(port: u16) -> Option<Holder> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| inode(&fs::read_to_string(table).ok()?, port))?;
    let link = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        holds(&entry.path(), &link).then(|| Holder {
            pid,
            name: fs::read_to_string(entry.path().join("comm"))
                .map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned()),
        })
    })
}

/// The inode of the socket that listens on `port`, in the text of `/proc/net/tcp`.
pub(super) fn inode(table: &str, port: u16) -> Option<u64> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        (local.ends_with(&suffix) && state == LISTEN)
            .then(|| fields.nth(5)?.parse().ok())
            .flatten()
    })
}

fn holds(process: &Path, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|to| to == Path::new(link)))
}
