//! What a worker asks of a broker. One implementation a broker; all pass the same tests.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::canvas::ChordStep;
use crate::error::QueueError;
use crate::message::{Outgoing, hostname};
use crate::result::ResultMeta;

/// A message in the hands of this worker. The tag names this delivery, not the message: a redelivery
/// has another one, which is what fences a stale holder off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `<worker id>:<number>`.
    pub tag: String,
    /// The queue that it came from.
    pub queue: String,
    /// The message, as the producer wrote it.
    pub raw: Vec<u8>,
    /// When it was claimed, by the broker's clock: what decides whether its time has come. By another
    /// clock, a message could be put aside and found due in turns.
    pub claimed_at: Timestamp,
}

/// What a claim has brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Messages that are ours now, in the order of service.
    pub deliveries: Vec<Delivery>,
    /// How many messages on the way were no tasks and are put aside.
    pub malformed: u64,
}

/// Whether a delivery was still ours when we acted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Hold {
    /// It was, and what we asked for has happened.
    Kept,
    /// Someone restored it meanwhile: nothing of what we asked for has happened.
    Lost,
}

/// Everything that happens, at once or not at all, when a task has ended.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// What to store about the task.
    pub result: Option<ResultMeta>,
    /// What to store about tasks that will never run because of this one: nobody must wait for them.
    pub dependents: Vec<ResultMeta>,
    /// Messages that follow: callbacks, the next of a chain.
    pub follow_ups: Vec<Outgoing>,
    /// What becomes of the chords that it takes part in.
    pub chords: Vec<ChordStep>,
    /// The same task again, at that time.
    pub again: Option<(Timestamp, Outgoing)>,
    /// Why it goes to the dead letters.
    pub dead: Option<String>,
}

/// What a sweep of what others left behind has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Messages that are back in their queue.
    pub restored: u64,
    /// Messages that have cost too many workers their life, now dead letters.
    pub dead: u64,
}

/// What moving due tasks has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Due {
    /// Messages moved to their queue.
    pub moved: u64,
    /// How long until the next one is due, if any waits.
    pub next: Option<Duration>,
}

/// A consumer of some queues, with an identity and a lease. Clones are the same consumer.
///
/// Every method may fail while the broker is away; calling it again later is safe.
pub trait Broker: Clone + Send + Sync + 'static {
    /// This consumer's name: what its tags begin with.
    fn worker_id(&self) -> &str;

    /// Takes up to `most` messages, those of the first priority first.
    fn claim(&self, most: usize) -> impl Future<Output = Result<Claimed, QueueError>> + Send;

    /// Nothing will be claimed for a while (a drain, a pause): gives back what was fetched ahead and
    /// not handed out. The next claim fetches again.
    fn withdraw(&self) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Waits until a queue may have something, at most so long.
    fn wait(&self, at_most: Duration) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Ends `delivery`.
    fn finish(
        &self,
        delivery: &Delivery,
        finish: Finish,
    ) -> impl Future<Output = Result<Hold, QueueError>> + Send;

    /// Puts `delivery` aside until `eta`.
    fn defer(
        &self,
        delivery: &Delivery,
        priority: u8,
        eta: Timestamp,
    ) -> impl Future<Output = Result<Hold, QueueError>> + Send;

    /// Gives `delivery` back to the front of its queue.
    fn release(&self, delivery: &Delivery)
    -> impl Future<Output = Result<Hold, QueueError>> + Send;

    /// Moves `delivery`, which is no task, out of the way: visible, and read by no worker.
    fn divert(
        &self,
        delivery: &Delivery,
        reason: &str,
    ) -> impl Future<Output = Result<Hold, QueueError>> + Send;

    /// Renews the lease on everything held. Returns the tags that are not ours any more.
    fn heartbeat(&self) -> impl Future<Output = Result<Vec<String>, QueueError>> + Send;

    /// Restores what dead workers held.
    fn sweep(&self) -> impl Future<Output = Result<Swept, QueueError>> + Send;

    /// Moves tasks whose time has come to their queues.
    fn move_due(&self) -> impl Future<Output = Result<Due, QueueError>> + Send;

    /// Ends the lease, when nothing is held any more.
    fn leave(&self) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// A new name for a consumer: machine, process and something random.
pub(crate) fn worker_name() -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!(
        "kiuas-{}-{}-{}",
        hostname(),
        std::process::id(),
        random.get(..8).unwrap_or(&random)
    )
}
