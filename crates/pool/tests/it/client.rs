//! An HTTP client that never repeats a request, and a load of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

const TIMEOUT: Duration = Duration::from_secs(20);

/// What a child answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    closes: bool,
}

impl Answer {
    /// The value after `key=`.
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
}

/// One connection.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// A connection on which a request is under way.
    pub(crate) fn asking(address: SocketAddr, path: &str) -> Self {
        let mut connection = Self::open(address).expect("connection");
        connection.ask(path).expect("request");
        connection
    }

    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.ask(path)?;
        self.answer()
    }

    pub(crate) fn ask(&mut self, path: &str) -> std::io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())
    }

    pub(crate) fn answer(&mut self) -> std::io::Result<Answer> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("no answer: {line:?}")))?;
        let (mut length, mut closes) = (0, false);
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let header = line.trim().to_ascii_lowercase();
            match header.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
                Some(("connection", value)) => closes = value.trim() == "close",
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer {
            status,
            body,
            closes,
        })
    }
}

/// A request on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<Answer> {
    Connection::open(address)?.get(path)
}

/// Clients that ask without pause, half of them over connections that they keep.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, clients: usize) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            failures: Arc::default(),
            clients: Vec::new(),
        };
        for index in 0..clients {
            let (stop, answered) = (Arc::clone(&load.stop), Arc::clone(&load.answered));
            let failures = Arc::clone(&load.failures);
            load.clients.push(std::thread::spawn(move || {
                let mut kept = None;
                while !stop.load(Ordering::Relaxed) {
                    match ask(&mut kept, address, index % 2 == 0) {
                        Ok(_) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => failures.lock().push(error.to_string()),
                    }
                    std::thread::sleep(Duration::from_millis(3));
                }
            }));
        }
        load
    }

    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends the load. Returns the requests that were answered and why others were not.
    pub(crate) fn finish(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("client");
        }
        let failures = self.failures.lock().clone();
        (self.answered.load(Ordering::Relaxed), failures)
    }
}

fn ask(kept: &mut Option<Connection>, address: SocketAddr, keep: bool) -> std::io::Result<Answer> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(address)?,
    };
    let answer = connection.get("/")?;
    if keep && !answer.closes {
        *kept = Some(connection);
    }
    Ok(answer)
}
