//! RabbitMQ: the stage for what it shares with the other brokers, and what is its own.

use kiuas_common::Shutdown;
use kiuas_common::testing::{Relay, TestRedis, rabbitmq, rabbitmq_address};
use kiuas_queue::broker::{Broker, Finish, Hold};
use kiuas_queue::outbox as outbox_relay;
use kiuas_queue::{
    AmqpError, AmqpSettings, AnyBroker, BrokerKind, Queue, QueueError, QueueSettings, QueueType,
};
use lapin::options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use crate::outbox;
use crate::setup::{LEASE, call, eventually, numbers};
use crate::stage::Stage;

/// Tasks that a consumer may hold at once.
const CONCURRENCY: usize = 8;

/// RabbitMQ behind relays that can be cut: one for the client, one for each consumer.
struct Rabbit {
    redis: TestRedis,
    settings: AmqpSettings,
    name: String,
    relay: Relay,
    queue: Queue,
    consumers: Mutex<Vec<(String, Relay)>>,
}

impl Rabbit {
    fn start(settings: AmqpSettings) -> Self {
        let redis = TestRedis::start();
        let relay = Relay::to(rabbitmq_address(&server()));
        let name = format!("test-{}", Uuid::new_v4());
        let queue = open(&redis, &settings, &name, &relay);
        Self {
            redis,
            settings,
            name,
            relay,
            queue,
            consumers: Mutex::default(),
        }
    }

    fn consumer_of(&self, queues: &[String]) -> AnyBroker {
        let relay = Relay::to(rabbitmq_address(&server()));
        let queue = open(&self.redis, &self.settings, &self.name, &relay);
        let consumer = queue.consumer(queues, LEASE, CONCURRENCY);
        let id = consumer.worker_id().to_owned();
        self.consumers.lock().push((id, relay));
        consumer
    }

    fn kill(&self, consumer: &AnyBroker) {
        for (id, relay) in self.consumers.lock().iter() {
            if id == consumer.worker_id() {
                relay.cut();
            }
        }
    }

    fn interrupt(&self) {
        self.relay.cut();
        self.relay.mend();
        for (_, relay) in self.consumers.lock().iter() {
            relay.cut();
            relay.mend();
        }
    }

    async fn dead_letters(&self, queue: &str) -> Vec<(String, String)> {
        let mut letters = Vec::new();
        for headers in taken(&format!("{queue}:dead")).await {
            let id = headers["id"].as_str().expect("an id").to_owned();
            let reason = headers["x-kiuas-evidence"]["reason"].as_str();
            letters.push((id, reason.expect("a reason").to_owned()));
        }
        letters.reverse();
        letters
    }
}

fn server() -> String {
    rabbitmq().expect("the server that was there")
}

fn open(redis: &TestRedis, settings: &AmqpSettings, name: &str, relay: &Relay) -> Queue {
    let settings = QueueSettings {
        broker: BrokerKind::Amqp,
        default_queue: name.to_owned(),
        amqp: AmqpSettings {
            url: server().replace(&rabbitmq_address(&server()), &relay.address()),
            ..settings.clone()
        },
        ..QueueSettings::default()
    };
    Queue::open(redis.queue(), settings).expect("a queue")
}

async fn channel() -> (Connection, Channel) {
    let connection = Connection::connect(&server(), ConnectionProperties::default())
        .await
        .expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

/// The headers of the messages in `queue`, oldest first.
async fn taken(queue: &str) -> Vec<Value> {
    let (_connection, channel) = channel().await;
    let mut headers = Vec::new();
    let options = BasicGetOptions::default;
    while let Some(message) = channel
        .basic_get(queue.into(), options())
        .await
        .expect("a look")
    {
        let table = message.delivery.properties.headers().clone();
        let table = serde_json::to_value(table.unwrap_or_default()).expect("JSON");
        headers.push(plain(&table));
    }
    headers
}

/// What lapin's own form of a table says.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 => match map.iter().next() {
            Some((kind, bytes)) if kind == "LongString" => {
                let bytes: Vec<u8> = serde_json::from_value(bytes.clone()).expect("bytes");
                Value::from(String::from_utf8(bytes).expect("text"))
            }
            Some((kind, table)) if kind == "FieldTable" => plain(table),
            Some((name, value)) => {
                Value::Object([(name.clone(), plain(value))].into_iter().collect())
            }
            None => Value::Null,
        },
        Value::Object(map) => {
            let plain = map.iter().map(|(name, value)| (name.clone(), plain(value)));
            Value::Object(plain.collect())
        }
        other => other.clone(),
    }
}

