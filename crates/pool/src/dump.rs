//! What every request and task does now: `ctl dump`.

mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kiuas_common::scoreboard::{State, ThreadView};
use serde::{Deserialize, Serialize};

use crate::board::Boards;
use crate::overview::{Running, millis};
use crate::proc::thread::ThreadState;
use crate::watch::symbols::{Frame, Symbols};
use crate::watch::{ChildReading, Reading, look};

/// A thread in one poll for longer is asked for its stack.
const LONG_POLL: u64 = 100_000_000;
/// Threads of a program without a scoreboard that are looked at.
const MOST_FOREIGN: usize = 64;

/// Everything that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dump {
    /// Every child that lives.
    pub(crate) processes: Vec<DumpedProcess>,
}

/// A child. Times are milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DumpedProcess {
    pub(crate) pid: i32,
    pub(crate) seat: usize,
    pub(crate) generation: u64,
    /// What it says of itself; `None` without a scoreboard.
    #[serde(default)]
    pub(crate) says: Option<State>,
    /// It writes a scoreboard; without, only the kernel's view is known.
    pub(crate) has_board: bool,
    pub(crate) threads: Vec<DumpedThread>,
    /// Requests and tasks that found no place on the board.
    pub(crate) untracked: u64,
}

/// A thread.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DumpedThread {
    pub(crate) tid: i32,
    /// Since its last sign of life.
    pub(crate) silence: u64,
    /// What it is and waits for in the kernel, in words.
    pub(crate) kernel: String,
    /// What it began and has not ended, the oldest first.
    pub(crate) running: Vec<Running>,
    /// Its stack, innermost call first, if it is in one poll for longer than 100 ms.
    pub(crate) frames: Vec<Frame>,
    /// Why there is no stack although there should be.
    pub(crate) problem: Option<String>,
}

/// Looks at everything.
pub(crate) async fn take(reading: &Reading, boards: &Boards, symbols: &Arc<Symbols>) -> Dump {
    let mut processes = Vec::new();
    for child in &reading.children {
        processes.push(process(child, boards, symbols).await);
    }
    Dump { processes }
}

async fn process(child: &ChildReading, boards: &Boards, symbols: &Arc<Symbols>) -> DumpedProcess {
    let snapshot = &child.snapshot;
    let mut threads = Vec::new();
    if snapshot.is_written {
        for thread in &snapshot.threads {
            threads.push(own(thread, child, boards, symbols).await);
        }
    } else {
        threads = foreign(child.pid());
    }
    let mut dumped = DumpedProcess {
        pid: child.pid(),
        seat: child.child.seat,
        generation: child.child.generation,
        says: snapshot.is_written.then_some(snapshot.state),
        has_board: snapshot.is_written,
        threads,
        untracked: snapshot.untracked,
    };
    dumped.assign(Running::all(child));
    dumped
}

async fn own(
    thread: &ThreadView,
    child: &ChildReading,
    boards: &Boards,
    symbols: &Arc<Symbols>,
) -> DumpedThread {
    let now = child.snapshot.taken_at;
    let is_long = |since: u64| now.saturating_sub(since) > LONG_POLL;
    let mut dumped = DumpedThread {
        tid: thread.tid,
        silence: millis(Duration::from_nanos(thread.silence(now))),
        kernel: String::new(),
        running: Vec::new(),
        frames: Vec::new(),
        problem: None,
    };
    let board = boards.get(child.child.pid);
    match board.filter(|_| thread.poll_since.is_some_and(is_long)) {
        Some(board) => {
            let place = (thread.index, thread.tid);
            let handler = child.snapshot.has_stack_handler;
            let findings = look(board, Arc::clone(symbols), place, handler).await;
            dumped.kernel = findings.kernel.in_words();
            dumped.frames = findings.frames;
            dumped.problem = findings.problem.map(str::to_owned);
        }
        None => dumped.kernel = ThreadState::of(child.pid(), thread.tid).in_words(),
    }
    dumped
}

fn foreign(pid: i32) -> Vec<DumpedThread> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let number = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<i32>().ok()
    };
    let thread = |tid| DumpedThread {
        tid,
        silence: 0,
        kernel: ThreadState::of(pid, tid).in_words(),
        running: Vec::new(),
        frames: Vec::new(),
        problem: None,
    };
    tasks
        .filter_map(number)
        .take(MOST_FOREIGN)
        .map(thread)
        .collect()
}

impl DumpedProcess {
    /// Gives everything that runs to its thread; what belongs to none goes to the first.
    fn assign(&mut self, mut running: Vec<Running>) {
        running.sort_by_key(|one| std::cmp::Reverse(one.age));
        let places: HashMap<i32, usize> = self
            .threads
            .iter()
            .enumerate()
            .map(|(at, thread)| (thread.tid, at))
            .collect();
        for one in running {
            let place = one
                .tid
                .and_then(|tid| places.get(&tid))
                .copied()
                .unwrap_or(0);
            if let Some(thread) = self.threads.get_mut(place) {
                thread.running.push(one);
            }
        }
    }
}
