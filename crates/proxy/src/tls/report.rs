//! What an operator is told about the certificates in force.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Tls;
use super::facts::KeyKind;

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReport {
    /// What it is good for.
    pub names: Vec<String>,
    /// Where it comes from: files, `acme`, `local-authority`.
    pub source: String,
    /// Who signed it.
    pub issuer: String,
    /// Its key.
    pub key: KeyKind,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// It only stands in for one that is on order.
    pub placeholder: bool,
    /// The OCSP answer that is stapled.
    pub ocsp: OcspReport,
    /// When it will be replaced, or an order tried again, where that is up to the proxy.
    pub next_renewal: Option<Timestamp>,
    /// What went wrong last: with its file, its order or its OCSP answer.
    pub last_error: Option<String>,
}

/// The state of a certificate's OCSP answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum OcspReport {
    /// It names no responder, or stapling is off.
    None,
    /// Stapled.
    Good {
        /// Until when the answer is good, if it says so.
        until: Option<Timestamp>,
    },
    /// There is no answer to staple.
    Missing {
        /// Visitors insist on one: browsers may refuse the certificate.
        must_staple: bool,
    },
}

impl Tls {
    /// Every certificate in force, by its first name.
    #[must_use]
    pub fn report(&self) -> Vec<CertificateReport> {
        let stapling = self.plan.lock().ocsp;
        let mut report = Vec::new();
        for set in &self.table.load().sets {
            let story = set.story.lock();
            for one in set.current.load().iter() {
                let staple = one.staple.lock();
                let stapled = one.served.load().ocsp.is_some();
                let ocsp = match (&one.facts.ocsp_url, stapling, stapled) {
                    (None, ..) | (_, false, _) => OcspReport::None,
                    (_, _, true) => OcspReport::Good {
                        until: staple.good_until,
                    },
                    _ => OcspReport::Missing {
                        must_staple: one.facts.must_staple,
                    },
                };
                report.push(CertificateReport {
                    names: one.facts.names.clone(),
                    source: set.label(),
                    issuer: one.facts.issuer.clone(),
                    key: one.facts.key,
                    not_after: one.facts.not_after,
                    placeholder: story.placeholder,
                    ocsp,
                    next_renewal: story.next_renewal,
                    last_error: story.last_error.clone().or(staple.last_error.clone()),
                });
            }
        }
        report.sort_by(|a, b| a.names.cmp(&b.names).then(a.key.cmp(&b.key)));
        report
    }
}
