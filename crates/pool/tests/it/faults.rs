//! One request that misbehaves, for every way to do so: who is ended, when, what the others saw, and what
//! the log says.

use rustix::process::Signal;

use crate::client::{Connection, Target, get};
use crate::harness::{Pool, eventually, is_alive, say};
use crate::load::{Client, Load};
use crate::trouble::Trouble;

/// Clients whose requests take so long that some are always under way, on every thread that works.
const NEIGHBOURS: usize = 8;

/// A pool whose handlers may run for a second, and hold their thread half a second longer.
struct Scene {
    pool: Pool,
    target: Target,
    /// Kept for its files.
    _trouble: Trouble,
}

impl Scene {
    fn set() -> Self {
        Self::of(Trouble::new().limits("1s", "500ms"))
    }

    fn of(trouble: Trouble) -> Self {
        let pool = trouble.start();
        let target = trouble.target(&pool);
        Self {
            pool,
            target,
            _trouble: trouble,
        }
    }

    /// A request for `path`, and the process that works on it.
    fn misbehave(&self, path: &str) -> (Connection, i32) {
        let connection = Connection::asking(&self.target, path);
        let pid = self.who_runs(path);
        (connection, pid)
    }

    /// The process that works on a request for `path`.
    fn who_runs(&self, path: &str) -> i32 {
        let label = format!("GET {}", path.split('?').next().unwrap_or(path));
        eventually("the request is on the board", || {
            let status = self.pool.report("status");
            let running = status["running"].as_array()?;
            let it = running.iter().find(|one| one["label"] == label.as_str())?;
            i32::try_from(it["pid"].as_i64()?).ok()
        })
    }

    /// A WebSocket, and the process that has it.
    fn websocket(&self) -> (Connection, i32) {
        let mut socket = Connection::open(&self.target).expect("connection");
        let upgrade = "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.send(upgrade).expect("request");
        assert_eq!(socket.head().expect("answer").status, 101);
        (socket, self.who_runs("/ws"))
    }

    fn neighbours(&self) -> Load {
        Load::of(&self.target, [Client::fresh("/sleep?ms=300"); NEIGHBOURS])
    }

    /// Nobody has ended, and nobody was started beyond the first two.
    fn costs_nobody(&self) {
        let log = self.pool.output();
        assert_eq!(self.pool.children().len(), 2, "{log}");
        assert!(self.pool.lines_with("ended process").is_empty(), "{log}");
        assert_eq!(self.pool.lines_with("started process").len(), 2, "{log}");
    }
}

/// The value of `name="…"` in a line of the log.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let begin = line.split(&format!("{name}=\"")).nth(1);
    begin.and_then(|rest| rest.split('"').next()).unwrap_or("")
}

/// A thread that `path` holds for ever: the request is named with what it does, a successor is started,
/// neighbours finish, and one process is ended.
fn costs_one_process(path: &str, verdict: &str, function: &str) {
    let scene = Scene::set();
    let (stuck, pid) = scene.misbehave(path);
    is_named_and_replaced(&scene, path, (stuck, pid), (verdict, function));
}

