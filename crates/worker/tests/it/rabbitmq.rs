//! Faults with RabbitMQ: whatever breaks, no task is lost, and only what was in somebody's hands can run
//! twice.

use std::collections::BTreeMap;
use std::time::Duration;

use kiuas_common::testing::{Relay, TestRabbitMq, TestRedis, rabbitmq, rabbitmq_address};
use kiuas_queue::message::{Outgoing, Signature};
use kiuas_queue::{AmqpSettings, BrokerKind, Call, Queue, QueueSettings};
use kiuas_worker::{Drained, WorkerSettings};
use serde_json::{Map, json};

use crate::process::{DONE, Process, done, mark};
use crate::setup::{Running, Setup, drain_within, eventually};
use crate::tasks::{Hold, Note};

/// Tasks that a worker of these tests has in its hands at most.
const CONCURRENCY: usize = 8;
/// Messages that are published together.
const BATCH: usize = 100;

/// RabbitMQ behind a way that can be cut: one for the sender, one for the worker.
struct Broken {
    setup: Setup,
    to_sender: Relay,
    to_worker: Relay,
    worker_side: Queue,
}

impl Broken {
    fn new(url: &str) -> Self {
        let redis = TestRedis::start();
        let address = rabbitmq_address(url);
        let (to_sender, to_worker) = (Relay::to(address.clone()), Relay::to(address.clone()));
        let name = format!("faults-{}", kiuas_queue::TaskId::random());
        let open = |relay: &Relay| {
            let settings = QueueSettings {
                broker: BrokerKind::Amqp,
                default_queue: name.clone(),
                amqp: AmqpSettings {
                    url: url.replace(&address, &relay.address()),
                    ..AmqpSettings::default()
                },
                ..QueueSettings::default()
            };
            Queue::open(redis.queue(), settings).expect("a queue")
        };
        let (queue, worker_side) = (open(&to_sender), open(&to_worker));
        let setup = Setup {
            queue,
            ..Setup::over(redis)
        };
        Self {
            setup,
            to_sender,
            to_worker,
            worker_side,
        }
    }

    fn worker(&self) -> Running {
        let settings = WorkerSettings {
            queues: Vec::new(),
            concurrency: CONCURRENCY,
            ..WorkerSettings::default()
        };
        self.setup.worker_on(self.worker_side.clone(), settings)
    }

    /// How often each of the notes was made.
    fn runs(&self) -> BTreeMap<String, usize> {
        let mut runs = BTreeMap::new();
        for note in self.setup.state.log() {
            *runs.entry(note).or_default() += 1;
        }
        runs
    }

    /// Sends messages until the broker has them, again if it did not say so.
    async fn insist(&self, messages: &[Outgoing]) {
        eventually("they are sent", async || {
            self.setup.queue.push(messages).await.is_ok()
        })
        .await;
    }
}

/// Task `number`, and one more that its worker sends when it has run.
fn pair(number: usize) -> Call {
    let note = |text: String| Call::of(&Note { text }).expect("a call");
    let mut call = note(format!("first {number}"));
    let mut second = Signature::from(note(format!("second {number}")));
    second.immutable = Some(true);
    call.options.link = vec![second];
    call
}

#[tokio::test]
async fn cut_connections_lose_none_of_2400_tasks() {
    let Some(url) = rabbitmq() else {
        return;
    };
    let broken = Broken::new(&url);
    let worker = broken.worker();
    let (pairs, cuts) = (1200, 8);
    for (number, batch) in (0..pairs).collect::<Vec<_>>().chunks(BATCH).enumerate() {
        let messages: Vec<_> = batch
            .iter()
            .map(|number| {
                broken
                    .setup
                    .queue
                    .prepare(pair(*number))
                    .expect("a message")
            })
            .collect();
        if number >= cuts {
            broken.insist(&messages).await;
            continue;
        }
        // Somewhere in the batch, and in the claims, runs, messages and acknowledgements of the worker.
        let seen = broken.setup.state.log.lock().len();
        let cutting = async {
            let more = seen + 1 + number * 7;
            let busy = async || broken.setup.state.log.lock().len() >= more;
            drop(tokio::time::timeout(Duration::from_millis(150), eventually("work", busy)).await);
            for way in [&broken.to_sender, &broken.to_worker] {
                way.cut();
                way.mend();
            }
        };
        tokio::join!(broken.insist(&messages), cutting);
    }
    eventually("all have run", async || broken.runs().len() == 2 * pairs).await;
    let runs: usize = broken.runs().values().sum();
    // A batch that was not confirmed is sent again; a task that was held runs again, with what follows.
    let most = cuts * (2 * BATCH + 2 * CONCURRENCY);
    assert!(runs <= 2 * pairs + most, "{runs} runs");
    worker.stop().await;
}

