//! The loop that fetches: only for free slots, in batches, asleep while there is nothing.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::{Pause, Shutdown};
use kiuas_queue::Broker;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::execute::Executor;
use crate::worker::Drained;

/// Most tasks in one claim.
const LARGEST_BATCH: usize = 64;
/// Longest sleep without looking: a second line behind the wake-up.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Longest time for giving back what a drain has cut.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// Fetches and starts tasks until the drain begins, but none while there is a pause.
pub(crate) async fn until_drain<S: Send + Sync + 'static, B: Broker>(
    executor: &Arc<Executor<S, B>>,
    concurrency: usize,
    tasks: &mut JoinSet<()>,
    pause_of_work: &Pause,
    shutdown: &Shutdown,
) {
    let slots = Arc::new(Semaphore::new(concurrency));
    let mut pause = FIRST_PAUSE;
    loop {
        let free = tokio::select! {
            biased;
            () = shutdown.draining() => return,
            free = free_slots(&slots, pause_of_work) => free,
        };
        while tasks.try_join_next().is_some() {}
        // Never dropped half-way: what it brings would be nobody's until the next sweep.
        let fetched = fetch(executor, free, tasks).await;
        let idle = match fetched {
            Ok(0) => executor.broker.wait(LONGEST_SLEEP),
            Ok(_) => {
                pause = FIRST_PAUSE;
                continue;
            }
            Err(error) => {
                trouble(executor, &error, &mut pause, shutdown).await;
                continue;
            }
        };
        let outcome = tokio::select! {
            () = shutdown.draining() => return,
            () = pause_of_work.paused() => continue,
            outcome = idle => outcome,
        };
        match outcome {
            Ok(()) => pause = FIRST_PAUSE,
            Err(error) => trouble(executor, &error, &mut pause, shutdown).await,
        }
    }
}

/// At least one free slot, and what else is free now, after the pause that may be under way.
async fn free_slots(slots: &Arc<Semaphore>, pause: &Pause) -> Vec<OwnedSemaphorePermit> {
    let mut free = Vec::new();
    // The semaphore is never closed.
    if let Ok(first) = Arc::clone(slots).acquire_owned().await {
        free.push(first);
    }
    // The slot may have come free during a pause that began while it was waited for.
    pause.resumed().await;
    while free.len() < LARGEST_BATCH {
        match Arc::clone(slots).try_acquire_owned() {
            Ok(more) => free.push(more),
            Err(_) => break,
        }
    }
    free
}

async fn fetch<S: Send + Sync + 'static, B: Broker>(
    executor: &Arc<Executor<S, B>>,
    free: Vec<OwnedSemaphorePermit>,
    tasks: &mut JoinSet<()>,
) -> Result<usize, kiuas_queue::QueueError> {
    let claimed = executor.broker.claim(free.len()).await?;
    let count = claimed.deliveries.len();
    executor.metrics.malformed.inc_by(claimed.malformed);
    if count > 0 {
        #[expect(clippy::cast_precision_loss, reason = "at most 64")]
        executor.metrics.claim_batch.observe(count as f64);
    }
    for (delivery, slot) in claimed.deliveries.into_iter().zip(free) {
        let delivery = Arc::new(delivery);
        let guard = executor.running.add(&delivery);
        let executor = Arc::clone(executor);
        tasks.spawn(async move {
            executor.execute(&delivery, guard).await;
            drop(slot);
        });
    }
    Ok(count)
}

async fn trouble<S: Send + Sync + 'static, B: Broker>(
    executor: &Executor<S, B>,
    error: &kiuas_queue::QueueError,
    pause: &mut Duration,
    shutdown: &Shutdown,
) {
    executor.metrics.broker_errors.inc();
    tracing::warn!(error = %error.with_causes(), "cannot fetch tasks, trying again");
    tokio::select! {
        () = tokio::time::sleep(*pause) => {}
        () = shutdown.draining() => {}
    }
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

/// Waits for the running tasks; gives back those that are left at the deadline.
pub(crate) async fn drain<S: Send + Sync + 'static, B: Broker>(
    executor: &Executor<S, B>,
    mut tasks: JoinSet<()>,
    deadline: Duration,
    shutdown: &Shutdown,
) -> Drained {
    let all = async { while tasks.join_next().await.is_some() {} };
    let complete = tokio::select! {
        () = all => true,
        () = tokio::time::sleep(deadline) => false,
        () = shutdown.cutting() => false,
    };
    if complete {
        return Drained::Complete;
    }
    tasks.shutdown().await;
    let left = executor.running.take_all();
    let count = left.len();
    tracing::warn!(
        tasks = count,
        "stopped {count} tasks, giving them back to their queues"
    );
    let release = async {
        for delivery in left {
            if let Err(error) = executor.broker.release(&delivery).await {
                tracing::warn!(
                    error = %error.with_causes(),
                    "cannot give a task back; others restore it when the lease has run out"
                );
            }
        }
    };
    if tokio::time::timeout(RELEASE_DEADLINE, release)
        .await
        .is_err()
    {
        tracing::warn!("no time to give all tasks back; others restore them");
    }
    Drained::Released(count)
}
