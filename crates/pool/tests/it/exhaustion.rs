//! When descriptors, processes or room on the disk are short.

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use crate::client::{Connection, get};
use kiuas_common::testing::skip;

use crate::harness::{Pool, eventually, script};
use crate::trouble::{Trouble, said};

fn allow_descriptors(pid: i32, count: u64) {
    let limit = Rlimit {
        current: Some(count),
        maximum: Some(count.max(4096)),
    };
    prlimit(Pid::from_raw(pid), Resource::Nofile, limit).expect("prlimit");
}

fn descriptors(pid: i32) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors");
    u64::try_from(open.count()).expect("count")
}

#[test]
fn a_pool_without_descriptors_says_so_serves_on_and_recovers() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let before = pool.children();
    allow_descriptors(pool.pid(), descriptors(pool.pid()) + 1);

    pool.signal(Signal::HUP);

    pool.wait_for("Too many open files", 1);
    pool.wait_for("roll given up", 1);
    assert_eq!(pool.children(), before);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
    // Neither does a child that dies take the pool along.
    crate::harness::signal(before[0], Signal::KILL);
    pool.wait_for("cannot start", 2);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
    allow_descriptors(pool.pid(), 1024);
    eventually("both seats are filled", || {
        (pool.children().len() == 2).then_some(())
    });
    pool.ctl(&["roll"]);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
}

#[test]
fn a_child_without_descriptors_answers_what_it_has_and_then_the_rest() {
    let trouble = Trouble::new().set("processes = 1");
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let mut first = Connection::open(&target).expect("connection");
    first.get("/hello").expect("answer");
    let child = pool.children()[0];
    allow_descriptors(child, descriptors(child));

    let mut waiting: Vec<Connection> = (0..5)
        .map(|_| Connection::asking(&target, "/hello"))
        .collect();
    pool.wait_for("cannot accept a connection", 1);
    assert_eq!(first.get("/hello").expect("answer").status, 200);
    allow_descriptors(child, 1024);

    for connection in &mut waiting {
        assert_eq!(connection.answer().expect("answer").status, 200);
    }
    assert_eq!(pool.children(), [child]);
}

#[test]
fn a_control_group_without_processes_left_gives_up_the_roll_and_nothing_else() {
    let trouble = Trouble::new().set("cgroup = { pids = 64 }");
    let pool = trouble.start();
    if !pool
        .lines_with("`pool.web.cgroup` has no effect")
        .is_empty()
    {
        return skip("this system lets nobody make control groups");
    }
    let line = pool.wait_for("made a control group", 1).remove(0);
    let path = line.split("path=").nth(1).expect("path").trim().to_owned();
    let limit = std::path::Path::new(&path).join("pids.max");
    if !limit.exists() {
        return skip("this system's control groups do not count processes");
    }
    let before = pool.children();
    std::fs::write(&limit, "1").expect("limit");

    let told = pool.try_ctl(&["roll"]);

    assert!(said(&told).contains("roll given up"), "{}", said(&told));
    assert_eq!(pool.children(), before);
    let target = trouble.target(&pool);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
    std::fs::write(&limit, "64").expect("limit");
    pool.ctl(&["roll"]);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
}

#[test]
fn a_full_disk_under_the_log_stops_nobody() {
    let trouble = Trouble::new();
    let directory = tempfile::tempdir().expect("directory");
    // What it writes goes to a device that is always full.
    let own = env!("CARGO_BIN_EXE_kiuas-pool");
    let program = script(
        directory.path(),
        &format!("exec '{own}' \"$@\" 2>/dev/full"),
    );
    let pool = trouble.begin_program(&program, |_| {});
    let target = trouble.target(&pool);
    eventually("it serves", || get(&target, "/hello").ok());
    eventually("it is ready", || ready(&pool));
    for path in ["/panic", "/hello"] {
        get(&target, path).expect("answer");
    }
    pool.ctl(&["roll"]);
    let victim = pool.children()[0];
    crate::harness::signal(victim, Signal::KILL);
    eventually("the seat is filled", || {
        let children = pool.children();
        (children.len() == 2 && !children.contains(&victim)).then_some(())
    });
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
}

fn ready(pool: &Pool) -> Option<()> {
    let status = pool.report("status");
    let all = status["processes"].as_array()?;
    all.iter().all(|one| one["state"] == "ready").then_some(())
}
