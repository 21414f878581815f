//! What a responder answers (RFC 6960 4.2), and whether it may be believed.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use x509_parser::asn1_rs::BitString;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::FromDer;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::der::{
    BIT_STRING, ENUMERATED, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, context,
};
use super::request::CertificateId;

/// 1.3.6.1.5.5.7.48.1.1, `id-pkix-ocsp-basic`.
const BASIC: [u8; 9] = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;
/// Between our clock and a responder's.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Why an answer is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error("the OCSP answer is no OCSP answer")]
    Malformed,
    #[error("the responder does not know the answer (status {0})")]
    Unsuccessful(u8),
    #[error("the OCSP answer is about another certificate")]
    OtherCertificate,
    #[error("the certificate is revoked")]
    Revoked,
    #[error("the responder does not know the certificate")]
    Unknown,
    #[error("the OCSP answer is out of date or from the future")]
    Stale,
    #[error("the OCSP answer is not signed by the issuer")]
    Signature,
}

/// From when to when an answer is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// `BasicOCSPResponse`.
struct Basic<'a> {
    data: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    certificates: Vec<&'a [u8]>,
}

/// Checks that `response` says, signed by `issuer` or on its behalf, that `id` is good at `now`.
pub(crate) fn verify(
    response: &[u8],
    id: &CertificateId,
    issuer: &[u8],
    now: Timestamp,
) -> Result<Validity, ResponseError> {
    let basic = open(response)?;
    let (status, validity) = find(basic.data, id)?;
    let (_, issuer) = parse_x509_certificate(issuer).map_err(|_| ResponseError::Malformed)?;
    if !is_signed(&basic, &issuer, now) {
        return Err(ResponseError::Signature);
    }
    match status {
        GOOD => {}
        REVOKED => return Err(ResponseError::Revoked),
        _ => return Err(ResponseError::Unknown),
    }
    if validity.from > now + SKEW || validity.until.is_some_and(|until| until < now) {
        return Err(ResponseError::Stale);
    }
    Ok(validity)
}

fn open(response: &[u8]) -> Result<Basic<'_>, ResponseError> {
    let mut response = Reader::new(response)
        .enter(SEQUENCE)
        .ok_or(ResponseError::Malformed)?;
    match response.take(ENUMERATED).map(|status| status.content) {
        Some([0]) => {}
        Some([status]) => return Err(ResponseError::Unsuccessful(*status)),
        _ => return Err(ResponseError::Malformed),
    }
    basic(&mut response).ok_or(ResponseError::Malformed)
}

fn basic<'a>(response: &mut Reader<'a>) -> Option<Basic<'a>> {
    let mut bytes = response.enter(context(0))?.enter(SEQUENCE)?;
    if bytes.take(OID)?.content != BASIC {
        return None;
    }
    let mut basic = bytes.enter(OCTET_STRING)?.enter(SEQUENCE)?;
    let data = basic.take(SEQUENCE)?.whole;
    let algorithm = basic.take(SEQUENCE)?.whole;
    // The first byte counts unused bits: none in a signature.
    let (0, signature) = basic
        .take(BIT_STRING)?
        .content
        .split_first()
        .map(|(n, rest)| (*n, rest))?
    else {
        return None;
    };
    let mut certificates = Vec::new();
    if let Some(list) = basic.enter(context(0)) {
        let mut list = { list }.enter(SEQUENCE)?;
        while let Some(certificate) = list.take(SEQUENCE) {
            certificates.push(certificate.whole);
        }
    }
    Some(Basic {
        data,
        algorithm,
        signature,
        certificates,
    })
}

/// The status of `id` in `ResponseData`.
fn find(data: &[u8], id: &CertificateId) -> Result<(u8, Validity), ResponseError> {
    let mut singles = singles(data).ok_or(ResponseError::Malformed)?;
    while let Some(mut single) = singles.enter(SEQUENCE) {
        let certificate = single.enter(SEQUENCE).ok_or(ResponseError::Malformed)?;
        if is_about(certificate, id) {
            return state(single).ok_or(ResponseError::Malformed);
        }
    }
    Err(ResponseError::OtherCertificate)
}

