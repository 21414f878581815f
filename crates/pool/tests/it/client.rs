//! An HTTP client that never repeats a request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Longer parts of an answer are no answer of the tests' children.
const LONGEST_PART: u64 = 1 << 20;

/// Where a pool listens.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<&Target> for Target {
    fn from(target: &Target) -> Self {
        target.clone()
    }
}

/// What a child answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The connection is good for no other request.
    pub(crate) closes: bool,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// The value after `key=` in the body.
    pub(crate) fn field(&self, key: &str) -> String {
        let prefix = format!("{key}=");
        let found = self
            .body
            .split_whitespace()
            .find_map(|word| word.strip_prefix(&prefix));
        found.unwrap_or_default().to_owned()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.field("pid").parse().expect("pid")
    }

    /// The value of the header `name`, which is written in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }

    fn length(&self) -> u64 {
        self.header("content-length")
            .and_then(|value| value.parse().ok())
            .unwrap_or(0)
    }
}

/// Both kinds of sockets.
trait Wire: Read + Write + Send {}
impl Wire for TcpStream {}
impl Wire for UnixStream {}

/// One connection.
pub(crate) struct Connection(BufReader<Box<dyn Wire>>);

impl Connection {
    pub(crate) fn open(target: impl Into<Target>) -> std::io::Result<Self> {
        let wire: Box<dyn Wire> = match target.into() {
            Target::Tcp(address) => {
                let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                Box::new(stream)
            }
        };
        Ok(Self(BufReader::new(wire)))
    }

    /// A connection on which a request is under way.
    pub(crate) fn asking(target: impl Into<Target>, path: &str) -> Self {
        let mut connection = Self::open(target).expect("connection");
        connection.ask(path).expect("request");
        connection
    }

    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.ask(path)?;
        self.answer()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> std::io::Result<Answer> {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{body}"
        ))?;
        self.answer()
    }

    pub(crate) fn ask(&mut self, path: &str) -> std::io::Result<()> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
    }

    /// Writes `bytes` as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    /// Reads an answer with its body.
    pub(crate) fn answer(&mut self) -> std::io::Result<Answer> {
        let mut answer = self.head()?;
        let body = if answer.is_chunked() {
            self.chunks()?
        } else {
            self.bytes(answer.length())?
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }

    /// Reads the head of an answer alone.
    pub(crate) fn head(&mut self) -> std::io::Result<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("no answer: {line:?}")))?;
        let mut headers = Vec::new();
        while let Some((name, value)) = self.line()?.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            body: String::new(),
            closes: false,
            headers,
        };
        answer.closes = answer.header("connection") == Some("close");
        Ok(answer)
    }

    /// One line, such as an event of a stream, without its end; empty at the end of the stream.
    pub(crate) fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Reads so many bytes as they are.
    pub(crate) fn bytes(&mut self, length: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0
            .by_ref()
            .take(length.min(LONGEST_PART))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(std::io::Error::other("the body of the answer broke off"))
        }
    }

    fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = u64::from_str_radix(&line, 16)
                .map_err(|_| std::io::Error::other(format!("the stream broke off at {line:?}")))?;
            body.extend(self.bytes(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

/// A request on a connection of its own.
pub(crate) fn get(target: impl Into<Target>, path: &str) -> std::io::Result<Answer> {
    Connection::open(target)?.get(path)
}
