//! The end of the pool.

use std::io::ErrorKind;
use std::net::TcpStream;

use rustix::process::Signal;

use crate::client::Connection;
use crate::harness::{Orders, Pool, eventually, is_alive};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn sigterm_lets_requests_finish_and_leaves_no_process() {
    let orders = Orders::new("serve one");
    let mut pool = Pool::start(&LISTEN, &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    let children = pool.children();
    let slow = [(); 6].map(|()| Connection::asking(address, "/slow"));

    pool.signal(Signal::TERM);

    for mut request in slow {
        assert_eq!(request.answer().expect("answer").status, 200);
    }
    assert_eq!(pool.wait_for_end().code(), Some(0), "{}", pool.output());
    assert!(!children.iter().any(|pid| is_alive(*pid)));
    // What it wrote last may still be on its way to us.
    pool.wait_for("the pool stops", 2);
    assert!(
        TcpStream::connect(address).is_err(),
        "nothing listens any more"
    );
}

#[test]
fn connections_that_wait_when_the_pool_stops_are_served() {
    let orders = Orders::new("serve one");
    let arguments = ["--listen", "127.0.0.1:0", "--processes", "1"];
    let mut pool = Pool::start(&arguments, &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    // The child is deaf for half a second; what comes meanwhile waits in the queue.
    let mut block = Connection::asking(address, "/block");
    let waiting: Vec<_> = (0..20)
        .map(|_| Connection::open(address).expect("connection"))
        .collect();

    pool.signal(Signal::TERM);

    for mut connection in waiting {
        assert_eq!(connection.get("/").expect("answer").status, 200);
    }
    assert_eq!(block.answer().expect("answer").status, 200);
    pool.wait_for_end();
}

#[test]
fn a_draining_pool_refuses_connections() {
    let orders = Orders::new("serve one");
    let mut pool = Pool::start(&LISTEN, &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    let mut stuck = Connection::asking(address, "/stuck");

    pool.signal(Signal::TERM);

    // Nobody may hold the socket without accepting: a connection would wait there and be reset.
    eventually("the address is free", || {
        let error = TcpStream::connect(address).err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
    assert!(!pool.children().is_empty(), "one still drains");
    pool.signal(Signal::TERM);
    assert!(stuck.answer().is_err());
    pool.wait_for_end();
}

#[test]
fn a_second_signal_kills_what_is_left() {
    let orders = Orders::new("serve one");
    let mut pool = Pool::start(&LISTEN, &orders.command());
    pool.wait_until_ready();
    let address = pool.address("web");
    let mut stuck = Connection::asking(address, "/stuck");

    pool.signal(Signal::TERM);
    pool.wait_for("draining", 1);
    pool.signal(Signal::INT);

    assert_eq!(pool.wait_for_end().code(), Some(0), "{}", pool.output());
    assert!(
        !pool.lines_with("a second signal asked for it").is_empty(),
        "{}",
        pool.output()
    );
    assert!(stuck.answer().is_err());
}

#[test]
fn a_child_that_ignores_sigterm_is_killed_at_drain_timeout() {
    let script = "trap '' TERM; while :; do sleep 0.05; done";
    let command = ["sh", "-c", script].map(str::to_owned);
    let mut pool = Pool::start(
        &[
            "--processes",
            "1",
            "--ready-after",
            "200ms",
            "--drain-timeout",
            "400ms",
        ],
        &command,
    );
    pool.wait_until_ready();

    pool.signal(Signal::TERM);

    pool.wait_for_end();
    let line = pool
        .wait_for("did not finish within drain_timeout", 1)
        .remove(0);
    assert!(line.contains("signal 9"), "{line}");
}

#[test]
fn children_end_when_the_pool_is_killed() {
    let orders = Orders::new("serve one");
    let mut pool = Pool::start(&LISTEN, &orders.command());
    pool.wait_until_ready();
    let children = pool.children();
    assert_eq!(children.len(), 2);

    pool.signal(Signal::KILL);

    pool.wait_for_end();
    eventually("the children are gone", || {
        (!children.iter().any(|pid| is_alive(*pid))).then_some(())
    });
}

#[test]
fn a_pool_that_is_stopped_while_it_starts_ends() {
    let orders = Orders::new("hang");
    let mut pool = Pool::start(&LISTEN, &orders.command());
    pool.wait_for("started process", 2);

    pool.signal(Signal::TERM);

    assert_eq!(pool.wait_for_end().code(), Some(0), "{}", pool.output());
}
