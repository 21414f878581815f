//! Carries out what is asked of one pool.

use std::time::Instant;

use rustix::process::Pid;

use super::pool::{Pool, Stage};
use crate::command::{Answer, Command, Order, Which};
use crate::roster::Cause;
use crate::scale::Load;
use crate::settings::OnIdle;

impl Pool {
    pub(super) fn obey(&mut self, order: Order) {
        let Order { command, reply } = order;
        let answer = match command {
            _ if self.stage != Stage::Running => Err(match self.stage {
                Stage::Preparing => "the pool has not started yet".to_owned(),
                _ => "the pool ends".to_owned(),
            }),
            // Answered when it is over.
            Command::Roll { command } => {
                self.roll(command);
                self.rolls_wanted.extend(reply);
                return;
            }
            other => self.carry_out(other),
        };
        if let Some(reply) = reply {
            // Who asked may not wait any more.
            drop(reply.send(answer));
        }
    }

    pub(super) fn roll(&mut self, command: Option<Vec<String>>) {
        // A version is tried by starting it.
        self.wake();
        self.roster.want_roll(command);
    }

    fn carry_out(&mut self, command: Command) -> Answer {
        let now = Instant::now();
        match command {
            Command::Pause(which) => self.pause(which, true),
            Command::Resume(which) => self.pause(which, false),
            Command::Add(count) => Ok(self.resize(self.roster.target().saturating_add(count))),
            Command::Remove(count) => Ok(self.resize(self.roster.target().saturating_sub(count))),
            Command::Terminate(pid) => {
                let done = self.roster.terminate(pid, Cause::Operator, now);
                said(done, pid, "is asked to finish", "is no child that serves")
            }
            Command::Replace { pid, cause } => {
                let done = self.roster.replace(pid, cause, now);
                let not = "is no child that serves, or is being replaced already";
                said(done, pid, "is being replaced", not)
            }
            Command::Kill { pid, cause } => {
                let done = self.roster.kill(pid, cause, now);
                let not = "is no child, or is being killed already";
                said(done, pid, "is killed", not)
            }
            Command::Load(load) => {
                self.scale(load);
                Ok(String::new())
            }
            Command::Idle => {
                self.idle();
                Ok(String::new())
            }
            Command::Wake => {
                self.wake();
                Ok(String::new())
            }
            Command::Alarm(event) => {
                self.alarm(&event);
                Ok(String::new())
            }
            Command::Stop => {
                tracing::info!("pool `{}` was told to stop, draining", self.name);
                self.stop();
                Ok("it drains".to_owned())
            }
            // The supervisor's, and obeyed there.
            Command::Roll { .. } | Command::Upgrade { .. } => Ok(String::new()),
        }
    }

    fn pause(&mut self, which: Which, paused: bool) -> Answer {
        let what = if paused { "paused" } else { "resumed" };
        match which {
            Which::All => {
                self.roster.pause_all(paused);
                tracing::info!("pool `{}` is {what}", self.name);
                Ok(format!("every child is {what}"))
            }
            Which::Child(pid) => {
                let done = self.roster.pause_one(pid, paused);
                said(done, pid, &format!("is {what}"), "is no child that serves")
            }
        }
    }

    pub(super) fn resize(&mut self, count: usize) -> String {
        self.roster.resize(count, Cause::Removed, Instant::now());
        let count = self.roster.target();
        tracing::info!(children = count, "pool `{}` keeps {count} now", self.name);
        format!("it keeps {count} now")
    }

    /// Nobody has come for a while.
    fn idle(&mut self) {
        if self.settings.on_idle == OnIdle::Exit {
            tracing::info!("pool `{}` was idle for so long that it ends", self.name);
            return self.stop();
        }
        if self.roster.sleep(Instant::now()) {
            let name = &self.name;
            tracing::info!("pool `{name}` is idle and sleeps until somebody comes");
            self.monitor.note("idle: asleep until somebody comes");
        }
    }

    fn wake(&mut self) {
        if self.roster.wake(Instant::now()) {
            let count = self.roster.target();
            tracing::info!(children = count, "pool `{}` wakes", self.name);
            self.monitor.note("awake again");
        }
    }

    fn scale(&mut self, load: Load) {
        let (target, ready) = (self.roster.target(), self.roster.ready_seats());
        let now = Instant::now();
        // A roll has enough to do, and its extra children would be taken for idle ones.
        if self.roster.rolling().is_some() || self.roster.is_paused() || self.roster.is_asleep() {
            return;
        }
        let Some(wanted) = self.scaler.decide(load, target, ready, now) else {
            return;
        };
        tracing::info!(
            busy = load.busy,
            backlog = load.backlog,
            children = wanted,
            "pool `{}` keeps {wanted} instead of {target}: its loops are {}% busy, {} connections wait",
            self.name,
            load.busy,
            load.backlog
        );
        self.roster.resize(wanted, Cause::ScaledDown, now);
    }
}

fn said(done: bool, pid: Pid, good: &str, bad: &str) -> Answer {
    let pid = pid.as_raw_nonzero().get();
    if done {
        Ok(format!("process {pid} {good}"))
    } else {
        Err(format!("process {pid} {bad}"))
    }
}
