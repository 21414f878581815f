//! What goes on after a request was answered, such as the conversation over a WebSocket.

use kiuas_common::scoreboard::{Deadlines, Kind, PollGuard, SlotGuard, Work, roughly_now};

use super::{Begin, Load, Slot, nanoseconds};

/// It is on the scoreboard until this is dropped.
#[derive(Debug)]
pub(crate) struct Talk {
    board: Option<SlotGuard>,
    /// One step of it may hold the thread so long, in nanoseconds.
    hold: u64,
}

/// One step of it, or of the body of an answer, during which its thread does nothing else. It alone has a
/// deadline: what goes on may last, but not keep its thread.
#[derive(Debug)]
pub(crate) struct Step {
    _mark: PollGuard,
    deadline: Deadlines,
}

impl Load {
    /// Shows what goes on after the answer to a request.
    pub(crate) fn converse(&self, begin: Begin<'_>) -> Talk {
        let board = self.board().map(|board| {
            board.go_on(&Work {
                kind: Kind::Websocket,
                label: &[begin.method, begin.path],
                id: begin.id,
                trace_id: begin.trace_id,
                started: roughly_now(),
                soft_deadline: 0,
                hard_deadline: 0,
            })
        });
        Talk {
            board,
            hold: nanoseconds(begin.limit).saturating_add(self.hard_grace),
        }
    }
}

impl Talk {
    /// Shows that the thread works on it, until the mark is dropped.
    pub(crate) fn polling(&self) -> Option<Step> {
        self.board.as_ref().map(|board| Step::of(board, self.hold))
    }
}

impl Slot {
    /// Shows that the thread makes the next part of the answer's body, until the mark is dropped.
    pub(crate) fn step(&self) -> Option<Step> {
        self.board.as_ref().map(|board| Step::of(board, self.hold))
    }
}

impl Step {
    fn of(board: &SlotGuard, hold: u64) -> Self {
        let deadline = board.deadlines();
        deadline.set(0, roughly_now().saturating_add(hold));
        Self {
            _mark: board.polling(),
            deadline,
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.deadline.set(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kiuas_common::scoreboard::{Scoreboard, Writer};

    use super::*;

    #[test]
    fn a_conversation_has_a_deadline_only_while_it_holds_its_thread() {
        let (scoreboard, descriptor) = Scoreboard::create().expect("board");
        let writer = Writer::on(descriptor).expect("board");
        let load = Load::new(writer.thread(), None, Duration::from_secs(1));
        load.set_counts();
        let talk = load.converse(Begin {
            method: "GET",
            path: "/ws",
            id: "id",
            trace_id: "",
            limit: Duration::from_secs(2),
        });
        let step = talk.polling().expect("on the board");
        let seen = scoreboard.snapshot();
        let slot = seen.slot(seen.threads[0].polled.expect("polled"));
        let slot = slot.expect("slot");
        assert_eq!(
            (slot.label.as_str(), slot.kind),
            ("GET /ws", Kind::Websocket)
        );
        let rest = slot.hard_deadline.expect("deadline") - slot.started;
        assert!(rest >= nanoseconds(Duration::from_secs(3)), "{rest}");
        drop(step);
        let seen = scoreboard.snapshot();
        assert_eq!(
            (seen.threads[0].polled, seen.slots[0].hard_deadline),
            (None, None)
        );
        assert_eq!(seen.requests(), 0);
        drop(talk);
        assert!(scoreboard.snapshot().slots.is_empty());
    }
}
