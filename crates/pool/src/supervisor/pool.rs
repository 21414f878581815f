//! One pool of the process: makes its part of the world as its [`Roster`] wants it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kiuas_common::Shutdown;
use kiuas_common::admin::{self, Health};
use kiuas_common::listener::{Inherited, LAST_HANDSHAKES};
use kiuas_common::metrics::Metrics;
use rustix::process::Pid;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::{PoolError, system};
use crate::command::{Answer, Commander};
use crate::errand::Errands;
use crate::event::{Event, Outbox};
use crate::launch::Launcher;
use crate::launch::balance::Balance;
use crate::launch::cgroup::Groups;
use crate::launch::identity::Identity;
use crate::mailbox::{Directory, Listening};
use crate::metrics::PoolMetrics;
use crate::monitor::Monitor;
use crate::probe::Probe;
use crate::report;
use crate::roster::{RollEvent, Roster};
use crate::scale::Scaler;
use crate::settings::{PoolSettings, PoolSettingsError};
use crate::sockets::{Sockets, SocketsError};
use crate::view::{ChildView, PoolView};

/// What the pools of a process share.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) outbox: Outbox,
    pub(super) errands: Errands,
    pub(super) tasks: Shutdown,
}

/// Where a pool is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the first child.
    Preparing,
    Running,
    /// Nobody is let in any more; the last handshakes come to their end.
    Closing(Instant),
    /// The children finish.
    Stopping,
    /// The last hook runs.
    Leaving,
    Over,
}

/// What is held for a living child.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) listening: Listening,
    /// Ends with it.
    pub(super) _probe: Option<Probe>,
    pub(super) board: OwnedFd,
    /// The number of its start.
    pub(super) number: u64,
}

/// A pool.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) settings: PoolSettings,
    pub(super) roster: Roster,
    pub(super) launcher: Launcher,
    pub(super) sockets: Sockets,
    pub(super) held: HashMap<Pid, Held>,
    pub(super) scaler: Scaler,
    pub(super) metrics: PoolMetrics,
    pub(super) health: Health,
    ready: Arc<AtomicUsize>,
    pub(super) monitor: Monitor,
    pub(super) errands: Errands,
    pub(super) outbox: Outbox,
    pub(super) tasks: Shutdown,
    pub(super) stage: Stage,
    /// When the roster was last asked what is to be done: what was due then is done.
    planned: Instant,
    pub(super) preparing: Option<JoinHandle<()>>,
    pub(super) announced: bool,
    pub(super) served: bool,
    pub(super) failure: Option<PoolError>,
    /// Who waits for the roll that was asked for, and for the one under way.
    pub(super) rolls_wanted: Vec<oneshot::Sender<Answer>>,
    pub(super) rolls_running: Vec<oneshot::Sender<Answer>>,
}

/// The parts of a pool that come from the program before, or are made.
pub(super) struct Parts {
    pub(super) roster: Roster,
    pub(super) sockets: Sockets,
    pub(super) directory: Directory,
    pub(super) groups: Groups,
    pub(super) balance: Balance,
    pub(super) stage: Stage,
}

impl Pool {
    /// A new pool; its first child is started when everything is there.
    pub(super) fn start(
        name: &str,
        settings: &PoolSettings,
        inherited: Vec<Inherited>,
        common: Common,
    ) -> Result<Self, PoolError> {
        let sockets = Sockets::open(name, settings, inherited).map_err(|error| match error {
            SocketsError::Listener(error) => PoolError::Listener(error),
            SocketsError::Owner(key, problem) => wrong(name, key, problem),
        })?;
        let identity = Self::identity(name, settings)?;
        let directory = Directory::create(identity.uid.is_some())
            .map_err(system("make the pool's runtime directory"))?;
        let parts = Parts {
            roster: Roster::new(settings.policy()),
            sockets,
            directory,
            groups: Groups::make(name, &settings.cgroup),
            balance: Balance::create().map_err(system("make memory for the children"))?,
            stage: Stage::Preparing,
        };
        let mut pool = Self::assemble(name, settings, identity, parts, common)?;
        let command = settings.command.clone();
        let program = command.first().cloned().unwrap_or_default();
        pool.launcher
            .begin(1, 1, Some(command))
            .map_err(|source| PoolError::Command { program, source })?;
        pool.prepare();
        Ok(pool)
    }

