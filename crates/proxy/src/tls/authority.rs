//! A certificate authority of this machine alone, for development: made once, kept, and told to the
//! browsers by whoever runs the proxy. Server certificates from it are short-lived and renewed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, civil};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};

use super::credential::Credential;
use super::{TlsError, key_file};

const AUTHORITY_YEARS: i64 = 10;
const CERTIFICATE_DAYS: i64 = 90;
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A visitor's clock may be a little behind.
const BACKDATED_DAYS: i64 = 1;
const ALWAYS: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

/// The authority in a directory.
#[derive(Debug)]
pub struct LocalAuthority {
    directory: PathBuf,
    certificate: PathBuf,
    names: BTreeSet<String>,
}

/// What the server certificate in the directory is good for.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    names: BTreeSet<String>,
    renew_at: Timestamp,
}

impl LocalAuthority {
    /// Makes the authority if there is none.
    ///
    /// # Errors
    /// The directory cannot be written, or what it holds cannot be read.
    pub fn open(directory: &Path, names: &[String]) -> Result<Self, TlsError> {
        let authority = Self {
            directory: directory.to_owned(),
            certificate: directory.join("authority.pem"),
            names: ALWAYS
                .iter()
                .map(|name| (*name).to_owned())
                .chain(
                    names
                        .iter()
                        .map(|name| name.trim_matches(['[', ']']).to_owned()),
                )
                .collect(),
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| TlsError::File {
                path: directory.to_owned(),
                source,
            })?;
        if !authority.certificate.exists() || !authority.path("authority-key.pem").exists() {
            authority.make()?;
        }
        Ok(authority)
    }

    /// Its certificate: what browsers must trust.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.certificate
    }

    /// A server certificate for all names, kept from before or new.
    ///
    /// # Errors
    /// It cannot be made, written or read.
    pub(super) fn certificate(&self) -> Result<Credential, TlsError> {
        if !self.is_current() {
            self.issue()?;
        }
        Credential::from_files(&self.path("server.pem"), &self.path("server-key.pem"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn is_current(&self) -> bool {
        let note: Option<Note> = fs::read_to_string(self.path("server.json"))
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok());
        note.is_some_and(|note| note.names == self.names && Timestamp::now() < note.renew_at)
            && self.path("server.pem").exists()
            && self.path("server-key.pem").exists()
    }

    fn make(&self) -> Result<(), TlsError> {
        let mut params = CertificateParams::new(Vec::new()).map_err(TlsError::Make)?;
        params.distinguished_name = name("Kiuas local authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid_for(&mut params, AUTHORITY_YEARS * 365);
        let key = KeyPair::generate().map_err(TlsError::Make)?;
        let certificate = params.self_signed(&key).map_err(TlsError::Make)?;
        // A certificate from an authority before this one would not be trusted any more.
        drop(fs::remove_file(self.path("server.json")));
        key_file::write_private(&self.path("authority-key.pem"), &key.serialize_pem())?;
        key_file::write_public(&self.certificate, &certificate.pem())
    }

    fn issue(&self) -> Result<(), TlsError> {
        let key = KeyPair::from_pem(&read(&self.path("authority-key.pem"))?);
        let issuer =
            Issuer::from_ca_cert_pem(&read(&self.certificate)?, key.map_err(TlsError::Make)?)
                .map_err(TlsError::Make)?;
        let names: Vec<String> = self.names.iter().cloned().collect();
        let mut params = CertificateParams::new(names).map_err(TlsError::Make)?;
        params.distinguished_name = name("Kiuas local site");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, CERTIFICATE_DAYS);
        let key = KeyPair::generate().map_err(TlsError::Make)?;
        let certificate = params.signed_by(&key, &issuer).map_err(TlsError::Make)?;
        let lifetime = SignedDuration::from_hours(CERTIFICATE_DAYS * 24);
        let note = Note {
            names: self.names.clone(),
            renew_at: Timestamp::now() + lifetime - RENEW_BEFORE,
        };
        key_file::write_private(&self.path("server-key.pem"), &key.serialize_pem())?;
        key_file::write_public(&self.path("server.pem"), &certificate.pem())?;
        let note = serde_json::to_string(&note).unwrap_or_default();
        key_file::write_public(&self.path("server.json"), &note)
    }
}

pub(super) fn name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

pub(super) fn valid_for(params: &mut CertificateParams, days: i64) {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |date: civil::Date| {
        let month = u8::try_from(date.month()).unwrap_or(1);
        let day = u8::try_from(date.day()).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    params.not_before = day(today.saturating_sub(BACKDATED_DAYS.days()));
    params.not_after = day(today.saturating_add(days.days()));
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
