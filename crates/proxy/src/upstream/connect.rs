//! New connections to applications.

use std::io;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

use super::client::Wire;
use super::target::Target;
use crate::meter::Counted;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot connect")]
    Refused(#[source] io::Error),
    #[error("no connection within {0:?}")]
    Late(Duration),
    #[error("cannot begin with HTTP/2")]
    Handshake(#[source] hyper::Error),
}

/// Connects. `open` counts the connection.
pub(super) async fn connect(
    target: &Target,
    deadline: Duration,
    open: Gauge,
) -> Result<Wire, ConnectError> {
    let stream = tokio::time::timeout(deadline, target.connect())
        .await
        .map_err(|_| ConnectError::Late(deadline))?
        .map_err(ConnectError::Refused)?;
    Ok(Wire::new(stream, Counted::new(open)))
}
