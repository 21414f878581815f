//! What cannot work is refused at the start: one clear message and an exit code that says whose fault.

use std::net::TcpListener;

use crate::harness::ground::{Ended, Ground, Options};

/// The operator's: settings or usage.
const WRONG_SETTINGS: i32 = 64;
/// The database differs from the migration files.
const DIFFERS: i32 = 10;
/// Anything else.
const FAILED: i32 = 1;

#[tokio::test]
async fn a_taken_port_is_named() {
    let ground = Ground::prepare(Options::default()).await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("address").to_string();
    let setting = format!("proxy.http={address}");
    let ended = ground
        .run("kiuas-proxy", &["serve", "--set", &setting])
        .await;
    refused(&ended, FAILED, &[&address, "another process"]);
}

#[tokio::test]
async fn a_missing_postgresql_is_named_by_every_component() {
    let ground = Ground::prepare(Options::default()).await;
    let nowhere = format!("postgres:///x?host={}&user=x", ground.run.path().display());
    let url = format!("postgres.url={nowhere}");
    let settings = ["--set", &url, "--set", "postgres.wait_timeout=1s"];
    for command in [&["serve"][..], &["worker"], &["beat"], &["migrate", "up"]] {
        let quick = [
            "--set",
            "migrate.wait_timeout=1s",
            "--set",
            "web.listen=127.0.0.1:0",
        ];
        let arguments = [command, &settings, &quick].concat();
        let ended = ground.run("site", &arguments).await;
        refused(&ended, FAILED, &["PostgreSQL", "postgres.url"]);
    }
}

#[tokio::test]
async fn a_wrong_setting_is_named_with_its_nearest_valid_key() {
    let ground = Ground::prepare(Options::default()).await;
    let site = ground
        .run("site", &["check", "--set", "web.thread=3"])
        .await;
    refused(&site, WRONG_SETTINGS, &["web.thread", "threads"]);
    let proxy = ["check", "--set", "proxy.acces_log=true"];
    let proxy = ground.run("kiuas-proxy", &proxy).await;
    refused(&proxy, WRONG_SETTINGS, &["acces_log", "access_log"]);
    let usage = ground.run("site", &["frobnicate"]).await;
    assert_eq!(usage.status.code(), Some(WRONG_SETTINGS), "{usage:?}");
}

#[tokio::test]
async fn a_changed_migration_stops_the_next_start() {
    let ground = Ground::prepare(Options::default()).await;
    ground.site(&["migrate", "up"]).await;
    // As if the file had been edited after it was applied.
    let connection = ground.database.open().get().await.expect("connection");
    let changed = connection
        .execute(
            "UPDATE public.refinery_schema_history SET checksum = '1' WHERE version = 1",
            &[],
        )
        .await
        .expect("update");
    assert_eq!(changed, 1);
    let ended = ground.run("site", &["migrate", "up"]).await;
    refused(&ended, DIFFERS, &["V1__polls"]);
    let status = ground.site(&["migrate", "status"]).await;
    assert!(status.contains("CHANGED"), "{status}");
}

/// One block of `error: …` and `caused by: …` lines, with these words in it.
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    let errors = ended.log.matches("error: ").count();
    assert_eq!(errors, 1, "one message, please:\n{}", ended.log);
    for word in words {
        assert!(ended.log.contains(word), "no `{word}` in:\n{}", ended.log);
    }
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
}
