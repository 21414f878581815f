//! Static files: a route's directory, and the table of hot files.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;

use super::check::{Problems, nearest};
use super::route::header;
use crate::files::parts;
use crate::settings::{FilesSettings, HotFilesSettings, Symlinks};

/// What a file's path may be made of. Only the path of the request decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Try {
    /// The path itself; one that ends in `/` is a directory's index.
    Path,
    /// A directory's index.
    Directory,
    /// The path with this ending.
    Suffix(String),
}

/// A file that answers for all paths that lead to none.
#[derive(Debug)]
pub struct FixedFile {
    /// Its name in the table of hot files; no request's path is the same.
    pub key: String,
    /// Its path below the directory.
    pub parts: Vec<OsString>,
}

/// What happens when there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// 404.
    NotFound,
    /// The next route that matches.
    NextRoute,
    /// The upstream with this index.
    Upstream(usize),
}

/// Files below a directory.
#[derive(Debug)]
pub struct Files {
    /// No other has the same, not even one of another plan.
    pub id: u64,
    /// The directory.
    pub root: PathBuf,
    /// Names of a directory's index.
    pub index: Vec<OsString>,
    /// What is tried, in this order.
    pub tries: Vec<Try>,
    /// What is tried after that.
    pub fixed: Vec<FixedFile>,
    /// What is done after that.
    pub fallback: Fallback,
    /// Of every file that is not immutable.
    pub cache_control: Option<HeaderValue>,
    /// Names with a hash are immutable.
    pub immutable: bool,
    /// Compressed siblings count.
    pub precompressed: bool,
    /// By ending, in lower case.
    pub types: HashMap<String, HeaderValue>,
    /// Of unknown endings.
    pub default_type: HeaderValue,
    /// Of text; may be empty.
    pub charset: String,
    /// Links that stay inside are followed.
    pub symlinks_inside: bool,
    /// Directories without an index are listed.
    pub listing: bool,
}

/// The table of hot files: one thread's share of it.
#[derive(Debug, Clone, Copy)]
pub struct HotFiles {
    /// Content in memory, in bytes.
    pub memory: u64,
    /// Files known at a time.
    pub entries: usize,
    /// Content of files up to this many bytes is kept.
    pub largest: u64,
    /// How long what was seen is believed.
    pub revalidate: Duration,
}

impl HotFiles {
    /// The share of one of `threads` threads.
    pub(super) fn new(
        settings: &HotFilesSettings,
        threads: usize,
        problems: &mut Problems,
    ) -> Self {
        let threads = threads.max(1);
        if settings.entries == 0 {
            problems.add("files.entries", "must be at least 1");
        }
        if settings.largest.0 > 16 << 20 {
            problems.add(
                "files.largest",
                "at most 16MiB: larger files are better read from the disk",
            );
        }
        let memory = settings.memory.0 / u64::try_from(threads).unwrap_or(1);
        Self {
            memory,
            entries: (settings.entries / threads).max(16),
            // One file must not push out all the others.
            largest: settings.largest.0.min(memory / 8),
            revalidate: settings.revalidate.duration(),
        }
    }
}

/// What `try_files` says.
#[derive(Debug, Default)]
struct Tries {
    tries: Vec<Try>,
    fixed: Vec<FixedFile>,
    fallback: Option<Fallback>,
}

impl Files {
    pub(super) fn new(
        key: &str,
        settings: &FilesSettings,
        upstreams: &[&str],
        private: bool,
        problems: &mut Problems,
    ) -> Option<Self> {
        let key = format!("{key}.files");
        check_root(&key, &settings.root, problems)?;
        let tried = tries(&key, settings, upstreams, problems)?;
        let cache_control = match &settings.cache_control {
            None => None,
            Some(text) => Some(header(&key, "cache_control", text, problems)?),
        };
        // A year in everybody's cache is not for what was meant for one visitor.
        let for_one = cache_control
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("private") || value.contains("no-store"));
        let mut types = HashMap::new();
        for (ending, media_type) in &settings.types {
            let value = header(&key, &format!("types.{ending}"), media_type, problems)?;
            let ending = ending.trim_start_matches('.').to_ascii_lowercase();
            types.insert(ending, value);
        }
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Some(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            root: settings.root.clone(),
            index: index(&key, &settings.index.0, problems)?,
            tries: tried.tries,
            fixed: tried.fixed,
            fallback: tried.fallback.unwrap_or(Fallback::NotFound),
            cache_control,
            immutable: settings.immutable && !private && !for_one,
            precompressed: settings.precompressed,
            types,
            default_type: header(&key, "default_type", &settings.default_type, problems)?,
            charset: charset(&key, &settings.charset, problems)?,
            symlinks_inside: settings.symlinks == Symlinks::Inside,
            listing: settings.listing,
        })
    }
}

