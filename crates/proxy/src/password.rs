//! Who may see a page, by htpasswd file: the file, the comparison off the serving threads, and a short
//! memory of what was right.
//!
//! A comparison takes milliseconds on purpose. A few threads do them, one after the other, from a
//! bounded queue; who comes too many gets 503. A page with thirty pictures costs one comparison: the
//! same credentials wait for the one under way, and what was right stays so for a minute.

mod basic;
mod file;
mod hash;
mod md5_crypt;
mod queue;
mod results;
mod sha_crypt;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use kiuas_common::Shutdown;
use parking_lot::Mutex;

pub use basic::{Credentials, is_basic};
pub use file::{LineError, Users};
pub use hash::Hash;
pub use results::Overloaded;

use file::MOST_BYTES;
use results::Results;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells two states of a file apart.
type Stamp = (SystemTime, u64, u64);

/// A file that is in use, read again when it changes.
#[derive(Debug)]
pub struct PasswordFile {
    path: PathBuf,
    users: ArcSwap<Users>,
    /// Counts the changes: results belong to one state of the file.
    generation: AtomicU64,
    stamp: Mutex<Option<Stamp>>,
    results: Results,
}

impl PasswordFile {
    /// The file at `path`; the same one for everybody who asks, so that a reload of the settings forgets
    /// no result.
    ///
    /// # Errors
    /// It cannot be read, or lines in it cannot be used: each problem for people.
    pub fn open(path: &Path) -> Result<Arc<Self>, Vec<String>> {
        let mut all = registry().lock();
        let known = all.get(path).and_then(Weak::upgrade);
        let (users, stamp) = read(path)?;
        if let Some(file) = known {
            drop(all);
            file.replace(users, stamp);
            return Ok(file);
        }
        let file = Arc::new(Self {
            path: path.to_owned(),
            users: ArcSwap::from_pointee(users),
            generation: AtomicU64::new(0),
            stamp: Mutex::new(Some(stamp)),
            results: Results::default(),
        });
        all.retain(|_, file| file.strong_count() > 0);
        all.insert(path.to_owned(), Arc::downgrade(&file));
        Ok(file)
    }

    /// True if they were right within the last minute.
    #[must_use]
    pub fn remembers(&self, credentials: &Credentials) -> bool {
        let generation = self.generation.load(Ordering::Acquire);
        self.results.remember(generation, credentials)
    }

    /// True if `credentials` are a user's.
    ///
    /// # Errors
    /// Too many comparisons wait.
    pub async fn verify(self: &Arc<Self>, credentials: &Credentials) -> Result<bool, Overloaded> {
        let generation = self.generation.load(Ordering::Acquire);
        self.results.of(self, generation, credentials).await
    }

    /// Compares now; takes its time.
    fn compare(&self, credentials: &Credentials) -> bool {
        let users = self.users.load_full();
        let (hash, known) = users.of(&credentials.user);
        hash.is_of(credentials.password.as_bytes()) && known
    }

    fn replace(&self, users: Users, stamp: Stamp) {
        let mut known = self.stamp.lock();
        if *known != Some(stamp) {
            *known = Some(stamp);
            self.users.store(Arc::new(users));
            self.generation.fetch_add(1, Ordering::Release);
            self.results.forget();
        }
    }

    /// Reads the file again if it changed. What cannot be used leaves the old state in force.
    fn refresh(&self) {
        let stamp = std::fs::metadata(&self.path)
            .ok()
            .map(|data| stamp_of(&data));
        if stamp.is_some() && stamp == *self.stamp.lock() {
            return;
        }
        match read(&self.path) {
            Ok((users, stamp)) => {
                self.replace(users, stamp);
                tracing::info!("read the passwords in `{}` again", self.path.display());
            }
            Err(problems) => {
                // Said once for each state of the file.
                let mut known = self.stamp.lock();
                if *known != stamp {
                    *known = stamp;
                    let problems = problems.join("; ");
                    tracing::error!(
                        "the passwords in `{}` cannot be used, the old ones stay in force: {problems}",
                        self.path.display()
                    );
                }
            }
        }
    }
}

/// Looks at all files every two seconds, until the drain.
pub fn watch(shutdown: &Shutdown) {
    let ends = shutdown.clone();
    shutdown.spawn(async move {
        loop {
            tokio::select! {
                () = ends.draining() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let files: Vec<Arc<PasswordFile>> = registry()
                .lock()
                .values()
                .filter_map(Weak::upgrade)
                .collect();
            for file in files {
                file.refresh();
            }
        }
    });
}

fn registry() -> &'static Mutex<HashMap<PathBuf, Weak<PasswordFile>>> {
    static FILES: OnceLock<Mutex<HashMap<PathBuf, Weak<PasswordFile>>>> = OnceLock::new();
    FILES.get_or_init(Mutex::default)
}

fn read(path: &Path) -> Result<(Users, Stamp), Vec<String>> {
    let problem = |error: std::io::Error| vec![format!("cannot read {}: {error}", path.display())];
    let file = std::fs::File::open(path).map_err(problem)?;
    let stamp = stamp_of(&file.metadata().map_err(problem)?);
    let mut bytes = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(problem)?;
    if bytes.len() > MOST_BYTES {
        return Err(vec![format!("{} is larger than 1 MiB", path.display())]);
    }
    let text =
        String::from_utf8(bytes).map_err(|_| vec![format!("{} is not UTF-8", path.display())])?;
    let users = Users::parse(&text).map_err(|errors| {
        let line = |error: &LineError| format!("{}, {error}", path.display());
        errors.iter().map(line).collect::<Vec<String>>()
    })?;
    Ok((users, stamp))
}

fn stamp_of(data: &std::fs::Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let modified = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    (modified, data.len(), data.ino())
}
