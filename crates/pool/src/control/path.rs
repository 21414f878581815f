//! Where the control socket of a pool is, unless its settings say.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Of systemd, for whoever is started with `RuntimeDirectory=`.
const SERVICE: &str = "RUNTIME_DIRECTORY";
/// Of the session.
const SESSION: &str = "XDG_RUNTIME_DIR";
const SYSTEM: &str = "/run/kiuas";

/// Where pool `name` opens its control socket by default: `pool-NAME.sock` in the directory that systemd
/// made for the service, else in `$XDG_RUNTIME_DIR/kiuas`, else, for root, in `/run/kiuas`, else in a
/// private directory below the temporary one. The directory exists afterwards.
///
/// # Errors
/// It cannot be made, or belongs to somebody else.
pub fn default_path(name: &str) -> io::Result<PathBuf> {
    let directory = candidates().into_iter().next();
    let directory = directory.ok_or_else(|| io::Error::other("there is no runtime directory"))?;
    make_private(&directory)?;
    Ok(directory.join(file_name(name)))
}

/// Where the control socket of pool `name` is, among the places of [`default_path`]: the first that
/// exists, else the first.
#[must_use]
pub fn existing_path(name: &str) -> PathBuf {
    let all: Vec<PathBuf> = candidates()
        .into_iter()
        .map(|directory| directory.join(file_name(name)))
        .collect();
    let existing = all.iter().find(|path| path.exists()).or(all.first());
    existing
        .cloned()
        .unwrap_or_else(|| Path::new(SYSTEM).join(file_name(name)))
}

fn file_name(name: &str) -> String {
    format!("pool-{name}.sock")
}

fn candidates() -> Vec<PathBuf> {
    let user = rustix::process::geteuid();
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let variable = |name| std::env::var_os(name).map(PathBuf::from).and_then(absolute);
    // systemd separates several by colons.
    let service = std::env::var(SERVICE).ok();
    let service = service.and_then(|list| list.split(':').next().map(PathBuf::from));
    let all = [
        service.and_then(absolute),
        variable(SESSION).map(|path| path.join("kiuas")),
        user.is_root().then(|| PathBuf::from(SYSTEM)),
        Some(std::env::temp_dir().join(format!("kiuas-{}", user.as_raw()))),
    ];
    all.into_iter().flatten().collect()
}

/// Others may not put a socket of theirs where ours is looked for.
fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory)?;
    let metadata = std::fs::symlink_metadata(directory)?;
    let owner = metadata.uid();
    let is_ours = owner == rustix::process::geteuid().as_raw() || owner == 0;
    let others_write = metadata.mode() & 0o022 != 0;
    if !metadata.is_dir() || !is_ours || others_write {
        return Err(io::Error::other(format!(
            "{} is no directory that only its owner may write to",
            directory.display()
        )));
    }
    Ok(())
}
