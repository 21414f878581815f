//! Which requests hang, read off a scoreboard.
//!
//! A process is ended for a request only if three things hold: its hard deadline has passed, its thread
//! polls it now, and that thread gives no sign of life. Whatever else is overdue waits, behind such a
//! request or for something outside, and costs nobody a process.

use kiuas_common::scoreboard::{Kind, SlotView, Snapshot, ThreadView};

/// A thread that has been silent for longer is stuck: its heart beats ten times a second.
pub(crate) const SILENT: u64 = 1_000_000_000;
/// A handler that is in one poll for longer will hardly ever answer in time.
const SUSPICIOUS: u64 = 300_000_000;

/// True if the thread gives no sign of life.
pub(crate) fn is_silent(thread: &ThreadView, now: u64) -> bool {
    thread.silence(now) > SILENT
}

/// The silent threads that poll something, each with what it polls.
pub(crate) fn silent(snapshot: &Snapshot) -> impl Iterator<Item = (&ThreadView, &SlotView)> {
    let silent = |thread: &&ThreadView| is_silent(thread, snapshot.taken_at);
    snapshot.threads.iter().filter(silent).filter_map(|thread| {
        let slot = snapshot.slot(thread.polled?)?;
        Some((thread, slot))
    })
}

/// The first thread that hangs beyond a hard deadline, and what it hangs on.
pub(crate) fn stuck(snapshot: &Snapshot) -> Option<(&ThreadView, &SlotView)> {
    silent(snapshot).find(|(_, slot)| slot.is_overdue(snapshot.taken_at))
}

/// The deadline of what a thread has been polling for suspiciously long, though nobody would call it
/// silent yet: the next that may be beyond its limit.
pub(crate) fn suspected(snapshot: &Snapshot) -> Option<u64> {
    let long = |thread: &&ThreadView| {
        let since = thread.poll_since.unwrap_or(snapshot.taken_at);
        snapshot.taken_at.saturating_sub(since) > SUSPICIOUS
    };
    let threads = snapshot.threads.iter().filter(long);
    threads
        .filter_map(|thread| snapshot.slot(thread.polled?)?.hard_deadline)
        .min()
}

/// When the next silent thread will be stuck.
pub(crate) fn next(snapshot: &Snapshot) -> Option<u64> {
    silent(snapshot)
        .filter_map(|(_, slot)| slot.hard_deadline)
        .filter(|deadline| *deadline > snapshot.taken_at)
        .min()
}

/// What is overdue on threads that are well.
pub(crate) fn pending(snapshot: &Snapshot) -> impl Iterator<Item = &SlotView> {
    let overdue = |slot: &&SlotView| slot.is_overdue(snapshot.taken_at);
    snapshot
        .slots
        .iter()
        .filter(overdue)
        .filter(|slot| is_live(snapshot, slot))
}

/// How much runs on threads that are well, endless things aside: what a kill would take along.
pub(crate) fn innocents(snapshot: &Snapshot) -> usize {
    let counts = |slot: &&SlotView| {
        let overdue = slot.is_overdue(snapshot.taken_at);
        !slot.kind.is_endless() && !overdue && is_live(snapshot, slot)
    };
    snapshot.slots.iter().filter(counts).count()
}

/// How many connections of threads that are well wait, or may bring a request at any moment: endless
/// things and what is under way aside. A request that was sent and not yet read is on no board.
pub(crate) fn waiting(snapshot: &Snapshot) -> usize {
    let live = snapshot.threads.iter();
    let live = live.filter(|thread| !is_silent(thread, snapshot.taken_at));
    live.map(|thread| {
        let shown = |slot: &&SlotView| slot.thread == Some(thread.index);
        let shown = snapshot.slots.iter().filter(shown).count();
        let open = usize::try_from(thread.connections).unwrap_or(usize::MAX);
        open.saturating_sub(shown)
    })
    .fold(0, usize::saturating_add)
}

/// True if no thread is well.
pub(crate) fn is_dead(snapshot: &Snapshot) -> bool {
    let now = snapshot.taken_at;
    snapshot.threads.iter().all(|thread| is_silent(thread, now))
}

/// True if what `slot` holds goes on as soon as it can.
fn is_live(snapshot: &Snapshot, slot: &SlotView) -> bool {
    let now = snapshot.taken_at;
    if slot.kind == Kind::Task {
        // Any thread that is well goes on with a task, unless a silent one has it in its hands.
        let mut threads = snapshot.threads.iter();
        return !is_held(snapshot, slot) && threads.any(|thread| !is_silent(thread, now));
    }
    let thread = slot.thread.and_then(|thread| snapshot.thread(thread));
    thread.is_some_and(|thread| !is_silent(thread, now))
}

/// True if a silent thread polls it.
fn is_held(snapshot: &Snapshot, slot: &SlotView) -> bool {
    silent(snapshot).any(|(_, held)| held.index == slot.index)
}

#[cfg(test)]
mod tests;
