//! Where this checkout is, and the directories that belong to it alone.
//!
//! Data lie under `.kiuas/` in the checkout. Unix sockets lie in a short directory elsewhere, because
//! the kernel allows 107 bytes for a socket's path and a checkout may be anywhere. Both carry the
//! checkout's identity, so that two checkouts run side by side.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::FlockOperation;

/// Longest path of a Unix socket: `sun_path` without the final zero byte.
const LONGEST_SOCKET: usize = 107;
/// Names another directory than `.kiuas`, for data that must not meet those of the checkout.
const STATE: &str = "KIUAS_STATE";
/// Room for the longest name inside a runtime directory, such as `/pg/.s.PGSQL.5432.lock`.
const LONGEST_NAME: usize = 40;

/// This checkout.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    root: PathBuf,
    state: PathBuf,
}

impl Checkout {
    /// The checkout whose xtask this is: above `xtask/` as cargo says, else above the working
    /// directory.
    pub(crate) fn find() -> Result<Self> {
        if let Some(manifest) = std::env::var_os("CARGO_MANIFEST_DIR")
            && let Some(root) = Path::new(&manifest).parent()
            && root.join("xtask/Cargo.toml").is_file()
        {
            return Self::at(root);
        }
        let start = std::env::current_dir().context("cannot tell the working directory")?;
        match start
            .ancestors()
            .find(|directory| directory.join("xtask/Cargo.toml").is_file())
        {
            Some(root) => Self::at(root),
            None => bail!("{} lies in no checkout of Kiuas", start.display()),
        }
    }

    /// The checkout at `root`.
    pub(crate) fn at(root: &Path) -> Result<Self> {
        let root =
            fs::canonicalize(root).with_context(|| format!("cannot resolve {}", root.display()))?;
        let state = std::env::var_os(STATE).map_or_else(|| root.join(".kiuas"), PathBuf::from);
        let state = std::path::absolute(&state)
            .with_context(|| format!("{STATE} names no directory: {}", state.display()))?;
        Ok(Self { root, state })
    }

    /// Its top directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory for `purpose` under `.kiuas/`, made if missing.
    pub(crate) fn state(&self, purpose: &str) -> Result<PathBuf> {
        let directory = self.state.join(purpose);
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(directory)
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), |path| self.root.join(path))
    }

    /// Twelve hexadecimal digits that stand for where this checkout's state is.
    pub(crate) fn identity(&self) -> String {
        // FNV-1a: stable between versions of Rust, which `DefaultHasher` does not promise.
        let hash = self
            .state
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("{:012x}", hash >> 16)
    }

    /// An empty directory for sockets, short enough for any of them.
    pub(crate) fn runtime(&self, purpose: &str) -> Result<Runtime> {
        let directory = runtime_base().join(format!("kiuas-{}-{purpose}", self.identity()));
        if directory.as_os_str().len() + LONGEST_NAME > LONGEST_SOCKET {
            bail!(
                "{} is too long for Unix sockets (at most {LONGEST_SOCKET} bytes a path)",
                directory.display()
            );
        }
        Runtime::make(directory)
    }

    /// Holds `purpose` for this process: one at a time in a checkout.
    pub(crate) fn lock(&self, purpose: &str) -> Result<Lock> {
        let path = self.state(purpose)?.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            bail!(
                "`cargo xtask {purpose}` already runs in this checkout (process {}); stop it first",
                holder.trim()
            );
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Lock { _file: file })
    }
}

/// Held while a command runs; the kernel lets go of it even when the process is killed.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// A directory of sockets that goes when this does.
#[derive(Debug)]
pub(crate) struct Runtime {
    path: PathBuf,
}

impl Runtime {
    fn make(path: PathBuf) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            check_own_directory(&path)?;
            remove(&path)?;
        }
        // Not recursive: in a directory that others may write to, only this call tells whether the
        // directory is really ours.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets another account pass through to its own directory inside.
    pub(crate) fn let_pass(&self) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(0o711))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // What cannot be removed now is replaced at the next start.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// Removes `path`, a file or a whole directory, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// True when this process may do everything.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Refuses what a stranger put in our place: a link, a file, somebody else's directory.
pub(crate) fn check_own_directory(path: &Path) -> Result<()> {
    let metadata = path
        .symlink_metadata()
        .with_context(|| format!("cannot look at {}", path.display()))?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        bail!(
            "{} is in the way: it is not a directory of this user",
            path.display()
        );
    }
    Ok(())
}

/// `/tmp` as root, because PostgreSQL then runs as another account, which may not enter root's
/// `XDG_RUNTIME_DIR`.
fn runtime_base() -> PathBuf {
    let shared = PathBuf::from("/tmp");
    if is_root() {
        return shared;
    }
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && check_own_directory(path).is_ok())
        .unwrap_or(shared)
}

#[cfg(test)]
mod tests;
