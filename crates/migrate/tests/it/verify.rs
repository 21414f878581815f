//! Whether the database is what the files say.

use kiuas_common::testing::TestDatabase;
use kiuas_migrate::{MigrateSettings, Verification, VerifyOptions};

use crate::support::{POLLS, USERS, applied, execute, settings, site};

const MANY_KINDS: (&str, &str) = (
    "V3__kinds.sql",
    "CREATE TYPE state AS ENUM ('open', 'closed');
     CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
     CREATE SEQUENCE ticket;
     CREATE TABLE event (at date NOT NULL, state state DEFAULT 'open', note short) PARTITION BY RANGE (at);
     CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
     CREATE VIEW open AS SELECT * FROM event WHERE state = 'open';
     CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM event;
     CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
     CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
     CREATE POLICY own ON users USING (id > 0);",
);

async fn verified(
    database: &TestDatabase,
    files: &[(&str, &str)],
    limits: &MigrateSettings,
    quick: bool,
) -> Verification {
    let options = VerifyOptions {
        quick,
        shadow_url: None,
    };
    kiuas_migrate::verify(&database.settings(), limits, &[site(files)], &options)
        .await
        .expect("verify")
}

#[tokio::test]
async fn a_migrated_database_is_what_the_files_say() {
    let database = TestDatabase::create().await;
    let files = [USERS, POLLS, MANY_KINDS];
    applied(&database, &files).await;
    let verification = verified(&database, &files, &settings(), false).await;
    assert!(verification.is_good(), "{verification}");
    assert_eq!(
        verification.to_string(),
        "the database is what the files say\n"
    );
    let left = database.server().get().await.expect("connection");
    let name = format!("{}_kiuas_verify", database.name());
    let left = left
        .query("SELECT FROM pg_database WHERE datname = $1", &[&name])
        .await
        .expect("databases");
    assert!(left.is_empty());
}

#[tokio::test]
async fn what_was_changed_by_hand_is_named() {
    let database = TestDatabase::create().await;
    let files = [USERS, POLLS, MANY_KINDS];
    applied(&database, &files).await;
    execute(
        &database,
        "ALTER TABLE users ADD COLUMN extra int; CREATE INDEX quick ON polls (id); CREATE TABLE mine (id int);
         DROP VIEW open; ALTER TYPE state ADD VALUE 'paused'; ALTER TABLE users DISABLE TRIGGER touch;
         ALTER TABLE event ALTER COLUMN state DROP DEFAULT",
    )
    .await;
    let verification = verified(&database, &files, &settings(), false).await;
    let named: Vec<String> = verification
        .differences
        .iter()
        .flatten()
        .map(|it| format!("{} {}", it.kind, it.name))
        .collect();
    assert_eq!(
        named,
        [
            "column public.event.state",
            "column public.event_1.state",
            "column public.users.extra",
            "enum public.state",
            "index public.polls.quick",
            "table public.mine",
            "trigger public.users.touch",
            "view public.open",
        ],
        "{verification}"
    );
    assert!(
        verification
            .to_string()
            .contains("missing view public.open"),
        "{verification}"
    );
    let ignoring = MigrateSettings {
        verify_ignore: [
            "*.event*.state",
            "*.extra",
            "public.s*",
            "public.mine",
            "*.quick",
            "*touch",
            "*.open",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..settings()
    };
    assert!(
        verified(&database, &files, &ignoring, false)
            .await
            .is_good()
    );
    assert!(
        verified(&database, &files, &settings(), true)
            .await
            .is_good()
    );
}

#[tokio::test]
async fn pending_files_and_changed_ones_are_a_difference() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    let verification = verified(&database, &[USERS, POLLS], &settings(), true).await;
    assert_eq!(verification.pending, ["site/V2__polls.sql"]);
    assert!(!verification.is_good());
    let changed = (
        "V1__users.sql",
        "CREATE TABLE users (id int PRIMARY KEY, name text)",
    );
    let verification = verified(&database, &[changed], &settings(), false).await;
    let text = verification.to_string();
    assert!(
        text.contains("site/V1__users.sql was changed after it had been applied"),
        "{text}"
    );
    assert!(text.contains("missing column public.users.name"), "{text}");
}
