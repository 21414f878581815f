//! TCP to RabbitMQ, with TLS of our own make: one TLS stack, one provider.
//!
//! lapin takes a TCP stream and nothing else. With TLS it gets one end of a pair of local sockets, and a
//! task carries the bytes between the other end and the encrypted stream.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

use super::AmqpError;

/// Longest time for TCP and TLS to come about.
const DEADLINE: Duration = Duration::from_secs(5);

/// The authorities in the PEM file `path`, or the system's.
pub(super) fn client_config(path: &str) -> Result<Arc<ClientConfig>, AmqpError> {
    kiuas_common::tls::install_provider();
    let mut roots = RootCertStore::empty();
    let failed = |problem: String| AmqpError::Certificates {
        path: if path.is_empty() { "the system" } else { path }.to_owned(),
        problem,
    };
    let certificates = if path.is_empty() {
        rustls_native_certs::load_native_certs().certs
    } else {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        read.map_err(|error| failed(error.to_string()))?
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    let configuration = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(configuration))
}

/// A stream to `host`, encrypted if there is a configuration for that.
pub(super) async fn connect(
    host: &str,
    port: u16,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<TcpStream> {
    let connecting = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        match tls {
            None => Ok(stream),
            Some(configuration) => encrypted(host, stream, configuration).await,
        }
    };
    match tokio::time::timeout(DEADLINE, connecting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

async fn encrypted(
    host: &str,
    stream: TcpStream,
    configuration: &Arc<ClientConfig>,
) -> io::Result<TcpStream> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::clone(configuration));
    let mut outside = connector.connect(name, stream).await?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let mut inside = UnixStream::from_std(ours)?;
    // Ends with either side; lapin and the server each notice on their own.
    Handle::current().spawn(async move {
        drop(tokio::io::copy_bidirectional(&mut inside, &mut outside).await);
    });
    TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(theirs)))
}
