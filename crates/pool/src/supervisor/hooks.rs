//! Commands at points in the life of a pool and its children.

use std::process::Command;

use rustix::process::Pid;

use super::pool::Pool;
use crate::event::Event;
use crate::launch::{NAME_VARIABLE, SLOT_VARIABLE};
use crate::wait;

/// Tells a hook which child it is about.
const PID_VARIABLE: &str = "KIUAS_POOL_PID";
/// Tells the hook of alarms what has happened.
const EVENT_VARIABLE: &str = "KIUAS_POOL_EVENT";

impl Pool {
    /// Waits for what must be there, then runs the first hook; tells the supervisor how it went.
    pub(super) fn prepare(&mut self) {
        let (errands, outbox) = (self.errands.clone(), self.outbox.clone());
        let wanted = self.settings.wait_for.clone();
        let wait_timeout = self.settings.wait_timeout.duration();
        let hook = self.hook(&self.settings.hooks.before_start, None);
        let timeout = self.settings.hooks.timeout.duration();
        let task = self.tasks.spawn(async move {
            let mut result = wait::until_there(&wanted, wait_timeout).await;
            if let (Ok(()), Some(hook)) = (&result, hook) {
                result = errands
                    .run(hook, timeout)
                    .await
                    .map_err(|error| format!("its hook before_start failed: {error}"));
            }
            outbox.send(Event::Prepared(result)).await;
        });
        self.preparing = Some(task);
    }

    /// Runs the hook of `point` beside everything else; its failure is a line in the log.
    pub(super) fn run_hook(&self, point: &'static str, child: Option<(Pid, usize)>) {
        let hooks = &self.settings.hooks;
        let command = match point {
            "ready" => &hooks.ready,
            _ => &hooks.drain,
        };
        if let Some(hook) = self.hook(command, child) {
            self.run_beside(point, hook);
        }
    }

    fn run_beside(&self, point: &'static str, hook: Command) {
        let (errands, name) = (self.errands.clone(), self.name.clone());
        let timeout = self.settings.hooks.timeout.duration();
        drop(self.tasks.spawn(async move {
            match errands.run(hook, timeout).await {
                Ok(()) => tracing::info!(hook = point, "hook {point} of pool `{name}` is done"),
                Err(error) => {
                    tracing::error!(
                        hook = point,
                        "hook {point} of pool `{name}` failed: {error}"
                    );
                }
            }
        }));
    }

    /// Something happened that somebody should know of at once.
    pub(super) fn alarm(&self, event: &str) {
        let Some(mut hook) = self.hook(&self.settings.hooks.alarm, None) else {
            return;
        };
        if !self.monitor.may_alarm() {
            return;
        }
        hook.env(EVENT_VARIABLE, event);
        self.run_beside("alarm", hook);
    }

    /// Runs the last hook, and tells the supervisor when it is over. False if there is none.
    pub(super) fn run_last_hook(&self) -> bool {
        let Some(hook) = self.hook(&self.settings.hooks.stopped, None) else {
            return false;
        };
        let (errands, outbox) = (self.errands.clone(), self.outbox.clone());
        let (name, timeout) = (self.name.clone(), self.settings.hooks.timeout.duration());
        drop(self.tasks.spawn(async move {
            if let Err(error) = errands.run(hook, timeout).await {
                tracing::error!(
                    hook = "stopped",
                    "hook stopped of pool `{name}` failed: {error}"
                );
            }
            outbox.send(Event::Stopped).await;
        }));
        true
    }

    fn hook(&self, command: &[String], child: Option<(Pid, usize)>) -> Option<Command> {
        let (program, arguments) = command.split_first()?;
        let mut hook = Command::new(program);
        hook.args(arguments).env(NAME_VARIABLE, &self.name);
        if let Some((pid, seat)) = child {
            hook.env(PID_VARIABLE, pid.as_raw_nonzero().get().to_string())
                .env(SLOT_VARIABLE, seat.to_string());
        }
        Some(hook)
    }
}
