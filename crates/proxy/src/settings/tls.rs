//! `[proxy.tls]`, and what a site says about its certificates.

use std::fmt;
use std::path::PathBuf;

use kiuas_common::Period;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::List;

/// Where certificates come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// From an authority that this proxy makes for itself; browsers trust it once its certificate
    /// is added to them. For development.
    #[default]
    LocalAuthority,
    /// From PEM files.
    Files,
    /// From an authority that speaks ACME (RFC 8555), such as Let's Encrypt.
    Acme,
}

/// Mozilla's recommendations (Server Side TLS) as far as rustls speaks them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsProfile {
    /// TLS 1.3, and TLS 1.2 with forward secrecy and authenticated ciphers.
    #[default]
    Intermediate,
    /// TLS 1.3 alone.
    Modern,
}

/// Section `[proxy.tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// Of sites that say nothing: `local-authority`, `files` or `acme`.
    pub mode: TlsMode,
    /// `intermediate` or `modern`.
    pub profile: TlsProfile,
    /// Where the local authority and ACME keep keys and certificates.
    pub directory: PathBuf,
    /// PEM file with the certificate and its chain (mode `files`).
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key (mode `files`).
    pub key: Option<PathBuf>,
    /// Refuses the handshake when the visitor names no site of ours, instead of showing the first
    /// site's certificate.
    pub refuse_unknown: bool,
    /// Staples OCSP answers to certificates that name a responder.
    pub ocsp: bool,
    /// How often certificate files are looked at for changes.
    pub watch: Period,
    /// The authority that speaks ACME.
    pub acme: AcmeSettings,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            mode: TlsMode::default(),
            profile: TlsProfile::default(),
            directory: PathBuf::from(".kiuas/tls"),
            certificate: None,
            key: None,
            refuse_unknown: false,
            ocsp: true,
            watch: Period::seconds(10),
            acme: AcmeSettings::default(),
        }
    }
}

/// How an authority may see that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcmeChallenge {
    /// Inside a TLS handshake on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
    /// A file under `/.well-known/acme-challenge/` on port 80 (RFC 8555 8.3).
    #[serde(rename = "http-01")]
    Http,
}

/// Section `[proxy.tls.acme]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcmeSettings {
    /// `letsencrypt`, `letsencrypt-staging`, or a directory's URL.
    pub directory_url: String,
    /// Whom the authority may write to: `admin@example.org`.
    pub contact: List<String>,
    /// The authority's terms of service are agreed to.
    pub agree: bool,
    /// PEM file of the authority that signed the directory's own certificate; the system's if not set.
    pub ca_path: Option<PathBuf>,
    /// Kinds of proof, the preferred one first.
    pub challenges: List<AcmeChallenge>,
    /// Binds the new account to one that exists elsewhere (RFC 8555 7.3.4).
    pub external_account: Option<ExternalAccountSettings>,
}

impl Default for AcmeSettings {
    fn default() -> Self {
        Self {
            directory_url: "letsencrypt".to_owned(),
            contact: List(Vec::new()),
            agree: false,
            ca_path: None,
            challenges: List(vec![AcmeChallenge::TlsAlpn, AcmeChallenge::Http]),
            external_account: None,
        }
    }
}

/// What an authority handed out for account binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccountSettings {
    /// The key's identifier.
    pub key_id: String,
    /// File with the MAC key in base64url, as the authority showed it.
    pub key_path: PathBuf,
}

/// A certificate and its key in PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSettings {
    /// The certificate, then the chain up to the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A site's certificates: `"acme"`, `"local-authority"`, `{ certificate, key }` or a list of those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SiteTlsSettings {
    /// By name.
    Mode(TlsMode),
    /// From files; several for several kinds of keys or several names.
    Files(Vec<PairSettings>),
}

impl<'de> Deserialize<'de> for SiteTlsSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;

        impl<'de> Visitor<'de> for Shapes {
            type Value = SiteTlsSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`acme`, `local-authority`, `{ certificate = …, key = … }` or a list of those tables",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "acme" => Ok(SiteTlsSettings::Mode(TlsMode::Acme)),
                    "local-authority" => Ok(SiteTlsSettings::Mode(TlsMode::LocalAuthority)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let pair = PairSettings::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SiteTlsSettings::Files(vec![pair]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(SiteTlsSettings::Files)
            }
        }

        deserializer.deserialize_any(Shapes)
    }
}

/// Whether visitors must show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuthMode {
    /// The handshake fails without one.
    #[default]
    Required,
    /// The application is told whether there was one.
    Optional,
}

/// A site's visitors show certificates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientAuthSettings {
    /// PEM file of the authorities that visitors' certificates must come from.
    pub ca: PathBuf,
    /// `required` or `optional`.
    #[serde(default)]
    pub mode: ClientAuthMode,
    /// PEM file of lists of revoked certificates.
    #[serde(default)]
    pub crl: Option<PathBuf>,
}

/// `Strict-Transport-Security` (RFC 6797): browsers come back over HTTPS alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct HstsSettings {
    /// For how long; `0s` takes it back.
    pub max_age: Period,
    /// For every name below as well.
    pub include_subdomains: bool,
    /// The site may be built into browsers.
    pub preload: bool,
}

impl Default for HstsSettings {
    fn default() -> Self {
        Self {
            // What Mozilla recommends: two years.
            max_age: Period::seconds(63_072_000),
            include_subdomains: false,
            preload: false,
        }
    }
}

impl Serialize for HstsSettings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// A table, or `true` for the defaults.
impl<'de> Deserialize<'de> for HstsSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;

        impl<'de> Visitor<'de> for Shapes {
            type Value = HstsSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, or a table with `max_age`, `include_subdomains` and `preload`")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                if on {
                    Ok(HstsSettings::default())
                } else {
                    Err(E::custom(
                        "leave it out, or write `{ max_age = \"0s\" }` to take it back from browsers",
                    ))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                HstsSettings::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(Shapes)
    }
}
