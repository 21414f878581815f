//! Children that are replaced for what they have used, without a lost request.

use crate::client::{Target, get};
use crate::harness::{Pool, say};
use crate::load::{Client, Load};
use crate::trouble::Trouble;

/// Children under a limit; requests that none of them may lose.
struct Limited {
    pool: Pool,
    target: Target,
    load: Load,
    trouble: Trouble,
}

impl Limited {
    fn by(lines: &[&str]) -> Self {
        let trouble = lines
            .iter()
            .fold(Trouble::new(), |trouble, line| trouble.set(line));
        let pool = trouble.start();
        let target = trouble.target(&pool);
        let load = Load::of(
            &target,
            [Client::keeping("/hello"), Client::fresh("/hello")],
        );
        Self {
            pool,
            target,
            load,
            trouble,
        }
    }

    /// Waits for `count` children that ended because of `cause`, and returns how each did.
    fn ends(&self, cause: &str, count: usize) -> Vec<String> {
        self.pool.wait_for(&format!("cause=\"{cause}\""), count)
    }

    fn loses_nothing(self) {
        self.load.finish().is_flawless(&self.pool.output());
        drop(self.trouble);
    }
}

#[test]
fn a_child_that_has_served_its_requests_is_recycled() {
    let limited = Limited::by(&[
        "min_lifetime = '100ms'",
        "max_requests = 200",
        "jitter = 50",
    ]);
    let ends = limited.ends("max_requests", 4);
    assert!(
        ends.iter().all(|line| line.contains("exit status 0")),
        "{ends:?}"
    );
    // Each has its own limit, which `ctl status` shows.
    let status = limited.pool.report("status");
    let limits: Vec<u64> = status["processes"]
        .as_array()
        .expect("processes")
        .iter()
        .filter_map(|process| process["max_requests"].as_u64())
        .collect();
    assert!(
        !limits.is_empty() && limits.iter().all(|limit| (200..=300).contains(limit)),
        "{limits:?}"
    );
    limited.loses_nothing();
}

#[test]
fn a_child_that_has_lived_long_enough_is_recycled() {
    let limited = Limited::by(&[
        "min_lifetime = '100ms'",
        "max_lifetime = '1s'",
        "jitter = 100",
    ]);
    limited.ends("lifetime", 4);
    limited.loses_nothing();
}

#[test]
fn a_child_younger_than_its_minimum_is_recycled_for_no_limit() {
    let limited = Limited::by(&["min_lifetime = '3s'", "max_requests = 1"]);
    limited.load.goes_on(300);
    let line = limited.ends("max_requests", 1).remove(0);
    let ran = line
        .split("ran=\"")
        .nth(1)
        .and_then(|rest| rest.split('s').next());
    let ran: f64 = ran.and_then(|text| text.parse().ok()).expect("seconds");
    assert!(ran >= 3.0, "{line}");
    limited.loses_nothing();
}

#[test]
fn a_child_that_has_grown_is_recycled_without_a_loss() {
    let limited = Limited::by(&["min_lifetime = '100ms'", "rss_soft = '100MiB'"]);
    for _ in 0..4 {
        assert_eq!(
            get(&limited.target, "/leak?mb=120").expect("answer").status,
            200
        );
    }
    let ends = limited.ends("rss_soft", 1);
    assert!(
        ends.iter().all(|line| line.contains("exit status 0")),
        "{ends:?}"
    );
    limited.loses_nothing();
}

#[test]
fn a_child_that_has_too_much_memory_of_its_own_is_recycled_without_a_loss() {
    let limited = Limited::by(&["min_lifetime = '100ms'", "uss_soft = '100MiB'"]);
    for _ in 0..4 {
        let leaked = get(&limited.target, "/leak?mb=120").expect("answer");
        assert_eq!(leaked.status, 200);
    }
    let ends = limited.ends("uss_soft", 1);
    assert!(ends[0].contains("exit status 0"), "{ends:?}");
    limited.loses_nothing();
}

#[test]
fn a_child_that_has_panicked_so_often_is_recycled_without_a_loss() {
    let limited = Limited::by(&["min_lifetime = '100ms'", "max_panics = 2", "processes = 1"]);
    for _ in 0..2 {
        let panicked = get(&limited.target, "/panic").expect("answer");
        assert_eq!(panicked.status, 500);
    }
    let ends = limited.ends("max_panics", 1);
    assert!(ends[0].contains("exit status 0"), "{ends:?}");
    limited.loses_nothing();
}

#[test]
fn a_child_that_grows_beyond_measure_is_killed_when_its_neighbours_have_finished() {
    // Young children are killed for their memory too.
    let limited = Limited::by(&["rss_hard = '150MiB'", "hard_grace = '5s'"]);
    let neighbours = Load::of(&limited.target, [Client::fresh("/sleep?ms=300"); 8]);
    neighbours.goes_on(8);
    // It may itself be cut: it is what takes the memory.
    drop(get(&limited.target, "/leak?mb=200"));
    let line = limited.ends("rss_hard", 1).remove(0);
    say(&line);
    neighbours.goes_on(8);
    neighbours.finish().is_flawless(&limited.pool.output());
    limited.loses_nothing();
}

#[test]
fn a_child_with_many_descriptors_is_recycled() {
    let limited = Limited::by(&["min_lifetime = '100ms'", "files = 60"]);
    let held: Vec<_> = (0..120)
        .map(|_| {
            let mut connection =
                crate::client::Connection::open(&limited.target).expect("connection");
            connection.get("/hello").map(|_| connection)
        })
        .collect();
    limited.ends("files", 1);
    assert!(held.iter().all(Result::is_ok), "each was answered");
    drop(held);
    limited.loses_nothing();
}

#[test]
fn a_child_that_has_used_its_processor_time_is_recycled() {
    let limited = Limited::by(&["min_lifetime = '100ms'", "cpu_time = '300ms'"]);
    limited.ends("cpu_time", 2);
    limited.loses_nothing();
}

#[test]
fn children_that_crash_again_and_again_are_started_ever_more_slowly() {
    let trouble = Trouble::new()
        .set("processes = 1")
        .set("backoff_max = '10s'");
    trouble.version("DIE_AFTER_READY_MS=1");
    let pool = trouble.begin();
    pool.wait_for("signal 6 (SIGABRT)", 5);
    let begin = std::time::Instant::now();
    pool.wait_for("signal 6 (SIGABRT)", 6);
    // 50, 100, 200, 400, 800 ms, each up to a quarter shorter; then what is cured starts at once.
    say(&format!("sixth crash after {:?}", begin.elapsed()));
    trouble.version("VERSION=2");
    pool.wait_until_ready();
    let target = trouble.target(&pool);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
}
