//! What a responder is asked (RFC 6960 4.1).

use sha1::{Digest, Sha1};
use x509_parser::parse_x509_certificate;

use super::der::{INTEGER, OCTET_STRING, OID, SEQUENCE, write};

/// 1.3.14.3.2.26. Not for security here: it only names the issuer, and responders know no other
/// (RFC 5019 2.1.1).
const SHA_1: [u8; 5] = [0x2b, 0x0e, 0x03, 0x02, 0x1a];
const NULL: [u8; 2] = [0x05, 0x00];

/// Names one certificate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CertificateId {
    pub(super) issuer_name: [u8; 20],
    pub(super) issuer_key: [u8; 20],
    pub(super) serial: Vec<u8>,
}

impl CertificateId {
    /// `None` if one of them is no certificate.
    pub(crate) fn new(certificate: &[u8], issuer: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let (_, issuer) = parse_x509_certificate(issuer).ok()?;
        Some(Self {
            issuer_name: Sha1::digest(certificate.issuer().as_raw()).into(),
            issuer_key: Sha1::digest(&issuer.public_key().subject_public_key.data).into(),
            serial: certificate.raw_serial().to_vec(),
        })
    }

    /// `OCSPRequest` with this certificate and nothing else. Without a nonce: answers are made in advance.
    pub(super) fn request(&self) -> Vec<u8> {
        let algorithm = write(SEQUENCE, &[write(OID, &SHA_1), NULL.to_vec()].concat());
        let id = [
            algorithm,
            write(OCTET_STRING, &self.issuer_name),
            write(OCTET_STRING, &self.issuer_key),
            write(INTEGER, &self.serial),
        ]
        .concat();
        // OCSPRequest { tbsRequest { requestList { Request { reqCert } } } }
        (0..5).fold(id, |inner, _| write(SEQUENCE, &inner))
    }
}
