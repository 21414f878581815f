//! Notices changes of the sources. The kernel's events only say when to look; what has changed is
//! found by comparing contents, so that no event is ever relied on.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::change::{Change, Snapshot, WATCHED};

/// Editors write a file in several steps, and version control writes many files.
const QUIET: Duration = Duration::from_millis(150);
/// Under a steady stream of writes we look nevertheless.
const LONGEST: Duration = Duration::from_secs(2);

/// A running watch.
#[derive(Debug)]
pub(super) struct Watch {
    root: PathBuf,
    // Only held: it stops watching when it goes.
    _watcher: RecommendedWatcher,
    events: Receiver<()>,
    first: Option<Instant>,
    last: Instant,
    snapshot: Snapshot,
}

impl Watch {
    /// Watches the sources under `root`.
    pub(super) fn start(root: &Path) -> Result<Self> {
        // One waiting event is as good as a thousand.
        let (sender, events) = sync_channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Reading a file is an event too, and comparing contents reads them.
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    sender.try_send(()).ok();
                }
            })
            .context("cannot watch the sources")?;
        for top in WATCHED {
            let path = root.join(top);
            if path.exists() {
                watcher
                    .watch(&path, RecursiveMode::Recursive)
                    .with_context(|| format!("cannot watch {}", path.display()))?;
            }
        }
        // After the watch began, so that nothing falls between the two.
        let snapshot = Snapshot::take(root, &Snapshot::default());
        Ok(Self {
            root: root.to_owned(),
            _watcher: watcher,
            events,
            first: None,
            last: Instant::now(),
            snapshot,
        })
    }

    /// What has changed since this was last asked, once the writing has stopped.
    pub(super) fn poll(&mut self) -> Option<Change> {
        while self.events.try_recv().is_ok() {
            self.last = Instant::now();
            self.first.get_or_insert(self.last);
        }
        let first = self.first?;
        if self.last.elapsed() < QUIET && first.elapsed() < LONGEST {
            return None;
        }
        self.first = None;
        let now = Snapshot::take(&self.root, &self.snapshot);
        let change = self.snapshot.difference(&now);
        self.snapshot = now;
        change
    }
}
