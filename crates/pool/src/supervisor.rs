//! The loop that makes the world as the [`Roster`](crate::roster::Roster) wants it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kiuas_common::admin::{self, Health};
use kiuas_common::listener::ListenerError;
use kiuas_common::metrics::Metrics;
use kiuas_common::{Shutdown, notify};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::launch::Launcher;
use crate::mailbox::{Listening, Notice};
use crate::metrics::{PoolMetrics, SPAWN_FAILED};
use crate::roster::{Action, Ending, Roster};
use crate::settings::PoolSettings;
use crate::sockets::Sockets;
use crate::{reap, report};

/// Notices of children that wait to be read; a child that talks more waits.
const MOST_NOTICES: usize = 256;
/// Exit status by which our programs say that their settings or arguments are wrong.
const WRONG_SETTINGS: i32 = 64;

/// Why a pool could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// A listening socket.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The command cannot be run at all.
    #[error("cannot run `{program}`{}", hint(.source))]
    Command {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The command runs, and says that trying again is useless.
    #[error("`{program}` says that its settings are wrong (exit status 64); its message is above")]
    WrongSettings {
        /// The program.
        program: String,
    },
    /// A signal handler, the private directory, or the like.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            ": there is no such program (is it on PATH, is its interpreter installed?)"
        }
        io::ErrorKind::PermissionDenied => ": it may not be executed",
        _ => "",
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> PoolError {
    move |source| PoolError::System { what, source }
}

/// Runs pool `name` until SIGTERM or SIGINT, and returns when every child is gone.
///
/// It must run on the main thread, in a current-thread runtime, in a process that starts no other
/// children.
///
/// # Errors
/// The pool could not start. Once it has, it does not give up.
pub async fn run(name: &str, settings: &PoolSettings) -> Result<(), PoolError> {
    let tasks = Shutdown::new();
    let result = Supervisor::start(name, settings, &tasks)?.supervise().await;
    tasks.cut();
    result
}

struct Supervisor {
    program: String,
    roster: Roster,
    launcher: Launcher,
    sockets: Sockets,
    mailboxes: HashMap<Pid, Listening>,
    notices: mpsc::Receiver<Notice>,
    signals: Signals,
    metrics: PoolMetrics,
    health: Health,
    ready: Arc<AtomicUsize>,
    announced: bool,
    served: bool,
    stopping: bool,
    failure: Option<PoolError>,
}

impl Supervisor {
    fn start(name: &str, settings: &PoolSettings, tasks: &Shutdown) -> Result<Self, PoolError> {
        // Before the first child, so that no signal finds the default action.
        let signals = Signals::install().map_err(system("handle signals"))?;
        reap::adopt_orphans().map_err(system("become the reaper of orphans"))?;
        let sockets = Sockets::open(name, &settings.listen)?;
        let metrics = Metrics::new();
        let health = Health::new();
        let ready = Arc::new(AtomicUsize::new(0));
        let pool_metrics = PoolMetrics::new(&metrics);
        if let Some(address) = &settings.admin {
            admin::serve(address, health.clone(), metrics, tasks)?;
        }
        let seen = Arc::clone(&ready);
        health.add_check("children", move || {
            let ready = seen.load(Ordering::Acquire);
            std::future::ready(if ready > 0 {
                Ok(())
            } else {
                Err("none is ready".to_owned())
            })
        });
        health.set_ready(true);
        let (sender, notices) = mpsc::channel(MOST_NOTICES);
        let launcher = Launcher::new(settings.command.clone(), sender, tasks.clone())
            .map_err(system("make the pool's runtime directory"))?;
        Ok(Self {
            program: settings.command.first().cloned().unwrap_or_default(),
            roster: Roster::new(settings.policy()),
            launcher,
            sockets,
            mailboxes: HashMap::new(),
            notices,
            signals,
            metrics: pool_metrics,
            health,
            ready,
            announced: false,
            served: false,
            stopping: false,
            failure: None,
        })
    }

