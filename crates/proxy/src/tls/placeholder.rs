//! A certificate that nobody has signed, for the time before an ordered one arrives: visitors are
//! warned by their browsers, but everything else works and the order can be proved.

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;
use super::authority::{name, valid_for};
use super::credential::Credential;

const DAYS: i64 = 30;

/// A certificate for `names`, signed by itself.
pub(super) fn credential(names: &[String]) -> Result<Credential, TlsError> {
    let params = CertificateParams::new(names.to_vec()).map_err(TlsError::Make)?;
    let (certificate, key) = signed_by_itself(params)?;
    Credential::new(vec![certificate], key)
}

/// The certificate that proves `name` to an authority (RFC 8737 3). Its extension is critical and
/// unknown to whoever verifies certificates, so that it serves for nothing else.
pub(super) fn proof(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(TlsError::Make)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let (certificate, key) = signed_by_itself(params)?;
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(TlsError::Use)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate], key)))
}

fn signed_by_itself(
    mut params: CertificateParams,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), TlsError> {
    params.distinguished_name = name("Kiuas placeholder");
    valid_for(&mut params, DAYS);
    let key = KeyPair::generate().map_err(TlsError::Make)?;
    let certificate = params.self_signed(&key).map_err(TlsError::Make)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((certificate.der().clone(), key))
}
