//! The supervisor's end of everything that looks: the monitor, the control socket, the statistics server
//! and the metrics of a pool. The supervisor tells it what changes, and need not know who reads it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use kiuas_common::listener::ListenerError;
use kiuas_common::metrics::Metrics;
use kiuas_common::scoreboard::Scoreboard;
use kiuas_common::{Address, Listener, Period, Shutdown};
use rustix::process::Pid;
use tokio::sync::watch;

use crate::board::{Boards, LastWords};
use crate::chronicle::Chronicle;
use crate::command::Commander;
use crate::control::desk::Desk;
use crate::control::{default_path, server};
use crate::metrics::{PoolMetrics, ReadingCollector};
use crate::overview::About;
use crate::report::time;
use crate::roster::Exit;
use crate::settings::PoolSettings;
use crate::view::PoolView;
use crate::watch::symbols::Symbols;
use crate::watch::{Limits, Watch};

/// What is told by the supervisor. When it is dropped, the monitor ends.
#[derive(Debug)]
pub(crate) struct Monitor {
    boards: Boards,
    chronicle: Chronicle,
    view: watch::Sender<Arc<PoolView>>,
}

impl Monitor {
    /// Starts to look at pool `name`.
    ///
    /// # Errors
    /// The control socket or the statistics server that the settings name cannot be opened.
    pub(crate) fn start(
        name: &str,
        settings: &PoolSettings,
        commander: Commander,
        metrics: (&Metrics, &PoolMetrics),
        tasks: &Shutdown,
    ) -> Result<Self, ListenerError> {
        let (registry, pool_metrics) = metrics;
        let (boards, chronicle) = (Boards::default(), Chronicle::default());
        let (view, views) = watch::channel(Arc::new(PoolView::default()));
        let (readings, read) = watch::channel(None);
        let symbols = Arc::new(Symbols::default());
        let limits = Limits::from(settings);
        registry.collect(Box::new(ReadingCollector(read.clone())));
        let desk = Desk {
            commander: commander.clone(),
            readings: read,
            boards: boards.clone(),
            symbols: Arc::clone(&symbols),
            limits: Arc::new(limits.clone()),
            about: About {
                started: Instant::now(),
                chronicle: chronicle.clone(),
            },
        };
        open_control(name, settings, &desk, tasks)?;
        if let Some(address) = &settings.stats {
            let form = if settings.stats_http {
                server::StatsForm::Http
            } else {
                server::StatsForm::Bare
            };
            server::serve_stats(Listener::bind(address)?, desk, form, tasks)?;
        }
        let watch = Watch {
            limits,
            boards: boards.clone(),
            view: views,
            commander,
            metrics: pool_metrics.clone(),
            symbols,
            chronicle: chronicle.clone(),
            tasks: tasks.clone(),
            readings,
            idle: settings.idle.map(Period::duration),
            roll_on_change: settings.roll_on_change.clone(),
        };
        tasks.spawn(watch.run());
        Ok(Self {
            boards,
            chronicle,
            view,
        })
    }

    /// The pool is like this now.
    pub(crate) fn publish(&self, view: PoolView) {
        self.view.send_replace(Arc::new(view));
    }

    /// A child runs, and writes this board if it is one of ours.
    pub(crate) fn started(&self, pid: Pid, scoreboard: Scoreboard) {
        self.boards.started(pid, scoreboard);
    }

    /// True if the child writes its board, as our own programs do.
    pub(crate) fn hears(&self, pid: Pid) -> bool {
        let board = self.boards.get(pid);
        board.is_some_and(|board| board.scoreboard().snapshot().is_written)
    }

    /// A child has ended; `killed` if by SIGKILL that the pool did not send. Says what was running there.
    pub(crate) fn ended(&self, pid: Pid, killed: bool) -> LastWords {
        self.boards.ended(pid, killed)
    }

    /// A child's end, as the log has it.
    pub(crate) fn note_end(&self, exit: &Exit, text: String) {
        let how = format!("{} after {}, {}", exit.ending, time(exit.ran), exit.cause);
        self.chronicle.ended(exit.seat, exit.cause.label(), how);
        self.chronicle.note(text);
    }

    /// True if the last alarm is long enough ago.
    pub(crate) fn may_alarm(&self) -> bool {
        self.chronicle.may_alarm(Instant::now())
    }

    /// Something happened that an operator wants to see in `ctl events`.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.chronicle.note(text);
    }
}

/// Opens the control socket. Where the settings name none, one that cannot be opened is a warning: the pool
/// serves without it.
fn open_control(
    name: &str,
    settings: &PoolSettings,
    desk: &Desk,
    tasks: &Shutdown,
) -> Result<(), ListenerError> {
    let open = |path: &PathBuf| {
        let listener = Listener::bind_private(path)?;
        server::serve_control(listener, desk.clone(), tasks)
    };
    if let Some(Address::Unix(path)) = &settings.control {
        return open(path);
    }
    let problem = match default_path(name) {
        Ok(path) => open(&path).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(problem) = problem {
        tracing::warn!(
            problem,
            "no control socket: `kiuas-pool ctl` will not reach this pool, `pool.{name}.control` names another place"
        );
    }
    Ok(())
}
