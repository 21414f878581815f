//! TLS towards PostgreSQL.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PostgresError, PostgresSettings, TlsMode};

pub(super) fn connector(settings: &PostgresSettings) -> Result<MakeRustlsConnect, PostgresError> {
    crate::tls::install_provider();
    let roots = match settings.tls {
        TlsMode::Disable => RootCertStore::empty(),
        TlsMode::Verify => authorities(&settings.ca_path)?,
    };
    let configuration = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(configuration))
}

fn authorities(path: &str) -> Result<RootCertStore, PostgresError> {
    let failed = |problem: String| PostgresError::Certificates {
        path: path.to_owned(),
        problem,
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}
