//! One request and its answer over HTTP/1.1, read without a client library: nothing is retried or hidden.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use kiuas_common::Address;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf,
};
use tokio::net::{TcpStream, UnixStream};

/// More is no answer of the applications that are measured.
const LONGEST_BODY: usize = 1 << 20;

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection ended before the answer did.
    Ended,
    /// No whole answer in time.
    TimedOut,
    /// A status of 500 or more.
    Failed,
    /// An answer, but not this one.
    Wrong,
}

impl Loss {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Ended => "ended",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Wrong => "wrong",
        }
    }
}

impl From<io::Error> for Loss {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A Unix socket whose file is gone is what a refused port is.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused,
            io::ErrorKind::UnexpectedEof => Self::Ended,
            _ => Self::Reset,
        }
    }
}

/// A request, ready to be sent.
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// `close`: the connection is for this one alone.
    pub(crate) fn get(path: &str, close: bool) -> Self {
        let connection = if close { "Connection: close\r\n" } else { "" };
        Self(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{connection}\r\n").into_bytes())
    }

    pub(crate) fn post(path: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        Self([head.as_bytes(), body].concat())
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// The connection may be used again.
    pub(crate) keeps: bool,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

pub(crate) struct Connection(BufReader<Box<dyn Stream>>);

/// How long a body is.
enum Length {
    Known(usize),
    Chunks,
    ToTheEnd,
}

impl Connection {
    pub(crate) async fn open(address: &Address) -> Result<Self, Loss> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        Ok(Self(BufReader::new(stream)))
    }

    /// False if the server has closed it, or said something unasked: what every client looks at before
    /// it uses a connection again.
    pub(crate) async fn is_open(&mut self) -> bool {
        let mut byte = [0];
        poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut byte);
            Poll::Ready(
                Pin::new(&mut self.0)
                    .poll_read(cx, &mut buffer)
                    .is_pending(),
            )
        })
        .await
    }

    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Answer, Loss> {
        self.0.write_all(&request.0).await?;
        let status = self.line().await?;
        let is_new = status.starts_with("HTTP/1.1 ");
        let code: u16 = status
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .ok_or(Loss::Wrong)?;
        let (length, closes) = self.fields().await?;
        let to_the_end = matches!(length, Length::ToTheEnd);
        let body = self.body(length).await?;
        match code {
            200 => Ok(Answer {
                body,
                keeps: is_new && !closes && !to_the_end,
            }),
            500.. => Err(Loss::Failed),
            _ => Err(Loss::Wrong),
        }
    }

    async fn line(&mut self) -> Result<String, Loss> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 || !line.ends_with('\n') {
            return Err(Loss::Ended);
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    /// The header fields that matter: how long the body is, and whether the connection closes.
    async fn fields(&mut self) -> Result<(Length, bool), Loss> {
        let (mut length, mut closes) = (Length::ToTheEnd, false);
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            let Some((name, value)) = line.split_once(':') else {
                return Ok((length, closes));
            };
            match (name, value.trim()) {
                ("content-length", value) => {
                    let value = value.parse().map_err(|_| Loss::Wrong)?;
                    length = Length::Known(value);
                }
                ("transfer-encoding", "chunked") => length = Length::Chunks,
                ("connection", "close") => closes = true,
                _ => {}
            }
        }
    }

    async fn body(&mut self, length: Length) -> Result<Vec<u8>, Loss> {
        let mut body = Vec::new();
        match length {
            Length::Known(length) => self.part(length, &mut body).await?,
            Length::ToTheEnd => {
                let most = LONGEST_BODY as u64;
                (&mut self.0).take(most).read_to_end(&mut body).await?;
            }
            Length::Chunks => loop {
                let line = self.line().await?;
                let length = usize::from_str_radix(&line, 16).map_err(|_| Loss::Wrong)?;
                self.part(length, &mut body).await?;
                // The end of the chunk, or of the body.
                self.line().await?;
                if length == 0 {
                    break;
                }
            },
        }
        Ok(body)
    }

    async fn part(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), Loss> {
        let start = body.len();
        let end = start.saturating_add(length);
        if end > LONGEST_BODY {
            return Err(Loss::Wrong);
        }
        body.resize(end, 0);
        self.0
            .read_exact(body.get_mut(start..).unwrap_or(&mut []))
            .await?;
        Ok(())
    }
}