macro_rules! stage {
    ($(#[$doc:meta])* $name:ident, $settings:expr) => {
        $(#[$doc])*
        pub(crate) struct $name(Rabbit);

        impl Stage for $name {
            fn is_there() -> bool {
                rabbitmq().is_some()
            }

            async fn start() -> Self {
                Self(Rabbit::start($settings))
            }

            fn queue(&self) -> &Queue {
                &self.0.queue
            }

            fn consumer_of(&self, queues: &[String]) -> AnyBroker {
                self.0.consumer_of(queues)
            }

            async fn kill(&self, consumer: &AnyBroker) {
                self.0.kill(consumer);
            }

            async fn interrupt(&mut self) {
                self.0.interrupt();
            }

            async fn dead_letters(&self, queue: &str) -> Vec<(String, String)> {
                self.0.dead_letters(queue).await
            }

            async fn malformed(&self, queue: &str) -> usize {
                taken(&format!("{queue}:malformed")).await.len()
            }
        }
    };
}

stage!(
    /// Classic queues with priorities.
    OnClassic,
    AmqpSettings {
        max_priority: 9,
        ..AmqpSettings::default()
    }
);
stage!(
    /// Quorum queues.
    OnQuorum,
    AmqpSettings {
        queue_type: QueueType::Quorum,
        ..AmqpSettings::default()
    }
);

#[tokio::test]
async fn a_queue_that_exists_is_used_as_it_is() {
    if !OnQuorum::is_there() {
        return;
    }
    let stage = OnQuorum::start().await;
    let (_connection, channel) = channel().await;
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let name = stage.default_queue();
    channel
        .queue_declare(name.as_str().into(), durable, FieldTable::default())
        .await
        .expect("a classic queue");
    stage.queue().send_call(call(1)).await.expect("a sent task");
    let consumer = stage.consumer();
    let mut claimed = Vec::new();
    eventually("it comes", async || {
        claimed = consumer.claim(1).await.expect("a claim").deliveries;
        !claimed.is_empty()
    })
    .await;
    assert_eq!(numbers(&claimed), [1]);
}

#[tokio::test]
async fn a_message_that_no_queue_takes_is_an_error_and_the_next_finds_its_way() {
    if !OnClassic::is_there() {
        return;
    }
    let stage = OnClassic::start().await;
    stage.queue().send_call(call(1)).await.expect("a sent task");
    let (_connection, channel) = channel().await;
    let name = stage.default_queue();
    channel
        .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
        .await
        .expect("a deleted queue");
    let refused = stage.queue().send_call(call(2)).await;
    match refused {
        Err(QueueError::Amqp(AmqpError::Returned { queue, .. })) => assert_eq!(queue, name),
        other => panic!("not refused: {other:?}"),
    }
    stage.queue().send_call(call(3)).await.expect("a sent task");
}

#[tokio::test]
async fn many_messages_are_confirmed_together_and_stay_in_order() {
    if !OnClassic::is_there() {
        return;
    }
    let stage = OnClassic::start().await;
    let messages: Vec<_> = (0..1000)
        .map(|number| stage.queue().prepare(call(number)).expect("a message"))
        .collect();
    stage.queue().push(&messages).await.expect("sent tasks");
    let consumer = stage.consumer();
    let mut arrived = Vec::new();
    while arrived.len() < 1000 {
        let deliveries = consumer.claim(64).await.expect("a claim").deliveries;
        arrived.extend(numbers(&deliveries));
        for delivery in &deliveries {
            let hold = consumer.finish(delivery, Finish::default()).await;
            assert_eq!(hold.expect("an answer"), Hold::Kept);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(arrived, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_more_is_fetched_than_the_worker_runs_at_once() {
    if !OnClassic::is_there() {
        return;
    }
    let stage = OnClassic::start().await;
    for number in 0..20 {
        stage
            .queue()
            .send_call(call(number))
            .await
            .expect("a sent task");
    }
    let (busy, idle) = (stage.consumer(), stage.consumer());
    let mut held = 0;
    eventually("the busy one has its fill", async || {
        held += busy.claim(64).await.expect("a claim").deliveries.len();
        held == CONCURRENCY
    })
    .await;
    let mut others = Vec::new();
    eventually("the idle one has the next", async || {
        others.extend(idle.claim(1).await.expect("a claim").deliveries);
        others.len() == CONCURRENCY
    })
    .await;
    assert_eq!(numbers(&others), (8..16).collect::<Vec<_>>());
    assert!(busy.claim(64).await.expect("a claim").deliveries.is_empty());
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let redis = TestRedis::start();
    let with = |amqp: AmqpSettings| QueueSettings {
        broker: BrokerKind::Amqp,
        amqp,
        ..QueueSettings::default()
    };
    let bad = |url: &str| AmqpSettings {
        url: url.to_owned(),
        ..AmqpSettings::default()
    };
    let text = |amqp| {
        let error = Queue::open(redis.queue(), with(amqp)).expect_err("wrong settings");
        error.with_causes()
    };
    assert!(text(bad("http://host")).contains("`queue.amqp.url` is no AMQP URL"));
    let both = AmqpSettings {
        queue_type: QueueType::Quorum,
        max_priority: 9,
        ..AmqpSettings::default()
    };
    assert!(text(both).contains("`queue.amqp.max_priority` is for classic queues"));
    let certificates = AmqpSettings {
        ca_path: "/nonexistent.pem".to_owned(),
        ..bad("amqps://host")
    };
    assert!(text(certificates).contains("`/nonexistent.pem`"));
    let nobody = Queue::open(redis.queue(), with(bad("amqp://127.0.0.1:1"))).expect("a queue");
    let error = nobody.send_call(call(1)).await.expect_err("no server");
    let error = error.with_causes();
    assert!(
        error.contains("cannot connect to RabbitMQ at 127.0.0.1:1"),
        "{error}"
    );
}

#[tokio::test]
async fn the_outbox_waits_while_rabbitmq_cannot_be_reached() {
    if !OnClassic::is_there() {
        return;
    }
    let (_database, postgres) = outbox::database().await;
    let stage = OnClassic::start().await;
    let shutdown = Shutdown::new();
    let relay = outbox_relay::Relay::new(postgres.clone(), stage.queue().clone());
    let until = shutdown.clone();
    let running = shutdown.spawn(async move { relay.run(until).await });
    outbox::send(stage.queue(), &postgres, &[1], true).await;
    eventually("the first is moved", async || {
        outbox::waiting(&postgres).await == 0
    })
    .await;
    stage.0.relay.cut();
    outbox::send(stage.queue(), &postgres, &[2, 3], true).await;
    assert_eq!(outbox::waiting(&postgres).await, 2);
    stage.0.relay.mend();
    eventually("all are moved", async || {
        outbox::waiting(&postgres).await == 0
    })
    .await;
    let consumer = stage.consumer();
    let mut arrived = Vec::new();
    eventually("all have come", async || {
        arrived.extend(numbers(
            &consumer.claim(8).await.expect("a claim").deliveries,
        ));
        arrived.len() == 3
    })
    .await;
    assert_eq!(arrived, [1, 2, 3]);
    shutdown.begin();
    running.await.expect("the relay ends");
}
