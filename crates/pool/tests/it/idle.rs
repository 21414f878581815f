//! A pool that nobody needs keeps no child, and nobody who comes notices.

use std::time::Duration;

use crate::client::get;
use crate::harness::{Pool, eventually};
use crate::load::{Client, Load};
use crate::trouble::Trouble;

const ASLEEP: &str = "sleeps until somebody comes";

fn sleepy() -> Trouble {
    Trouble::new()
        .set("idle = '500ms'")
        .set("admin = '127.0.0.1:0'")
}

fn wait_until_empty(pool: &Pool) {
    eventually("no child is left", || {
        pool.children().is_empty().then_some(())
    });
}

#[test]
fn an_idle_pool_keeps_no_child_until_somebody_comes() {
    let trouble = sleepy();
    let pool = trouble.start();
    pool.wait_for(ASLEEP, 1);
    wait_until_empty(&pool);
    let ready = get(pool.address("admin"), "/readyz").expect("answer");
    assert_eq!(ready.status, 200, "it takes work");
    assert!(
        pool.ctl(&["status"])
            .contains("asleep until somebody comes")
    );

    let answer = get(trouble.target(&pool), "/hello").expect("answer");

    assert_eq!(answer.status, 200);
    eventually("as many as before", || {
        (pool.children().len() == 2).then_some(())
    });
    let ends = pool.lines_with("ended process");
    assert!(
        ends.iter()
            .all(|line| line.contains("cause=\"idle\"") && line.contains("exit status 0")),
        "{ends:?}"
    );
}

#[test]
fn visitors_who_come_and_go_as_it_falls_asleep_are_all_answered() {
    let trouble = sleepy();
    let pool = trouble.start();
    // About as long as it takes to be idle.
    let seldom = |pause| Client {
        pause: Duration::from_millis(pause),
        ..Client::fresh("/hello")
    };
    let load = Load::of(trouble.target(&pool), [seldom(900)]);
    pool.wait_for(ASLEEP, 3);
    load.goes_on(2);
    load.finish().is_flawless(&pool.output());
}

#[test]
fn a_sleeping_pool_can_be_upgraded_and_rolled() {
    let trouble = sleepy();
    let pool = trouble.start();
    pool.wait_for(ASLEEP, 1);
    wait_until_empty(&pool);
    pool.ctl(&["upgrade"]);
    pool.wait_for("upgraded to version", 1);
    eventually("it still sleeps", || {
        let status = pool.try_ctl(&["status"]);
        String::from_utf8_lossy(&status.stdout)
            .contains("asleep")
            .then_some(())
    });
    let answer = get(trouble.target(&pool), "/hello").expect("answer");
    assert_eq!(answer.status, 200);
    pool.wait_for(ASLEEP, 2);
    trouble.version("VERSION=2");
    pool.ctl(&["roll"]);
    let answer = get(trouble.target(&pool), "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("2"));
}

#[test]
fn an_idle_pool_that_shall_end_does() {
    let mut pool = sleepy().set("on_idle = 'exit'").start();
    assert!(pool.wait_for_end().success(), "{}", pool.output());
    assert_eq!(
        pool.lines_with("ended process").len(),
        2,
        "{}",
        pool.output()
    );
}