    pub(super) fn identity(name: &str, settings: &PoolSettings) -> Result<Identity, PoolError> {
        Identity::of(settings).map_err(|(key, problem)| wrong(name, key, problem))
    }

    pub(super) fn assemble(
        name: &str,
        settings: &PoolSettings,
        identity: Identity,
        parts: Parts,
        common: Common,
    ) -> Result<Self, PoolError> {
        let (metrics, health) = (Metrics::new(), Health::new());
        let pool_metrics = PoolMetrics::new(&metrics);
        let ready = Arc::new(AtomicUsize::new(0));
        let commander = Commander::new(common.outbox.clone());
        let figures = (&metrics, &pool_metrics);
        let monitor = Monitor::start(name, settings, commander, figures, &common.tasks)?;
        if let Some(address) = &settings.admin {
            admin::serve(address, health.clone(), metrics, &common.tasks)?;
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
        let launcher = Launcher::new(
            name,
            settings,
            identity,
            (parts.directory, parts.groups, parts.balance),
            common.outbox.clone(),
            common.tasks.clone(),
        );
        let (fewest, most) = settings.bounds();
        Ok(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            roster: parts.roster,
            launcher,
            sockets: parts.sockets,
            held: HashMap::new(),
            scaler: Scaler::new(settings.scale, fewest, most),
            metrics: pool_metrics,
            health,
            ready,
            monitor,
            errands: common.errands,
            outbox: common.outbox,
            tasks: common.tasks,
            stage: parts.stage,
            planned: Instant::now(),
            preparing: None,
            announced: false,
            served: false,
            failure: None,
            rolls_wanted: Vec::new(),
            rolls_running: Vec::new(),
        })
    }

