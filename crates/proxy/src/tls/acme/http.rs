//! Carries `instant-acme`'s requests: bounded in time and size, trusting the system's authorities or
//! the one in the settings.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::tls::TlsError;
use crate::tls::credential::chain;
use crate::tls::fetch::fetch;

/// Asks an authority.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    tls: Arc<ClientConfig>,
}

impl Carrier {
    /// # Errors
    /// The file with the authority cannot be used.
    pub(super) fn new(ca_path: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        match ca_path {
            Some(path) => {
                for certificate in chain(path)? {
                    roots.add(certificate).map_err(TlsError::Use)?;
                }
            }
            None => {
                let system = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(system.certs);
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Use)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls) })
    }
}

impl HttpClient for Carrier {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = Arc::clone(&self.tls);
        Box::pin(async move {
            let answer = fetch(request, Some(&tls))
                .await
                .map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(answer.map(Full::new) as Response<_>))
        })
    }
}