/// The same for what `path` began in process `pid`.
fn is_named_and_replaced(
    scene: &Scene,
    path: &str,
    (mut stuck, pid): (Connection, i32),
    (verdict, function): (&str, &str),
) {
    let neighbours = scene.neighbours();

    let end = format!("ended process {pid} ");
    let death = scene.pool.wait_for(&end, 1).remove(0);
    neighbours.goes_on(2 * NEIGHBOURS);

    let log = scene.pool.output();
    let line = scene.pool.wait_for("is stuck in", 1).remove(0);
    assert!(
        line.contains(&format!("process {pid} is stuck in `GET /")),
        "{line}"
    );
    assert_eq!(field(&line, "verdict"), verdict, "{line}");
    assert!(field(&line, "frames").contains(function), "{line}");
    assert!(!field(&line, "kernel").is_empty(), "{line}");
    assert!(death.contains("cause=\"stuck\""), "{death}");
    assert!(death.contains("running then: GET /"), "{death}");
    let order = ["is stuck in", "started process", "is ready", &end];
    let newest = |text: &&str| log.rfind(*text).expect("in the log");
    let places: Vec<usize> = order.iter().map(newest).collect();
    assert!(
        places[0] < places[3] && places[1] < places[2] && places[2] < places[3],
        "{log}"
    );
    assert_eq!(scene.pool.lines_with("ended process").len(), 1, "{log}");
    assert_eq!(scene.pool.lines_with("started process").len(), 3, "{log}");
    assert!(stuck.answer().is_err(), "its client's connection ends");
    neighbours.finish().is_flawless(&log);
    say(&format!(
        "{path}: named {} beyond its limit; {death}",
        field(&line, "beyond_limit")
    ));
}

#[test]
fn a_loop_costs_one_process_and_is_named() {
    costs_one_process("/spin", "busy_loop", "faults::spin");
}

#[test]
fn a_deadlock_costs_one_process_and_is_named() {
    costs_one_process("/deadlock", "lock", "faults::deadlock");
}

#[test]
fn a_blocking_call_costs_one_process_and_is_named() {
    costs_one_process("/block?ms=600000", "blocking_call", "faults::block");
}

#[test]
fn a_websocket_that_holds_its_thread_costs_one_process_and_is_named() {
    // A text that is short and not hidden by its mask.
    const SPIN: &[u8] = b"\x81\x84\0\0\0\0spin";
    let scene = Scene::set();
    let (mut socket, pid) = scene.websocket();
    socket.send(SPIN).expect("message");
    // Whoever its thread accepts before it hangs is lost with it; the others are the neighbours.
    eventually("its thread is held", || {
        let status = scene.pool.report("status");
        let is_held = |one: &serde_json::Value| one["pid"] == pid && one["silent"] == true;
        status["running"]
            .as_array()?
            .iter()
            .any(is_held)
            .then_some(())
    });
    let verdict = ("busy_loop", "spin_for_ever");
    is_named_and_replaced(&scene, "/ws", (socket, pid), verdict);
}

#[test]
fn a_stuck_process_may_be_kept_as_long_as_few_wait() {
    let trouble = Trouble::new()
        .limits("500ms", "500ms")
        .set("processes = 1")
        .set("threads = 1")
        .set("stuck_backlog = 5");
    let scene = Scene::of(trouble);
    let (_stuck, pid) = scene.misbehave("/spin");
    let line = scene.pool.wait_for("is stuck in", 1).remove(0);
    assert!(line.contains("it stays until stuck_backlog"), "{line}");
    assert_eq!(scene.pool.children(), [pid]);
    let waiting: Vec<Connection> = (0..5)
        .map(|_| Connection::asking(&scene.target, "/hello"))
        .collect();
    let end = scene
        .pool
        .wait_for(&format!("ended process {pid} "), 1)
        .remove(0);
    assert!(end.contains("cause=\"stuck\""), "{end}");
    for mut connection in waiting {
        assert_eq!(connection.answer().expect("answer").status, 200);
    }
}

#[test]
fn a_stream_that_goes_on_beyond_the_limit_of_its_handler_costs_nobody() {
    let scene = Scene::set();
    let (mut stream, pid) = scene.misbehave("/stream?parts=30&ms=1000");
    // Three seconds, when its handler had one and a half.
    let answer = stream.answer().expect("answer");
    assert_eq!((answer.status, answer.body.lines().count()), (200, 30));
    assert!(scene.pool.children().contains(&pid));
    scene.costs_nobody();
    let overdue = scene.pool.lines_with("is overdue");
    assert!(overdue.is_empty(), "{overdue:?}");
}

