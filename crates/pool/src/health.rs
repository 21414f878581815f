//! Asks an admin listener whether work may be sent there: the health check of a container.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use kiuas_common::Address;
use kiuas_common::listener::Stream;

/// A reason why not is short.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Why a process is not ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// Nobody answers there.
    #[error("cannot ask {address} for /readyz")]
    Unreachable {
        /// The admin listener.
        address: Address,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("{address} did not answer within {}", crate::report::time(*.deadline))]
    Late {
        /// The admin listener.
        address: Address,
        /// How long it had.
        deadline: Duration,
    },
    /// It says that it is not ready.
    #[error("{address} answered {status}: {reason}")]
    NotReady {
        /// The admin listener.
        address: Address,
        /// Status of the answer.
        status: u16,
        /// Its text.
        reason: String,
    },
}

/// Asks `/readyz` at `address`.
///
/// # Errors
/// It is not ready, or does not answer within `deadline`.
pub async fn probe(address: &Address, deadline: Duration) -> Result<(), HealthError> {
    let answer = tokio::time::timeout(deadline, get(address, "/readyz"))
        .await
        .map_err(|_| HealthError::Late {
            address: address.clone(),
            deadline,
        })?;
    let (status, text) = answer.map_err(|source| HealthError::Unreachable {
        address: address.clone(),
        source,
    })?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    Err(HealthError::NotReady {
        address: address.clone(),
        status,
        reason: text.trim().to_owned(),
    })
}

/// Status and text of the answer to a GET of `path`. The caller sets the deadline.
///
/// # Errors
/// Nobody answers, or the answer is too long.
pub(crate) async fn get(
    address: &Address,
    path: &str,
) -> Result<(u16, String), Box<dyn std::error::Error + Send + Sync>> {
    let stream = Stream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header("host", "localhost")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER);
        // The status is the answer; a text that is too long to be a reason is none.
        let text = body.collect().await.map_or_else(
            |_| String::new(),
            |body| String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        );
        Ok((status, text))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    // The connection has to be driven, and may end before the last of the body has been read.
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended?;
            exchange.await
        }
    }
}