    async fn supervise(mut self) -> Result<(), PoolError> {
        loop {
            let now = Instant::now();
            for action in self.roster.plan(now) {
                self.perform(action);
            }
            self.account();
            if self.roster.is_over(now) {
                break;
            }
            let deadline = self.roster.next_deadline(now);
            tokio::select! {
                event = self.signals.next() => self.signalled(event),
                Some(notice) = self.notices.recv() => self.heard(&notice),
                () = until(deadline) => {}
            }
        }
        for pid in self.roster.unkillable() {
            tracing::error!(
                child.pid = pid.as_raw_nonzero().get(),
                "a process did not end by SIGKILL, leaving it"
            );
        }
        tracing::info!("every child is gone, the pool ends");
        self.failure.map_or(Ok(()), Err)
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn { seat, generation } => self.spawn(seat, generation),
            Action::Terminate(pid) => send(kill_process(pid, Signal::TERM), pid),
            // The whole group: what a child started itself must not outlive a kill. The child is not
            // yet reaped, so its number cannot mean another group.
            Action::Kill(pid) => {
                send(kill_process(pid, Signal::KILL), pid);
                send(kill_process_group(pid, Signal::KILL), pid);
            }
        }
    }

    fn spawn(&mut self, seat: usize, generation: u64) {
        // A failure earlier in the same plan has ended the pool already.
        if self.stopping {
            return;
        }
        match self.launcher.launch(seat, &self.sockets) {
            Ok((pid, listening)) => {
                self.mailboxes.insert(pid, listening);
                self.metrics.started();
                report::started(pid, seat, generation);
                self.roster.spawned(seat, pid, Instant::now());
            }
            Err(source) if !self.served && is_hopeless(&source) => {
                let program = self.program.clone();
                self.fail(PoolError::Command { program, source });
            }
            Err(error) => {
                self.metrics.ended(SPAWN_FAILED);
                let reason = format!("cannot run `{}`: {error}", self.program);
                let pause = self.roster.spawn_failed(seat, &reason, Instant::now());
                tracing::error!(child.seat = seat, pause = report::time(pause), "{reason}");
            }
        }
    }

    fn signalled(&mut self, event: Event) {
        match event {
            Event::ChildEnded => {
                for (pid, ending) in reap::ended() {
                    self.reaped(pid, ending);
                }
            }
            Event::Roll if self.stopping => {}
            Event::Roll => {
                tracing::info!("received SIGHUP, rolling");
                self.roster.want_roll();
            }
            Event::Stop(name) if self.stopping => {
                tracing::warn!(signal = name, "received {name} again, killing what is left");
                self.roster.cut(Instant::now());
            }
            Event::Stop(name) => {
                tracing::info!(signal = name, "received {name}, draining");
                self.stop();
            }
        }
    }

    fn reaped(&mut self, pid: Pid, ending: Ending) {
        self.mailboxes.remove(&pid);
        let Some(exit) = self.roster.exited(pid, ending, Instant::now()) else {
            let pid = pid.as_raw_nonzero().get();
            tracing::debug!(
                orphan.pid = pid,
                status = ending.to_string(),
                "collected an orphan"
            );
            return;
        };
        self.metrics.ended(exit.cause.label());
        report::ended(&exit);
        if !self.served && !self.stopping && ending == Ending::Status(WRONG_SETTINGS) {
            let program = self.program.clone();
            self.fail(PoolError::WrongSettings { program });
        }
    }

    fn heard(&mut self, notice: &Notice) {
        match *notice {
            Notice::Ready(pid) => {
                if self.roster.ready(pid, Instant::now()) {
                    report::ready(pid);
                }
            }
            Notice::Stopping(pid) => self.roster.stopping_by_itself(pid, Instant::now()),
        }
    }

    fn fail(&mut self, error: PoolError) {
        self.failure.get_or_insert(error);
        self.stop();
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.health.set_ready(false);
        notify::stopping();
        self.sockets.close();
        self.roster.stop(Instant::now());
    }

    /// Tells the world what has changed.
    fn account(&mut self) {
        for event in self.roster.take_events() {
            report::roll(&event);
            self.metrics.rolled(&event);
        }
        let count = self.roster.count();
        self.metrics.count(count);
        self.ready.store(count.ready, Ordering::Release);
        self.served |= count.ready > 0;
        if !self.announced && self.roster.is_full() {
            self.announced = true;
            tracing::info!(children = count.ready, "every child is ready");
            notify::ready();
        }
    }
}

/// Nothing to wait for: the same start would fail again.
fn is_hopeless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    ) || error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error())
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

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

enum Event {
    ChildEnded,
    Roll,
    Stop(&'static str),
}

struct Signals {
    child: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.child.recv() => Event::ChildEnded,
            _ = self.hangup.recv() => Event::Roll,
            _ = self.interrupt.recv() => Event::Stop("SIGINT"),
            _ = self.terminate.recv() => Event::Stop("SIGTERM"),
        }
    }
}