fn singles(data: &[u8]) -> Option<Reader<'_>> {
    let mut data = Reader::new(data).enter(SEQUENCE)?;
    // version [0] DEFAULT v1, then responderID [1] or [2], then producedAt.
    data.take(context(0));
    data.take(context(1)).or_else(|| data.take(context(2)))?;
    data.take(GENERALIZED_TIME)?;
    data.enter(SEQUENCE)
}

fn is_about(mut certificate: Reader<'_>, id: &CertificateId) -> bool {
    let mut parts = || {
        certificate.take(SEQUENCE)?;
        Some((
            certificate.take(OCTET_STRING)?.content,
            certificate.take(OCTET_STRING)?.content,
            certificate.take(INTEGER)?.content,
        ))
    };
    parts() == Some((&id.issuer_name[..], &id.issuer_key[..], &id.serial[..]))
}

fn state(mut single: Reader<'_>) -> Option<(u8, Validity)> {
    let status = single.next()?.tag;
    let from = time(single.take(GENERALIZED_TIME)?.content)?;
    let until = match single.enter(context(0)) {
        None => None,
        Some(mut next) => Some(time(next.take(GENERALIZED_TIME)?.content)?),
    };
    Some((status, Validity { from, until }))
}

/// `YYYYMMDDHHMMSSZ` (RFC 5280 4.1.2.5.2).
fn time(text: &[u8]) -> Option<Timestamp> {
    let digits = text
        .strip_suffix(b"Z")
        .filter(|digits| digits.len() == 14)?;
    let number = |from: usize, to: usize| {
        let digits = digits.get(from..to)?;
        let good = digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits)
            .ok()
            .filter(|_| good)?
            .parse::<i16>()
            .ok()
    };
    let small = |from| i8::try_from(number(from, from + 2)?).ok();
    let time = DateTime::new(
        number(0, 4)?,
        small(4)?,
        small(6)?,
        small(8)?,
        small(10)?,
        small(12)?,
        0,
    );
    let zoned = time.ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

/// RFC 6960 4.2.2.2: by the issuer, or by a certificate of the issuer's for this purpose.
fn is_signed(basic: &Basic<'_>, issuer: &X509Certificate<'_>, now: Timestamp) -> bool {
    let by = |key: &SubjectPublicKeyInfo<'_>| {
        AlgorithmIdentifier::from_der(basic.algorithm).is_ok_and(|(_, algorithm)| {
            let signature = BitString::new(0, basic.signature);
            verify_signature(key, &algorithm, &signature, basic.data).is_ok()
        })
    };
    by(issuer.public_key())
        || basic.certificates.iter().any(|certificate| {
            parse_x509_certificate(certificate).is_ok_and(|(_, delegate)| {
                may_sign(&delegate, issuer, now) && by(delegate.public_key())
            })
        })
}

fn may_sign(delegate: &X509Certificate<'_>, issuer: &X509Certificate<'_>, now: Timestamp) -> bool {
    let now = now.as_second();
    let for_ocsp = delegate
        .extended_key_usage()
        .ok()
        .flatten()
        .is_some_and(|usage| usage.value.ocsp_signing);
    for_ocsp
        && delegate.issuer().as_raw() == issuer.subject().as_raw()
        && (delegate.validity().not_before.timestamp()..=delegate.validity().not_after.timestamp())
            .contains(&now)
        && delegate.verify_signature(Some(issuer.public_key())).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_and_nonsense_is_not() {
        let read = |text: &str| time(text.as_bytes()).map(|time| time.to_string());
        assert_eq!(
            read("20260102030405Z").as_deref(),
            Some("2026-01-02T03:04:05Z")
        );
        for wrong in [
            "20260102030405",
            "20261302030405Z",
            "2026-102030405Z",
            "Z",
            "+0260102030405Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_responder_that_cannot_answer_is_understood() {
        let id = CertificateId {
            issuer_name: [0; 20],
            issuer_key: [0; 20],
            serial: vec![1],
        };
        let later = super::super::der::write(SEQUENCE, &[ENUMERATED, 1, 3]);
        assert_eq!(
            verify(&later, &id, b"", Timestamp::now()),
            Err(ResponseError::Unsuccessful(3))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let id = CertificateId {
                issuer_name: [0; 20],
                issuer_key: [0; 20],
                serial: vec![1],
            };
            prop_assert!(verify(&bytes, &id, &bytes, Timestamp::now()).is_err());
        }
    }
}