    /// Does everything that is to be done now.
    pub(super) fn step(&mut self) {
        let now = Instant::now();
        match self.stage {
            Stage::Preparing | Stage::Leaving | Stage::Over => return,
            Stage::Closing(until) if now >= until => self.send_everybody_home(now),
            Stage::Closing(_) | Stage::Running | Stage::Stopping => {}
        }
        loop {
            let now = Instant::now();
            self.planned = now;
            let (roster, headroom) = (&mut self.roster, &self.settings.memory_reserve);
            let actions = roster.plan(now, || crate::headroom::room(&self.held, headroom.0));
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.perform(action);
            }
        }
        self.account();
        if self.roster.is_over(self.planned) {
            self.end();
        }
    }

    /// When [`Pool::step`] will have something to do even if nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.roster.next_deadline(self.planned);
        match self.stage {
            Stage::Preparing | Stage::Leaving | Stage::Over => None,
            Stage::Closing(until) => Some(deadline.map_or(until, |deadline| deadline.min(until))),
            Stage::Running | Stage::Stopping => deadline,
        }
    }

    pub(super) fn happened(&mut self, event: Event) {
        match event {
            Event::Ready(pid) => {
                if self.roster.ready(pid, Instant::now()) {
                    report::ready(pid);
                }
            }
            Event::Stopping(pid) => self.roster.stopping_by_itself(pid, Instant::now()),
            Event::Order(order) => self.obey(order),
            Event::Prepared(Ok(())) if self.stage == Stage::Preparing => {
                self.preparing = None;
                self.stage = Stage::Running;
            }
            Event::Prepared(Err(reason)) if self.stage == Stage::Preparing => {
                let name = self.name.clone();
                self.fail(PoolError::Prepare { name, reason });
            }
            Event::Stopped => self.stage = Stage::Over,
            Event::Prepared(_) | Event::Checked(_) => {}
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        !matches!(self.stage, Stage::Preparing | Stage::Running)
    }

    pub(super) fn fail(&mut self, error: PoolError) {
        self.failure.get_or_insert(error);
        self.stop();
    }

    /// Begins the end.
    pub(super) fn stop(&mut self) {
        if self.is_ending() {
            return;
        }
        if let Some(task) = self.preparing.take() {
            task.abort();
        }
        self.health.set_ready(false);
        let now = Instant::now();
        if self.served && self.sockets.let_nobody_in() {
            self.stage = Stage::Closing(now + LAST_HANDSHAKES);
        } else {
            self.send_everybody_home(now);
        }
    }

    /// Kills what is left.
    pub(super) fn cut(&mut self) {
        let now = Instant::now();
        if matches!(self.stage, Stage::Closing(_)) {
            self.send_everybody_home(now);
        }
        self.roster.cut(now);
    }

    fn send_everybody_home(&mut self, now: Instant) {
        self.stage = Stage::Stopping;
        self.sockets.close();
        self.roster.stop(now);
    }

    fn end(&mut self) {
        for pid in self.roster.unkillable() {
            tracing::error!(
                child.pid = pid.as_raw_nonzero().get(),
                "a process did not end by SIGKILL, leaving it"
            );
        }
        self.launcher.groups.remove();
        for reply in self
            .rolls_wanted
            .drain(..)
            .chain(self.rolls_running.drain(..))
        {
            drop(reply.send(Err("the pool ends".to_owned())));
        }
        let name = &self.name;
        tracing::info!("every child of pool `{name}` is gone");
        self.stage = if self.run_last_hook() {
            Stage::Leaving
        } else {
            Stage::Over
        };
    }

    /// Tells the world what has changed.
    fn account(&mut self) {
        for event in self.roster.take_events() {
            let text = report::roll(&event);
            if matches!(event, RollEvent::GivenUp { .. }) {
                self.alarm(&text);
            }
            self.monitor.note(text);
            self.metrics.rolled(&event);
            self.answer_rolls(&event);
        }
        let count = self.roster.count();
        self.metrics.count(count);
        // One that sleeps takes work as well: it wakes for it.
        let serves = count.ready.max(usize::from(self.roster.is_asleep()));
        self.ready.store(serves, Ordering::Release);
        self.served |= count.ready > 0;
        self.launcher.keep_only(&self.roster.generations());
        if !self.announced && self.roster.is_full() {
            self.announced = true;
            let name = &self.name;
            tracing::info!(
                children = count.ready,
                "every child is ready in pool `{name}`"
            );
            self.run_hook("ready", None);
        }
        self.publish();
    }

    fn answer_rolls(&mut self, event: &RollEvent) {
        let answer = match event {
            RollEvent::Began { .. } => {
                self.rolls_running.append(&mut self.rolls_wanted);
                return;
            }
            RollEvent::Done { generation, took } => Ok(format!(
                "every child is of generation {generation}, after {}",
                report::time(*took)
            )),
            RollEvent::GivenUp { reason, .. } => Err(format!("roll given up: {reason}")),
            RollEvent::Retry { .. } | RollEvent::Restored { .. } => return,
        };
        for reply in self.rolls_running.drain(..) {
            // Who asked may not wait any more.
            drop(reply.send(answer.clone()));
        }
    }

    /// Tells those who wait for a roll that the program which they asked goes now. True if there were any.
    pub(super) fn dismiss_who_waits(&mut self) -> bool {
        let all = self
            .rolls_wanted
            .drain(..)
            .chain(self.rolls_running.drain(..));
        let mut any = false;
        for reply in all {
            any = true;
            let text = "the pool was upgraded meanwhile; the roll goes on, `kiuas-pool ctl status` shows what it comes to";
            // Who asked may not wait any more.
            drop(reply.send(Err(text.to_owned())));
        }
        any
    }

    fn publish(&self) {
        let roster = &self.roster;
        let mut children: Vec<ChildView> = roster
            .children()
            .map(|child| ChildView {
                pid: child.pid,
                seat: child.seat,
                generation: child.generation,
                started: child.started,
                phase: child.phase,
                paused: child.paused,
                cause: child.cause.or_else(|| roster.replaced_because(child.pid)),
                killed: child.killed,
                respawns: child.respawns,
            })
            .collect();
        children.sort_by_key(|child| (child.seat, child.started));
        self.monitor.publish(PoolView {
            name: self.name.clone(),
            command: self.launcher.command(roster.generation()).to_vec(),
            generation: roster.generation(),
            target: roster.target(),
            rolling: roster.rolling(),
            paused: roster.is_paused(),
            asleep: roster.is_asleep(),
            stopping: self.is_ending(),
            children,
            sockets: self.sockets.weak(),
        });
    }
}

fn wrong(name: &str, key: &'static str, problem: String) -> PoolError {
    PoolError::Settings(PoolSettingsError::Value {
        name: name.to_owned(),
        key,
        problem,
        place: None,
    })
}

/// Nothing to wait for: the same start would fail again.
pub(super) fn is_hopeless(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory | io::ErrorKind::Interrupted
    )
}
