//! The four components and how each is run.

use std::path::PathBuf;
use std::time::Duration;

use super::Programs;

/// One component of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    /// The application's web processes, under a pool.
    Web,
    /// The application's workers, under a pool.
    Worker,
    /// The scheduler.
    Beat,
    /// The front.
    Proxy,
}

impl Component {
    /// In the order of starting: visitors come last.
    pub(crate) const STARTING: [Self; 4] = [Self::Web, Self::Worker, Self::Beat, Self::Proxy];
    /// In the order of stopping: nothing loses what it still needs.
    pub(crate) const STOPPING: [Self; 4] = [Self::Proxy, Self::Web, Self::Beat, Self::Worker];

    /// The name in the log stream.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Worker => "worker",
            Self::Beat => "beat",
            Self::Proxy => "proxy",
        }
    }

    /// The program and its arguments.
    pub(super) fn command(self, programs: &Programs, processes: u16) -> (PathBuf, Vec<String>) {
        let site = programs.program("site").display().to_string();
        let pool = |processes: u16, command: &str| {
            let processes = processes.to_string();
            let words = ["run", "--name", self.name(), "--processes", &processes];
            let mut words: Vec<_> = words.map(ToOwned::to_owned).to_vec();
            words.extend(["--".to_owned(), site.clone(), command.to_owned()]);
            (programs.program("kiuas-pool"), words)
        };
        match self {
            Self::Web => pool(processes, "serve"),
            Self::Worker => pool(1, "worker"),
            Self::Beat => (programs.program("site"), vec!["beat".to_owned()]),
            Self::Proxy => (programs.program("kiuas-proxy"), vec!["serve".to_owned()]),
        }
    }

    /// How long it may take to end: someone waits for it at a terminal.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Web | Self::Proxy => 10,
            Self::Worker => 15,
            Self::Beat => 5,
        })
    }
}
