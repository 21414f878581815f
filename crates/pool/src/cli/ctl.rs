//! `kiuas-pool ctl`: the verbs, and how their answers are shown.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use kiuas_common::settings::Sources;
use kiuas_common::{Address, Period, Settings};
use kiuas_pool::PoolSettings;
use kiuas_pool::control::{self, Request};

/// A roll waits for every child to start.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
#[command(after_help = "\
With --json every answer is one JSON value on standard output: an object or a list from `status`, `events`,
`stats` and `dump`, a sentence from the verbs that change something. What was not done is on standard error.

Exit status: 0 done, 1 not done (no pool answers, or it says why not), 64 wrong usage.

Examples:
  kiuas-pool ctl status
  kiuas-pool ctl --name worker dump
  kiuas-pool ctl roll
  kiuas-pool ctl roll --command /srv/site-2/site serve
  kiuas-pool ctl --control unix:/run/kiuas/pool-web.sock stats --json
  echo '{\"command\":\"status\"}' | nc -U /run/kiuas/pool-web.sock")]
pub(crate) struct Ctl {
    /// Name of the pool
    #[arg(long, default_value = "web", global = true)]
    pub(crate) name: String,
    /// The pool's control socket, `unix:/path`; default: `pool.NAME.control` of the settings, else where
    /// the pool opens it by default
    #[arg(long, value_name = "ADDRESS", global = true)]
    control: Option<Address>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long to wait for the answer; default: an hour for `roll` and `upgrade`, else 15s
    #[arg(long, value_name = "TIME", global = true)]
    timeout: Option<Period>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Children, rates, queues, and what runs.
    #[command(after_help = "Example:\n  kiuas-pool ctl status --json | jq .processes")]
    Status,
    /// The last things that happened: ends of children with their reasons, rolls, stuck requests. The last
    /// hundred; the log has all.
    #[command(
        after_help = "Examples:\n  kiuas-pool ctl events\n  kiuas-pool ctl events --json | jq -r '.[].text'"
    )]
    Events,
    /// Statistics in the form of uWSGI's stats server; always JSON.
    #[command(after_help = "Example:\n  kiuas-pool ctl stats | jq '.workers[].rss'")]
    Stats,
    /// The pool live, in the terminal: processes, requests, memory, events; keys act.
    #[command(after_help = "Example:\n  kiuas-pool ctl --name worker top")]
    Top,
    /// What every request and task does now, and the stack of each thread that is in one poll for longer
    /// than 100 ms.
    #[command(after_help = "Examples:\n  kiuas-pool ctl dump\n  kiuas-pool ctl dump --json")]
    Dump,
    /// Replace every child, each when its successor is ready; wait until that is done or given up.
    #[command(after_help = "\
Examples:
  kiuas-pool ctl roll
  kiuas-pool ctl roll --command /srv/site-2/site serve")]
    Roll {
        /// Program and arguments of a new version; everything after it belongs to it
        #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
        command: Option<Vec<String>>,
    },
    /// Replace the pool's own program in place; its children stay.
    #[command(after_help = "Example:\n  kiuas-pool ctl upgrade --program /srv/new/kiuas-pool")]
    Upgrade {
        /// The new program; default: what is in the running one's file now
        #[arg(long, value_name = "PATH")]
        program: Option<PathBuf>,
    },
    /// Take no new work.
    #[command(after_help = "Examples:\n  kiuas-pool ctl pause\n  kiuas-pool ctl pause 4711")]
    Pause {
        /// One child; default: all
        pid: Option<i32>,
    },
    /// Take work again.
    #[command(after_help = "Examples:\n  kiuas-pool ctl resume\n  kiuas-pool ctl resume 4711")]
    Resume {
        /// One child; default: all
        pid: Option<i32>,
    },
    /// Keep more children.
    #[command(after_help = "Example:\n  kiuas-pool ctl add 2")]
    Add {
        /// How many more
        #[arg(default_value_t = 1)]
        count: usize,
    },
    /// Keep fewer children.
    #[command(after_help = "Example:\n  kiuas-pool ctl remove")]
    Remove {
        /// How many fewer
        #[arg(default_value_t = 1)]
        count: usize,
    },
    /// Ask a child to finish; another takes its seat at the same time.
    #[command(after_help = "Example:\n  kiuas-pool ctl terminate 4711")]
    Terminate {
        /// Which
        pid: i32,
    },
    /// Kill a child now; what it does is lost.
    #[command(after_help = "Example:\n  kiuas-pool ctl kill 4711")]
    Kill {
        /// Which
        pid: i32,
    },
    /// End the pool, as SIGTERM does.
    #[command(after_help = "Example:\n  kiuas-pool ctl stop")]
    Stop,
}

impl Ctl {
    /// The pool's control socket.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        let address = match &self.control {
            Some(address) => Some(address.clone()),
            None => self.setting()?,
        };
        match address {
            Some(Address::Unix(path)) => Ok(path),
            Some(Address::Tcp(address)) => {
                anyhow::bail!("{address} is no control socket: write unix:/path")
            }
            None => Ok(control::existing_path(&self.name)),
        }
    }

    fn setting(&self) -> anyhow::Result<Option<Address>> {
        let settings = Settings::load(&Sources::from_process()?)
            .context("cannot read the settings for the control socket; `--control` needs none")?;
        Ok(PoolSettings::load(&settings, &self.name)?.control)
    }

    /// How long to wait for the answer.
    pub(crate) fn patience(&self) -> Duration {
        let default = match self.verb {
            Verb::Roll { .. } | Verb::Upgrade { .. } => LONG,
            _ => SHORT,
        };
        self.timeout.map_or(default, Period::duration)
    }
}

impl Verb {
    /// What to ask; `top` asks for the status again and again.
    pub(crate) fn request(&self) -> Request {
        match self {
            Self::Status | Self::Top => Request::Status {},
            Self::Events => Request::Events {},
            Self::Stats => Request::Stats {},
            Self::Dump => Request::Dump {},
            Self::Roll { command } => Request::Roll {
                program: command.clone(),
            },
            Self::Upgrade { program } => Request::Upgrade {
                program: program.clone(),
            },
            Self::Pause { pid } => Request::Pause { pid: *pid },
            Self::Resume { pid } => Request::Resume { pid: *pid },
            Self::Add { count } => Request::Add { count: *count },
            Self::Remove { count } => Request::Remove { count: *count },
            Self::Terminate { pid } => Request::Terminate { pid: *pid },
            Self::Kill { pid } => Request::Kill { pid: *pid },
            Self::Stop => Request::Stop {},
        }
    }
}
