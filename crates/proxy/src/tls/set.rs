//! The certificates of one source, and what became of them last.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::SignatureScheme;
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::acme::Memory;
use super::credential::{Credential, bounded};
use super::error::chain;
use super::stamp::{Stamps, stamps};
use crate::plan::TlsSource;

/// The certificates that a site's handshakes choose from.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) source: TlsSource,
    /// Best key first.
    pub(super) current: ArcSwap<Vec<Arc<Credential>>>,
    pub(super) story: Mutex<Story>,
    /// Where an ordered certificate is kept with its key.
    bundle: Option<PathBuf>,
}

/// What happened to a set.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Why the newest attempt to replace it failed.
    pub(super) last_error: Option<String>,
    /// When it will be replaced, if that is up to us.
    pub(super) next_renewal: Option<Timestamp>,
    /// A self-signed certificate stands in.
    pub(super) placeholder: bool,
    /// What became of orders and could not be written down.
    pub(super) unsaved: Option<Memory>,
    stamps: Stamps,
}

impl Set {
    pub(super) fn new(source: TlsSource, credentials: Vec<Credential>) -> Self {
        let set = Self {
            source,
            current: ArcSwap::default(),
            story: Mutex::default(),
            bundle: None,
        };
        set.replace(credentials);
        set
    }

    /// Reads the pairs of files.
    ///
    /// # Errors
    /// One pair cannot be used.
    pub(super) fn from_files(source: &TlsSource) -> Result<Self, TlsError> {
        let set = Self::new(source.clone(), Vec::new());
        // Before reading: a file that changes meanwhile is read again.
        set.story.lock().stamps = stamps(set.paths());
        set.replace(set.read()?);
        Ok(set)
    }

    /// Reads an ordered certificate; empty if there is none that can be used.
    pub(super) fn with_bundle(source: TlsSource, bundle: &Path) -> Self {
        let mut set = Self::new(source, Vec::new());
        set.bundle = Some(bundle.to_owned());
        if bundle.exists() {
            set.look_again();
        }
        set
    }

    /// True if the certificate is kept in this file.
    pub(super) fn is_kept_in(&self, bundle: &Path) -> bool {
        self.bundle.as_deref() == Some(bundle)
    }

    /// Shows `credential` until there is a better one.
    pub(super) fn stand_in(&self, credential: Credential) {
        self.story.lock().placeholder = true;
        self.replace(vec![credential]);
    }

    /// The first certificate, unless it only stands in.
    pub(super) fn genuine(&self) -> Option<Arc<Credential>> {
        if self.story.lock().placeholder {
            return None;
        }
        self.current.load().first().cloned()
    }

    /// New handshakes get these from now on.
    pub(super) fn replace(&self, credentials: Vec<Credential>) {
        let mut credentials: Vec<_> = credentials.into_iter().map(Arc::new).collect();
        credentials.sort_by_key(|one| one.facts.key);
        self.current.store(Arc::new(credentials));
    }

    fn paths(&self) -> Vec<&Path> {
        match &self.source {
            TlsSource::Files(pairs) => pairs
                .iter()
                .flat_map(|pair| [pair.certificate.as_path(), pair.key.as_path()])
                .collect(),
            _ => self.bundle.as_deref().into_iter().collect(),
        }
    }

    fn read(&self) -> Result<Vec<Credential>, TlsError> {
        if let Some(bundle) = &self.bundle {
            return Credential::from_pem(bundle, &bounded(bundle)?).map(|one| vec![one]);
        }
        let TlsSource::Files(pairs) = &self.source else {
            return Ok(Vec::new());
        };
        pairs
            .iter()
            .map(|pair| Credential::from_files(&pair.certificate, &pair.key))
            .collect()
    }

    /// Reads files that have changed. What cannot be used is told of once, and the old stays.
    /// True if there is something new.
    pub(super) fn look_again(&self) -> bool {
        let stamps = stamps(self.paths());
        if self.paths().is_empty() || self.story.lock().stamps == stamps {
            return false;
        }
        let read = self.read();
        let mut story = self.story.lock();
        story.stamps = stamps;
        match read {
            Ok(credentials) => {
                story.last_error = None;
                story.placeholder = false;
                drop(story);
                self.replace(credentials);
                tracing::info!("certificates were replaced from {}", self.label());
                true
            }
            Err(error) => {
                story.last_error = Some(chain(&error));
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the new certificate in {} cannot be used, the old one stays",
                    self.label()
                );
                false
            }
        }
    }

    /// Where it comes from, for people.
    pub(super) fn label(&self) -> String {
        match &self.source {
            TlsSource::Authority => "local-authority".to_owned(),
            TlsSource::Files(pairs) => pairs
                .iter()
                .map(|pair| pair.certificate.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
            TlsSource::Acme(names) => format!("acme ({})", names.join(", ")),
        }
    }

    /// The one for a visitor who asked for `name` and knows `schemes`: one that covers the name before
    /// others, ECDSA before RSA.
    pub(super) fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let current = self.current.load();
        if let [one] = current.as_slice() {
            return Some(one.served.load_full());
        }
        let usable =
            |one: &&Arc<Credential>| one.served.load().key.choose_scheme(schemes).is_some();
        let covering = name.and_then(|name| {
            current
                .iter()
                .filter(usable)
                .find(|one| one.facts.covers(name))
        });
        covering
            .or_else(|| current.iter().find(usable))
            .or_else(|| current.first())
            .map(|one| one.served.load_full())
    }
}