#[tokio::test]
async fn a_killed_rabbitmq_loses_none_of_3000_tasks() {
    let Some(mut server) = TestRabbitMq::start() else {
        return;
    };
    let broken = Broken::new(&server.url());
    let worker = broken.worker();
    let mut sent = 0;
    for _ in 0..15 {
        let messages: Vec<_> = (sent..sent + BATCH)
            .map(|number| broken.setup.queue.prepare(pair(number)).expect("a message"))
            .collect();
        broken.insist(&messages).await;
        sent += BATCH;
    }
    let before = broken.setup.state.log.lock().len();
    // It takes its time; the worker meanwhile does what it can.
    let restarting = tokio::task::spawn_blocking(move || {
        server.kill_and_start_again();
        server
    });
    let _server = restarting.await.expect("a server");
    eventually("all have run", async || broken.runs().len() == 2 * sent).await;
    let runs: usize = broken.runs().values().sum();
    assert!(before < 2 * sent, "the kill hit nothing");
    assert!(
        runs <= 2 * sent + 4 * CONCURRENCY,
        "{runs} runs of {}",
        2 * sent
    );
    worker.stop().await;
}

#[tokio::test]
async fn killed_workers_lose_none_of_1000_tasks() {
    let Some(setup) = Setup::on_rabbitmq(AmqpSettings::default()) else {
        return;
    };
    let messages: Vec<_> = (0..1000)
        .map(|number| setup.queue.prepare(mark(number, 5)).expect("a message"))
        .collect();
    setup.queue.push(&messages).await.expect("sent");
    for victim in 1..=3 {
        let mut process = Process::on_rabbitmq(&setup);
        let enough = victim * 200;
        eventually("some are done", async || done(&setup).await.len() >= enough).await;
        process.kill();
    }
    let mut last = Process::on_rabbitmq(&setup);
    eventually("all are done", async || {
        let mut numbers = done(&setup).await;
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len() == 1000
    })
    .await;
    let runs = done(&setup).await.len();
    // Only what the victims had in their hands.
    assert!(runs <= 1000 + 3 * CONCURRENCY, "{runs} runs");
    assert_eq!(last.terminate(), Some(0));
    assert_eq!(setup.command::<u64>(&["LLEN", DONE]).await, runs as u64);
}

#[tokio::test]
async fn a_drain_leaves_nothing_behind_and_nothing_runs_twice() {
    let Some(setup) = Setup::on_rabbitmq(AmqpSettings::default()) else {
        return;
    };
    let hold = |name: &str| Hold {
        name: name.to_owned(),
    };
    setup.send(&hold("held")).await;
    let settings = WorkerSettings {
        queues: Vec::new(),
        concurrency: 1,
        ..drain_within(100)
    };
    let first = setup.worker_with(settings);
    eventually("it runs", async || setup.state.log() == ["began held"]).await;
    for number in 0..20 {
        let text = format!("note {number}");
        setup.send(&Note { text }).await;
    }
    assert_eq!(first.stop().await, Drained::Released(1));
    let second = setup.worker();
    eventually("the held one runs again", async || {
        setup
            .state
            .log()
            .iter()
            .filter(|it| *it == "began held")
            .count()
            == 2
    })
    .await;
    setup.state.release.notify_one();
    eventually("all have run", async || setup.state.log().len() == 23).await;
    let mut log = setup.state.log();
    log.sort();
    log.dedup();
    // Twice "began held", and everything else once.
    assert_eq!(log.len(), 22);
    assert_eq!(second.stop().await, Drained::Complete);
}

#[tokio::test]
async fn a_failed_try_comes_back_and_the_last_is_a_dead_letter() {
    let Some(setup) = Setup::on_rabbitmq(AmqpSettings::default()) else {
        return;
    };
    let worker = setup.worker();
    let flaky = |failures: i64| {
        let kwargs = json!({ "failures": failures });
        let kwargs = kwargs.as_object().cloned().unwrap_or_else(Map::new);
        Call::new("test.flaky", Vec::new(), kwargs)
    };
    let saved = setup.send_call(flaky(2)).await;
    let lost = setup.send_call(flaky(99)).await;
    assert_eq!(setup.wait(&saved).await.result, 2);
    assert_eq!(
        setup.wait(&lost).await.result["exc_message"],
        json!(["not yet"])
    );
    worker.stop().await;
}