#[test]
fn a_thread_that_comes_back_before_its_hard_limit_costs_nobody() {
    let scene = Scene::of(Trouble::new().limits("500ms", "4s"));
    let (mut blocked, _) = scene.misbehave("/block?ms=1500");
    let neighbours = scene.neighbours();
    assert_eq!(blocked.answer().expect("answer").body, "blocked");
    neighbours.finish().is_flawless(&scene.pool.output());
    scene.costs_nobody();
}

#[test]
fn a_future_that_stays_pending_is_answered_504_and_costs_nobody() {
    for path in ["/pending", "/sleep?ms=60000", "/ignore?ms=3000"] {
        let scene = Scene::set();
        let (mut late, _) = scene.misbehave(path);
        let neighbours = scene.neighbours();
        let answer = late.answer().expect("answer");
        assert_eq!(answer.status, 504, "{path}: {answer:?}");
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        // Its connection is as good as new.
        if !answer.closes {
            assert_eq!(late.get("/hello").expect("answer").status, 200);
        }
        neighbours.finish().is_flawless(&scene.pool.output());
        scene.costs_nobody();
    }
}

#[test]
fn a_panic_is_answered_500_with_the_number_in_the_log_and_costs_nobody() {
    let scene = Scene::set();
    let neighbours = scene.neighbours();
    let answer = get(&scene.target, "/panic").expect("answer");
    assert_eq!(answer.status, 500);
    let id = answer
        .header("x-request-id")
        .expect("its number")
        .to_owned();
    let line = scene.pool.wait_for(&id, 1).remove(0);
    assert!(
        line.contains("answered 500") && line.contains("GET /panic"),
        "{line}"
    );
    scene.pool.wait_for("as asked", 1);
    let panics = || scene.pool.report("status")["totals"]["panics"].as_u64();
    eventually("the panic is counted", || {
        (panics() == Some(1)).then_some(())
    });
    neighbours.goes_on(NEIGHBOURS);
    neighbours.finish().is_flawless(&scene.pool.output());
    scene.costs_nobody();
}

/// The process is gone at once: what ran there is named, and nobody else loses anything.
fn takes_its_process_along(path: &str, ending: &str) {
    let scene = Scene::set();
    // Each knows whose connection it has.
    let kept = Load::of(&scene.target, [Client::keeping("/pid"); NEIGHBOURS]);
    kept.goes_on(4 * NEIGHBOURS);
    let before = scene.pool.children();

    let client = get(&scene.target, path);

    assert!(client.is_err(), "its client's connection ends: {client:?}");
    let line = scene.pool.wait_for("ended process", 1).remove(0);
    let pid = *before
        .iter()
        .find(|pid| line.contains(&format!("ended process {pid} ")))
        .expect("one of the children");
    assert!(
        line.contains(ending) && line.contains("cause=\"crash\""),
        "{line}"
    );
    assert!(line.contains("running then: GET "), "{line}");
    scene.pool.wait_for("is ready", 4);
    kept.goes_on(4 * NEIGHBOURS);
    let outcome = kept.finish();
    let log = scene.pool.output();
    assert!(
        outcome
            .failures
            .iter()
            .all(|failure| failure.owner == Some(pid)),
        "{:?}\n{log}",
        outcome.failures
    );
    assert_eq!(scene.pool.lines_with("ended process").len(), 1, "{log}");
    assert_eq!(get(&scene.target, "/hello").expect("answer").status, 200);
}

#[test]
fn an_abort_takes_its_process_along_and_nobody_else() {
    takes_its_process_along("/abort", "signal 6 (SIGABRT)");
}

#[test]
fn an_exit_takes_its_process_along_and_nobody_else() {
    takes_its_process_along("/exit?code=3", "exit status 3");
}

