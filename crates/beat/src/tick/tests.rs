use kiuas_common::testing::TestDatabase;
use kiuas_migrate::MigrateSettings;
use kiuas_queue::TaskId;

use super::*;

async fn database() -> (TestDatabase, Postgres) {
    let database = TestDatabase::create().await;
    kiuas_migrate::up(&database.settings(), &MigrateSettings::default(), &[])
        .await
        .expect("migrations");
    let postgres = database.open();
    (database, postgres)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("time")
}

fn tick(entry: &str, seconds: i64) -> Tick {
    let id = TaskId::random();
    Tick {
        entry: entry.to_owned(),
        due: at(seconds),
        message: Outgoing {
            text: format!("{{\"id\":\"{id}\"}}"),
            id,
            queue: "celery".to_owned(),
            priority: 0,
        },
    }
}

async fn count(postgres: &Postgres, table: &str) -> i64 {
    let connection = postgres.get().await.expect("connection");
    let text = format!("SELECT count(*) FROM {table}");
    connection
        .query_one(&text, &[])
        .await
        .expect("count")
        .get(0)
}

#[tokio::test]
async fn a_tick_is_claimed_once() {
    let (_database, postgres) = database().await;
    let first = claim(&postgres, &[tick("a", 1), tick("b", 1)], "one").await;
    assert_eq!(first.expect("claim"), [true, true]);
    let second = claim(
        &postgres,
        &[tick("a", 1), tick("a", 2), tick("b", 1)],
        "two",
    )
    .await;
    assert_eq!(second.expect("claim"), [false, true, false]);
    assert_eq!(count(&postgres, "kiuas.beat_tick").await, 3);
    assert_eq!(count(&postgres, "kiuas.outbox").await, 3);
}

#[tokio::test]
async fn a_tick_whose_message_cannot_be_written_is_not_claimed() {
    let (_database, postgres) = database().await;
    let connection = postgres.get().await.expect("connection");
    let breaking = "ALTER TABLE kiuas.outbox ADD CHECK (queue <> 'celery')";
    connection.batch_execute(breaking).await.expect("check");
    assert!(claim(&postgres, &[tick("a", 1)], "one").await.is_err());
    assert_eq!(count(&postgres, "kiuas.beat_tick").await, 0);
}

#[tokio::test]
async fn many_ticks_are_claimed_in_batches() {
    let (_database, postgres) = database().await;
    let ticks: Vec<Tick> = (0..1200).map(|second| tick("a", second)).collect();
    let claimed = claim(&postgres, &ticks, "one").await.expect("claim");
    assert_eq!(
        (claimed.len(), claimed.iter().all(|claimed| *claimed)),
        (1200, true)
    );
    assert_eq!(count(&postgres, "kiuas.outbox").await, 1200);
}

#[tokio::test]
async fn the_newest_tick_before_now_is_found_for_each_entry() {
    let (_database, postgres) = database().await;
    let ticks = [tick("a", 1), tick("a", 5), tick("a", 900), tick("b", 3)];
    claim(&postgres, &ticks, "one").await.expect("claim");
    let found = newest(&postgres, &["a", "b", "c"], at(100))
        .await
        .expect("newest");
    assert_eq!(
        (found.get("a"), found.get("b")),
        (Some(&at(5)), Some(&at(3)))
    );
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn a_tick_is_open_until_it_or_a_newer_one_is_enqueued() {
    let (_database, postgres) = database().await;
    claim(&postgres, &[tick("a", 10), tick("a", 5000)], "one")
        .await
        .expect("claim");
    for (entry, seconds, expected) in [("a", 9, 0), ("a", 10, 0), ("a", 11, 1), ("b", 1, 1)] {
        let open = open(&postgres, &[(entry, at(seconds))], at(100))
            .await
            .expect("open");
        assert_eq!(open, expected, "{entry} {seconds}");
    }
}

#[tokio::test]
async fn old_ticks_are_forgotten_but_the_newest_of_an_entry() {
    let (_database, postgres) = database().await;
    let hour = 3600;
    let ticks = [
        tick("daily", 0),
        tick("daily", 24 * hour),
        tick("often", 0),
        tick("often", 47 * hour),
        tick("often", 48 * hour),
        tick("gone", -7 * 24 * hour),
        tick("gone", 0),
    ];
    claim(&postgres, &ticks, "one").await.expect("claim");
    let forgotten = forget(&postgres, &["daily", "often"], at(49 * hour)).await;
    assert_eq!(forgotten.expect("forget"), 3);
    let connection = postgres.get().await.expect("connection");
    let rows = connection
        .query(
            "SELECT entry, due_at FROM kiuas.beat_tick ORDER BY entry, due_at",
            &[],
        )
        .await
        .expect("rows");
    let left: Vec<(String, Timestamp)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = [("daily", 24), ("gone", 0), ("often", 47), ("often", 48)];
    let expected = expected.map(|(entry, hours)| (entry.to_owned(), at(hours * hour)));
    assert_eq!(left, expected);
}
