//! RabbitMQ behind TLS: an end of it in this process, before the tests' server.

use std::sync::Arc;

use kiuas_common::Shutdown;
use kiuas_common::testing::{TestRedis, rabbitmq, rabbitmq_address};
use kiuas_queue::broker::Broker;
use kiuas_queue::{AmqpSettings, BrokerKind, Queue, QueueSettings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::setup::{LEASE, call, eventually, numbers};

/// An end of TLS with a certificate of its own, as `localhost`.
struct Front {
    port: u16,
    directory: tempfile::TempDir,
}

impl Front {
    async fn start(server: String) -> Self {
        kiuas_common::tls::install_provider();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let configuration = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a configuration");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), cert.pem()).expect("a file");
        let listener = TcpListener::bind(("localhost", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = TlsAcceptor::from(Arc::new(configuration));
        drop(Shutdown::new().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                drop(Shutdown::new().spawn(async move {
                    // A visitor who does not trust us goes away in the handshake.
                    let Ok(mut inside) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut outside = TcpStream::connect(server).await.expect("the server");
                    drop(tokio::io::copy_bidirectional(&mut inside, &mut outside).await);
                }));
            }
        }));
        Self { port, directory }
    }

    fn settings(&self, url: &str, ca_path: String) -> QueueSettings {
        let (_, rest) = url.split_once("://").expect("a URL");
        let (login, _) = rest.rsplit_once('@').expect("a login");
        QueueSettings {
            broker: BrokerKind::Amqp,
            default_queue: format!("tls-{}", Uuid::new_v4()),
            amqp: AmqpSettings {
                url: format!("amqps://{login}@localhost:{}", self.port),
                ca_path,
                ..AmqpSettings::default()
            },
            ..QueueSettings::default()
        }
    }
}

#[tokio::test]
async fn tasks_travel_over_tls_to_a_server_that_is_trusted() {
    let Some(url) = rabbitmq() else {
        return;
    };
    let redis = TestRedis::start();
    let front = Front::start(rabbitmq_address(&url)).await;
    let ca = front.directory.path().join("ca.pem").display().to_string();
    let queue = Queue::open(redis.queue(), front.settings(&url, ca)).expect("a queue");
    for number in 0..300 {
        queue.send_call(call(number)).await.expect("a sent task");
    }
    let consumer = queue.consumer(&[], LEASE, 300);
    let mut arrived = Vec::new();
    eventually("all have come", async || {
        arrived.extend(numbers(
            &consumer.claim(64).await.expect("a claim").deliveries,
        ));
        arrived.len() == 300
    })
    .await;
    assert_eq!(arrived, (0..300).collect::<Vec<_>>());
    consumer.leave().await.expect("an end");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_no_password() {
    let Some(url) = rabbitmq() else {
        return;
    };
    let redis = TestRedis::start();
    let front = Front::start(rabbitmq_address(&url)).await;
    let other = Front::start(rabbitmq_address(&url)).await;
    let ca = other.directory.path().join("ca.pem").display().to_string();
    let queue = Queue::open(redis.queue(), front.settings(&url, ca)).expect("a queue");
    let error = queue.send_call(call(1)).await.expect_err("no trust");
    let error = error.with_causes();
    assert!(
        error.contains("cannot connect to RabbitMQ at localhost"),
        "{error}"
    );
}
