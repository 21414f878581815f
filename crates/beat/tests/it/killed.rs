//! Beats as processes, killed and stopped at any moment.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kiuas_common::testing::TestDatabase;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Stack, until};

const ENTRIES: &[(&str, u64)] = &[("fast", 200), ("slow", 500)];

/// A process that is killed when this is dropped.
struct Process(Child);

impl Process {
    fn start(stack: &Stack) -> Self {
        let database: &TestDatabase = &stack.database;
        let examples = std::env::current_exe().expect("path of the test");
        let examples = examples
            .ancestors()
            .nth(2)
            .expect("target directory")
            .join("examples");
        let redis = stack.redis.settings();
        let child = Command::new(examples.join("beat"))
            .env("KIUAS_CONFIG", "/nonexistent")
            .env("KIUAS__POSTGRES__URL", database.url())
            .env("KIUAS__REDIS__URL", redis.url)
            .env("KIUAS__REDIS__QUEUE_DB", redis.queue_db.to_string())
            .env("KIUAS__BEAT__LEASE", "1s")
            .env("KIUAS__TELEMETRY__LEVEL", "warn")
            .stdin(Stdio::null())
            .spawn()
            .expect("the example `beat`, which is built with the tests");
        Self(child)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("signal");
    }

    fn kill(mut self) {
        self.signal(Signal::KILL);
        self.0.wait().expect("the end of a beat");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The process that enqueued the newest tick.
async fn leading(stack: &Stack, processes: &[Process]) -> Option<usize> {
    let pid = stack.newest_pid().await?;
    let is_it = |process: &Process| process.pid().as_raw_nonzero().get() == pid;
    processes.iter().position(is_it)
}

async fn more_ticks(stack: &Stack, count: usize) {
    let begin = stack.count("fast").await;
    let enough = async || stack.count("fast").await >= begin + count;
    until("there are more ticks", enough).await;
}

async fn stop_all(processes: Vec<Process>) {
    for mut process in processes {
        process.signal(Signal::TERM);
        let status = tokio::task::spawn_blocking(move || process.0.wait()).await;
        let status = status.expect("thread").expect("the end of a beat");
        assert!(status.success(), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_leader_again_and_again_loses_and_doubles_nothing() {
    let stack = Stack::start().await;
    let mut processes: Vec<Process> = (0..3).map(|_| Process::start(&stack)).collect();
    for round in 0..5_u64 {
        // A different moment within a period each time.
        more_ticks(&stack, 5).await;
        tokio::time::sleep(Duration::from_millis(round * 41)).await;
        let leader = leading(&stack, &processes).await.expect("a leader");
        processes.remove(leader).kill();
        processes.push(Process::start(&stack));
    }
    more_ticks(&stack, 5).await;
    stop_all(processes).await;
    stack.check_each_tick_once(ENTRIES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_for_a_while_loses_and_doubles_nothing() {
    let stack = Stack::start().await;
    let processes: Vec<Process> = (0..2).map(|_| Process::start(&stack)).collect();
    more_ticks(&stack, 5).await;
    let leader = leading(&stack, &processes).await.expect("a leader");
    processes[leader].signal(Signal::STOP);
    more_ticks(&stack, 20).await;
    assert_ne!(leading(&stack, &processes).await, Some(leader));
    processes[leader].signal(Signal::CONT);
    more_ticks(&stack, 10).await;
    stop_all(processes).await;
    stack.check_each_tick_once(ENTRIES).await;
}
