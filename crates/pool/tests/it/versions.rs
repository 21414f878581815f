//! Versions that are broken in every way, and changes from one version to another.

use rustix::process::Signal;
use serde_json::Value;

use crate::client::get;
use crate::harness::{Pool, eventually};
use crate::load::{Client, Load};
use crate::trouble::{Trouble, program, said};

/// The new version is given up for this reason, every request is answered by the old one, and both the log
/// and whoever asked for the roll are told.
fn leaves_the_old_one_serving(trouble: &Trouble, broken: &str, reason: &str) -> Pool {
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let before = pool.children();
    let load = Load::of(
        &target,
        [Client::keeping("/hello"), Client::fresh("/hello")],
    );
    trouble.version(broken);

    let told = pool.try_ctl(&["roll"]);

    assert_eq!(told.status.code(), Some(1));
    let text = said(&told);
    assert!(
        text.contains("roll given up") && text.contains(reason),
        "{text}"
    );
    let line = pool
        .wait_for("roll given up, generation 1 goes on serving", 1)
        .remove(0);
    assert!(line.contains(reason), "{line}");
    assert!(
        line.contains("renewed=0"),
        "no old child was asked to finish: {line}"
    );
    load.goes_on(20);
    load.finish().is_flawless(&pool.output());
    let answer = get(&target, "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("1"));
    eventually("the old children alone", || {
        (pool.children() == before).then_some(())
    });
    let seen = events(&pool.report("status"));
    assert!(seen.contains(reason), "`ctl status` says why: {seen}");
    // The next version may be better.
    trouble.version("VERSION=3");
    pool.ctl(&["roll"]);
    let answer = get(&target, "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("3"));
    pool
}

/// What an operator sees of what has happened.
fn events(status: &Value) -> String {
    status["events"].to_string()
}

#[test]
fn a_version_that_crashes_at_its_start_leaves_the_old_one_serving() {
    leaves_the_old_one_serving(&Trouble::new(), "CRASH_AT_START=7", "exit status 7");
}

#[test]
fn a_version_that_never_gets_ready_leaves_the_old_one_serving() {
    let trouble = Trouble::new().set("start_timeout = '2s'");
    leaves_the_old_one_serving(&trouble, "NEVER_READY=1", "not ready within start_timeout");
}

#[test]
fn a_version_that_dies_after_a_second_leaves_the_old_one_serving() {
    let trouble = Trouble::new().variable("KIUAS__POOL__WEB__PROBATION", "2s");
    let reason = "signal 6 (SIGABRT)";
    leaves_the_old_one_serving(&trouble, "DIE_AFTER_READY_MS=1000", reason);
}

#[test]
fn a_version_that_breaks_half_way_is_taken_back_everywhere() {
    let trouble = Trouble::new().set("processes = 3");
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(
        &target,
        [Client::keeping("/hello"), Client::fresh("/hello")],
    );
    trouble.version("VERSION=2\nSTART_DELAY_MS=300");
    pool.signal(Signal::HUP);
    // The first new child has proven itself and an old one is asked to finish.
    pool.wait_for("its successor took over", 1);
    trouble.version("CRASH_AT_START=5");

    let line = pool
        .wait_for("roll given up, generation 1 goes on", 1)
        .remove(0);

    assert!(!line.contains("renewed=0"), "{line}");
    trouble.version("VERSION=1");
    pool.wait_for("every child is of generation 1 again", 1);
    load.goes_on(20);
    load.finish().is_flawless(&pool.output());
    let answer = get(&target, "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("1"));
}

#[test]
fn ctl_roll_changes_the_version_and_changes_it_back() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(
        &target,
        [Client::keeping("/hello"), Client::fresh("/hello")],
    );
    let version = || {
        let answer = get(&target, "/hello").expect("answer");
        answer.header("x-version").map(str::to_owned)
    };
    for other in ["blue", "green"] {
        let assignment = format!("VERSION={other}");
        let new = ["roll", "--command", "env", &assignment, &program()];
        pool.ctl(&new);
        assert_eq!(version().as_deref(), Some(other));
        // A roll without a command keeps it.
        pool.ctl(&["roll"]);
        assert_eq!(version().as_deref(), Some(other));
        pool.ctl(&["roll", "--command", &program()]);
        assert_eq!(version().as_deref(), Some("1"));
    }
    load.finish().is_flawless(&pool.output());
}

#[test]
fn ctl_roll_to_a_program_that_is_not_there_changes_nothing() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let before = pool.children();
    let told = pool.try_ctl(&["roll", "--command", "/no/such/program"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(
        said(&told).contains("cannot run the new version"),
        "{}",
        said(&told)
    );
    assert_eq!(pool.children(), before);
    // What it was to be is forgotten.
    pool.ctl(&["roll"]);
    let answer = get(trouble.target(&pool), "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("1"));
}

#[test]
fn a_child_of_the_old_version_that_dies_is_started_from_the_old_file() {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("application");
    std::fs::copy(program(), &file).expect("copy");
    let path = file.to_str().expect("UTF-8");
    let trouble = Trouble::new();
    let pool = trouble.start();
    pool.ctl(&["roll", "--command", path]);
    // A release that was unpacked over the old one, and is broken.
    std::fs::remove_file(&file).expect("removed");
    std::fs::copy("/bin/false", &file).expect("copy");

    let victim = pool.children()[0];
    let before = pool.lines_with("is ready").len();
    crate::harness::signal(victim, Signal::KILL);

    pool.wait_for("is ready", before + 1);
    let target = trouble.target(&pool);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
    let told = pool.try_ctl(&["roll"]);
    assert!(said(&told).contains("exit status 1"), "{}", said(&told));
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
}

#[test]
fn a_file_that_is_touched_begins_a_roll() {
    let directory = tempfile::tempdir().expect("directory");
    let touched = directory.path().join("touched");
    let trouble = Trouble::new().set(&format!("roll_on_change = ['{}']", touched.display()));
    let pool = trouble.start();
    let target = trouble.target(&pool);
    // The monitor has looked at it once before it looks at queues and loads again.
    eventually("the monitor looks", || {
        pool.report("status")["uptime"]
            .as_u64()
            .filter(|it| *it > 1500)
    });
    let load = Load::of(
        &target,
        [Client::fresh("/hello"), Client::keeping("/hello")],
    );
    trouble.version("VERSION=2");
    std::fs::write(&touched, "").expect("file");
    pool.wait_for("has changed: rolling", 1);
    eventually("the roll is over", || {
        let status = pool.report("status");
        (status["generation"] == 2 && status["rolling"].is_null()).then_some(())
    });
    assert_eq!(
        get(&target, "/hello").expect("answer").header("x-version"),
        Some("2")
    );
    load.finish().is_flawless(&pool.output());
}
