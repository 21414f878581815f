//! A file as the table of hot files holds it: its variants, each with the fields of its answers made.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use super::etag;
use super::media;
use super::open::{Kind, Root, Stamp};
use super::source::Source;
use crate::compress::{self, Encoding};
use crate::lines::Lines;
use crate::plan::Files;

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it was changed, in whole seconds as HTTP dates have them. For all variants: they are the
    /// same thing.
    pub(super) modified: SystemTime,
    /// The file itself, then the compressed ones.
    plain: Variant,
    encoded: Vec<Variant>,
}

/// A file as it is, or compressed.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) source: Arc<Source>,
    encoding: Option<Encoding>,
    /// Its strong tag, with the quotes.
    pub(super) tag: String,
    pub(super) media_type: HeaderValue,
    /// The fields of 200.
    pub(super) whole: Lines,
    /// The fields of 304.
    pub(super) kept: Lines,
}

impl Entry {
    /// The variant that the visitor likes best.
    pub(super) fn choose(&self, headers: &HeaderMap) -> &Variant {
        if self.encoded.is_empty() {
            return &self.plain;
        }
        let available = self.encoded.iter().filter_map(|variant| variant.encoding);
        compress::choose(headers, available)
            .and_then(|chosen| self.encoded.iter().find(|one| one.encoding == Some(chosen)))
            .unwrap_or(&self.plain)
    }

    /// Bytes of memory.
    pub(super) fn weight(&self) -> u64 {
        let encoded: u64 = self.encoded.iter().map(|one| one.source.weight()).sum();
        self.plain.source.weight() + encoded
    }
}

/// Reads files below a directory into entries. Blocks.
pub(super) struct Loader<'a> {
    pub(super) files: &'a Files,
    pub(super) root: &'a Root,
    /// Content of files up to this length is kept.
    pub(super) largest: u64,
    /// What was known so far under the same path.
    pub(super) old: Option<&'a Arc<Entry>>,
}

impl Loader<'_> {
    /// The file at `path`; `None` if there is none.
    pub(super) fn file(&self, path: &Path) -> io::Result<Option<Arc<Entry>>> {
        let Some(Kind::File(stamp)) = self.root.look(path)? else {
            return Ok(None);
        };
        let known = self.old.map(|old| &old.plain.source);
        let Some(plain) = self.source(path, &stamp, known)? else {
            return Ok(None);
        };
        let mut encoded = Vec::new();
        if self.files.precompressed {
            for encoding in Encoding::ALL {
                if let Some(source) = self.sibling(path, encoding, plain.stamp())? {
                    encoded.push((encoding, source));
                }
            }
        }
        if let Some(old) = self.old
            && is_same(old, &plain, &encoded)
        {
            return Ok(Some(Arc::clone(old)));
        }
        Ok(Some(Arc::new(self.make(path, plain, encoded))))
    }

    /// The known one if nothing has changed, else a new one.
    fn source(
        &self,
        path: &Path,
        stamp: &Stamp,
        known: Option<&Arc<Source>>,
    ) -> io::Result<Option<Arc<Source>>> {
        match known {
            Some(known) if known.is_still(stamp) => Ok(Some(Arc::clone(known))),
            _ => Ok(Source::open(self.root, path, self.largest)?.map(Arc::new)),
        }
    }

    fn sibling(
        &self,
        path: &Path,
        encoding: Encoding,
        plain: &Stamp,
    ) -> io::Result<Option<Arc<Source>>> {
        let path = with_ending(path, encoding.extension());
        let Some(Kind::File(stamp)) = self.root.look(&path)? else {
            return Ok(None);
        };
        // Older than the file it was made of: of another version.
        if stamp.modified < plain.modified {
            return Ok(None);
        }
        let known = self.old.and_then(|old| {
            old.encoded
                .iter()
                .find(|one| one.encoding == Some(encoding))
        });
        self.source(&path, &stamp, known.map(|one| &one.source))
    }

    fn make(
        &self,
        path: &Path,
        plain: Arc<Source>,
        encoded: Vec<(Encoding, Arc<Source>)>,
    ) -> Entry {
        let maker = Maker {
            files: self.files,
            modified: seconds(plain.stamp().modified),
            media_type: media::media_type(self.files, path),
            immutable: self.files.immutable && media::is_immutable(path),
            varies: !encoded.is_empty(),
        };
        Entry {
            modified: maker.modified,
            plain: maker.variant(plain, None),
            encoded: encoded
                .into_iter()
                .map(|(encoding, source)| maker.variant(source, Some(encoding)))
                .collect(),
        }
    }
}

fn is_same(old: &Entry, plain: &Arc<Source>, encoded: &[(Encoding, Arc<Source>)]) -> bool {
    Arc::ptr_eq(&old.plain.source, plain)
        && old.encoded.len() == encoded.len()
        && old
            .encoded
            .iter()
            .zip(encoded)
            .all(|(old, (_, new))| Arc::ptr_eq(&old.source, new))
}

/// What the variants of a file have in common.
struct Maker<'a> {
    files: &'a Files,
    modified: SystemTime,
    media_type: HeaderValue,
    immutable: bool,
    varies: bool,
}

impl Maker<'_> {
    fn variant(&self, source: Arc<Source>, encoding: Option<Encoding>) -> Variant {
        let stamp = source.stamp();
        let tag = etag::of(stamp.length, stamp.modified, encoding);
        let mut kept = HeaderMap::with_capacity(12);
        insert(&mut kept, ETAG, &tag);
        insert(
            &mut kept,
            LAST_MODIFIED,
            &httpdate::fmt_http_date(self.modified),
        );
        if self.immutable {
            kept.insert(CACHE_CONTROL, IMMUTABLE);
        } else if let Some(cache_control) = &self.files.cache_control {
            kept.insert(CACHE_CONTROL, cache_control.clone());
        }
        if self.varies {
            kept.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        let mut whole = kept.clone();
        if let Some(encoding) = encoding {
            whole.insert(CONTENT_ENCODING, encoding.value());
        }
        whole.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        whole.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        whole.insert(CONTENT_TYPE, self.media_type.clone());
        whole.insert(CONTENT_LENGTH, HeaderValue::from(stamp.length));
        Variant {
            source,
            encoding,
            tag,
            media_type: self.media_type.clone(),
            whole: Lines::of(&whole),
            kept: Lines::of(&kept),
        }
    }
}

/// What is given here is ASCII.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn seconds(nanoseconds: i128) -> SystemTime {
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(seconds)
}