#[test]
fn a_loop_loses_at_most_one_of_twenty_four_clients() {
    let scene = Scene::of(Trouble::new().limits("1s", "1500ms"));
    let load = Load::of(&scene.target, [Client::fresh("/hello"); 24]);
    load.goes_on(200);
    let before = load.answered();

    let mut stuck = Connection::asking(&scene.target, "/spin");

    scene.pool.wait_for("cause=\"stuck\"", 1);
    load.goes_on(200);
    let outcome = load.finish();
    let lost = outcome.failures.len();
    let served = outcome.answered - before;
    say(&format!(
        "lost {lost}, served {served} meanwhile, longest {:?}",
        outcome.longest
    ));
    assert!(lost <= 1, "{:?}\n{}", outcome.failures, scene.pool.output());
    assert!(stuck.answer().is_err());
}

#[test]
fn a_stuck_thread_holds_up_no_roll() {
    // Its limit is far away: the roll may not wait for it.
    let trouble = Trouble::new()
        .limits("60s", "10s")
        .set("drain_timeout = '3s'");
    let scene = Scene::of(trouble);
    let (mut stuck, pid) = scene.misbehave("/spin");
    let load = Load::of(&scene.target, [Client::fresh("/hello"); NEIGHBOURS]);

    scene.pool.ctl(&["roll"]);

    let log = scene.pool.output();
    assert!(
        scene.pool.children().contains(&pid),
        "it still drains: {log}"
    );
    let line = scene
        .pool
        .wait_for(&format!("ended process {pid} "), 1)
        .remove(0);
    assert!(line.contains("cause=\"drain_timeout\""), "{line}");
    assert!(line.contains("running then: GET /spin"), "{line}");
    assert!(stuck.answer().is_err());
    load.finish().is_flawless(&log);
}

#[test]
fn a_version_that_does_not_start_spares_a_stuck_process_that_still_serves() {
    let trouble = Trouble::new().limits("1s", "500ms").set("processes = 1");
    let scene = Scene::of(trouble);
    let (_stuck, pid) = scene.misbehave("/spin");
    scene._trouble.version("CRASH_AT_START=9");

    scene.pool.wait_for("is stuck in", 1);
    scene.pool.wait_for("exit status 9", 3);

    assert!(
        scene.pool.children().contains(&pid),
        "{}",
        scene.pool.output()
    );
    assert_eq!(get(&scene.target, "/hello").expect("answer").status, 200);
    scene._trouble.version("VERSION=2");
    scene.pool.wait_for(&format!("ended process {pid} "), 1);
    let answer = get(&scene.target, "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("2"));
}

#[test]
fn dump_names_what_a_thread_hangs_in_before_any_limit() {
    let scene = Scene::of(Trouble::new());
    let (_stuck, pid) = scene.misbehave("/deadlock");
    let dump = eventually("a poll that is long", || {
        let dump = scene.pool.ctl(&["dump"]);
        dump.contains("faults::deadlock").then_some(dump)
    });
    assert!(
        dump.contains("GET /deadlock") && dump.contains(&pid.to_string()),
        "{dump}"
    );
    scene.costs_nobody();
}

#[test]
fn a_stuck_thread_does_not_keep_the_sockets_of_a_pool_that_was_killed() {
    // Its own limits are longer than this test waits for anything.
    let scene = Scene::of(Trouble::new().limits("600s", "600s"));
    let (_stuck, pid) = scene.misbehave("/spin");
    let children = scene.pool.children();
    let mut slow = Connection::asking(&scene.target, "/sleep?ms=2000");
    let next = Trouble::new().listening_at(&scene.target);

    scene.pool.signal(Signal::KILL);

    // What runs on threads that are well is finished.
    assert_eq!(slow.answer().expect("answer").body, "slept");
    eventually("the process with the stuck thread ends", || {
        (!is_alive(pid)).then_some(())
    });
    eventually("all of them do", || {
        (!children.iter().any(|pid| is_alive(*pid))).then_some(())
    });
    let pool = next.start();
    let answer = get(next.target(&pool), "/hello").expect("answer");
    assert_eq!(answer.status, 200);
}
