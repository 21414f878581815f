//! Processes that lost their parent.

use crate::harness::{Pool, eventually, is_alive};

#[test]
fn orphans_are_adopted_and_collected() {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("orphan");
    // The inner shell starts a process, writes down its number and ends: the process is an orphan.
    let script = format!(
        "sh -c 'sleep 0.7 & echo $! > {0}.new; mv {0}.new {0}'; exec sleep 1000",
        file.display()
    );
    let command = ["sh".to_owned(), "-c".to_owned(), script];
    let pool = Pool::start(&["--processes", "1", "--ready-after", "50ms"], &command);
    let orphan: i32 = eventually("the orphan's number", || {
        std::fs::read_to_string(&file).ok()?.trim().parse().ok()
    });

    eventually("the pool has adopted it", || {
        pool.children().contains(&orphan).then_some(())
    });

    // A process that nobody collects stays visible as a zombie for ever.
    eventually("the orphan is collected", || {
        (!is_alive(orphan)).then_some(())
    });
    pool.wait_for("collected an orphan", 1);
}
