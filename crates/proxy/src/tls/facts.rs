//! What a certificate says about itself (RFC 5280), and what is wrong with it.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_PKIX_ACCESS_DESCRIPTOR_OCSP,
    OID_SIG_ED25519,
};
use x509_parser::parse_x509_certificate;

/// TLS feature extension (RFC 7633); with `status_request` in it the certificate is "must staple".
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
/// `INTEGER 5`, the number of `status_request` (RFC 6066).
const STATUS_REQUEST: [u8; 3] = [2, 1, 5];
/// An expiring certificate is told of in advance.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Kind of a certificate's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// ECDSA: smallest and fastest, offered first.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA.
    Rsa,
    /// Anything else.
    Other,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Names and addresses it is good for, in lower case.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Its key.
    pub key: KeyKind,
    /// Where its state can be asked for.
    pub ocsp_url: Option<String>,
    /// Visitors may insist on a stapled OCSP answer.
    pub must_staple: bool,
}

/// Something to be said about a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Visitors will be turned away: `check` fails.
    Problem(String),
    /// Worth knowing.
    Warning(String),
}

impl Facts {
    /// Reads a certificate; `None` if it is none.
    #[must_use]
    pub fn read(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = parse_x509_certificate(certificate).ok()?;
        let time = |seconds| Timestamp::from_second(seconds).ok();
        Some(Self {
            names: names(&parsed),
            issuer: parsed.issuer().to_string(),
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            key: key_kind(&parsed),
            ocsp_url: ocsp_url(&parsed),
            must_staple: must_staple(&parsed),
        })
    }

    /// True if a browser accepts it for `host`: a wildcard stands for one label (RFC 9525 6.3).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']);
        self.names.iter().any(|name| {
            name == host
                || name.strip_prefix('*').is_some_and(|suffix| {
                    host.strip_suffix(suffix)
                        .is_some_and(|label| !label.is_empty() && !label.contains('.'))
                })
        })
    }

    /// What an operator should know about it at `now`, for a site with these `hosts`.
    #[must_use]
    pub fn findings(
        &self,
        chain: &[CertificateDer<'_>],
        hosts: &[String],
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.not_after <= now {
            findings.push(Finding::Problem(format!(
                "the certificate expired on {}",
                self.not_after
            )));
        } else if self.not_after.duration_since(now) < EXPIRES_SOON {
            findings.push(Finding::Warning(format!(
                "the certificate expires on {}",
                self.not_after
            )));
        }
        if self.not_before > now {
            findings.push(Finding::Problem(format!(
                "the certificate is valid only from {} on",
                self.not_before
            )));
        }
        if let Some(problem) = chain_problem(chain) {
            findings.push(Finding::Problem(problem));
        }
        for host in hosts.iter().filter(|host| *host != "*") {
            if !self.covers(host) {
                findings.push(Finding::Warning(format!(
                    "the certificate is not good for `{host}`, only for {}",
                    self.names.join(", ")
                )));
            }
        }
        findings
    }
}

/// Each certificate must be signed by the one after it (RFC 5246 7.4.2; 1.3 merely recommends it).
fn chain_problem(chain: &[CertificateDer<'_>]) -> Option<String> {
    for (index, pair) in chain.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        let (Ok((_, signed)), Ok((_, signer))) =
            (parse_x509_certificate(one), parse_x509_certificate(next))
        else {
            return Some(format!(
                "certificate {} or {} of the chain cannot be read",
                index + 1,
                index + 2
            ));
        };
        if signed.issuer().as_raw() != signer.subject().as_raw()
            || signed.verify_signature(Some(signer.public_key())).is_err()
        {
            return Some(format!(
                "the chain is out of order: certificate {} (`{}`) is not signed by certificate {} (`{}`)",
                index + 1,
                signed.subject(),
                index + 2,
                signer.subject()
            ));
        }
    }
    None
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    alternatives
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}

fn key_kind(certificate: &X509Certificate<'_>) -> KeyKind {
    let algorithm = &certificate.public_key().algorithm.algorithm;
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        KeyKind::Ecdsa
    } else if *algorithm == OID_PKCS1_RSAENCRYPTION {
        KeyKind::Rsa
    } else if *algorithm == OID_SIG_ED25519 {
        KeyKind::Ed25519
    } else {
        KeyKind::Other
    }
}

fn ocsp_url(certificate: &X509Certificate<'_>) -> Option<String> {
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
            return None;
        };
        access
            .accessdescs
            .iter()
            .find_map(|one| match (&one.access_method, &one.access_location) {
                (method, GeneralName::URI(url)) if *method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP => {
                    Some((*url).to_owned())
                }
                _ => None,
            })
    })
}

fn must_staple(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().any(|extension| {
        extension.oid.to_id_string() == TLS_FEATURE
            && extension
                .value
                .windows(STATUS_REQUEST.len())
                .any(|window| window == STATUS_REQUEST)
    })
}

#[cfg(test)]
mod tests;
