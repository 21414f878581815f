use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};

use super::*;

struct Made {
    der: CertificateDer<'static>,
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("key");
    let certificate = params.self_signed(&key).expect("certificate").der().clone();
    (Issuer::new(params, key), certificate)
}

fn leaf(issuer: &Issuer<'_, KeyPair>, change: impl FnOnce(&mut CertificateParams)) -> Made {
    let mut params = CertificateParams::new(vec!["A.example".to_owned(), "*.b.example".to_owned()])
        .expect("params");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    change(&mut params);
    let key = KeyPair::generate().expect("key");
    let certificate = params.signed_by(&key, issuer).expect("certificate");
    Made {
        der: certificate.der().clone(),
    }
}

fn said(made: &Made, chain: &[CertificateDer<'_>], hosts: &[&str]) -> String {
    let facts = Facts::read(&made.der).expect("facts");
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    format!("{:?}", facts.findings(chain, &hosts, Timestamp::now()))
}

#[test]
fn a_good_certificate_needs_no_word() {
    let (issuer, root) = authority("root");
    let made = leaf(&issuer, |_| {});
    let chain = [made.der.clone(), root];
    assert_eq!(
        said(&made, &chain, &["a.example", "*", "x.b.example"]),
        "[]"
    );
}

#[test]
fn a_wildcard_covers_one_label() {
    let (issuer, _) = authority("root");
    let facts = Facts::read(&leaf(&issuer, |_| {}).der).expect("facts");
    for (host, covered) in [
        ("a.example", true),
        ("x.b.example", true),
        ("*.b.example", true),
        ("b.example", false),
        ("x.y.b.example", false),
        ("x.a.example", false),
    ] {
        assert_eq!(facts.covers(host), covered, "{host}");
    }
}

#[test]
fn what_is_wrong_is_named_exactly() {
    let (issuer, root) = authority("root");
    let (_, stranger) = authority("stranger");
    let made = leaf(&issuer, |_| {});
    let expired = leaf(&issuer, |params| {
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    });
    let future = leaf(&issuer, |params| {
        params.not_before = rcgen::date_time_ymd(2039, 2, 3);
    });
    assert!(said(&expired, &[], &[]).contains("expired on 2021-02-03"));
    assert!(said(&future, &[], &[]).contains("valid only from 2039-02-03"));
    assert!(said(&made, &[], &["other.example"]).contains("not good for `other.example`"));
    let wrong = said(&made, &[made.der.clone(), stranger.clone()], &[]);
    assert!(wrong.contains("out of order"), "{wrong}");
    let swapped = said(&made, &[root, made.der.clone()], &[]);
    assert!(swapped.contains("out of order"), "{swapped}");
}

#[test]
fn must_staple_is_seen() {
    let (issuer, _) = authority("root");
    let plain = leaf(&issuer, |_| {});
    let strict = leaf(&issuer, |params| {
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 5, 5, 7, 1, 24],
                vec![0x30, 3, 2, 1, 5],
            ));
    });
    assert!(!Facts::read(&plain.der).expect("facts").must_staple);
    assert!(Facts::read(&strict.der).expect("facts").must_staple);
}

#[test]
fn garbage_is_no_certificate() {
    assert_eq!(Facts::read(b"nonsense"), None);
    assert_eq!(Facts::read(&[]), None);
}
