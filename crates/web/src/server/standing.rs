//! What the process says of itself on its scoreboard: where it is in its life, and whether it is paused.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use kiuas_common::Pause;
use kiuas_common::scoreboard::{State, Writer};

/// Two things that change independently, shown as one state: a pause and its end say nothing about
/// readiness.
pub(super) struct Standing {
    board: Option<Writer>,
    pause: Pause,
    is_ready: AtomicBool,
}

impl Standing {
    /// Not ready yet. `board` is the supervisor's, if there is one.
    pub(super) fn new(board: Option<Writer>, pause: Pause) -> Self {
        Self {
            board,
            pause,
            is_ready: AtomicBool::new(false),
        }
    }

    /// Every thread has answered its probe.
    pub(super) fn ready(&self) {
        self.is_ready.store(true, Relaxed);
        // Said also by a process that is paused already: the board keeps when it was.
        self.show(State::Ready);
        self.pause_changed();
    }

    /// A pause has begun or ended.
    pub(super) fn pause_changed(&self) {
        if self.is_ready.load(Relaxed) {
            self.show(if self.pause.is_paused() {
                State::Paused
            } else {
                State::Ready
            });
        }
    }

    /// The drain has begun. Nothing is said after that.
    pub(super) fn draining(&self) {
        self.show(State::Draining);
    }

    fn show(&self, state: State) {
        if let Some(board) = self.board {
            board.set_state(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use kiuas_common::scoreboard::Scoreboard;

    use super::*;

    #[test]
    fn a_pause_before_readiness_is_shown_when_it_is_ready_and_its_end_is_no_readiness() {
        let (scoreboard, descriptor) = Scoreboard::create().expect("board");
        let pause = Pause::new();
        let standing = Standing::new(Writer::on(descriptor).ok(), pause.clone());
        let paused = |paused| {
            pause.set(paused);
            standing.pause_changed();
            scoreboard.snapshot().state
        };
        assert_eq!(paused(true), State::Starting);
        assert_eq!(paused(false), State::Starting);
        assert_eq!(paused(true), State::Starting);
        standing.ready();
        let seen = scoreboard.snapshot();
        assert_eq!(seen.state, State::Paused);
        assert!(seen.ready_at.is_some());
        assert_eq!(paused(false), State::Ready);
        standing.draining();
        assert_eq!(scoreboard.snapshot().state, State::Draining);
    }
}
