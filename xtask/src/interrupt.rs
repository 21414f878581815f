//! Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, the second cuts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How often a wait looks at what it waits for.
const GLANCE: Duration = Duration::from_millis(20);

/// Counts the signals that ask this process to end. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    count: Arc<AtomicUsize>,
}

/// The command was told to end before it was done.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// Takes over the signals of this process.
    pub(crate) fn install() -> Result<Self> {
        let this = Self::default();
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
        let count = Arc::clone(&this.count);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for _ in signals.forever() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            })
            .context("cannot start the thread that waits for signals")?;
        Ok(this)
    }

    /// True once the end was asked for.
    pub(crate) fn asked(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// True once it was asked for twice: no more patience.
    pub(crate) fn cut(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 1
    }

    /// Fails once the end was asked for.
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked() {
            return Err(Interrupted.into());
        }
        Ok(())
    }

    /// Waits until `done` says true.
    ///
    /// Fails when `patience` is over, naming `what`, when the end was asked for, or when `done` fails.
    pub(crate) fn wait(
        &self,
        what: &str,
        patience: Duration,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let begin = Instant::now();
        while !done()? {
            self.check()?;
            if begin.elapsed() >= patience {
                bail!("{what} took more than {} s", patience.as_secs());
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }
}
