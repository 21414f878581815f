//! Several beats at once.

use std::time::Duration;

use kiuas_common::Shutdown;
use kiuas_common::telemetry::{self, TelemetrySettings, TraceContext};
use kiuas_common::testing::TestRedis;

use crate::support::{Stack, schedule, until};

const ENTRIES: &[(&str, u64)] = &[("fast", 200), ("slow", 500)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_beats_enqueue_each_tick_once() {
    let stack = Stack::start().await;
    let shutdown = Shutdown::new();
    let schedule = schedule(ENTRIES);
    let metrics: Vec<_> = (0..3).map(|_| stack.beat(&schedule, &shutdown).1).collect();
    until("there are dozens of ticks", async || {
        stack.count("fast").await > 40
    })
    .await;
    let texts = metrics.iter().map(|one| one.encode().expect("metrics"));
    let leads = |text: &String| text.contains("\nkiuas_beat_leading 1\n");
    assert_eq!(texts.filter(leads).count(), 1, "leaders");
    shutdown.drain(Duration::from_secs(10)).await;
    stack.check_each_tick_once(ENTRIES).await;
}

/// Nobody leads, so that all three claim every tick.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beats_whose_leader_hangs_act_and_enqueue_each_tick_once() {
    let stack = Stack::start().await;
    let hanging = stack.postgres.dedicated().await.expect("connection");
    let lock = "SELECT pg_advisory_lock(x'6b69756173626561'::bit(64)::bigint)";
    hanging.client.batch_execute(lock).await.expect("lock");
    let shutdown = Shutdown::new();
    let schedule = schedule(ENTRIES);
    for _ in 0..3 {
        stack.beat(&schedule, &shutdown);
    }
    until("there are dozens of ticks", async || {
        stack.count("fast").await > 40
    })
    .await;
    shutdown.drain(Duration::from_secs(10)).await;
    stack.check_each_tick_once(ENTRIES).await;
}

#[tokio::test]
async fn each_tick_is_a_trace_of_its_own() {
    // Nothing listens there: spans get their ids all the same.
    let telemetry = TelemetrySettings {
        otlp_endpoint: "http://127.0.0.1:9".to_owned(),
        ..TelemetrySettings::default()
    };
    let _telemetry = telemetry::start(&telemetry, "test-beat").expect("telemetry");
    let stack = Stack::start().await;
    let shutdown = Shutdown::new();
    stack.beat(&schedule(&[("fast", 200)]), &shutdown);
    until("there are ticks", async || stack.count("fast").await > 2).await;
    shutdown.drain(Duration::from_secs(10)).await;
    let mut traces: Vec<String> = Vec::new();
    for message in stack.messages().await {
        let parent = message.headers.traceparent.expect("traceparent");
        let context = TraceContext::parse(&parent, None).expect("trace context");
        traces.push(context.trace_id().to_owned());
    }
    let all = traces.len();
    traces.sort_unstable();
    traces.dedup();
    assert!(all > 2);
    assert_eq!(traces.len(), all);
}

#[tokio::test]
async fn a_beat_relays_what_applications_put_into_the_outbox() {
    let stack = Stack::start().await;
    let shutdown = Shutdown::new();
    stack.beat(&schedule(&[]), &shutdown);
    stack
        .execute("INSERT INTO kiuas.outbox (queue, message) VALUES ('celery', '{\"body\":\"\"}')")
        .await;
    until("the message is in Redis", async || {
        length(&stack.redis).await == 1
    })
    .await;
    shutdown.drain(Duration::from_secs(10)).await;
}

async fn length(redis: &TestRedis) -> usize {
    let mut connection = redis.queue().get().await.expect("Redis");
    redis::cmd("LLEN")
        .arg("celery")
        .query_async(&mut connection)
        .await
        .expect("length")
}
