//! What the lane needs of a connection.

use kiuas_common::listener::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection that the lane can serve.
pub trait LaneIo: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The socket, if bytes go over it as they are: then files may go from the kernel to it.
    fn socket(&self) -> Option<&TcpStream>;

    /// True if the peer must be told of the end in the connection's own words (TLS).
    fn has_farewell(&self) -> bool;
}

impl LaneIo for Stream {
    fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Unix(_) => None,
        }
    }

    fn has_farewell(&self) -> bool {
        false
    }
}

impl LaneIo for TlsStream<Stream> {
    fn socket(&self) -> Option<&TcpStream> {
        None
    }

    fn has_farewell(&self) -> bool {
        true
    }
}
