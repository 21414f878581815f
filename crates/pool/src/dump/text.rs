//! `ctl dump` for people.

use std::fmt;

use super::{Dump, DumpedProcess, DumpedThread};
use crate::overview::text::age;

/// Later than this, a thread that should beat ten times a second is remarkable.
const REMARKABLE: u64 = 1000;

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, process) in self.processes.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            process.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for DumpedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            seat,
            generation,
            ..
        } = self;
        write!(f, "process {pid}, seat {seat}, generation {generation}")?;
        if !self.has_board {
            write!(f, ", writes no scoreboard: only the kernel's view is known")?;
        }
        if self.untracked > 0 {
            write!(f, ", {} more found no place on the board", self.untracked)?;
        }
        writeln!(f)?;
        self.threads.iter().try_for_each(|thread| thread.fmt(f))
    }
}

impl fmt::Display for DumpedThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  thread {}: {}", self.tid, self.kernel)?;
        if self.silence > REMARKABLE {
            write!(f, ", no sign of life for {}", age(self.silence))?;
        }
        writeln!(f)?;
        for running in &self.running {
            writeln!(f, "    {running}")?;
        }
        for frame in &self.frames {
            // The application's own calls catch the eye.
            let mark = if frame.library { ' ' } else { '>' };
            writeln!(f, "      {mark} {frame}")?;
        }
        match &self.problem {
            Some(problem) => writeln!(f, "        no stack: {problem}"),
            None => Ok(()),
        }
    }
}
