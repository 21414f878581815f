//! A visitor who writes bytes, and reads answers strictly.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A field's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value.trim())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let field = |line: &str| Some(line.split_once(':')?.0.eq_ignore_ascii_case(name));
        self.head.lines().filter_map(field).any(|found| found)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Visitor<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

impl Visitor {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self::new(TcpStream::connect(to).await.expect("connection"))
    }

    /// One request over a new connection.
    pub(crate) async fn get(to: SocketAddr, path: &str) -> Answer {
        Self::ask(to, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await
    }

    /// One raw request over a new connection.
    pub(crate) async fn ask(to: SocketAddr, request: &str) -> Answer {
        let mut visitor = Self::connect(to).await;
        visitor.send(request).await;
        visitor.answer(request.starts_with("HEAD")).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Visitor<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends bytes. That the other side has closed already is no error here: what it answered counts.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()).await);
        drop(self.stream.flush().await);
    }

    /// The next answer; `None` if the connection ends before one begins.
    pub(crate) async fn try_answer(&mut self, head_only: bool) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer(head_only))
            .await
            .expect("an answer in time")
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self, head_only: bool) -> Answer {
        self.try_answer(head_only).await.expect("an answer")
    }

    /// GET over this connection.
    pub(crate) async fn get_again(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        self.answer(false).await
    }

    /// True if the connection ends without another byte.
    pub(crate) async fn ends(&mut self) -> bool {
        let mut rest = std::mem::take(&mut self.read);
        let read = self.stream.read_to_end(&mut rest);
        drop(
            tokio::time::timeout(PATIENCE, read)
                .await
                .expect("an end in time"),
        );
        rest.is_empty()
    }

    async fn more(&mut self) -> bool {
        let mut piece = [0; 8192];
        match self.stream.read(&mut piece).await {
            Ok(length) if length > 0 => {
                self.read.extend_from_slice(&piece[..length]);
                true
            }
            _ => false,
        }
    }

    async fn read_answer(&mut self, head_only: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                assert!(self.read.is_empty(), "broken off: {:?}", self.read);
                return None;
            }
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8(head).expect("text");
        let mut answer = Answer {
            status: head[9..12].parse().expect("status"),
            head,
            body: Vec::new(),
        };
        if answer.status < 200 && answer.status != 101 {
            return Box::pin(self.read_answer(head_only)).await;
        }
        if head_only || [101, 204, 304].contains(&answer.status) {
            return Some(answer);
        }
        answer.body = match answer.header("content-length") {
            "" if answer.header("transfer-encoding") == "chunked" => self.chunked().await,
            "" => self.rest().await,
            length => self.exactly(length.parse().expect("length")).await,
        };
        Some(answer)
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(
                self.more().await,
                "broken off after {} bytes",
                self.read.len()
            );
        }
        self.read.drain(..length).collect()
    }

    async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    /// Everything up to the last line, undecoded: tests look for words.
    async fn chunked(&mut self) -> Vec<u8> {
        let ended = |read: &[u8]| {
            read.starts_with(b"0\r\n") || read.windows(5).any(|five| five == b"\r\n0\r\n")
        };
        // The end first: to search megabytes again after each read takes seconds.
        while !(self.read.ends_with(b"\r\n\r\n") && ended(&self.read)) {
            assert!(self.more().await, "broken off in a chunked body");
        }
        std::mem::take(&mut self.read)
    }
}
