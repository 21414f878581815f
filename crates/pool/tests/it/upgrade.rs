//! The pool replaces its own program in place.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::get;
use crate::harness::{Pool, eventually, signal};
use crate::load::{Client, Load};
use crate::trouble::{Trouble, said};

/// A copy of the pool's program, where another can be put in its place.
struct Installed(TempDir);

impl Installed {
    fn new() -> Self {
        let installed = Self(tempfile::tempdir().expect("directory"));
        installed.put(Path::new(env!("CARGO_BIN_EXE_kiuas-pool")));
        installed
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("kiuas-pool")
    }

    /// As packages do: a new file under the old name.
    fn put(&self, program: &Path) {
        let new = self.0.path().join("new");
        std::fs::copy(program, &new).expect("copy");
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("mode");
        std::fs::rename(new, self.path()).expect("rename");
    }

    fn put_script(&self, text: &str) {
        let script = self.0.path().join("script");
        std::fs::write(&script, text).expect("script");
        self.put(&script);
    }

    fn begin(&self, trouble: &Trouble) -> Pool {
        let pool = trouble.begin_program(&self.path(), |_| {});
        pool.wait_until_ready();
        pool
    }
}

/// The file that a process runs, or ran until it was replaced.
fn runs(pid: i32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/exe")).expect("program")
}

#[test]
fn an_upgrade_keeps_its_process_its_children_and_every_request() {
    let installed = Installed::new();
    let trouble = Trouble::new();
    let pool = installed.begin(&trouble);
    let target = trouble.target(&pool);
    let children = pool.children();
    let load = Load::of(&target, Client::of_all_kinds());
    for round in 1..=3 {
        installed.put(Path::new(env!("CARGO_BIN_EXE_kiuas-pool")));
        if round == 2 {
            pool.ctl(&["upgrade"]);
        } else {
            pool.signal(Signal::USR2);
        }
        pool.wait_for("every child is still here", round);
        assert_eq!(runs(pool.pid()), installed.path(), "it is the new file");
        assert_eq!(pool.children(), children);
        load.goes_on(20);
    }
    // They are its children in every way: they are missed, rolled and collected.
    signal(children[0], Signal::KILL);
    pool.wait_for(&format!("ended process {} ", children[0]), 1);
    pool.wait_for("is ready", 3);
    pool.ctl(&["roll"]);
    let outcome = load.finish();
    let lost = outcome.failures.len();
    let excused = outcome
        .failures
        .iter()
        .all(|failure| failure.owner.is_none_or(|owner| owner == children[0]));
    assert!(
        excused && lost <= 16,
        "{:?}\n{}",
        outcome.failures,
        pool.output()
    );
    let status = pool.report("status");
    assert_eq!(
        status["processes"].as_array().map(Vec::len),
        Some(2),
        "{status}"
    );
}

#[test]
fn a_new_program_that_is_broken_is_refused_with_the_reason() {
    let installed = Installed::new();
    let trouble = Trouble::new();
    let pool = installed.begin(&trouble);
    let children = pool.children();
    let cases = [
        (
            "#!/bin/sh\necho 'no libraries here' >&2\nexit 127\n",
            "no libraries here",
        ),
        ("#!/bin/sh\nkill -SEGV $$\n", "signal 11"),
        ("no program at all", "cannot run"),
    ];
    for (text, reason) in cases {
        installed.put_script(text);
        let told = pool.try_ctl(&["upgrade"]);
        assert_eq!(told.status.code(), Some(1), "{}", said(&told));
        assert!(said(&told).contains(reason), "{}", said(&told));
        pool.wait_for("no upgrade, nothing has changed", 1);
    }
    let told = pool.try_ctl(&["upgrade", "--program", "/no/such/program"]);
    assert!(
        said(&told).contains("cannot run `/no/such/program`"),
        "{}",
        said(&told)
    );
    assert_eq!(pool.children(), children);
    let target = trouble.target(&pool);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
    // It can still be upgraded to one that works.
    installed.put(Path::new(env!("CARGO_BIN_EXE_kiuas-pool")));
    pool.ctl(&["upgrade"]);
    pool.wait_for("every child is still here", 1);
    assert_eq!(pool.children(), children);
}

