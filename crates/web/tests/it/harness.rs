//! A server for a test, and a client that sees every byte.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use kiuas_common::admin::Health;
use kiuas_common::listener::Stream;
use kiuas_common::metrics::Metrics;
use kiuas_common::redis::Redis;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_common::testing::TestRedis;
use kiuas_common::{Address, Environment, Period, Shutdown};
use kiuas_web::server::{Server, ServerError, Sockets};
use kiuas_web::{Live, WebSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for anything in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Fails the test if `future` takes too long.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("in time")
}

/// Settings for tests: short graces.
pub(crate) fn settings() -> WebSettings {
    WebSettings {
        idle_grace: Period::milliseconds(300),
        drain_timeout: Period::seconds(10),
        ..WebSettings::default()
    }
}

/// A server of a test.
pub(crate) struct Running {
    pub(crate) address: Address,
    pub(crate) shutdown: Shutdown,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) redis: TestRedis,
    pub(crate) live: Live,
    task: JoinHandle<Result<DrainOutcome, ServerError>>,
    _directory: tempfile::TempDir,
}

/// Starts a server on a Unix socket.
pub(crate) async fn start(configure: fn(&mut ServiceConfig)) -> Running {
    start_with(settings(), configure).await
}

/// Starts a server on a Unix socket with `settings`.
pub(crate) async fn start_with(
    settings: WebSettings,
    configure: fn(&mut ServiceConfig),
) -> Running {
    let directory = tempfile::tempdir().expect("directory");
    let address = Address::Unix(directory.path().join("web.sock"));
    let sockets = Sockets::bind(&address).expect("socket");
    start_on(sockets, settings, configure, directory).await
}

/// Starts a server on a TCP port that the kernel chooses.
pub(crate) async fn start_tcp(configure: fn(&mut ServiceConfig)) -> Running {
    start_at([127, 0, 0, 1].into(), settings(), configure).await
}

/// Starts a server on a port of this machine's address `ip`.
pub(crate) async fn start_at(
    ip: IpAddr,
    settings: WebSettings,
    configure: fn(&mut ServiceConfig),
) -> Running {
    let any = Address::Tcp((ip, 0).into());
    let sockets = Sockets::bind(&any).expect("socket");
    let directory = tempfile::tempdir().expect("directory");
    start_on(sockets, settings, configure, directory).await
}

async fn start_on(
    sockets: Sockets,
    settings: WebSettings,
    configure: fn(&mut ServiceConfig),
    directory: tempfile::TempDir,
) -> Running {
    let redis = TestRedis::start();
    let cache = Redis::cache(&redis.settings()).expect("Redis");
    let live = Live::new(cache.clone());
    let (shutdown, metrics, health) = (Shutdown::new(), Metrics::new(), Health::new());
    let address = sockets.addresses().remove(0);
    let server = Server {
        settings,
        environment: Environment::Testing,
        redis: cache,
        live: live.clone(),
        metrics: metrics.clone(),
        health: health.clone(),
        configure: Arc::new(configure),
    };
    drop(shutdown.spawn(live.clone().run(shutdown.clone())));
    let (ready, is_ready) = oneshot::channel();
    let run = server.run(sockets, shutdown.clone(), move || {
        ready.send(()).ok();
    });
    let task = shutdown.spawn(run);
    soon(is_ready).await.expect("ready");
    Running {
        address,
        shutdown,
        metrics,
        health,
        redis,
        live,
        task,
        _directory: directory,
    }
}

impl Running {
    /// A new connection.
    pub(crate) async fn connect(&self) -> Client {
        let stream = soon(Stream::connect(&self.address)).await;
        Client::new(stream.expect("connection"))
    }

    /// The answer to a request on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await
    }

    /// Waits until so many requests are in flight.
    pub(crate) async fn in_flight(&self, requests: usize) {
        self.measures(&format!("kiuas_web_requests_in_flight {requests}"))
            .await;
    }

    /// Waits until the metrics have this line.
    pub(crate) async fn measures(&self, line: &str) {
        let line = format!("{line}\n");
        soon(async {
            while !self.metrics.encode().expect("metrics").contains(&line) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Begins the drain and waits for its end.
    pub(crate) async fn stop(self) -> DrainOutcome {
        self.shutdown.begin();
        soon(self.task).await.expect("task").expect("server")
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The first header of this name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `name=value` of the cookie that it sets.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.header("set-cookie")?.split(';').next()
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: Stream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await.expect("answer")
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        self.send(method, path, headers, body).await?;
        soon(self.answer()).await
    }

    /// Sends a request.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<()> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: site.test\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.stream.write_all(text.as_bytes()).await
    }

    /// Reads an answer with a length or in chunks. An end before its first byte is
    /// `UnexpectedEof`.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                break std::mem::replace(&mut self.read, rest);
            }
            self.more().await?;
        };
        let head = String::from_utf8(head).expect("UTF-8");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut answer = Answer {
            status: status
                .and_then(|status| status.parse().ok())
                .expect("status"),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: String::new(),
        };
        let body = if answer.header("transfer-encoding") == Some("chunked") {
            self.chunks().await?
        } else {
            let length = answer
                .header("content-length")
                .map_or(0, |length| length.parse().expect("length"));
            self.exactly(length).await?
        };
        answer.body = String::from_utf8(body).expect("UTF-8");
        Ok(answer)
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            while find(&self.read, b"\r\n").is_none() {
                self.more().await?;
            }
            let end = find(&self.read, b"\r\n").expect("line");
            let line = self.exactly(end + 2).await?;
            let size = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(size.trim(), 16).expect("size");
            let mut chunk = self.exactly(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            chunk.truncate(size);
            body.extend(chunk);
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            self.more().await?;
        }
        let rest = self.read.split_off(length);
        Ok(std::mem::replace(&mut self.read, rest))
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// True once the server has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(soon(self.more()).await, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof)
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
