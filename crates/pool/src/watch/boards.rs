//! Boards for the monitor's unit tests, written down by hand.

use kiuas_common::scoreboard::{Kind, QueueTimes, Refused, SlotView, Snapshot, State, ThreadView};

pub(super) const NOW: u64 = 100_000_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

/// A thread that was heard of `silence` ago and polls `polled`.
pub(super) fn thread(index: usize, silence: u64, polled: Option<usize>) -> ThreadView {
    ThreadView {
        index,
        tid: 1000 + i32::try_from(index).unwrap(),
        heartbeat: NOW - silence,
        loop_busy: 0,
        connections: 0,
        in_flight: 0,
        requests: 0,
        answers: [0; 5],
        soft_timeouts: 0,
        panics: 0,
        handling: 0,
        refused: Refused::default(),
        queue_times: QueueTimes::default(),
        polled,
        poll_since: polled.map(|_| NOW - silence),
    }
}

/// A request of `thread` whose hard deadline is `left` away; negative: it has passed.
pub(super) fn slot(index: usize, thread: usize, left: i64) -> SlotView {
    SlotView {
        index,
        kind: Kind::Request,
        thread: Some(thread),
        started: NOW - 20 * SECOND,
        soft_deadline: None,
        hard_deadline: NOW.checked_add_signed(left * 1_000_000_000),
        label: format!("GET /{index}"),
        id: String::new(),
        trace_id: String::new(),
    }
}

pub(super) fn snapshot(threads: Vec<ThreadView>, slots: Vec<SlotView>) -> Snapshot {
    Snapshot {
        taken_at: NOW,
        is_written: true,
        pid: 1,
        state: State::Ready,
        ready_at: Some(1),
        has_stack_handler: true,
        has_requests: true,
        has_tasks: false,
        untracked: 0,
        threads,
        ended: Vec::new(),
        slots,
    }
}
