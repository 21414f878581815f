//! The control group of a process, as far as memory is concerned: its limit, and how often the kernel
//! has killed in it.

use std::path::{Path, PathBuf};

/// Where control groups are mounted everywhere.
const MOUNT: &str = "/sys/fs/cgroup";
/// The kernel's own words for "none", in version 1: the largest multiple of a page.
const NO_LIMIT: u64 = i64::MAX as u64 - 4095;

/// A control group with a memory controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MemoryGroup {
    directory: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Version {
    One,
    Two,
}

impl MemoryGroup {
    /// Of process `pid`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = super::read(format!("/proc/{pid}/cgroup"))?;
        Self::parse(&text, Path::new(MOUNT))
    }

    /// `HIERARCHY:CONTROLLERS:PATH`, one line a hierarchy; version 2 is hierarchy 0 without controllers.
    pub(super) fn parse(text: &str, mount: &Path) -> Option<Self> {
        let line = |wanted: fn(&str, &str) -> bool| {
            text.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':');
                let (number, controllers) = (parts.next()?, parts.next()?);
                let path = parts.next()?.strip_prefix('/')?;
                // Such a path names a group outside of what this namespace may see.
                let inside = !Path::new(path)
                    .components()
                    .any(|part| part.as_os_str() == "..");
                (inside && wanted(number, controllers)).then_some(path)
            })
        };
        let one = line(|_, controllers| controllers.split(',').any(|one| one == "memory"));
        if let Some(path) = one {
            return Self::at(mount.join("memory"), path, Version::One);
        }
        let path = line(|number, controllers| number == "0" && controllers.is_empty())?;
        Self::at(mount.to_owned(), path, Version::Two)
    }

    /// In a container the path is the host's, and the group is mounted at the root.
    fn at(mount: PathBuf, path: &str, version: Version) -> Option<Self> {
        let own = mount.join(path);
        let candidates = [own, mount];
        candidates
            .into_iter()
            .map(|directory| Self { directory, version })
            .find(|group| group.directory.join(group.events_file()).exists())
    }

    fn events_file(&self) -> &'static str {
        match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        }
    }

    /// Processes in it (or below it) that the kernel has killed for want of memory, since it was made.
    pub(crate) fn oom_kills(&self) -> Option<u64> {
        parse_oom_kills(&super::read(self.directory.join(self.events_file()))?)
    }

    /// Memory that it uses and cannot simply give up, bytes: without the files that are only cached.
    pub(crate) fn used(&self) -> Option<u64> {
        let (usage, cached) = match self.version {
            Version::One => ("memory.usage_in_bytes", "total_inactive_file "),
            Version::Two => ("memory.current", "inactive_file "),
        };
        let usage: u64 = super::read(self.directory.join(usage))?
            .trim()
            .parse()
            .ok()?;
        let statistics = super::read(self.directory.join("memory.stat"))?;
        let cached = statistics
            .lines()
            .find_map(|line| line.strip_prefix(cached)?.trim().parse().ok());
        Some(usage.saturating_sub(cached.unwrap_or(0)))
    }

    /// The smallest limit of the group and those above it, bytes.
    pub(crate) fn limit(&self) -> Option<u64> {
        let name = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        let inside = |directory: &&Path| directory.starts_with(MOUNT);
        let groups = self.directory.ancestors().take_while(inside);
        groups
            .filter_map(|directory| super::read(directory.join(name)))
            .filter_map(|text| parse_limit(&text))
            .min()
    }
}

/// `oom_kill 3` among other lines, in both versions.
pub(super) fn parse_oom_kills(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .trim()
        .parse()
        .ok()
}

/// `max`, or bytes.
pub(super) fn parse_limit(text: &str) -> Option<u64> {
    let limit: u64 = text.trim().parse().ok()?;
    (limit < NO_LIMIT).then_some(limit)
}

/// Processes on this machine that the kernel has killed for want of memory: for those outside of any
/// group with a memory controller.
pub(crate) fn oom_kills_of_the_machine() -> Option<u64> {
    parse_oom_kills(&super::read("/proc/vmstat")?)
}
