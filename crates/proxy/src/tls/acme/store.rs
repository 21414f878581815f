//! What ACME leaves on disk: the account, the certificates with their keys, and what is remembered
//! about each. One directory for each authority, so that a change from a staging directory to the
//! real one begins afresh.
//!
//! ```text
//! DIRECTORY/acme/HOST-HASH/account.json            0600
//!                          lock                    whoever orders holds it
//!                          NAME-HASH/bundle.pem    0600, key first, then the chain
//!                          NAME-HASH/memory.json
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::schedule::Memory;
use crate::plan::TlsPlan;
use crate::tls::credential::{Credential, bounded};
use crate::tls::{TlsError, key_file};

/// An authority's directory.
#[derive(Debug, Clone)]
pub(super) struct Store {
    root: PathBuf,
}

/// The account as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptAccount {
    /// Whom the authority writes to.
    pub(super) contact: Vec<String>,
    /// Its key and where it is good, in the form of `instant-acme`.
    credentials: serde_json::Value,
}

impl KeptAccount {
    pub(super) fn new(
        contact: &[String],
        credentials: &AccountCredentials,
    ) -> Result<Self, instant_acme::Error> {
        Ok(Self {
            contact: contact.to_vec(),
            credentials: serde_json::to_value(credentials)?,
        })
    }

    pub(super) fn credentials(&self) -> Result<AccountCredentials, instant_acme::Error> {
        Ok(serde_json::from_value(self.credentials.clone())?)
    }
}

/// Only one process at a time orders; the lock goes with the process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Store {
    pub(super) fn new(plan: &TlsPlan) -> Self {
        let url = &plan.acme.directory_url;
        let host = url
            .strip_prefix("https://")
            .and_then(|rest| rest.split(['/', ':']).next())
            .unwrap_or("acme");
        Self {
            root: plan
                .directory
                .join("acme")
                .join(format!("{}-{}", safe(host), short_hash(url))),
        }
    }

    /// `None` if another process is at it.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn lock(&self) -> Result<Option<Lock>, TlsError> {
        make_directory(&self.root)?;
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| TlsError::File { path, source })?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        Ok(locked.then_some(Lock { _file: file }))
    }

    pub(super) fn account(&self) -> Option<KeptAccount> {
        let text = fs::read(self.account_path()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn save_account(&self, account: &KeptAccount) -> Result<(), TlsError> {
        make_directory(&self.root)?;
        let text = serde_json::to_string(account).unwrap_or_default();
        key_file::write_private(&self.account_path(), &text)
    }

    /// The authority does not know the account any more.
    pub(super) fn forget_account(&self) {
        drop(fs::rename(
            self.account_path(),
            self.root.join("account.unknown.json"),
        ));
    }

    fn account_path(&self) -> PathBuf {
        self.root.join("account.json")
    }

    fn directory(&self, names: &[String]) -> PathBuf {
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let first = names.first().map_or("none", String::as_str);
        self.root
            .join(format!("{}-{}", safe(first), short_hash(&sorted.join(","))))
    }

    /// Where the certificate for `names` is.
    pub(super) fn bundle(&self, names: &[String]) -> PathBuf {
        self.directory(names).join("bundle.pem")
    }

    /// Of all certificates the one that covers most of `names`: better than nothing while the one for
    /// exactly these is on order.
    pub(super) fn load_similar(&self, names: &[String]) -> Option<Credential> {
        let covered = |one: &Credential| names.iter().filter(|name| one.facts.covers(name)).count();
        fs::read_dir(&self.root)
            .ok()?
            .filter_map(|entry| read(&entry.ok()?.path().join("bundle.pem")))
            .filter(|one| covered(one) > 0 && one.facts.not_after > jiff::Timestamp::now())
            .max_by_key(covered)
    }

    pub(super) fn save(&self, names: &[String], bundle: &str) -> Result<(), TlsError> {
        make_directory(&self.directory(names))?;
        key_file::write_private(&self.bundle(names), bundle)
    }

    pub(super) fn memory(&self, names: &[String]) -> Memory {
        fs::read(self.directory(names).join("memory.json"))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    pub(super) fn save_memory(&self, names: &[String], memory: &Memory) -> Result<(), TlsError> {
        let directory = self.directory(names);
        make_directory(&directory)?;
        let text = serde_json::to_string(memory).unwrap_or_default();
        key_file::write_public(&directory.join("memory.json"), &text)
    }
}

fn read(path: &Path) -> Option<Credential> {
    Credential::from_pem(path, &bounded(path).ok()?).ok()
}

fn make_directory(path: &Path) -> Result<(), TlsError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })
}

/// For file names: hosts were checked by the plan, URLs were not.
fn safe(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
