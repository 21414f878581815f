//! `cargo xtask dev` comes up, ends without a trace, keeps its data, and fails with one clear message.

use std::net::{TcpListener, TcpStream};

use http::StatusCode;
use kiuas_common::postgres::{Postgres, PostgresSettings};

use crate::harness::checkout::{Checkout, Dev};
use crate::harness::eventually::PATIENCE;
use crate::harness::polls;
use crate::harness::process::{Process, Start};
use crate::harness::tree;
use crate::harness::visitor::Visitor;

const FAILED: i32 = 1;
const WRONG_SETTINGS: i32 = 64;

#[tokio::test]
async fn ctrl_c_leaves_nothing_running_and_the_next_start_has_the_data() {
    let checkout = Checkout::create();
    let dev = checkout.dev().await;
    let mut visitor = Visitor::new(&dev.http);
    let poll = polls::new_poll(&mut visitor).await;
    polls::vote(&mut visitor, &poll).await;
    end(&checkout, dev).await;

    let dev = checkout.dev().await;
    let page = Visitor::new(&dev.http).get(&poll.path).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let counts = crate::harness::form::counts(&page.text());
    assert_eq!(counts[0], (poll.choices[0].clone(), 1));
    end(&checkout, dev).await;
}

#[tokio::test]
async fn a_taken_port_is_named_before_anything_starts() {
    let checkout = Checkout::create();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("address").to_string();
    let flags = ["--http", &address, "--https", "127.0.0.1:0"];
    let port = address.rsplit(':').next().expect("a port");
    refuses(
        &checkout,
        checkout.command(&flags),
        FAILED,
        &[port, "taken"],
    )
    .await;
}

#[tokio::test]
async fn a_missing_postgresql_is_named_with_what_to_install() {
    let checkout = Checkout::create();
    let nowhere = checkout.run.join("nowhere");
    let command = checkout.command(&[]).env("KIUAS_POSTGRES_BIN", nowhere);
    refuses(&checkout, command, FAILED, &["PostgreSQL", "apt"]).await;
}

#[tokio::test]
async fn a_wrong_setting_is_named() {
    let checkout = Checkout::create();
    let flags = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];
    let command = checkout.command(&flags).env("KIUAS__WEB__THREAD", "3");
    let words = ["web.thread", "threads", "KIUAS__WEB__THREAD"];
    refuses(&checkout, command, WRONG_SETTINGS, &words).await;
}

#[tokio::test]
async fn a_broken_migration_stops_the_start() {
    let checkout = Checkout::create();
    let dev = checkout.dev().await;
    // As if the file had been edited after it was applied.
    let settings = PostgresSettings {
        url: variable(&dev.process, "KIUAS__POSTGRES__URL"),
        ..PostgresSettings::default()
    };
    let database = Postgres::open(&settings, "test").expect("database");
    let changed = database
        .get()
        .await
        .expect("connection")
        .execute(
            "UPDATE public.refinery_schema_history SET checksum = '1' WHERE version = 1",
            &[],
        )
        .await
        .expect("update");
    assert_eq!(changed, 1);
    drop(database);
    end(&checkout, dev).await;

    let flags = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];
    let command = checkout.command(&flags);
    refuses(&checkout, command, FAILED, &["V1__polls"]).await;
}

/// Ctrl-C, as a terminal sends it; then nothing runs and nothing listens.
async fn end(checkout: &Checkout, mut dev: Dev) {
    dev.process.interrupt();
    let status = dev.process.exit(PATIENCE).await;
    assert!(status.success(), "{status}: {}", dev.process.output());
    assert_eq!(tree::marked(checkout.run.mark()), []);
    for address in [&dev.http, &dev.https] {
        assert!(TcpStream::connect(address).is_err(), "{address} is open");
    }
}

/// It ends with `code` and one message with these words, and leaves nothing running.
async fn refuses(checkout: &Checkout, command: Start, code: i32, words: &[&str]) {
    let mut process = command.spawn(&checkout.run);
    let status = process.exit(PATIENCE * 2).await;
    let said = format!("{}{}", process.output(), process.log());
    assert_eq!(status.code(), Some(code), "{said}");
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "one message, please:\n{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in:\n{said}");
    }
    assert_eq!(tree::marked(checkout.run.mark()), []);
}

/// A variable that the components were started with.
fn variable(dev: &Process, name: &str) -> String {
    tree::children(dev.pid())
        .iter()
        .find_map(|child| tree::variable(child.pid, name))
        .unwrap_or_else(|| panic!("no component has {name}"))
}
