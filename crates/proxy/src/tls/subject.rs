//! A certificate's subject as text (RFC 4514), fit for a header field.

use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::parse_x509_certificate;
use x509_parser::x509::AttributeTypeAndValue;

/// The subject of a certificate; `None` if it is none.
pub(super) fn of(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let mut parts: Vec<String> = parsed
        .subject()
        .iter_rdn()
        .map(|set| {
            let attributes: Vec<String> = set.iter().map(attribute).collect();
            attributes.join("+")
        })
        .collect();
    // RFC 4514 2.1: beginning with the last.
    parts.reverse();
    Some(parts.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let name = oid2abbrev(attribute.attr_type(), oid_registry())
        .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
    let bytes = match attribute.as_str() {
        Ok(text) => text.as_bytes(),
        Err(_) => attribute.as_slice(),
    };
    format!("{name}={}", escaped(bytes))
}

/// RFC 4514 2.4. Bytes that a header field cannot hold are written in hexadecimal, which the same
/// section allows for every byte.
fn escaped(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (index, byte) in value.iter().enumerate() {
        let edge = (index == 0 && b" #".contains(byte)) || (index == last && *byte == b' ');
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            0x20..=0x7e if edge => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn subject(common_name: &str) -> String {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Example, Inc.");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let key = KeyPair::generate().expect("key");
        of(params.self_signed(&key).expect("certificate").der()).expect("subject")
    }

    #[test]
    fn the_last_part_comes_first_and_separators_are_escaped() {
        assert_eq!(subject("alice"), "CN=alice,O=Example\\, Inc.");
        assert_eq!(
            subject(" a,O=Root\r\nX-Admin: 1 "),
            "CN=\\ a\\,O=Root\\0D\\0AX-Admin: 1\\ ,O=Example\\, Inc."
        );
        assert_eq!(subject("Zoë"), "CN=Zo\\C3\\AB,O=Example\\, Inc.");
    }

    proptest! {
        #[test]
        fn every_value_fits_a_header(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(http::HeaderValue::from_str(&escaped(&value)).is_ok());
        }
    }
}
