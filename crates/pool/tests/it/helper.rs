//! A program beside the application, as another pool of one process.

use rustix::process::Signal;

use crate::harness::{Pool, eventually, is_alive, signal};
use crate::trouble::program;

/// The process that `line` says was started.
fn started(line: &str) -> i32 {
    let after = line.split("started process ").nth(1);
    let number = after.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    number.and_then(|text| text.parse().ok()).expect("pid")
}

#[test]
fn a_helper_is_kept_alive_beside_the_application_and_ends_with_it() {
    let directory = tempfile::tempdir().expect("directory");
    let text = format!(
        "[pool.web]\ncommand = ['{0}']\nprocesses = 1\nlisten = ['127.0.0.1:0']\n\
         control = 'unix:{1}/web'\n\
         [pool.helper]\ncommand = ['sleep', '1000']\nprocesses = 1\ninherit = 'none'\n\
         ready_after = '50ms'\nbackoff_min = '50ms'\ncontrol = 'unix:{1}/helper'\n",
        program(),
        directory.path().display()
    );
    let mut pool = Pool::start_with(&text, &["--all"], &[], |_| {});
    pool.wait_for("every child is ready in pool", 2);
    let both: Vec<i32> = pool
        .lines_with("started process ")
        .iter()
        .map(|it| started(it))
        .collect();
    let name = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let helper = *both
        .iter()
        .find(|pid| name(pid) == "sleep\n")
        .expect("helper");
    let web = *both.iter().find(|pid| **pid != helper).expect("web");

    signal(helper, Signal::KILL);

    let third = started(&pool.wait_for("started process ", 3)[2]);
    eventually("the helper runs again", || {
        (name(&third) == "sleep\n").then_some(())
    });
    assert!(is_alive(web), "{}", pool.output());
    pool.signal(Signal::TERM);
    assert!(pool.wait_for_end().success(), "{}", pool.output());
    assert!(!is_alive(third) && !is_alive(web));
}
