//! One HTTP/1.1 request to somebody else's server, for OCSP and ACME: rarely asked, so each has a
//! connection of its own. Bounded in time and size.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// From the name's look-up to the answer's last byte.
const DEADLINE: Duration = Duration::from_secs(20);
/// Directories, chains and OCSP answers are a few kilobytes.
const MOST_ANSWER: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The URL names no server, or one that needs TLS which is not at hand.
    #[error("`{0}` is no URL that can be asked")]
    Url(String),
    /// Nobody there.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] io::Error),
    /// No answer, or too much of one.
    #[error("cannot read the answer of {0}")]
    Answer(String, #[source] BoxError),
    /// Too slow.
    #[error("{0} did not answer in time")]
    Late(String),
}

/// Asks; `https` needs `tls`.
pub(super) async fn fetch<B>(
    request: Request<B>,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Response<Bytes>, FetchError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let url = request.uri().clone();
    let bad = || FetchError::Url(url.to_string());
    let authority = url.authority().ok_or_else(bad)?;
    let secure = url.scheme() == Some(&Scheme::HTTPS);
    if secure != tls.is_some() {
        return Err(bad());
    }
    tokio::time::timeout(DEADLINE, talk(request, authority, tls))
        .await
        .map_err(|_| FetchError::Late(authority.to_string()))?
}

async fn talk<B>(
    request: Request<B>,
    authority: &Authority,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Response<Bytes>, FetchError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let failed = |error| FetchError::Connect(authority.to_string(), error);
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority
        .port_u16()
        .unwrap_or(if tls.is_some() { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    let answer = match tls {
        None => exchange(stream, request, authority).await,
        Some(config) => {
            let name = ServerName::try_from(host.to_owned())
                .map_err(|error| failed(io::Error::other(error)))?;
            let stream = TlsConnector::from(Arc::clone(config))
                .connect(name, stream)
                .await
                .map_err(failed)?;
            exchange(stream, request, authority).await
        }
    };
    answer.map_err(|error| FetchError::Answer(authority.to_string(), error))
}

async fn exchange<S, B>(
    stream: S,
    mut request: Request<B>,
    authority: &Authority,
) -> Result<Response<Bytes>, BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    request
        .headers_mut()
        .insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::try_from(target)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let talk = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    // The connection is driven here, beside the request.
    tokio::pin!(talk, connection);
    tokio::select! {
        biased;
        outcome = &mut talk => return outcome,
        ended = &mut connection => ended?,
    }
    talk.await
}
