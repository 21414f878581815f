//! The threads that compare passwords: few, and behind a bounded queue.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::Mutex;

/// Comparisons that may wait; at 50 ms each that is a few seconds of work.
const MOST_WAITING: usize = 64;
const MOST_THREADS: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// Runs `job` on a thread of its own; false if too many wait.
pub(super) fn run(job: impl FnOnce() + Send + 'static) -> bool {
    match queue().try_send(Box::new(job)) {
        Ok(()) => true,
        Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
    }
}

/// The queue; its threads start with the first password. They take what the serving threads leave.
fn queue() -> &'static SyncSender<Job> {
    static QUEUE: OnceLock<SyncSender<Job>> = OnceLock::new();
    QUEUE.get_or_init(|| {
        let (sender, receiver) = sync_channel::<Job>(MOST_WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for number in 0..(cores / 2).clamp(1, MOST_THREADS) {
            let receiver = Arc::clone(&receiver);
            let started = thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&receiver));
            if let Err(error) = started {
                tracing::error!(%error, "cannot start a thread that compares passwords");
            }
        }
        sender
    })
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "passwords are compared with normal priority");
    }
    loop {
        // One thread waits in `recv`, the others for the lock.
        let job = jobs.lock().recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
