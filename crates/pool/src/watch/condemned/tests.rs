use super::super::boards::{SECOND, slot, snapshot, thread};
use super::*;

const GRACE: Duration = Duration::from_secs(10);

fn draining(since: Instant) -> Phase {
    Phase::Draining { since }
}

fn stuck_alone() -> Snapshot {
    snapshot(vec![thread(0, 5 * SECOND, Some(0))], vec![slot(0, 0, -1)])
}

fn stuck_beside_an_innocent() -> Snapshot {
    snapshot(
        vec![thread(0, 5 * SECOND, Some(0)), thread(1, 0, None)],
        vec![slot(0, 0, -1), slot(1, 1, 9)],
    )
}

#[test]
fn what_runs_beside_a_stuck_thread_may_finish_until_the_grace_is_over() {
    let now = Instant::now();
    let condemned = Condemned::now(Cause::Stuck, now);
    let board = stuck_beside_an_innocent();
    assert!(!condemned.is_due(draining(now), &board, GRACE, now));
    assert!(condemned.is_due(draining(now), &board, GRACE, now + GRACE));
    assert!(condemned.is_due(draining(now), &stuck_alone(), GRACE, now));
}

#[test]
fn without_a_successor_only_a_child_that_serves_nobody_is_ended() {
    let now = Instant::now();
    let condemned = Condemned::now(Cause::Stuck, now);
    let ready = Phase::Ready { since: now };
    let late = now + 10 * GRACE;
    assert!(!condemned.is_due(ready, &stuck_beside_an_innocent(), GRACE, late));
    assert!(condemned.is_due(ready, &stuck_alone(), GRACE, now));
}

#[test]
fn a_thread_that_came_back_is_not_killed() {
    let now = Instant::now();
    let condemned = Condemned::now(Cause::Stuck, now);
    let board = snapshot(vec![thread(0, 0, None)], Vec::new());
    assert!(!condemned.is_due(draining(now), &board, GRACE, now + GRACE));
}

#[test]
fn one_that_eats_the_memory_of_all_does_not_wait_for_its_successor_for_ever() {
    let now = Instant::now();
    let condemned = Condemned::now(Cause::RssHard, now);
    let ready = Phase::Ready { since: now };
    let board = snapshot(vec![thread(0, 0, None)], vec![slot(0, 0, 9)]);
    assert!(!condemned.is_due(ready, &board, GRACE, now));
    assert!(condemned.is_due(ready, &board, GRACE, now + GRACE));
}

#[test]
fn nobody_is_killed_twice() {
    let now = Instant::now();
    let condemned = Condemned {
        executed: true,
        ..Condemned::now(Cause::Stuck, now)
    };
    assert!(!condemned.is_due(draining(now), &stuck_alone(), GRACE, now + GRACE));
}
