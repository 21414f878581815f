//! The pool as process 1, as it is in a container.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::client::get;
use kiuas_common::testing::skip;

use crate::harness::{Pool, eventually, is_alive, script, signal};
use crate::trouble::Trouble;

/// Runs the pool as the first process of a namespace of its own.
const NAMESPACE: [&str; 5] = ["--pid", "--fork", "--kill-child", "--mount-proc", "--"];

fn may_make_namespaces() -> bool {
    let tried = Command::new("unshare")
        .args(NAMESPACE)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// The number by which this namespace knows the process that `unshare` started.
fn inner(pool: &Pool) -> i32 {
    eventually("process 1", || pool.children().first().copied())
}

#[test]
fn as_process_1_it_serves_collects_orphans_is_upgraded_and_ends() {
    if !may_make_namespaces() {
        return skip("unshare may not make process namespaces here");
    }
    let trouble = Trouble::new()
        .set("hooks = { ready = ['sh', '-c', 'sleep 0.3 & exit 0'] }")
        .variable("KIUAS__TELEMETRY__LEVEL", "debug");
    let directory = tempfile::tempdir().expect("directory");
    let options = NAMESPACE.join(" ");
    let text = format!(
        "exec unshare {options} '{}' \"$@\"",
        env!("CARGO_BIN_EXE_kiuas-pool")
    );
    let program = script(directory.path(), &text);
    let mut outer = trouble.begin_program(&program, |_| {});
    outer.wait_until_ready();
    let target = trouble.target(&outer);
    let init = inner(&outer);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
    // The hook's child has lost its parent.
    outer.wait_for("collected an orphan", 1);

    signal(init, Signal::USR2);
    outer.wait_for("every child is still here", 1);
    signal(init, Signal::HUP);
    outer.wait_for("roll done", 1);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);

    signal(init, Signal::TERM);
    assert_eq!(outer.wait_for_end().code(), Some(0), "{}", outer.output());
    assert!(!is_alive(init));
    assert!(outer.lines_with("killed").is_empty(), "{}", outer.output());
}
