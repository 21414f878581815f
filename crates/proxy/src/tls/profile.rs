//! What is spoken: Mozilla's Server Side TLS recommendations (version 5.7 and 6.0), as far as rustls
//! has it. The lists are written out, so that a newer rustls changes nothing by itself.

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group as group};
use rustls::version::{TLS12, TLS13};

use crate::settings::TlsProfile;

static INTERMEDIATE: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static MODERN: &[&SupportedProtocolVersion] = &[&TLS13];

/// The provider with the suites and groups of `profile`. The visitor's order among them counts, as
/// Mozilla has it: phones without AES in hardware ask for `ChaCha20` first.
pub(super) fn provider(profile: TlsProfile) -> CryptoProvider {
    let mut suites = vec![
        suite::TLS13_AES_128_GCM_SHA256,
        suite::TLS13_AES_256_GCM_SHA384,
        suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    if profile == TlsProfile::Intermediate {
        suites.extend([
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]);
    }
    CryptoProvider {
        cipher_suites: suites,
        kx_groups: vec![
            group::X25519MLKEM768,
            group::X25519,
            group::SECP256R1,
            group::SECP384R1,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// The versions of `profile`.
pub(super) fn versions(profile: TlsProfile) -> &'static [&'static SupportedProtocolVersion] {
    match profile {
        TlsProfile::Intermediate => INTERMEDIATE,
        TlsProfile::Modern => MODERN,
    }
}
