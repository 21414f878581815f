//! A control group for the children of a pool: version 2, or the controllers of version 1.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::settings::Cgroup;

/// Where control groups are mounted everywhere.
const MOUNT: &str = "/sys/fs/cgroup";
/// `cpu.max` and `cpu.cfs_period_us`: the kernel's default, microseconds.
const PERIOD: u64 = 100_000;
/// Where the pool itself goes when its group must hold no process to be divided (version 2).
const OWN_LEAF: &str = "kiuas-pool";

/// The groups that were made for a pool. They go with it.
#[derive(Debug, Default)]
pub(crate) struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes the groups of pool `name` and sets their limits. What the system does not let it do is a
    /// warning: the pool runs without.
    pub(crate) fn make(name: &str, wanted: &Cgroup) -> Self {
        if !wanted.is_wanted() {
            return Self::default();
        }
        let group = format!("kiuas-{name}-{}", std::process::id());
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        match make(Path::new(MOUNT), &own, &group, wanted) {
            Ok(groups) => {
                for path in &groups {
                    tracing::info!(path = %path.display(), "made a control group for the children of `{name}`");
                }
                Self(groups)
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "`pool.{name}.cgroup` has no effect: {error}; the children run without its limits"
                );
                Self::default()
            }
        }
    }

    /// Those that the program before has made.
    pub(crate) fn restore(paths: Vec<PathBuf>) -> Self {
        Self(paths)
    }

    /// Their directories.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// Files that a process writes itself into to join.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        self.0
            .iter()
            .map(|path| path.join("cgroup.procs"))
            .collect()
    }

    /// Removes them; every process in them must be gone.
    pub(crate) fn remove(&mut self) {
        for path in self.0.drain(..) {
            if let Err(error) = fs::remove_dir(&path) {
                tracing::warn!(%error, path = %path.display(), "could not remove a control group");
            }
        }
    }
}

fn make(mount: &Path, own: &str, name: &str, wanted: &Cgroup) -> io::Result<Vec<PathBuf>> {
    // Where version 1 has the controllers, the unified hierarchy beside it has none of them.
    let two = mount.join("cgroup.controllers");
    if two.exists() {
        return two_make(mount, own, name, wanted).map(|path| vec![path]);
    }
    let mut made = Vec::new();
    for (controller, limits) in one_limits(wanted) {
        match one_make(mount, own, name, wanted, controller, &limits) {
            Ok(path) => made.push(path),
            Err(error) => {
                Groups(made).remove();
                return Err(error);
            }
        }
    }
    Ok(made)
}

type Limits = Vec<(&'static str, String)>;

fn one_limits(wanted: &Cgroup) -> Vec<(&'static str, Limits)> {
    let mut all = Vec::new();
    if let Some(memory) = wanted.memory {
        let limit = ("memory.limit_in_bytes", memory.0.to_string());
        all.push(("memory", vec![limit]));
    }
    if let Some(percent) = wanted.cpu {
        let quota = u64::from(percent) * PERIOD / 100;
        let period = ("cpu.cfs_period_us", PERIOD.to_string());
        all.push(("cpu", vec![period, ("cpu.cfs_quota_us", quota.to_string())]));
    }
    if let Some(pids) = wanted.pids {
        all.push(("pids", vec![("pids.max", pids.to_string())]));
    }
    all
}

fn one_make(
    mount: &Path,
    own: &str,
    name: &str,
    wanted: &Cgroup,
    controller: &str,
    limits: &Limits,
) -> io::Result<PathBuf> {
    let hierarchy = mount.join(controller);
    let found = path_in(own, |controllers| {
        controllers.split(',').any(|one| one == controller)
    });
    let parent = parent(&hierarchy, wanted, found);
    create(&parent, name, limits)
}

fn two_make(mount: &Path, own: &str, name: &str, wanted: &Cgroup) -> io::Result<PathBuf> {
    let mut limits = Vec::new();
    let mut controllers = Vec::new();
    if let Some(memory) = wanted.memory {
        limits.push(("memory.max", memory.0.to_string()));
        controllers.push("+memory");
    }
    if let Some(percent) = wanted.cpu {
        let quota = u64::from(percent) * PERIOD / 100;
        limits.push(("cpu.max", format!("{quota} {PERIOD}")));
        controllers.push("+cpu");
    }
    if let Some(pids) = wanted.pids {
        limits.push(("pids.max", pids.to_string()));
        controllers.push("+pids");
    }
    let parent = parent(mount, wanted, path_in(own, str::is_empty));
    delegate(&parent, &controllers.join(" "))?;
    create(&parent, name, &limits)
}

/// Children of `parent` may have the controllers. A group with processes of its own cannot give them on,
/// so the pool moves into a leaf below it first.
fn delegate(parent: &Path, controllers: &str) -> io::Result<()> {
    let file = parent.join("cgroup.subtree_control");
    match fs::write(&file, controllers) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let leaf = parent.join(OWN_LEAF);
            create_directory(&leaf)?;
            write(&leaf.join("cgroup.procs"), "0")?;
            write(&file, controllers)
        }
        Err(error) => Err(told(&file, &error)),
        Ok(()) => Ok(()),
    }
}

