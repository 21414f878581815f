//! Why children end.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a child ends. The text is a sentence's end in the log, [`Cause::label`] a label in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// By itself, after it was ready.
    Crash,
    /// By itself, before it was ready.
    StartFailed,
    /// Killed: not ready in time.
    StartTimeout,
    /// It announced that it stops.
    OwnWill,
    /// Its successor is ready.
    Rolled,
    /// Its version was given up.
    RolledBack,
    /// It had served `max_requests`.
    MaxRequests,
    /// It had lived for `max_lifetime`.
    Lifetime,
    /// It had more memory than `rss_soft`.
    RssSoft,
    /// Its proportional set size was larger than `pss_soft`.
    PssSoft,
    /// It had more memory of its own than `uss_soft`.
    UssSoft,
    /// It had more address space than `vsz_soft`.
    VszSoft,
    /// Its handlers or tasks had panicked `max_panics` times.
    MaxPanics,
    /// Killed: it had more memory than `rss_hard`.
    RssHard,
    /// It had used more processor time than `cpu_time`.
    CpuTime,
    /// It had more descriptors open than `files`.
    Files,
    /// A thread of it was stuck beyond a hard deadline.
    Stuck,
    /// Fewer children are wanted by the operator.
    Removed,
    /// Nobody came for `idle`.
    Idle,
    /// Fewer children are needed.
    ScaledDown,
    /// The operator said so.
    Operator,
    /// The pool stops.
    Stop,
    /// Killed: it did not finish in time.
    DrainTimeout,
    /// Killed: the operator would not wait.
    Cut,
    /// Killed by the kernel because its group had no memory left.
    OutOfMemory,
}

impl Cause {
    /// The label in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::StartFailed => "start_failed",
            Self::StartTimeout => "start_timeout",
            Self::OwnWill => "own_will",
            Self::Rolled => "rolled",
            Self::RolledBack => "rolled_back",
            Self::MaxRequests => "max_requests",
            Self::Lifetime => "lifetime",
            Self::RssSoft => "rss_soft",
            Self::PssSoft => "pss_soft",
            Self::UssSoft => "uss_soft",
            Self::VszSoft => "vsz_soft",
            Self::MaxPanics => "max_panics",
            Self::RssHard => "rss_hard",
            Self::CpuTime => "cpu_time",
            Self::Files => "files",
            Self::Stuck => "stuck",
            Self::Removed => "removed",
            Self::Idle => "idle",
            Self::ScaledDown => "scaled_down",
            Self::Operator => "operator",
            Self::Stop => "stop",
            Self::DrainTimeout => "drain_timeout",
            Self::Cut => "cut",
            Self::OutOfMemory => "out_of_memory",
        }
    }

    /// True for an end that the pool meant, after which the child was expected to leave with status 0.
    pub(crate) fn is_orderly(self) -> bool {
        !matches!(
            self,
            Self::Crash
                | Self::StartFailed
                | Self::StartTimeout
                | Self::RolledBack
                | Self::RssHard
                | Self::Stuck
                | Self::DrainTimeout
                | Self::Cut
                | Self::OutOfMemory
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crash => "it ended by itself",
            Self::StartFailed => "it ended before it was ready",
            Self::StartTimeout => "killed: it was not ready within start_timeout",
            Self::OwnWill => "it announced its end",
            Self::Rolled => "its successor took over",
            Self::RolledBack => "its version was given up",
            Self::MaxRequests => "it had served max_requests",
            Self::Lifetime => "it had lived for max_lifetime",
            Self::RssSoft => "it had more memory than rss_soft",
            Self::PssSoft => "its proportional set size was larger than pss_soft",
            Self::UssSoft => "it had more memory of its own than uss_soft",
            Self::VszSoft => "it had more address space than vsz_soft",
            Self::MaxPanics => "it had panicked max_panics times",
            Self::RssHard => "killed: it had more memory than rss_hard",
            Self::CpuTime => "it had used more processor time than cpu_time",
            Self::Files => "it had more descriptors open than files",
            Self::Stuck => "killed: a thread was stuck beyond its hard deadline",
            Self::Removed => "the operator wanted fewer children",
            Self::Idle => "nobody came for the time of idle",
            Self::ScaledDown => "fewer children were needed",
            Self::Operator => "the operator said so",
            Self::Stop => "the pool stops",
            Self::DrainTimeout => "killed: it did not finish within drain_timeout",
            Self::Cut => "killed: a second signal asked for it",
            Self::OutOfMemory => "killed by the kernel: its control group had no memory left",
        })
    }
}