#[test]
fn a_program_that_passes_its_check_and_cannot_be_executed_changes_nothing() {
    let installed = Installed::new();
    let trouble = Trouble::new();
    let pool = installed.begin(&trouble);
    let children = pool.children();
    // It removes itself.
    installed.put_script("#!/bin/sh\nrm \"$0\"\n");
    pool.signal(Signal::USR2);
    pool.wait_for("cannot execute the new program", 1);
    assert_eq!(pool.children(), children);
    installed.put(Path::new(env!("CARGO_BIN_EXE_kiuas-pool")));
    pool.ctl(&["upgrade"]);
    pool.wait_for("every child is still here", 1);
    pool.ctl(&["roll"]);
    assert_eq!(
        get(trouble.target(&pool), "/hello").expect("answer").status,
        200
    );
}

#[test]
fn an_upgrade_during_a_roll_goes_on_with_the_roll() {
    let trouble = Trouble::new().set("processes = 3");
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(&target, Client::of_all_kinds());
    for (round, delay) in [(1, 0), (2, 150), (3, 400), (4, 700)] {
        trouble.version(&format!("VERSION={round}\nSTART_DELAY_MS=200"));
        pool.signal(Signal::HUP);
        pool.wait_for("roll began", round);
        std::thread::sleep(Duration::from_millis(delay));
        pool.signal(Signal::USR2);
        pool.wait_for("every child is still here", round);
        pool.wait_for("roll done", round);
        let answer = get(&target, "/hello").expect("answer");
        assert_eq!(answer.header("x-version"), Some(round.to_string().as_str()));
    }
    load.finish().is_flawless(&pool.output());
}

#[test]
fn a_storm_of_hangups_with_an_upgrade_in_it_loses_nothing() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(&target, Client::of_all_kinds());
    for round in 0..2 {
        trouble.version(&format!("VERSION=storm-{round}"));
        for number in 0..10 {
            pool.signal(Signal::HUP);
            std::thread::sleep(Duration::from_millis(30));
            if number == 5 {
                pool.signal(Signal::USR2);
            }
        }
        pool.wait_for("every child is still here", round + 1);
        let status = eventually("calm", || {
            let status = pool.report("status");
            let calm = status["rolling"].is_null() && is_uniform(&status);
            calm.then_some(status)
        });
        assert!(status["generation"].as_u64() >= Some(2), "{status}");
        for _ in 0..8 {
            let answer = get(&target, "/hello").expect("answer");
            assert_eq!(
                answer.header("x-version"),
                Some(format!("storm-{round}").as_str())
            );
        }
    }
    load.finish().is_flawless(&pool.output());
}

/// Two ready children, both of the generation that the pool is at.
fn is_uniform(status: &serde_json::Value) -> bool {
    let generation = &status["generation"];
    let all = status["processes"].as_array().expect("processes");
    all.len() == 2
        && all
            .iter()
            .all(|one| one["state"] == "ready" && one["generation"] == *generation)
}

#[test]
fn a_pool_that_is_stopped_during_a_roll_ends_and_a_second_signal_cuts() {
    let trouble = Trouble::new();
    let mut pool = trouble.start();
    let target = trouble.target(&pool);
    trouble.version("START_DELAY_MS=2000");
    let mut pending = crate::client::Connection::asking(&target, "/pending");
    get(&target, "/hello").expect("answer");
    pool.signal(Signal::HUP);
    pool.wait_for("started process", 3);

    pool.signal(Signal::TERM);
    pool.wait_for("draining", 1);
    eventually("all but one are gone", || {
        (pool.children().len() == 1).then_some(())
    });
    pool.signal(Signal::TERM);

    assert_eq!(pool.wait_for_end().code(), Some(0), "{}", pool.output());
    let line = pool.wait_for("a second signal asked for it", 1).remove(0);
    assert!(line.contains("running then: GET /pending"), "{line}");
    assert!(pending.answer().is_err());
}