fn create(parent: &Path, name: &str, limits: &Limits) -> io::Result<PathBuf> {
    let path = parent.join(name);
    create_directory(&path)?;
    for (file, value) in limits {
        if let Err(error) = write(&path.join(file), value) {
            Groups(vec![path]).remove();
            return Err(error);
        }
    }
    Ok(path)
}

fn create_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(told(path, &error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text).map_err(|error| told(path, &error))
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    let text = format!("cannot write `{}`: {error}", path.display());
    io::Error::new(error.kind(), text)
}

/// The group of this process in the hierarchy whose controllers `wanted` accepts, from
/// `HIERARCHY:CONTROLLERS:PATH` lines.
fn path_in(own: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        wanted(controllers).then(|| path.trim_start_matches('/'))
    })
}

/// The group below which ours is made. In a container the path is the host's, and the group is mounted at
/// the root.
fn parent(hierarchy: &Path, wanted: &Cgroup, own: Option<&str>) -> PathBuf {
    if let Some(parent) = &wanted.parent {
        return hierarchy.join(parent.strip_prefix("/").unwrap_or(parent));
    }
    let own = hierarchy.join(own.unwrap_or_default());
    if own.is_dir() {
        own
    } else {
        hierarchy.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use kiuas_common::Bytes;

    use super::*;

    fn wanted() -> Cgroup {
        Cgroup {
            parent: None,
            memory: Some(Bytes::mebibytes(100)),
            cpu: Some(150),
            pids: Some(50),
        }
    }

    #[test]
    fn version_one_has_a_group_in_each_hierarchy() {
        let mount = tempfile::tempdir().expect("directory");
        for controller in ["memory", "cpu", "pids"] {
            fs::create_dir_all(mount.path().join(controller).join("mine")).expect("directory");
        }
        let own = "4:memory:/mine\n3:cpu,cpuacct:/mine\n2:pids:/gone\n0::/\n";
        let made = make(mount.path(), own, "kiuas-web-1", &wanted()).expect("groups");
        let text = |path: &str| fs::read_to_string(mount.path().join(path)).expect(path);
        assert_eq!(made.len(), 3);
        assert_eq!(
            text("memory/mine/kiuas-web-1/memory.limit_in_bytes"),
            "104857600"
        );
        assert_eq!(text("cpu/mine/kiuas-web-1/cpu.cfs_quota_us"), "150000");
        assert_eq!(text("pids/kiuas-web-1/pids.max"), "50");
    }

    #[test]
    fn version_two_has_one_group_with_every_controller() {
        let mount = tempfile::tempdir().expect("directory");
        fs::write(mount.path().join("cgroup.controllers"), "cpu memory pids").expect("file");
        fs::create_dir(mount.path().join("mine")).expect("directory");
        let made = make(mount.path(), "0::/mine\n", "kiuas-web-1", &wanted()).expect("groups");
        let text = |path: &str| fs::read_to_string(mount.path().join(path)).expect(path);
        assert_eq!(made, [mount.path().join("mine/kiuas-web-1")]);
        assert_eq!(text("mine/cgroup.subtree_control"), "+memory +cpu +pids");
        assert_eq!(text("mine/kiuas-web-1/cpu.max"), "150000 100000");
        assert_eq!(text("mine/kiuas-web-1/memory.max"), "104857600");
    }

    #[test]
    fn what_cannot_be_made_says_which_file() {
        let error = make(Path::new("/no/such/mount"), "", "kiuas-web-1", &wanted());
        let error = error.expect_err("no mount").to_string();
        assert!(
            error.contains("cannot write `/no/such/mount/memory/kiuas-web-1`"),
            "{error}"
        );
    }
}
