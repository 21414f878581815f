//! How connections come about: one thread serves all those of a client, so that tasks which keep the
//! runtime's threads busy never cost a connection its heartbeat.

use std::sync::Arc;
use std::time::Duration;

use async_compat::Compat;
use async_rs::TokioRuntime;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::runtime::{Builder, Handle, Runtime};

use super::settings::{AmqpSettings, QueueType};
use super::{AmqpError, stream};

/// Longest time for a connection to be ready.
const DEADLINE: Duration = Duration::from_secs(10);

/// Opens connections to one server.
pub(super) struct Dialer {
    uri: AMQPUri,
    tls: Option<Arc<ClientConfig>>,
    pub(super) settings: AmqpSettings,
    thread: Mutex<Option<Thread>>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// Checks the settings; opens nothing yet.
    pub(super) fn new(settings: &AmqpSettings) -> Result<Self, AmqpError> {
        let uri: Result<AMQPUri, String> = settings.url.parse();
        let mut uri = uri.map_err(|problem| AmqpError::Url { problem })?;
        if settings.max_priority > 0 && settings.queue_type == QueueType::Quorum {
            return Err(AmqpError::PriorityOfQuorum);
        }
        let seconds = settings.heartbeat.duration().as_secs().clamp(2, 600);
        uri.query.heartbeat = Some(u16::try_from(seconds).unwrap_or(600));
        let tls = match uri.scheme {
            AMQPScheme::AMQP => None,
            AMQPScheme::AMQPS => Some(stream::client_config(&settings.ca_path)?),
        };
        Ok(Self {
            uri,
            tls,
            settings: settings.clone(),
            thread: Mutex::default(),
        })
    }

    /// The thread of the connections, started at the first use.
    pub(super) fn thread(&self) -> Result<Handle, AmqpError> {
        let mut slot = self.thread.lock();
        let thread = match &mut *slot {
            Some(thread) => thread,
            None => slot.insert(Thread::start()?),
        };
        match &thread.0 {
            Some(runtime) => Ok(runtime.handle().clone()),
            None => Err(AmqpError::Thread(std::io::ErrorKind::NotConnected.into())),
        }
    }

    /// A new connection, shown by RabbitMQ under `name`.
    pub(super) async fn dial(&self, name: &str) -> Result<Connection, AmqpError> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = self.tls.clone();
        let runtime = TokioRuntime::tokio_with_handle(self.thread()?);
        let connecting = Connection::connector(
            self.uri.clone(),
            runtime,
            async move |uri: AMQPUri, _| {
                let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
                let stream = stream::connect(host, port, tls.as_ref()).await?;
                Ok(AsyncTcpStream::Plain(Compat::new(stream)))
            },
            properties,
        );
        match tokio::time::timeout(DEADLINE, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(source)) => Err(AmqpError::Connect {
                address: format!("{}:{}", self.uri.authority.host, self.uri.authority.port),
                source,
            }),
            Err(_) => Err(AmqpError::Silent {
                action: "greet us",
                waited: DEADLINE,
            }),
        }
    }
}

/// The thread of the connections. Dropped anywhere, in a task too.
#[derive(Debug)]
struct Thread(Option<Runtime>);

impl Thread {
    fn start() -> Result<Self, AmqpError> {
        let made = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("amqp")
            .enable_all()
            .build();
        Ok(Self(Some(made.map_err(AmqpError::Thread)?)))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
