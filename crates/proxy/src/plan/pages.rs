//! Pages for errors and maintenance, read when the settings are: a page that cannot be read is a problem of
//! the settings, not of a visitor.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::check::Problems;
use crate::settings::PagesSettings;

/// Of one page.
const MOST_BYTES: u64 = 256 * 1024;
const EXTENSION: &str = ".html";

/// Pages by status.
#[derive(Debug, Default)]
pub struct Pages {
    exact: BTreeMap<u16, String>,
    /// By the first digit of the status.
    classes: BTreeMap<u16, String>,
}

impl Pages {
    /// Everything in the directory whose name is a status or a class.
    pub(super) fn of_all(settings: &PagesSettings, problems: &mut Problems) -> Self {
        let mut pages = Self::default();
        let Some(directory) = &settings.directory else {
            return pages;
        };
        let key = "pages.directory";
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                problems.add(key, format!("cannot read {}: {error}", directory.display()));
                return pages;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let status = name.to_str().and_then(|name| name.strip_suffix(EXTENSION));
            if let Some(status) = status.filter(|status| slot(status).is_some()) {
                pages.add(status, &entry.path(), key, problems);
            }
        }
        pages
    }

    /// A site's own.
    pub(super) fn of_site(
        key: &str,
        settings: &BTreeMap<String, PathBuf>,
        problems: &mut Problems,
    ) -> Self {
        let mut pages = Self::default();
        for (status, path) in settings {
            pages.add(status, path, &format!("{key}.pages.{status}"), problems);
        }
        pages
    }

    fn add(&mut self, status: &str, path: &Path, key: &str, problems: &mut Problems) {
        let Some(slot) = slot(status) else {
            problems.add(
                key,
                format!("`{status}` is no status of an error: write 400 to 599, `4xx` or `5xx`"),
            );
            return;
        };
        match read(path) {
            Ok(page) => {
                match slot {
                    Slot::Exact(status) => self.exact.insert(status, page),
                    Slot::Class(digit) => self.classes.insert(digit, page),
                };
            }
            Err(problem) => problems.add(key, format!("{}: {problem}", path.display())),
        }
    }

    /// The page for `status`: its own before its class's.
    #[must_use]
    pub fn find(&self, status: u16) -> Option<&str> {
        self.exact
            .get(&status)
            .or_else(|| self.classes.get(&(status / 100)))
            .map(String::as_str)
    }
}

enum Slot {
    Exact(u16),
    Class(u16),
}

fn slot(text: &str) -> Option<Slot> {
    match text {
        "4xx" => Some(Slot::Class(4)),
        "5xx" => Some(Slot::Class(5)),
        _ => text
            .parse()
            .ok()
            .filter(|status| (400..600).contains(status))
            .map(Slot::Exact),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("is larger than {} KiB", MOST_BYTES / 1024));
    }
    Ok(text)
}
