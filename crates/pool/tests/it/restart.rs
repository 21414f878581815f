//! Children that die, or never get ready.

use rustix::process::Signal;

use crate::client::get;
use crate::harness::{Orders, Pool, eventually, is_alive, signal};

#[test]
fn a_killed_child_is_replaced_and_the_others_serve_meanwhile() {
    let orders = Orders::new("serve one");
    let pool = Pool::start(&["--listen", "127.0.0.1:0"], &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    let victim = get(address, "/").expect("answer").pid();

    signal(victim, Signal::KILL);

    let line = pool
        .wait_for(&format!("ended process {victim} of seat"), 1)
        .remove(0);
    assert!(line.contains("signal 9 (SIGKILL)"), "{line}");
    assert!(line.contains("cause=\"crash\""), "{line}");
    pool.wait_for("is ready", 4);
    let children = pool.children();
    assert_eq!(children.len(), 2, "{children:?}");
    assert!(!children.contains(&victim));
    assert_eq!(get(address, "/").expect("answer").status, 200);
}

#[test]
fn a_replacement_has_the_seat_of_the_child_it_replaces() {
    let orders = Orders::new("serve one");
    let pool = Pool::start(
        &["--listen", "127.0.0.1:0", "--processes", "1"],
        &orders.command(),
    );
    pool.wait_until_ready();
    let address = pool.address("web");
    let first = get(address, "/").expect("answer");

    signal(first.pid(), Signal::KILL);

    let second = get(address, "/").expect("the queue outlives the child");
    assert_ne!(second.pid(), first.pid());
    assert_eq!(
        (first.field("slot"), second.field("slot")),
        ("0".into(), "0".into())
    );
}

#[test]
fn a_child_that_dies_young_is_started_again_after_growing_pauses() {
    let orders = Orders::new("exit 7");
    let arguments = [
        "--processes",
        "1",
        "--set",
        "pool.web.backoff_min=80ms",
        "--set",
        "pool.web.backoff_max=10s",
    ];
    let begin = std::time::Instant::now();
    let pool = Pool::start(&arguments, &orders.command());

    let ends = pool.wait_for("exit status 7", 5);

    // Four pauses of 80, 160, 320 and 640 ms, each at most a quarter shorter.
    assert!(begin.elapsed().as_millis() >= 900, "{:?}", begin.elapsed());
    assert!(
        ends.iter()
            .all(|line| line.contains("it ended before it was ready")),
        "{ends:?}"
    );
    // Once the cause is gone, so is the trouble.
    orders.change("serve again");
    pool.wait_until_ready();
}

#[test]
fn a_child_that_never_gets_ready_is_killed_at_start_timeout() {
    let orders = Orders::new("hang");
    let pool = Pool::start(
        &["--processes", "1", "--start-timeout", "300ms"],
        &orders.command(),
    );

    let line = pool
        .wait_for("was not ready within start_timeout", 1)
        .remove(0);

    assert!(line.contains("signal 9"), "{line}");
    pool.wait_for("started process", 2);
}

#[test]
fn a_program_that_does_not_notify_counts_as_ready_after_ready_after() {
    let command = ["sleep", "1000"].map(str::to_owned);
    let pool = Pool::start(&["--ready-after", "100ms"], &command);

    pool.wait_until_ready();

    assert_eq!(pool.children().len(), 2);
}

#[test]
fn a_child_that_announces_its_end_is_replaced_before_it_is_gone() {
    let orders = Orders::new("serve one");
    let pool = Pool::start(
        &["--listen", "127.0.0.1:0", "--processes", "1"],
        &orders.command(),
    );
    pool.wait_until_ready();
    let address = pool.address("web");
    let first = get(address, "/").expect("answer").pid();

    // SIGTERM from outside: the child says STOPPING=1 and drains for half a second.
    signal(first, Signal::TERM);

    let second = eventually("another child answers", || {
        let pid = get(address, "/").expect("answer").pid();
        (pid != first).then_some(pid)
    });
    assert!(is_alive(second));
    let line = pool
        .wait_for(&format!("ended process {first} of seat"), 1)
        .remove(0);
    assert!(line.contains("it announced its end"), "{line}");
}
