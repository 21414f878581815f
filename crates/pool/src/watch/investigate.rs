//! What a stuck thread is doing: its state in the kernel and its stack, in one line of the log.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::kernel::stack;
use kiuas_common::scoreboard::{self, SlotView, ThreadView};

use super::symbols::{Frame, Symbols};
use super::verdict::Verdict;
use crate::board::Board;
use crate::proc::thread::ThreadState;
use crate::report::time;

/// A thread that has not written its stack by then will not: it is inside the allocator or the loader, or
/// the kernel does not let it go.
const STACK_DEADLINE: Duration = Duration::from_millis(200);
/// Naming reads files; a disk may be slow.
const NAMES_DEADLINE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);
/// The calls that a log line shows, innermost first.
const MOST_FRAMES: usize = 12;

/// What was found out about a thread.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    pub(crate) kernel: ThreadState,
    pub(crate) frames: Vec<Frame>,
    /// Why there are no frames.
    pub(crate) problem: Option<&'static str>,
}

/// Looks at thread `tid`, place `index` of the board. `has_handler`: it may be asked for its stack.
pub(crate) async fn look(
    board: Arc<Board>,
    symbols: Arc<Symbols>,
    (index, tid): (usize, i32),
    has_handler: bool,
) -> Findings {
    let pid = board.pid.as_raw_nonzero().get();
    // Before the signal, which would show itself.
    let kernel = ThreadState::of(pid, tid);
    let mut findings = Findings {
        kernel,
        frames: Vec::new(),
        problem: None,
    };
    let addresses = if has_handler {
        addresses(&board, pid, (index, tid)).await
    } else {
        Err("the program has no stack handler")
    };
    match addresses {
        Ok(addresses) => {
            let named = tokio::task::spawn_blocking(move || symbols.name(pid, &addresses));
            match tokio::time::timeout(NAMES_DEADLINE, named).await {
                Ok(Ok(frames)) => findings.frames = frames,
                _ => findings.problem = Some("the program's symbols could not be read in time"),
            }
        }
        Err(problem) => findings.problem = Some(problem),
    }
    findings
}

async fn addresses(
    board: &Board,
    pid: i32,
    (index, tid): (usize, i32),
) -> Result<Vec<u64>, &'static str> {
    let read = || board.scoreboard().stack(index);
    let before = read().ok_or("the board has no such thread")?.sequence;
    // The number came from the board, which the child writes: the kernel refuses one that is no thread of
    // this process.
    stack::ask(pid, tid).map_err(|_| "the thread is gone")?;
    let waited = async {
        loop {
            match read() {
                Some(stack) if stack.sequence != before => return stack.addresses,
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    tokio::time::timeout(STACK_DEADLINE, waited)
        .await
        .map_err(|_| "the thread did not write its stack")
}

/// The one line about a request that hangs beyond its hard deadline.
pub(crate) fn report(
    board: &Board,
    slot: &SlotView,
    thread: &ThreadView,
    verdict: Verdict,
    findings: &Findings,
) {
    let now = scoreboard::now();
    let pid = board.pid.as_raw_nonzero().get();
    let span = |from: u64| time(Duration::from_nanos(now.saturating_sub(from)));
    tracing::error!(
        child.pid = pid,
        child.tid = thread.tid,
        request.label = slot.label,
        request.id = slot.id,
        trace_id = slot.trace_id,
        age = span(slot.started),
        beyond_limit = slot.hard_deadline.map_or_else(|| "-".to_owned(), span),
        silent = span(thread.heartbeat),
        verdict = verdict.label(),
        kernel = findings.kernel.in_words(),
        frames = frames(findings),
        "process {pid} is stuck in `{}` on {}: its successor is started, then it is ended",
        slot.label,
        verdict.in_words(),
    );
}

/// The one line about a request that is overdue on a thread that is well.
pub(crate) fn report_pending(pid: i32, slot: &SlotView, now: u64) {
    let span = |from: u64| time(Duration::from_nanos(now.saturating_sub(from)));
    tracing::warn!(
        child.pid = pid,
        request.label = slot.label,
        request.id = slot.id,
        trace_id = slot.trace_id,
        age = span(slot.started),
        beyond_limit = slot.hard_deadline.map_or_else(|| "-".to_owned(), span),
        verdict = Verdict::PendingFuture.label(),
        "`{}` in process {pid} is overdue, but its thread is well: the process is left alone",
        slot.label,
    );
}

/// `lock_twice at site/src/page.rs:12 < handle at …`.
pub(crate) fn frames(findings: &Findings) -> String {
    if let Some(problem) = findings.problem {
        return format!("none: {problem}");
    }
    let shown: Vec<String> = findings
        .frames
        .iter()
        .take(MOST_FRAMES)
        .map(Frame::to_string)
        .collect();
    shown.join(" < ")
}
