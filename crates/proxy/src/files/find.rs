//! From a path to a file: the names that are tried, in their order. Blocks.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::entry::{Entry, Loader};
use super::listing;
use super::open::{Kind, Root};
use crate::plan::{Files, Try};

/// What lies under a path.
#[derive(Debug, Clone)]
pub(super) enum Found {
    File(Arc<Entry>),
    /// A directory with an index, asked for without the `/` at its end.
    Directory,
    /// A page with the names in a directory.
    Listing(Bytes),
}

/// What to look for.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) files: Arc<Files>,
    /// The names of the path.
    pub(super) parts: Vec<OsString>,
    /// The path ends in `/`.
    pub(super) directory: bool,
    /// This path alone, whatever the settings say is to be tried.
    pub(super) fixed: bool,
    /// Content of files up to this length is kept.
    pub(super) largest: u64,
    /// What was known so far.
    pub(super) old: Option<Arc<Entry>>,
}

impl Search {
    /// Looks; `None` if there is nothing for visitors.
    pub(super) fn run(&self) -> io::Result<Option<Found>> {
        let Some(root) = Root::open(&self.files.root, self.files.symlinks_inside)? else {
            return Ok(None);
        };
        let loader = Loader {
            files: &self.files,
            root: &root,
            largest: self.largest,
            old: self.old.as_ref(),
        };
        let path: PathBuf = self.parts.iter().collect();
        let tries: &[Try] = if self.fixed {
            &[Try::Path]
        } else {
            &self.files.tries
        };
        for one in tries {
            let found = match one {
                Try::Path if !self.directory => loader.file(&path)?.map(Found::File),
                Try::Path => self.index(&loader, &path)?.map(Found::File),
                Try::Directory => self.try_directory(&loader, &path)?,
                Try::Suffix(ending) => self.suffixed(&loader, &path, ending)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn index(&self, loader: &Loader<'_>, path: &Path) -> io::Result<Option<Arc<Entry>>> {
        for name in &self.files.index {
            let found = loader.file(&path.join(name))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn try_directory(&self, loader: &Loader<'_>, path: &Path) -> io::Result<Option<Found>> {
        if self.directory {
            if let Some(entry) = self.index(loader, path)? {
                return Ok(Some(Found::File(entry)));
            }
            if self.files.listing {
                let page = listing::page(loader.root, path)?;
                return Ok(page.map(Found::Listing));
            }
            return Ok(None);
        }
        if loader.root.look(path)? != Some(Kind::Directory) {
            return Ok(None);
        }
        let served = self.files.listing || self.index(loader, path)?.is_some();
        Ok(served.then_some(Found::Directory))
    }

    fn suffixed(
        &self,
        loader: &Loader<'_>,
        path: &Path,
        ending: &str,
    ) -> io::Result<Option<Found>> {
        let Some(name) = path.file_name().filter(|_| !self.directory) else {
            return Ok(None);
        };
        let name: OsString = [name, OsStr::new(ending)].into_iter().collect();
        let found = loader.file(&path.with_file_name(name))?;
        Ok(found.map(Found::File))
    }
}
