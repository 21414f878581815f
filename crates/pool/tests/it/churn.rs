//! Rolls, kills and recycling while clients of all kinds ask: what is lost (nothing), and what is left
//! over (nothing).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{Connection, Target, get};
use crate::harness::{Pool, eventually, is_alive, say, signal};
use crate::load::{Client, Load};
use crate::trouble::Trouble;

/// Rolls `times`, one after the other, each with a new version.
fn roll(trouble: &Trouble, pool: &Pool, times: usize) {
    for round in 1..=times {
        trouble.version(&format!("VERSION=roll-{round}"));
        pool.signal(Signal::HUP);
        pool.wait_for("roll done", round);
    }
}

fn rolls_lose_nothing(trouble: &Trouble) {
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(&target, Client::of_all_kinds());
    load.goes_on(50);
    let begin = Instant::now();

    roll(trouble, &pool, 6);

    load.goes_on(50);
    let took = begin.elapsed();
    let outcome = load.finish();
    outcome.is_flawless(&pool.output());
    let answer = get(&target, "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("roll-6"));
    say(&format!(
        "6 rolls in {took:?}: {} answered, the longest in {:?}",
        outcome.answered, outcome.longest
    ));
}

#[test]
fn rolls_under_all_kinds_of_clients_lose_nothing() {
    rolls_lose_nothing(&Trouble::new());
}

#[test]
fn rolls_under_all_kinds_of_clients_lose_nothing_on_a_unix_socket() {
    rolls_lose_nothing(&Trouble::new().on_unix_socket());
}

#[test]
fn rolls_of_a_slow_program_stop_nobody() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(
        &target,
        [Client::fresh("/hello"), Client::keeping("/hello")],
    );
    for round in 1..=2 {
        trouble.version("START_DELAY_MS=1000");
        pool.signal(Signal::HUP);
        pool.wait_for("roll done", round);
    }
    let outcome = load.finish();
    outcome.is_flawless(&pool.output());
    say(&format!(
        "longest during rolls of a slow program: {:?}",
        outcome.longest
    ));
}

#[test]
fn a_roll_tells_websockets_and_streams_and_waits_for_neither() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let mut socket = websocket(&target);
    let mut events = Connection::asking(&target, "/events");
    assert_eq!(events.head().expect("head").status, 200);
    events.line().expect("an event");

    pool.ctl(&["roll"]);

    // Neither was cut: the one is closed as it should be, the other ends with its last chunk.
    assert_eq!(
        socket.bytes(4).expect("frame"),
        [0x88, 2, 0x03, 0xE9],
        "close, 1001"
    );
    let mut last = String::new();
    eventually("the stream's end", || {
        let line = events.line().expect("a line");
        let ended = line.is_empty() && last == "0";
        last = line;
        ended.then_some(())
    });
    let ends = pool.wait_for("ended process", 2);
    let orderly = |line: &String| line.contains("exit status 0") && line.contains("running=0");
    assert!(ends.iter().all(orderly), "{ends:?}");
}

/// An open WebSocket that echoes.
fn websocket(target: &Target) -> Connection {
    let mut socket = Connection::open(target).expect("connection");
    let handshake = "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.send(handshake).expect("handshake");
    assert_eq!(socket.head().expect("handshake").status, 101);
    // Text, under a mask of zeros.
    socket.send(b"\x81\x82\0\0\0\0hi").expect("frame");
    assert_eq!(socket.bytes(4).expect("echo"), b"\x81\x02hi");
    socket
}

/// A pool is hit, again and again, where it hurts; nobody loses what had not reached the victim.
#[test]
fn a_killed_child_takes_nothing_along_but_its_own_connections() {
    // With longer pauses there would soon be one child for all clients.
    let trouble = Trouble::new()
        .set("processes = 4")
        .set("backoff_min = '50ms'")
        .set("backoff_max = '50ms'");
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let mut clients = vec![Client::keeping("/pid"); 12];
    clients.extend(vec![Client::fresh("/sleep?ms=20"); 6]);
    let load = Load::of(&target, clients);
    load.goes_on(100);
    let mut kills = HashMap::new();
    let begin = Instant::now();
    let mut round = 0;
    while begin.elapsed() < Duration::from_secs(10) {
        let children = pool.children();
        let victim = children[round % children.len()];
        round += 7;
        let before = Instant::now();
        signal(victim, Signal::KILL);
        kills.insert(victim, (before, Instant::now()));
        load.goes_on(60);
    }
    load.goes_on(60);
    let outcome = load.finish();
    let log = pool.output();
    for failure in &outcome.failures {
        // The blow fell at some moment between the two.
        let hit = |(before, after): &(Instant, Instant)| {
            failure.begun <= *after && *before <= failure.ended
        };
        let excused = match failure.owner {
            Some(owner) => kills.contains_key(&owner),
            // A new connection: somebody who may have taken it died meanwhile.
            None => kills.values().any(hit),
        };
        assert!(excused, "{failure:?}, kills: {kills:?}\n{log}");
        assert!(!failure.why.contains("refused"), "{failure:?}");
    }
    let lost = outcome.failures.len();
    say(&format!(
        "{} kills: {lost} lost of {}, the longest took {:?}",
        kills.len(),
        outcome.answered,
        outcome.longest
    ));
    // Each victim had no more than its share of the eighteen clients.
    assert!(lost <= kills.len() * 12, "{lost} by {} kills", kills.len());
}

#[test]
fn a_killed_pool_takes_its_children_along_and_a_new_one_starts_at_once() {
    for trouble in [Trouble::new(), Trouble::new().on_unix_socket()] {
        let mut pool = trouble.start();
        let target = trouble.target(&pool);
        let children = pool.children();
        // It keeps its child busy, which drains for as long as this takes.
        let mut slow = Connection::asking(&target, "/sleep?ms=1000");
        get(&target, "/hello").expect("answer");

        pool.signal(Signal::KILL);
        pool.wait_for_end();
        let trouble = trouble.listening_at(&target);
        let second = trouble.start();

        assert_eq!(get(&target, "/hello").expect("answer").status, 200);
        assert_eq!(slow.answer().expect("the old child finishes").status, 200);
        eventually("the old children are gone", || {
            (!children.iter().any(|pid| is_alive(*pid))).then_some(())
        });
        assert_eq!(second.children().len(), 2);
        assert_eq!(get(&target, "/hello").expect("answer").status, 200);
    }
}