fn check_root(key: &str, root: &Path, problems: &mut Problems) -> Option<()> {
    if root.is_dir() {
        return Some(());
    }
    let problem = if root.as_os_str().is_empty() {
        "write the directory that holds the files".to_owned()
    } else {
        format!("`{}` is no directory", root.display())
    };
    problems.add(format_args!("{key}.root"), problem);
    None
}

fn index(key: &str, names: &[String], problems: &mut Problems) -> Option<Vec<OsString>> {
    let mut index = Vec::new();
    for name in names {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            problems.add(
                format_args!("{key}.index"),
                format!("`{}` is no name of a file", name.escape_debug()),
            );
            return None;
        }
        index.push(OsString::from(name));
    }
    Some(index)
}

fn charset(key: &str, text: &str, problems: &mut Problems) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    if text.bytes().all(token) {
        return Some(text.to_owned());
    }
    problems.add(
        format_args!("{key}.charset"),
        format!("`{}` is no name of a character set", text.escape_debug()),
    );
    None
}

fn tries(
    key: &str,
    settings: &FilesSettings,
    upstreams: &[&str],
    problems: &mut Problems,
) -> Option<Tries> {
    let key = format!("{key}.try_files");
    let mut tries = Tries::default();
    for text in &settings.try_files.0 {
        if tries.fallback.is_some() {
            problems.add(
                &key,
                format!("nothing is tried after what stands before `{text}`"),
            );
            return None;
        }
        if let Err(problem) = tries.add(text, upstreams) {
            problems.add(&key, problem);
            return None;
        }
    }
    if tries.tries.is_empty() && tries.fixed.is_empty() {
        problems.add(&key, "nothing to try: write `$path`");
        return None;
    }
    if settings.fallthrough {
        if tries.fallback.is_some() {
            problems.add(&key, "`=404` and `@NAME` leave nothing to `fallthrough`");
            return None;
        }
        tries.fallback = Some(Fallback::NextRoute);
    }
    Some(tries)
}

impl Tries {
    fn add(&mut self, text: &str, upstreams: &[&str]) -> Result<(), String> {
        if let Some(ending) = text.strip_prefix("$path") {
            if !self.fixed.is_empty() {
                return Err(format!("`{text}` must stand before the fixed files"));
            }
            self.tries.push(match ending {
                "" => Try::Path,
                "/" => Try::Directory,
                ending if ending.contains(['/', '$', '\0']) => {
                    return Err(format!(
                        "`{text}`: only an ending without `/` may follow `$path`"
                    ));
                }
                ending => Try::Suffix(ending.to_owned()),
            });
            return Ok(());
        }
        if let Some(name) = text.strip_prefix('@') {
            let found = upstreams.iter().position(|other| *other == name);
            let index = found.ok_or_else(|| {
                format!(
                    "there is no `[proxy.upstreams.{name}]`{}",
                    nearest(name, upstreams)
                )
            })?;
            self.fallback = Some(Fallback::Upstream(index));
            return Ok(());
        }
        if text == "=404" {
            self.fallback = Some(Fallback::NotFound);
            return Ok(());
        }
        let parts = text
            .strip_prefix('/')
            .and_then(|path| parts(path, false))
            .filter(|parts| !parts.is_empty());
        let parts = parts.ok_or_else(|| {
            format!(
                "`{text}`: write `$path`, `$path/`, `$path.html`, `/file`, `=404` or `@upstream`"
            )
        })?;
        // No request's path holds a line feed.
        let key = format!("\n{text}");
        self.fixed.push(FixedFile { key, parts });
        Ok(())
    }
}
