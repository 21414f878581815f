//! What many rolls leave behind: no process, no descriptor, no memory, no file.

use std::path::Path;

use crate::client::get;
use crate::harness::{Pool, eventually, say};
use crate::trouble::Trouble;

/// What a pool holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    children: usize,
    descriptors: usize,
    /// Scoreboards and other shared memory.
    mappings: usize,
    files: usize,
}

impl Held {
    fn by(pool: &Pool) -> Self {
        let process = format!("/proc/{}", pool.pid());
        let maps = std::fs::read_to_string(format!("{process}/maps")).expect("maps");
        Self {
            children: pool.children().len(),
            descriptors: count(format!("{process}/fd")),
            mappings: maps.lines().filter(|line| line.contains("memfd:")).count(),
            files: count(pool.runtime_directory()),
        }
    }
}

fn count(directory: impl AsRef<Path>) -> usize {
    std::fs::read_dir(directory).expect("directory").count()
}

fn resident(pool: &Pool) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", pool.pid())).expect("statm");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map(|pages: u64| pages * 4096).expect("pages")
}

fn roll(pool: &Pool, times: usize) {
    for _ in 0..times {
        pool.ctl(&["roll"]);
    }
}

/// Rolls until everything has been allocated once, and then `times`.
fn leave_nothing_behind(pool: &Pool, times: usize) {
    /// What allocators keep and logs take.
    const SLACK: u64 = 6 << 20;
    roll(pool, 10);
    let held = settled(pool);
    let before = resident(pool);
    roll(pool, times);
    eventually("all is as it was before", || {
        let now = Held::by(pool);
        (now == held).then_some(())
    });
    let after = resident(pool);
    say(&format!(
        "{times} rolls: {held:?}, resident {before} before, {after} after"
    ));
    assert!(
        after < before + SLACK,
        "{before} bytes before, {after} after"
    );
}

/// What it holds when the last old child is gone.
fn settled(pool: &Pool) -> Held {
    let mut last = Held::by(pool);
    let mut alike = 0;
    eventually("calm", || {
        let now = Held::by(pool);
        alike = if now == last { alike + 1 } else { 0 };
        last = now.clone();
        (alike > 40 && now.children == 2).then_some(now)
    })
}

#[test]
fn many_rolls_of_any_program_leave_nothing_behind() {
    let command = ["sleep", "1000"].map(str::to_owned);
    let arguments = ["--ready-after", "1ms", "--set", "pool.web.probation=1ms"];
    let pool = Pool::start(&arguments, &command);
    pool.wait_until_ready();
    leave_nothing_behind(&pool, 100);
}

#[test]
fn many_rolls_of_an_application_leave_nothing_behind() {
    let trouble = Trouble::new().variable("KIUAS__POOL__WEB__PROBATION", "1ms");
    let pool = trouble.start();
    leave_nothing_behind(&pool, 15);
    assert_eq!(
        get(trouble.target(&pool), "/hello").expect("answer").status,
        200
    );
}
