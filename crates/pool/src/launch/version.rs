//! The program of one generation, held by a descriptor: a child of an old version can be started again
//! even when its file was replaced meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};

/// Searched for programs without a slash when `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) command: Vec<String>,
    /// Where its file was when it was pinned.
    pub(crate) path: PathBuf,
    /// The file itself. `None` for a script: its interpreter opens it by its path.
    file: Option<OwnedFd>,
}

impl Version {
    /// Finds and holds the program of `command`.
    ///
    /// # Errors
    /// There is no such file, or it may not be executed.
    pub(crate) fn pin(command: Vec<String>) -> io::Result<Self> {
        let program = command
            .first()
            .ok_or_else(|| io::Error::other("the command is empty"))?;
        let path = find(program)?;
        let file = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        if !std::fs::metadata(&path)?.is_file() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        rustix::fs::accessat(CWD, &path, Access::EXEC_OK, AtFlags::EACCESS)?;
        let file = (!is_script(&path)).then_some(file);
        Ok(Self {
            command,
            path,
            file,
        })
    }

    /// The version of the program before, with the descriptor that it handed on.
    pub(crate) fn restore(command: Vec<String>, path: PathBuf, file: Option<OwnedFd>) -> Self {
        Self {
            command,
            path,
            file,
        }
    }

    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

/// The absolute path of `program`, as execvp(3) finds it.
fn find(program: &str) -> io::Result<PathBuf> {
    if program.contains('/') {
        return std::path::absolute(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let is_program = |path: &PathBuf| {
        let may = rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok();
        may && path.is_file()
    };
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(is_program)
        .map_or_else(|| Err(io::ErrorKind::NotFound.into()), std::path::absolute)
}

/// A file that may be executed but not read is no script: its interpreter could not read it either.
fn is_script(path: &Path) -> bool {
    let mut begin = [0; 2];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && &begin == b"#!"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(directory: &Path, text: &str, mode: u32) -> String {
        let path = directory.join("program");
        std::fs::write(&path, text).expect("file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        path.to_str().expect("UTF-8").to_owned()
    }

    #[test]
    fn a_script_is_started_by_its_path_and_a_program_is_held() {
        let directory = tempfile::tempdir().expect("directory");
        let script = file(directory.path(), "#!/bin/sh\n", 0o755);
        assert!(Version::pin(vec![script]).expect("pinned").file().is_none());
        let version = Version::pin(vec!["sh".to_owned()]).expect("found on PATH");
        assert!(version.file().is_some());
        assert!(version.path.is_absolute());
    }

    #[test]
    fn what_cannot_be_executed_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let plain = file(directory.path(), "text", 0o644);
        let kind = |command: &str| {
            let error = Version::pin(vec![command.to_owned()]).expect_err("refused");
            error.kind()
        };
        assert_eq!(kind(&plain), io::ErrorKind::PermissionDenied);
        assert_eq!(kind("/"), io::ErrorKind::PermissionDenied);
        assert_eq!(kind("/no/such/program"), io::ErrorKind::NotFound);
        assert_eq!(kind("no-such-program-anywhere"), io::ErrorKind::NotFound);
    }
}
