//! `ctl status` for people.

use std::fmt;
use std::time::Duration;

use super::{Overview, Process, Queue, Running};
use crate::report::time;
use crate::watch::words::bytes;

/// What runs, as far as it is shown here; `ctl dump` shows all.
const MOST_SHOWN: usize = 10;

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        writeln!(f, "{}", self.figures())?;
        for queue in &self.queues {
            writeln!(f, "{queue}")?;
        }
        writeln!(f, "\n{}", Process::HEADINGS)?;
        for process in &self.processes {
            writeln!(f, "{process}")?;
        }
        if !self.running.is_empty() {
            writeln!(f, "\n{} under way, the oldest:", self.in_flight)?;
        }
        for running in self.running.iter().take(MOST_SHOWN) {
            writeln!(f, "  {running}")?;
        }
        Ok(())
    }
}

impl Overview {
    /// `web: 4 of 4 ready, generation 3, …`.
    pub(crate) fn headline(&self) -> String {
        let ready = self
            .processes
            .iter()
            .filter(|process| process.state == "ready")
            .count();
        let mut text = format!(
            "{}: {ready} of {} ready, generation {}, pool {} up {}",
            self.name,
            self.target,
            self.generation,
            self.pid,
            age(self.uptime)
        );
        if let Some(generation) = self.rolling {
            let new = |process: &&Process| process.generation == generation;
            let done = self
                .processes
                .iter()
                .filter(new)
                .filter(|it| it.state == "ready")
                .count();
            text.push_str(&format!(
                ", rolling to {generation}: {done} of {}",
                self.target
            ));
        }
        if self.paused {
            text.push_str(", paused");
        }
        if self.asleep {
            text.push_str(", asleep until somebody comes");
        }
        if self.stopping {
            text.push_str(", stopping");
        }
        text
    }

    /// Rates and totals.
    pub(crate) fn figures(&self) -> String {
        let totals = &self.totals;
        let [one, two, three, four, five] = totals.answers;
        let mut text = format!(
            "{:.1}/s, {:.0} % busy, {} requests (1xx {one}, 2xx {two}, 3xx {three}, 4xx {four}, 5xx {five}), \
             {} timeouts, {} panics, {} stuck",
            self.rate,
            self.busy * 100.0,
            totals.requests,
            totals.soft_timeouts,
            totals.panics,
            totals.stuck,
        );
        let refused: u64 = totals.refused.iter().copied().fold(0, u64::saturating_add);
        if refused > 0 {
            text.push_str(&format!(", {refused} refused"));
        }
        if let (Some(half), Some(most)) = (totals.queue_time_p50, totals.queue_time_p99) {
            text.push_str(&format!(", waits p50 < {half} ms, p99 < {most} ms"));
        }
        text
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.name, self.address)?;
        match (self.waiting, self.limit) {
            (Some(waiting), Some(limit)) => write!(
                f,
                "{waiting} of {limit} wait, {} at most so far, seen full {} times",
                self.highest, self.full
            ),
            _ => f.write_str("the kernel does not say how many wait"),
        }
    }
}

impl Process {
    /// The first line of the table.
    pub(crate) const HEADINGS: &str = " seat     pid  gen state         age   requests     /s  flying  \
                                       conns  busy     memory  average  ends";

    /// Requests, with where it is recycled: `412/500`.
    pub(crate) fn progress(&self) -> String {
        match (self.has_board, self.max_requests) {
            (false, _) => "-".to_owned(),
            (true, None) => self.requests.to_string(),
            (true, Some(most)) => format!("{}/{most}", self.requests),
        }
    }

    /// `1.2ms`, `350us`.
    pub(crate) fn average(&self) -> String {
        match self.latency {
            None => "-".to_owned(),
            Some(micros) if micros < 1000 => format!("{micros}us"),
            Some(micros) if micros < 100_000 => {
                format!("{}.{}ms", micros / 1000, micros % 1000 / 100)
            }
            Some(micros) => time(Duration::from_micros(micros)),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:5} {:7} {:4} {:8} {:>8} {:>10} {:6.1} {:7} {:6} {:3.0} % {:>10} {:>8}  {}",
            self.seat,
            self.pid,
            self.generation,
            self.state,
            age(self.age),
            self.progress(),
            self.rate,
            self.in_flight,
            self.connections,
            self.busy * 100.0,
            bytes(self.resident),
            self.average(),
            self.cause.as_deref().unwrap_or("-"),
        )
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8}  process {}  {}",
            age(self.age),
            self.pid,
            self.label
        )?;
        if self.kind != "request" {
            write!(f, " ({})", self.kind)?;
        }
        if !self.id.is_empty() {
            write!(f, "  id {}", self.id)?;
        }
        if !self.trace_id.is_empty() {
            write!(f, "  trace {}", self.trace_id)?;
        }
        match self.polled {
            Some(polled) if self.silent => write!(f, "  keeps its thread for {}", age(polled)),
            _ if self.silent => f.write_str("  its thread gives no sign"),
            _ => Ok(()),
        }
    }
}

/// `850ms`, `12.4s`, `7m03s`, `5h12m`, `3d04h`.
pub(crate) fn age(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => time(Duration::from_millis(millis)),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}
