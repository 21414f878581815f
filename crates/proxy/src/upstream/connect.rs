//! New connections to applications.

use std::io;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kiuas_common::Address;
use kiuas_common::listener::Stream;
use prometheus_client::metrics::gauge::Gauge;

use super::pool::Sender;
use super::target::Target;
use crate::meter::Counted;

/// An answer's head is as bounded as a request's, with room for many cookies.
const MOST_HEAD: usize = 64 * 1024;
const MOST_FIELDS: usize = 256;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot connect")]
    Refused(#[source] io::Error),
    #[error("no connection within {0:?}")]
    Late(Duration),
    #[error("cannot begin with HTTP")]
    Handshake(#[source] hyper::Error),
}

/// Connects; the connection is driven by a task of its own until the sender is dropped or the peer
/// closes. `open` counts it.
pub(super) async fn connect(
    target: &Target,
    deadline: Duration,
    open: Gauge,
) -> Result<Sender, ConnectError> {
    let stream = tokio::time::timeout(deadline, stream(target))
        .await
        .map_err(|_| ConnectError::Late(deadline))?
        .map_err(ConnectError::Refused)?;
    let (sender, connection) = http1::Builder::new()
        .max_header_size(MOST_HEAD)
        .max_headers(MOST_FIELDS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Handshake)?;
    let connection = connection.with_upgrades();
    let counted = Counted::new(open);
    // Not tracked by the shutdown: an idle connection must not hold up a drain, and one in use is held
    // by a request that is tracked.
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an application ended early");
        }
        drop(counted);
    });
    Ok(sender)
}

async fn stream(target: &Target) -> io::Result<Stream> {
    match target {
        Target::Unix(path) => Stream::connect(&Address::Unix(path.clone())).await,
        Target::Address(address) => Stream::connect(&Address::Tcp(*address)).await,
        Target::Name(name) => {
            let stream = tokio::net::TcpStream::connect(name.as_str()).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
    }
}
