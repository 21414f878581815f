//! Starts, signals and ends of one pool's children.

use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::error::PoolError;
use super::pool::{Held, Pool, is_hopeless};
use crate::launch::{CANNOT_EXECUTE, CANNOT_PREPARE, LaunchError, Launched};
use crate::metrics::SPAWN_FAILED;
use crate::report;
use crate::roster::{Action, Cause, Ending};

/// Exit status by which our programs say that their settings or arguments are wrong.
const WRONG_SETTINGS: i32 = 64;
const SIGKILL: i32 = 9;

impl Pool {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Begin {
                generation,
                from,
                command,
            } => {
                if let Err(error) = self.launcher.begin(generation, from, command) {
                    let reason = format!("cannot run the new version: {error}");
                    self.roster.version_failed(reason);
                }
            }
            Action::Spawn { seat, generation } => self.spawn(seat, generation),
            Action::Terminate { pid, wake } => self.terminate(pid, wake),
            // The whole group: what a child started itself must not outlive a kill. The child is not
            // yet reaped, so its number cannot mean another group.
            Action::Kill(pid) => {
                send(kill_process(pid, Signal::KILL), pid);
                send(kill_process_group(pid, Signal::KILL), pid);
            }
            Action::Pause(pid) => {
                let signal = if self.understands_pause(pid) {
                    Signal::TSTP
                } else {
                    Signal::STOP
                };
                send(kill_process(pid, signal), pid);
            }
            Action::Resume(pid) => send(kill_process(pid, Signal::CONT), pid),
        }
    }

    /// One that writes a scoreboard goes on with what it has; any other program is stopped as it is.
    fn understands_pause(&self, pid: Pid) -> bool {
        self.monitor.hears(pid)
    }

    fn terminate(&self, pid: Pid, wake: bool) {
        send(kill_process(pid, self.settings.stop_signal.signal()), pid);
        if wake && !self.understands_pause(pid) {
            send(kill_process(pid, Signal::CONT), pid);
        }
        let mut children = self.roster.children();
        let seat = children.find(|child| child.pid == pid);
        self.run_hook("drain", seat.map(|child| (pid, child.seat)));
    }

    fn spawn(&mut self, seat: usize, generation: u64) {
        // A failure earlier in the same plan has ended the pool already.
        if self.is_ending() {
            return;
        }
        match self.launcher.launch(seat, generation, &self.sockets) {
            Ok(launched) => {
                let pid = launched.pid;
                self.hold(launched);
                self.metrics.started();
                report::started(pid, seat, generation);
                self.roster.spawned(seat, pid, generation, Instant::now());
            }
            Err(error) => {
                let program = self.program(generation);
                let reason = format!("cannot start `{program}`: {error}");
                let now = Instant::now();
                let pause = self.roster.spawn_failed(seat, generation, &reason, now);
                self.metrics.ended(SPAWN_FAILED);
                tracing::error!(child.seat = seat, pause = report::time(pause), "{reason}");
                if !self.served && is_final(&error) {
                    self.fail(PoolError::Child { program });
                }
            }
        }
    }

    fn hold(&mut self, launched: Launched) {
        let held = Held {
            listening: launched.listening,
            _probe: launched.probe,
            board: launched.board,
            number: self.launcher.started,
        };
        self.held.insert(launched.pid, held);
        self.monitor.started(launched.pid, launched.scoreboard);
    }

    fn program(&self, generation: u64) -> String {
        let program = self.launcher.command(generation).first();
        program.cloned().unwrap_or_default()
    }

    /// A process has ended. False if it was none of this pool's.
    pub(super) fn reaped(&mut self, pid: Pid, ending: Ending) -> bool {
        let Some(mut exit) = self.roster.exited(pid, ending, Instant::now()) else {
            return false;
        };
        self.held.remove(&pid);
        self.launcher.balance.ended(pid);
        let by_somebody = ending == Ending::Signal(SIGKILL)
            && matches!(exit.cause, Cause::Crash | Cause::StartFailed);
        let last = self.monitor.ended(pid, by_somebody);
        if last.out_of_memory {
            exit.cause = Cause::OutOfMemory;
        }
        self.metrics.ended(exit.cause.label());
        let text = report::ended(&exit, &last);
        if !exit.cause.is_orderly() && exit.cause != Cause::Cut {
            self.alarm(&text);
        }
        self.monitor.note_end(&exit, text);
        if !self.served && !self.is_ending() {
            self.give_up_early(exit.generation, ending);
        }
        true
    }

    /// Before any child was ever ready, some ends say that all others would be the same.
    fn give_up_early(&mut self, generation: u64, ending: Ending) {
        let program = self.program(generation);
        match ending {
            Ending::Status(WRONG_SETTINGS) => self.fail(PoolError::WrongSettings { program }),
            Ending::Status(status)
                if [CANNOT_EXECUTE, CANNOT_PREPARE]
                    .map(i32::from)
                    .contains(&status) =>
            {
                self.fail(PoolError::Child { program });
            }
            _ => {}
        }
    }
}

fn is_final(error: &LaunchError) -> bool {
    match error {
        LaunchError::Environment(_) => true,
        LaunchError::System { source, .. } => is_hopeless(source),
    }
}

fn send(sent: Result<(), Errno>, pid: Pid) {
    match sent {
        // Gone already: its end is on the way to us.
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => {
            tracing::error!(%error, child.pid = pid.as_raw_nonzero().get(), "cannot signal a child");
        }
    }
}
