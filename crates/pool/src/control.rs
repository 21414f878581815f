//! The control socket: one line of JSON in, one line of JSON out, for the owner of the pool alone.
//!
//! A request is `{"command":"roll"}` with its arguments beside it; the answer is `{"ok":…}` or
//! `{"error":"why"}`. `kiuas-pool ctl` is its client.

pub mod client;
pub(crate) mod desk;
mod path;
pub(crate) mod server;
mod words;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use path::{default_path, existing_path};
pub use words::in_words;

/// Longer requests are refused.
const LONGEST_REQUEST: usize = 64 * 1024;
/// Longer answers are not believed.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// What a pool can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Its children, rates, queues, and what runs.
    Status {},
    /// The last things that happened.
    Events {},
    /// The statistics in uWSGI's form.
    Stats {},
    /// What every request and task does now, with stacks.
    Dump {},
    /// Replace every child; answered when it is done or given up.
    Roll {
        /// Program and arguments of the new version; without, the same.
        #[serde(default)]
        program: Option<Vec<String>>,
    },
    /// Replace the pool's own program in place.
    Upgrade {
        /// The new program; without, what is in its file now.
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// Take no new work.
    Pause {
        /// One child; without, all.
        #[serde(default)]
        pid: Option<i32>,
    },
    /// Take work again.
    Resume {
        /// One child; without, all.
        #[serde(default)]
        pid: Option<i32>,
    },
    /// Keep more children.
    Add {
        /// How many more.
        count: usize,
    },
    /// Keep fewer children.
    Remove {
        /// How many fewer.
        count: usize,
    },
    /// Ask a child to finish; its seat is filled at the same time.
    Terminate {
        /// Which.
        pid: i32,
    },
    /// Kill a child now; what it does is lost.
    Kill {
        /// Which.
        pid: i32,
    },
    /// End the pool, as SIGTERM does.
    Stop {},
}

/// What a pool answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done; here is what was asked for, or a sentence.
    Ok(Value),
    /// It was not done, and why.
    Error(String),
}
