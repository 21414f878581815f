//! Names of keys: kombu's, Celery's and ours (`_kiuas.…`).

use std::sync::Arc;

use crate::message::TaskId;

/// The steps that ten priorities fall into, each with a list of its own; the first is served first.
pub(crate) const STEPS: [u8; 4] = [0, 3, 6, 9];
/// kombu's separator between a queue and its step.
const SEPARATOR: &str = "\u{6}\u{16}";

/// Names of keys and channels under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    prefix: Arc<str>,
    result_prefix: Arc<str>,
    group_prefix: Arc<str>,
}

impl Keys {
    /// Names under `prefix`, kombu's `global_keyprefix`. For results, Celery adds an underscore to a
    /// prefix that ends in none of `:_-.`; so do we.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let joint = if prefix.is_empty() || prefix.ends_with([':', '_', '-', '.']) {
            ""
        } else {
            "_"
        };
        Self {
            prefix: prefix.into(),
            result_prefix: format!("{prefix}{joint}celery-task-meta-").into(),
            group_prefix: format!("{prefix}{joint}celery-taskset-meta-").into(),
        }
    }

    /// The list of `queue` that holds messages of `priority`.
    #[must_use]
    pub fn list(&self, queue: &str, priority: u8) -> String {
        match step(priority) {
            0 => format!("{}{queue}", self.prefix),
            step => format!("{}{queue}{SEPARATOR}{step}", self.prefix),
        }
    }

    /// The result of a task, and the channel that announces it.
    #[must_use]
    pub fn result(&self, id: &TaskId) -> String {
        format!("{}{id}", self.result_prefix)
    }

    /// What is known of a group: with `suffix` empty its shape, `.j`, `.t`, `.s`, `.d` and `.c` of the
    /// header of a chord.
    #[must_use]
    pub fn group(&self, group: &str, suffix: &str) -> String {
        format!("{}{group}{suffix}", self.group_prefix)
    }

    /// The channel that stands for a fanout or topic exchange in a database.
    pub(crate) fn fanout(&self, database: u16, exchange: &str) -> String {
        format!("{}/{database}.{exchange}", self.prefix)
    }

    /// The queues that are bound to an exchange.
    pub(crate) fn bindings(&self, exchange: &str) -> String {
        format!("{}_kombu.binding.{exchange}", self.prefix)
    }

    /// Tasks that are not to run, with the time until which that is remembered.
    #[must_use]
    pub fn revoked(&self) -> String {
        format!("{}_kiuas.revoked", self.prefix)
    }

    /// Messages in workers' hands: tag to `[message, exchange, routing key]`.
    #[must_use]
    pub fn unacked(&self) -> String {
        format!("{}unacked", self.prefix)
    }

    /// When they were taken, or their lease renewed.
    #[must_use]
    pub fn unacked_index(&self) -> String {
        format!("{}unacked_index", self.prefix)
    }

    /// A worker's lease.
    #[must_use]
    pub fn alive(&self, worker: &str) -> String {
        format!("{}{worker}", self.alive_prefix())
    }

    pub(crate) fn alive_prefix(&self) -> String {
        format!("{}_kiuas.alive.", self.prefix)
    }

    /// Tasks of `queue` whose time has not come.
    #[must_use]
    pub fn eta(&self, queue: &str) -> String {
        format!("{}_kiuas.eta.{queue}", self.prefix)
    }

    /// What is known of a message's redeliveries on RabbitMQ.
    #[must_use]
    pub fn redelivery(&self, id: &TaskId) -> String {
        format!("{}_kiuas.redelivery.{id}", self.prefix)
    }

    /// Messages of `queue` that are no tasks; the newest 10,000 are kept.
    #[must_use]
    pub fn malformed(&self, queue: &str) -> String {
        format!("{}{queue}:malformed", self.prefix)
    }

    /// Tasks of `queue` that were given up, with the evidence; the newest 10,000 are kept.
    #[must_use]
    pub fn dead(&self, queue: &str) -> String {
        format!("{}{queue}:dead", self.prefix)
    }
}

/// The step that `priority` falls into.
pub(crate) fn step(priority: u8) -> u8 {
    STEPS
        .into_iter()
        .rev()
        .find(|step| *step <= priority)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_fall_into_kombus_lists() {
        let keys = Keys::new("");
        let lists: Vec<_> = [0, 2, 3, 5, 6, 9, 255]
            .map(|priority| keys.list("celery", priority))
            .into();
        let three = "celery\u{6}\u{16}3";
        let nine = "celery\u{6}\u{16}9";
        assert_eq!(
            lists,
            [
                "celery",
                "celery",
                three,
                three,
                "celery\u{6}\u{16}6",
                nine,
                nine
            ]
        );
    }

    #[test]
    fn the_prefix_stands_before_every_name() {
        let keys = Keys::new("site");
        assert_eq!(keys.unacked(), "siteunacked");
        assert_eq!(keys.eta("q"), "site_kiuas.eta.q");
        assert_eq!(keys.result(&"1".into()), "site_celery-task-meta-1");
        assert_eq!(
            Keys::new("site:").result(&"1".into()),
            "site:celery-task-meta-1"
        );
    }
}
