//! Ticks that nobody enqueued in time.

use std::time::Duration;

use kiuas_beat::{Missed, Schedule};
use kiuas_common::{Period, Shutdown};

use crate::support::{Stack, Tidy, until};

/// Every hour, with the newest tick in the history so many hours ago.
async fn after_a_pause(stack: &Stack, missed: Missed, hours: i64) -> Vec<i64> {
    let past = format!(
        "INSERT INTO kiuas.beat_tick (entry, due_at, host)
         SELECT 'pause', to_timestamp(floor(extract(epoch FROM now()) / 3600) * 3600 - {hours} * 3600), 'x'"
    );
    stack.execute(&past).await;
    let mut schedule = Schedule::new();
    let task = |entry: &str| Tidy {
        entry: entry.to_owned(),
    };
    schedule
        .every("pause", Period::seconds(3600), task("pause"))
        .missed(missed);
    schedule.every("fast", Period::milliseconds(200), task("fast"));
    let shutdown = Shutdown::new();
    let (_, metrics) = stack.beat(&schedule, &shutdown);
    until("the beat runs", async || stack.count("fast").await > 3).await;
    shutdown.drain(Duration::from_secs(10)).await;
    let text = metrics.encode().expect("metrics");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("kiuas_beat_ticks_missed_total{entry=\"pause\"} "));
    let count: i64 = line.map_or(0, |count| count.parse().expect("count"));
    let mut found = stack.ticks().await.remove("pause").expect("ticks");
    found.remove(0);
    found.push(count);
    found
}

/// The newest full hour.
fn newest_due() -> i64 {
    let now = jiff::Timestamp::now().as_second();
    now - now.rem_euclid(3600)
}

/// A moment at which the newest due time is neither about to change nor within the grace.
async fn quiet_moment() {
    until("the newest due time is past the grace", async || {
        let since = jiff::Timestamp::now().as_second() - newest_due();
        (8..3570).contains(&since)
    })
    .await;
}

#[tokio::test]
async fn after_a_pause_the_newest_missed_tick_is_enqueued() {
    quiet_moment().await;
    let stack = Stack::start().await;
    let found = after_a_pause(&stack, Missed::Once, 12).await;
    assert_eq!(found, [newest_due() * 1000, 11]);
}

#[tokio::test]
async fn after_a_pause_skipped_ticks_are_not_enqueued() {
    quiet_moment().await;
    let stack = Stack::start().await;
    assert_eq!(after_a_pause(&stack, Missed::Skip, 12).await, [12]);
}

#[tokio::test]
async fn a_pause_longer_than_the_look_back_is_not_caught_up() {
    quiet_moment().await;
    let stack = Stack::start().await;
    assert_eq!(after_a_pause(&stack, Missed::Once, 8 * 24).await, [0]);
}
