//! Certificates and TLS clients of the tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority of a test.
pub(crate) struct Authority {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
}

/// A certificate with its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate().expect("key");
        let certificate = params.self_signed(&key).expect("certificate");
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server's certificate for `names`.
    pub(crate) fn server(&self, names: &[&str]) -> Pair {
        self.make(names, &KeyPair::generate().expect("key"), |_| {})
    }

    /// The same with an RSA key.
    pub(crate) fn rsa_server(&self, names: &[&str]) -> Pair {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        self.make(names, &key.expect("key"), |_| {})
    }

    /// A visitor's certificate with a serial number.
    pub(crate) fn client(&self, common_name: &str, serial: u8) -> Pair {
        self.make(&[], &KeyPair::generate().expect("key"), |params| {
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
            params.serial_number = Some(SerialNumber::from(vec![serial]));
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    pub(crate) fn make(
        &self,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("params");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).expect("certificate");
        Pair {
            certificate: format!("{}{}", certificate.pem(), self.pem),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
        }
    }

    /// A list with one revoked certificate.
    pub(crate) fn revoke(&self, serial: u8) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(vec![serial]),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2040, 1, 1),
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer)
            .expect("list")
            .pem()
            .expect("PEM")
    }

    /// A client that trusts this authority alone.
    pub(crate) fn visitor(&self) -> Client {
        Client::trusting(vec![self.certificate.clone()])
    }
}

impl Pair {
    /// Writes `NAME.pem` and `NAME-key.pem`.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}-key.pem"));
        std::fs::write(&certificate, &self.certificate).expect("certificate");
        std::fs::write(&key, &self.key).expect("key");
        (certificate, key)
    }

    /// As the settings write it.
    pub(crate) fn table(&self, directory: &Path, name: &str) -> String {
        let (certificate, key) = self.write(directory, name);
        format!(
            "{{ certificate = '{}', key = '{}' }}",
            certificate.display(),
            key.display()
        )
    }
}

/// A visitor's TLS.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) config: ClientConfig,
}

impl Client {
    pub(crate) fn trusting(roots: Vec<CertificateDer<'static>>) -> Self {
        Self::new(roots, None, rustls::ALL_VERSIONS)
    }

    pub(crate) fn new(
        roots: Vec<CertificateDer<'static>>,
        own: Option<&Pair>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).expect("root");
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(store);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = KeyPair::from_pem(&pair.key).expect("key").serialize_der();
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
                builder
                    .with_client_auth_cert(vec![pair.der.clone()], key)
                    .expect("own certificate")
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(32);
        Self { config }
    }

    pub(crate) async fn connect(
        &self,
        to: SocketAddr,
        name: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(to).await?;
        let name = ServerName::try_from(name.to_owned()).expect("name");
        TlsConnector::from(Arc::new(self.config.clone()))
            .connect(name, stream)
            .await
    }

    /// The certificate that is shown for `name`.
    pub(crate) async fn shown(&self, to: SocketAddr, name: &str) -> CertificateDer<'static> {
        let stream = self.connect(to, name).await.expect("handshake");
        first(stream.get_ref().1)
    }
}

pub(crate) fn first(connection: &ClientConnection) -> CertificateDer<'static> {
    let chain = connection.peer_certificates().expect("certificates");
    chain[0].clone().into_owned()
}
