//! SIGHUP.

use rustix::process::Signal;

use crate::client::{Connection, get};
use crate::harness::{Orders, Pool, eventually};
use crate::load::Load;

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn rolls_under_load_lose_no_request() {
    let orders = Orders::new("serve 0");
    let pool = Pool::start(&LISTEN, &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    let load = Load::start(address, 12);

    for version in 1..=4 {
        orders.change(&format!("serve {version}"));
        let before = load.answered();
        pool.signal(Signal::HUP);
        pool.wait_for("roll done", version);
        eventually("requests after the roll", || {
            (load.answered() > before + 50).then_some(())
        });
    }

    load.finish().is_flawless(&pool.output());
    assert_eq!(get(address, "/").expect("answer").field("text"), "4");
    let rolled = pool.wait_for("its successor took over", 8);
    assert!(
        rolled.iter().all(|line| line.contains("exit status 0")),
        "{rolled:?}"
    );
}

#[test]
fn a_broken_new_version_leaves_the_old_one_serving() {
    let orders = Orders::new("serve old");
    let mut arguments = LISTEN.to_vec();
    arguments.extend(["--set", "pool.web.backoff_min=20ms"]);
    let pool = Pool::start(&arguments, &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    let before = pool.children();
    let load = Load::start(address, 4);

    orders.change("exit 9");
    pool.signal(Signal::HUP);

    let line = pool.wait_for("roll given up", 1).remove(0);
    assert!(
        line.contains("exit status 9") && line.contains("renewed=0"),
        "{line}"
    );
    load.finish().is_flawless(&pool.output());
    assert_eq!(get(address, "/").expect("answer").field("text"), "old");
    assert_eq!(pool.children(), before);
    // The next version may be better.
    orders.change("serve new");
    pool.signal(Signal::HUP);
    pool.wait_for("roll done", 1);
    assert_eq!(get(address, "/").expect("answer").field("text"), "new");
}

#[test]
fn a_new_version_that_hangs_leaves_the_old_one_serving() {
    let orders = Orders::new("serve old");
    let mut arguments = LISTEN.to_vec();
    arguments.extend([
        "--start-timeout",
        "400ms",
        "--set",
        "pool.web.backoff_min=20ms",
    ]);
    let pool = Pool::start(&arguments, &orders.command());
    pool.wait_until_ready();
    let before = pool.children();

    orders.change("hang");
    pool.signal(Signal::HUP);

    let line = pool.wait_for("roll given up", 1).remove(0);
    assert!(
        line.contains("was not ready within start_timeout"),
        "{line}"
    );
    assert_eq!(pool.children(), before);
}

#[test]
fn many_hangups_during_a_roll_become_one_more_roll() {
    let orders = Orders::new("serve one");
    let pool = Pool::start(&LISTEN, &orders.command());
    pool.wait_until_ready();

    pool.signal(Signal::HUP);
    pool.wait_for("roll began", 1);
    for _ in 0..5 {
        pool.signal(Signal::HUP);
    }

    pool.wait_for("roll done", 2);
    // A third would begin at once after the second.
    pool.wait_for("its successor took over", 4);
    assert_eq!(pool.lines_with("roll began").len(), 2);
}

#[test]
fn a_child_that_does_not_finish_holds_up_no_roll_and_is_killed() {
    let orders = Orders::new("serve old");
    let mut arguments = LISTEN.to_vec();
    arguments.extend(["--processes", "1", "--drain-timeout", "1500ms"]);
    let pool = Pool::start(&arguments, &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    // An answer first: the connection is the old child's then, and not taken by the new one.
    let mut stuck = Connection::open(address).expect("connection");
    let old = stuck.get("/").expect("answer").pid();
    stuck.ask("/stuck").expect("request");

    pool.signal(Signal::HUP);

    pool.wait_for("roll done", 1);
    assert!(
        pool.children().contains(&old),
        "it still drains when the roll is done"
    );
    let line = pool
        .wait_for(&format!("ended process {old} of seat"), 1)
        .remove(0);
    assert!(
        line.contains("did not finish within drain_timeout"),
        "{line}"
    );
    assert!(stuck.answer().is_err());
}
