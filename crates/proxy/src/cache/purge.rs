//! Forgetting on request: one URL, everything below a prefix, everything with a tag, all.

use super::Cache;
use super::entry::Entry;
use super::key::Key;

/// What is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// All answers under this URL.
    Url(Key),
    /// All answers whose URL begins like this; scheme and host are always whole.
    Prefix(String),
    /// All answers whose `Surrogate-Key` has this word.
    Tag(String),
    /// All.
    All,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Answers in memory forgotten, or marked stale.
    pub answers: usize,
    /// Answers on the disk forgotten; most of them are in memory as well.
    pub on_disk: usize,
}

impl Purge {
    /// Everything below `prefix`, a URL.
    ///
    /// # Errors
    /// It has no host, or its host is not whole.
    pub fn prefix(prefix: &str) -> Result<Self, String> {
        // A host must end where it is written: `http://a` must not mean `http://ab/`.
        Key::parse(prefix)
            .map(|key| Self::Prefix(key.as_str().to_owned()))
            .ok_or_else(|| format!("`{prefix}` is no URL: write `https://HOST/PATH`"))
    }

    /// True if it means an answer under `key` with `tags`.
    pub(super) fn covers_stored(&self, key: &Key, tags: &[Box<str>]) -> bool {
        match self {
            Self::Tag(tag) => tags.iter().any(|other| **other == **tag),
            _ => self.covers_key(key),
        }
    }

    /// Of what is on its way, the tags are not known yet: all of it may be meant.
    fn covers_key(&self, key: &Key) -> bool {
        match self {
            Self::Url(url) => key == url,
            Self::Prefix(prefix) => key.as_str().starts_with(prefix.as_str()),
            Self::Tag(_) | Self::All => true,
        }
    }
}

impl Cache {
    /// Forgets what `purge` covers. `soft`: marks it stale instead, so that it is validated before its
    /// next use, and may serve while the application fails.
    pub fn purge(&self, purge: &Purge, soft: bool) -> Purged {
        self.fills.doom_all(|key| purge.covers_key(key));
        // On the disk there is no mark for stale: what only lies there is forgotten in any case.
        let on_disk = self
            .disk
            .load()
            .as_ref()
            .map_or(0, |disk| disk.purge(purge));
        let covers = |entry: &Entry| purge.covers_stored(&entry.key, &entry.head.tags);
        let answers = self.memory.purge(covers, soft);
        Purged { answers, on_disk }
    }
}
