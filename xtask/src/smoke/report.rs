//! One line a component.

use std::time::Instant;

use anyhow::Result;

use crate::console::say;
use crate::interrupt::Interrupt;

/// What held and what did not.
#[derive(Debug)]
pub(super) struct Report {
    failed: Vec<String>,
    interrupt: Interrupt,
}

impl Report {
    /// Nothing checked yet.
    pub(super) fn new(interrupt: Interrupt) -> Self {
        Self {
            failed: Vec::new(),
            interrupt,
        }
    }

    /// Checks `component` and writes its line; what the check made, if it holds.
    pub(super) fn check<T>(
        &mut self,
        component: &str,
        check: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        let begin = Instant::now();
        match self.interrupt.check().and_then(|()| check()) {
            Ok(made) => {
                let took = begin.elapsed().as_secs_f64();
                say(&format!("{component:<12} ok      {took:>5.1} s"));
                Some(made)
            }
            Err(error) => {
                self.failed(component, &error);
                None
            }
        }
    }

    /// Writes the line of a component that does not hold, once.
    pub(super) fn failed(&mut self, component: &str, error: &anyhow::Error) {
        if self.interrupt.asked() || self.failed.iter().any(|known| known == component) {
            return;
        }
        say(&format!("{component:<12} FAILED  {error:#}"));
        self.failed.push(component.to_owned());
    }

    /// The components that do not hold.
    pub(super) fn failures(&self) -> &[String] {
        &self.failed
    }
}
