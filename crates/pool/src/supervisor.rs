//! The loop over all pools of the process: signals, ended processes, events, and the end.

mod children;
mod error;
mod hooks;
mod orders;
mod pool;
mod signals;
mod upgrade;

use std::time::{Duration, Instant};

use kiuas_common::listener::{self, Inherited};
use kiuas_common::{Shutdown, notify};
use tokio::sync::oneshot;

pub use error::PoolError;
pub use upgrade::Invocation;

use crate::command::{Answer, Command, Order};
use crate::errand::Errands;
use crate::event::{Event, Inbox, Outbox};
use crate::handover::{self, Handover};
use crate::launch::Version;
use crate::reap;
use crate::settings::PoolSettings;
use error::system;
use pool::{Common, Pool, Stage};
use signals::{Signals, Wish};

/// Runs the pools until SIGTERM or SIGINT, and returns when every child is gone.
///
/// It must run on the main thread, in a current-thread runtime, in a process that starts no other
/// children.
///
/// # Errors
/// A pool could not start. Once all have, they do not give up.
pub async fn run(
    pools: &[(String, PoolSettings)],
    invocation: Invocation,
) -> Result<(), PoolError> {
    let tasks = Shutdown::new();
    let started = Supervisor::start(pools, invocation, &tasks);
    let result = match started {
        Ok(supervisor) => supervisor.supervise().await,
        Err(error) => Err(error),
    };
    tasks.cut();
    result
}

/// Checks what can be checked of a pool's settings without starting it: that its program can be run, and
/// that its users and groups are there.
///
/// # Errors
/// What [`run`] would fail with.
pub fn check(name: &str, settings: &PoolSettings) -> Result<(), PoolError> {
    Pool::identity(name, settings)?;
    let command = settings.command.clone();
    let program = command.first().cloned().unwrap_or_default();
    Version::pin(command)
        .map(drop)
        .map_err(|source| PoolError::Command { program, source })
}

struct Supervisor {
    pools: Vec<Pool>,
    signals: Signals,
    inbox: Inbox,
    outbox: Outbox,
    errands: Errands,
    tasks: Shutdown,
    invocation: Invocation,
    /// An upgrade under way.
    upgrade: Option<Upgrade>,
    announced: bool,
    stopping: bool,
}

struct Upgrade {
    next: Invocation,
    /// Who asked for it.
    reply: Option<oneshot::Sender<Answer>>,
    /// When the program takes over; none before it has passed its check.
    due: Option<Instant>,
}

/// What was answered just before an upgrade leaves the process in this time: the next program has none of
/// the connections of the control socket.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

impl Supervisor {
    fn start(
        pools: &[(String, PoolSettings)],
        invocation: Invocation,
        tasks: &Shutdown,
    ) -> Result<Self, PoolError> {
        // Before the first child, so that no signal finds the default action.
        let signals = Signals::install().map_err(system("handle signals"))?;
        reap::adopt_orphans().map_err(system("become the reaper of orphans"))?;
        let before = handover::read().map_err(system("read what the program before says"))?;
        let (outbox, inbox) = Outbox::new();
        let errands = Errands::default();
        let mut supervisor = Self {
            pools: Vec::new(),
            signals,
            inbox,
            outbox,
            errands,
            tasks: tasks.clone(),
            invocation,
            upgrade: None,
            announced: false,
            stopping: false,
        };
        match before {
            Some(handover) => supervisor.go_on(handover, pools)?,
            None => {
                let inherited = listener::inherited()?;
                supervisor.begin(pools, inherited)?;
            }
        }
        Ok(supervisor)
    }

    fn common(&self) -> Common {
        Common {
            outbox: self.outbox.of(self.pools.len()),
            errands: self.errands.clone(),
            tasks: self.tasks.clone(),
        }
    }

    /// Starts `pools`. Inherited sockets belong to the pool that has their name; to the only one whatever
    /// their name.
    fn begin(
        &mut self,
        pools: &[(String, PoolSettings)],
        mut inherited: Vec<Inherited>,
    ) -> Result<(), PoolError> {
        let alone = pools.len() == 1;
        for (name, settings) in pools {
            let own = inherited.extract_if(.., |socket| alone || socket.name == *name);
            let own = own.collect();
            let pool = Pool::start(name, settings, own, self.common())?;
            self.pools.push(pool);
        }
        for socket in inherited {
            tracing::warn!(
                "the inherited socket `{}` has the name of no pool and is closed",
                socket.name
            );
        }
        Ok(())
    }

    /// Goes on with what the program before supervised. Pools that the settings do not name any more end,
    /// new ones are started.
    fn go_on(
        &mut self,
        handover: Handover,
        pools: &[(String, PoolSettings)],
    ) -> Result<(), PoolError> {
        let known: Vec<String> = handover.pools.iter().map(|one| one.name.clone()).collect();
        for state in handover.pools {
            let settings = pools.iter().find(|(name, _)| *name == state.name);
            let gone = settings.is_none();
            let settings =
                settings.map_or_else(|| state.settings.clone(), |(_, settings)| settings.clone());
            let mut pool = Pool::restore(state, &settings, self.common())?;
            if gone {
                tracing::warn!(
                    "pool `{}` is not in the settings any more and ends",
                    pool.name
                );
                pool.stop();
            }
            self.pools.push(pool);
        }
        let new: Vec<_> = pools
            .iter()
            .filter(|(name, _)| !known.contains(name))
            .cloned()
            .collect();
        self.begin(&new, Vec::new())?;
        self.reap();
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!("upgraded to version {version}, every child is still here");
        Ok(())
    }

