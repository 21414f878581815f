//! Static files: of a route, and the table of hot ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kiuas_common::{Bytes, Period};
use serde::{Deserialize, Serialize};

use super::List;

/// Whether symbolic links are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symlinks {
    /// A path with a link in it does not exist.
    #[default]
    Refuse,
    /// Links that stay inside the directory are followed; one with an absolute target never is.
    Inside,
}

/// Files below a directory. What follows the route's prefix is the path inside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesSettings {
    /// The directory.
    pub root: PathBuf,
    /// Names that answer for their directory; the first that exists.
    pub index: List<String>,
    /// What is tried, in this order: `$path`, `$path/` (a directory's index), `$path.html` (or
    /// another ending), then `/file` (one below the directory, for everybody), and at last `=404`
    /// or `@NAME` (an upstream).
    pub try_files: List<String>,
    /// What is not there is left to the next route that matches.
    pub fallthrough: bool,
    /// `Cache-Control` of every file but the immutable ones.
    pub cache_control: Option<String>,
    /// Files with a hash of their content in their name may be kept for a year.
    pub immutable: bool,
    /// `name.br`, `name.zst` and `name.gz` are sent to those who like them, if not older than `name`.
    pub precompressed: bool,
    /// Media types by ending (`md = "text/markdown"`), before the usual ones.
    pub types: BTreeMap<String, String>,
    /// The media type of unknown endings.
    pub default_type: String,
    /// Added to text; empty adds nothing.
    pub charset: String,
    /// Whether symbolic links are followed.
    pub symlinks: Symlinks,
    /// A directory without an index is answered with a list of its files.
    pub listing: bool,
}

impl Default for FilesSettings {
    fn default() -> Self {
        Self {
            root: PathBuf::new(),
            index: List(vec!["index.html".to_owned()]),
            try_files: List(vec!["$path".to_owned(), "$path/".to_owned()]),
            fallthrough: false,
            cache_control: None,
            immutable: true,
            precompressed: true,
            types: BTreeMap::new(),
            default_type: "application/octet-stream".to_owned(),
            charset: "utf-8".to_owned(),
            symlinks: Symlinks::default(),
            listing: false,
        }
    }
}

/// Section `[proxy.files]`: the table of hot files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HotFilesSettings {
    /// Content kept in memory, all threads together. `0B` keeps none.
    pub memory: Bytes,
    /// Files known at a time, all threads together.
    pub entries: usize,
    /// Content of files up to this size is kept; larger ones are kept open.
    pub largest: Bytes,
    /// A change on the disk is seen after this time at the latest.
    pub revalidate: Period,
}

impl Default for HotFilesSettings {
    fn default() -> Self {
        Self {
            memory: Bytes::mebibytes(64),
            entries: 4096,
            largest: Bytes(128 << 10),
            revalidate: Period::seconds(1),
        }
    }
}
