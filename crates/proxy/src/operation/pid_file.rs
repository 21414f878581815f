//! The file with the process's id, for init scripts and logrotate. During an upgrade it changes hands.

use std::io;
use std::path::{Path, PathBuf};

/// Removed when dropped, unless another process's id is in it by then.
pub(crate) struct PidFile {
    path: Option<PathBuf>,
}

impl PidFile {
    /// Writes this process's id to `path`, if there is one. A reader sees the old content or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(path: Option<&Path>) -> io::Result<Self> {
        if let Some(path) = path {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".new");
            std::fs::write(&beside, content())?;
            std::fs::rename(&beside, path)?;
        }
        Ok(Self {
            path: path.map(Path::to_owned),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && std::fs::read_to_string(path).is_ok_and(|text| text == content())
        {
            drop(std::fs::remove_file(path));
        }
    }
}

fn content() -> String {
    format!("{}\n", std::process::id())
}
