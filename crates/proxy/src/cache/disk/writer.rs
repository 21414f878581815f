//! The thread that finds, writes and deletes files.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::index::Slot;
use super::{Shared, format};
use crate::cache::entry::Entry;

/// Files are deleted after so long even if nothing is written.
const ROUND: Duration = Duration::from_millis(250);
/// After a failure, nothing is written for so long: a full disk is not asked again and again.
const RETREAT: Duration = Duration::from_secs(5);
/// Temporary files of a process that has ended; one that still drains may be writing younger ones.
const ABANDONED: Duration = Duration::from_secs(60);

/// An answer to write.
#[derive(Debug)]
pub(super) struct Job {
    /// From [`super::index::Index::enter`].
    pub(super) number: u64,
    pub(super) entry: Arc<Entry>,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    found: watch::Sender<bool>,
    /// The disk failed: nothing is tried until then.
    silent_until: Option<Instant>,
    /// It has not taken anything since it failed.
    failing: bool,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        jobs: Receiver<Job>,
        found: watch::Sender<bool>,
    ) -> Self {
        Self {
            shared,
            jobs,
            found,
            silent_until: None,
            failing: false,
        }
    }

    /// Until the cache is dropped.
    pub(super) fn run(mut self) {
        self.scan();
        self.shared.index.lock().scanned();
        self.found.send_replace(true);
        loop {
            match self.jobs.recv_timeout(ROUND) {
                Ok(job) => self.obey(&job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.delete();
        }
    }

    fn obey(&mut self, job: &Job) {
        let silent = self
            .silent_until
            .is_some_and(|until| Instant::now() < until);
        let dropped = {
            let index = self.shared.index.lock();
            let entry = &job.entry;
            index.is_dropped(job.number, &entry.key, &entry.head.tags)
        };
        if silent {
            self.shared.unwritten.fetch_add(1, Ordering::Relaxed);
        } else if !dropped {
            self.try_write(job);
        }
        self.shared.index.lock().leave(job.number);
    }

    fn try_write(&mut self, job: &Job) {
        let id = rand::random();
        match self.write(id, &job.entry) {
            Ok(size) => {
                self.silent_until = None;
                self.works_again();
                let slot = Slot {
                    id,
                    selection: job.entry.head.selection.clone(),
                    tags: job.entry.head.tags.clone(),
                    size,
                    proven: true,
                };
                let mut index = self.shared.index.lock();
                index.add(job.entry.key.clone(), slot, job.number);
            }
            Err(error) => {
                drop(fs::remove_file(self.shared.temporary(id)));
                self.silent_until = Some(Instant::now() + RETREAT);
                self.shared.unwritten.fetch_add(1, Ordering::Relaxed);
                self.fails(&error);
            }
        }
    }

    /// Said once, until it works again: a full disk stays full for a while.
    fn fails(&mut self, error: &io::Error) {
        if std::mem::replace(&mut self.failing, true) {
            return;
        }
        tracing::warn!(
            %error,
            cache.directory = %self.shared.directory.display(),
            "cannot write answers to `{}`: the cache goes on in memory",
            self.shared.directory.display()
        );
    }

    fn works_again(&mut self) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(
                cache.directory = %self.shared.directory.display(),
                "answers are written to `{}` again",
                self.shared.directory.display()
            );
        }
    }

    fn write(&self, id: u64, entry: &Entry) -> io::Result<u64> {
        let temporary = self.shared.temporary(id);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        let size = format::write(entry, &mut file)?;
        let path = self.shared.path(id);
        if let Err(error) = fs::rename(&temporary, &path) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            let parent = path.parent().unwrap_or(&self.shared.directory);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
            fs::rename(&temporary, &path)?;
        }
        Ok(size)
    }

    fn delete(&self) {
        let garbage = self.shared.index.lock().take_garbage();
        for id in garbage {
            drop(fs::remove_file(self.shared.path(id)));
        }
    }

    /// Files of earlier processes. What is no whole answer is deleted.
    fn scan(&self) {
        let Ok(directories) = fs::read_dir(&self.shared.directory) else {
            return;
        };
        for directory in directories.flatten() {
            let name = directory.file_name();
            let Some(name) = name.to_str() else { continue };
            let Ok(files) = fs::read_dir(directory.path()) else {
                continue;
            };
            for file in files.flatten() {
                if name == "tmp" {
                    delete_abandoned(&file.path());
                } else if let Some(rest) = file.file_name().to_str() {
                    self.find(name, rest, &file.path());
                }
            }
            self.delete();
        }
    }

    fn find(&self, directory: &str, rest: &str, path: &Path) {
        // What is not named like ours is not ours to delete.
        let named = directory.len() == 2 && rest.len() == 14;
        let Some(id) = named
            .then(|| u64::from_str_radix(&format!("{directory}{rest}"), 16).ok())
            .flatten()
        else {
            return;
        };
        match format::summary(path) {
            Ok(summary) => {
                let slot = Slot {
                    id,
                    selection: summary.head.selection,
                    tags: summary.head.tags,
                    size: summary.size,
                    proven: false,
                };
                self.shared.index.lock().add(summary.key, slot, 0);
            }
            Err(_) => drop(fs::remove_file(path)),
        }
    }
}

fn delete_abandoned(path: &Path) {
    let age = fs::metadata(path)
        .and_then(|found| found.modified())
        .map(|modified| modified.elapsed().unwrap_or_default());
    if age.is_ok_and(|age| age > ABANDONED) {
        drop(fs::remove_file(path));
    }
}