    async fn supervise(mut self) -> Result<(), PoolError> {
        loop {
            for pool in &mut self.pools {
                pool.step();
            }
            self.account();
            if self.pools.iter().all(|pool| pool.stage == Stage::Over) {
                break;
            }
            self.take_over_if_due();
            let upgrade = self.upgrade.as_ref().and_then(|upgrade| upgrade.due);
            let deadlines = self.pools.iter().filter_map(Pool::next_deadline);
            let deadline = deadlines.chain(upgrade).min();
            tokio::select! {
                wish = self.signals.next() => self.signalled(wish),
                Some((pool, event)) = self.inbox.recv() => self.happened(pool, event),
                () = until(deadline) => {}
            }
        }
        tracing::info!("every child is gone, the pool ends");
        let failures = self.pools.into_iter().filter_map(|pool| pool.failure);
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    fn signalled(&mut self, wish: Wish) {
        match wish {
            Wish::Reap => self.reap(),
            Wish::Stop(name) if self.stopping => {
                tracing::warn!(signal = name, "received {name} again, killing what is left");
                self.pools.iter_mut().for_each(Pool::cut);
            }
            Wish::Stop(name) => {
                tracing::info!(signal = name, "received {name}, draining");
                self.stop();
            }
            _ if self.stopping => {}
            Wish::Roll => {
                tracing::info!("received SIGHUP, rolling");
                for pool in &mut self.pools {
                    pool.roll(None);
                }
            }
            Wish::Upgrade => {
                tracing::info!("received SIGUSR2, upgrading");
                self.want_upgrade(None, None);
            }
            Wish::More | Wish::Fewer => {
                for pool in &mut self.pools {
                    let target = pool.roster.target();
                    let more = wish == Wish::More;
                    pool.resize(if more {
                        target + 1
                    } else {
                        target.saturating_sub(1)
                    });
                }
            }
        }
    }

    fn happened(&mut self, pool: usize, event: Event) {
        match event {
            Event::Order(Order {
                command: Command::Upgrade { program },
                reply,
            }) => self.want_upgrade(program, reply),
            Event::Checked(result) => self.checked(result),
            event => {
                if let Some(pool) = self.pools.get_mut(pool) {
                    pool.happened(event);
                }
            }
        }
    }

    fn reap(&mut self) {
        for (pid, ending) in reap::ended() {
            let known = self.errands.ended(pid, ending)
                || self.pools.iter_mut().any(|pool| pool.reaped(pid, ending));
            if !known {
                tracing::debug!(
                    orphan.pid = pid.as_raw_nonzero().get(),
                    status = ending.to_string(),
                    "collected an orphan"
                );
            }
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        notify::stopping();
        self.pools.iter_mut().for_each(Pool::stop);
    }

    /// Tells the world what has changed.
    fn account(&mut self) {
        // One that cannot start takes the others with it: they are one service.
        if !self.stopping && self.pools.iter().any(|pool| pool.failure.is_some()) {
            self.stop();
        }
        if !self.announced && self.pools.iter().all(|pool| pool.announced) {
            self.announced = true;
            notify::ready();
        }
    }

    fn want_upgrade(
        &mut self,
        program: Option<std::path::PathBuf>,
        reply: Option<oneshot::Sender<Answer>>,
    ) {
        let preparing = |pool: &Pool| pool.stage == Stage::Preparing;
        let not = match &self.upgrade {
            _ if self.stopping => Some("the pool ends"),
            Some(_) => Some("an upgrade is under way"),
            None if self.pools.iter().any(preparing) => Some("the pool has not started yet"),
            None => None,
        };
        if let Some(not) = not {
            tracing::warn!("no upgrade: {not}");
            return answer(reply, Err(not.to_owned()));
        }
        let mut next = self.invocation.clone();
        if let Some(program) = program {
            next.program = program;
        }
        next.check(&self.errands, &self.outbox, &self.tasks);
        let due = None;
        self.upgrade = Some(Upgrade { next, reply, due });
    }

    /// The new program has been asked whether it could go on.
    fn checked(&mut self, result: Result<(), String>) {
        let Some(upgrade) = &mut self.upgrade else {
            return;
        };
        let reply = upgrade.reply.take();
        let problem = match result {
            _ if self.stopping => "the pool ends".to_owned(),
            Err(problem) => format!("the new program does not accept the settings: {problem}"),
            Ok(()) => {
                let mut told = reply.is_some();
                answer(reply, Ok("the new program takes over".to_owned()));
                for pool in &mut self.pools {
                    told |= pool.dismiss_who_waits();
                }
                let pause = if told { LAST_ANSWERS } else { Duration::ZERO };
                upgrade.due = Some(Instant::now() + pause);
                return;
            }
        };
        self.upgrade = None;
        tracing::error!("no upgrade, nothing has changed: {problem}");
        answer(reply, Err(problem));
    }

    fn take_over_if_due(&mut self) {
        let is_due = |upgrade: &mut Upgrade| upgrade.due.is_some_and(|due| due <= Instant::now());
        let Some(Upgrade { next, .. }) = self.upgrade.take_if(is_due) else {
            return;
        };
        if self.stopping {
            return;
        }
        // What has arrived and was not dealt with would be lost.
        while let Ok((pool, event)) = self.inbox.try_recv() {
            self.happened(pool, event);
        }
        self.reap();
        let error = next.become_next(&self.pools);
        tracing::error!(%error, "no upgrade: cannot execute the new program: {error}");
    }
}

fn answer(reply: Option<oneshot::Sender<Answer>>, answer: Answer) {
    if let Some(reply) = reply {
        // Who asked may not wait any more.
        drop(reply.send(answer));
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
