//! What a stuck thread is doing: its state in the kernel and its stack, in one line of the log.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::kernel::stack;
use kiuas_common::scoreboard::{self, SlotView, StackView, ThreadView};

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
/// The calls that a log line shows.
const MOST_FRAMES: usize = 12;
/// Those of them that are the innermost, whosever they are; the others are the application's own.
const INNERMOST_FRAMES: usize = 4;

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
        Ok(stack) => {
            let named = tokio::task::spawn_blocking(move || name(&symbols, pid, &stack));
            match tokio::time::timeout(NAMES_DEADLINE, named).await {
                Ok(Ok(frames)) => findings.frames = frames,
                _ => findings.problem = Some("the program's symbols could not be read in time"),
            }
        }
        Err(problem) => findings.problem = Some(problem),
    }
    findings
}

/// Of a deep stack the calls in the middle are missing.
fn name(symbols: &Symbols, pid: i32, stack: &StackView) -> Vec<Frame> {
    if stack.omitted == 0 {
        return symbols.name(pid, &stack.addresses);
    }
    let inner = stack.addresses.len().min(stack::INNERMOST);
    let (inner, outer) = stack.addresses.split_at(inner);
    let mut frames = symbols.name(pid, inner);
    frames.push(Frame::gap(stack.omitted));
    frames.extend(symbols.name(pid, outer));
    frames
}

async fn addresses(
    board: &Board,
    pid: i32,
    (index, tid): (usize, i32),
) -> Result<StackView, &'static str> {
    let read = || board.scoreboard().stack(index);
    let before = read().ok_or("the board has no such thread")?.sequence;
    // The number came from the board, which the child writes: the kernel refuses one that is no thread of
    // this process.
    stack::ask(pid, tid).map_err(|_| "the thread is gone")?;
    let waited = async {
        loop {
            match read() {
                Some(stack) if stack.sequence != before => return stack,
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
    (verdict, is_ended): (Verdict, bool),
    findings: &Findings,
) {
    let now = scoreboard::now();
    let pid = board.pid.as_raw_nonzero().get();
    let span = |from: u64| time(Duration::from_nanos(now.saturating_sub(from)));
    let fate = if is_ended {
        "its successor is started, then it is ended"
    } else {
        "it stays until stuck_backlog connections wait"
    };
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
        "process {pid} is stuck in `{}` on {}: {fate}",
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
    in_brief(&findings.frames)
}

/// The innermost calls, which say what it does, and the application's own, which say where.
fn in_brief(frames: &[Frame]) -> String {
    let mut text = String::new();
    let (mut shown, mut is_gap) = (0, false);
    for (at, frame) in frames.iter().enumerate() {
        if shown >= MOST_FRAMES || (at >= INNERMOST_FRAMES && frame.library) {
            is_gap = true;
            continue;
        }
        let link = match (text.is_empty(), is_gap) {
            (true, _) => "",
            (false, false) => " < ",
            (false, true) => " < … < ",
        };
        text.push_str(link);
        text.push_str(&frame.to_string());
        (shown, is_gap) = (shown + 1, false);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, library: bool) -> Frame {
        Frame {
            address: 1,
            function: Some(function.to_owned()),
            place: None,
            library,
        }
    }

    #[test]
    fn a_log_line_names_the_innermost_calls_and_the_applications_own() {
        let machinery = |count: usize| (0..count).map(|_| frame("poll", true));
        let inner = ["futex_wait", "lock", "park", "wait"].map(|name| frame(name, true));
        let stack: Vec<Frame> = inner
            .into_iter()
            .chain(machinery(40))
            .chain([frame("site::vote", false)])
            .chain(machinery(1))
            .chain([
                frame("site::page", false),
                frame("site::page::outer", false),
            ])
            .chain(machinery(40))
            .collect();
        let expected =
            "futex_wait < lock < park < wait < … < site::vote < … < site::page < site::page::outer";
        assert_eq!(in_brief(&stack), expected);
        let own: Vec<Frame> = (0..99).map(|_| frame("site::fib", false)).collect();
        assert_eq!(in_brief(&own).matches("site::fib").count(), MOST_FRAMES);
    }
}
