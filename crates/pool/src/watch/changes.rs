//! Files that begin a roll when they change: `touch` in the place of an order.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Watch;
use crate::command::Command;

/// When each file was last written, as it was seen; `None` for one that was not there.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<PathBuf, Option<SystemTime>>);

impl Changes {
    /// The first of `files` that was made or written since the last call. The first call finds none.
    fn find<'a>(&mut self, files: &'a [PathBuf]) -> Option<&'a PathBuf> {
        let mut changed = None;
        for file in files {
            let written = std::fs::metadata(file).and_then(|it| it.modified()).ok();
            let before = self.0.insert(file.clone(), written);
            if before.is_some_and(|before| before != written) && written.is_some() {
                changed = changed.or(Some(file));
            }
        }
        changed
    }
}

impl Watch {
    pub(super) fn look_at_files(&self, changes: &mut Changes) {
        let Some(file) = changes.find(&self.roll_on_change) else {
            return;
        };
        let text = format!("`{}` has changed: rolling", file.display());
        tracing::info!("{text}");
        self.chronicle.note(text);
        if let Err(error) = self.commander.tell(Command::Roll { command: None }) {
            tracing::error!(%error, "no roll: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_made_or_written_is_a_change_and_one_that_goes_is_none() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("touched");
        let files = [path.clone()];
        let mut changes = Changes::default();
        let mut is_news = || changes.find(&files).is_some();
        assert!(!is_news());
        std::fs::write(&path, "").expect("file");
        assert!(is_news());
        assert!(!is_news());
        let file = std::fs::File::options()
            .write(true)
            .open(&path)
            .expect("file");
        file.set_modified(SystemTime::UNIX_EPOCH).expect("time");
        assert!(is_news());
        std::fs::remove_file(&path).expect("file");
        assert!(!is_news());
    }
}
