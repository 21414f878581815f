//! Orders of the operator: more, fewer, pause, replace, stop.

use super::*;

#[test]
fn a_replaced_child_serves_until_its_successor_is_ready() {
    let mut world = World::serving(policy(2));
    let first = world.pids()[0];
    assert!(world.roster.replace(first, Cause::MaxRequests, world.now));
    world.settle();
    assert_eq!((world.alive.len(), world.terminated.len()), (3, 0));
    assert!(
        !world.roster.replace(first, Cause::Lifetime, world.now),
        "under way"
    );
    world.ready(world.newest());
    assert_eq!(world.terminated, [first]);
    let exit = world.exit(first, Ending::Status(0));
    assert_eq!(exit.cause, Cause::MaxRequests);
    assert_eq!(world.alive.len(), 2);
}

#[test]
fn children_that_are_due_together_are_replaced_one_after_another() {
    let mut world = World::serving(policy(4));
    for pid in world.pids() {
        world.roster.replace(pid, Cause::Lifetime, world.now);
    }
    world.settle();
    for _ in 0..4 {
        let count = world.roster.count();
        assert_eq!((count.starting, count.ready), (1, 4), "one at a time");
        world.all_ready();
        world.the_asked_finish();
    }
    assert_eq!(world.terminated.len(), 4);
}

#[test]
fn a_successor_that_fails_is_tried_again_and_its_predecessor_serves() {
    let mut world = World::serving(policy(1));
    let first = world.newest();
    world.roster.replace(first, Cause::RssSoft, world.now);
    world.settle();
    for _ in 0..5 {
        world.exit(world.newest(), Ending::Status(1));
        assert_eq!(world.pids(), [first]);
        let again = world.roster.next_deadline(world.now).expect("again");
        world.wait(again - world.now);
        assert_eq!(world.alive.len(), 2);
    }
    world.all_ready();
    assert_eq!(world.terminated, [first]);
}

#[test]
fn a_child_that_must_go_without_memory_for_its_successor_goes_first() {
    let mut world = World::serving(policy(2));
    let first = world.pids()[0];
    world.room = 0;
    world.roster.replace(first, Cause::RssSoft, world.now);
    world.settle();
    world.wait(Duration::from_secs(60));
    assert_eq!(world.terminated, [first]);
    assert_eq!(world.alive.len(), 3, "its seat is filled");
}

#[test]
fn a_terminated_child_leaves_its_seat_at_once() {
    let mut world = World::serving(policy(1));
    let first = world.newest();
    assert!(world.roster.terminate(first, Cause::Operator, world.now));
    world.settle();
    assert_eq!(
        (world.alive.len(), &world.terminated[..]),
        (2, &[first][..])
    );
    assert!(!world.roster.terminate(first, Cause::Operator, world.now));
    assert_eq!(world.exit(first, Ending::Status(0)).cause, Cause::Operator);
}

#[test]
fn a_killed_child_ends_for_the_reason_it_was_killed_for() {
    let mut world = World::serving(policy(1));
    let first = world.newest();
    assert!(world.roster.kill(first, Cause::RssHard, world.now));
    assert!(!world.roster.kill(first, Cause::RssHard, world.now));
    world.settle();
    assert_eq!(world.killed, [first]);
    assert_eq!(world.exit(first, Ending::Signal(9)).cause, Cause::RssHard);
    assert_eq!(world.alive.len(), 1);
}

#[test]
fn added_and_removed_children_have_their_cause() {
    let mut world = World::serving(policy(2));
    world.roster.resize(4, Cause::Operator, world.now);
    world.settle();
    assert_eq!(world.alive.len(), 4);
    world.all_ready();
    let last = world.newest();
    world.roster.resize(3, Cause::ScaledDown, world.now);
    world.settle();
    assert_eq!(world.terminated, [last]);
    assert_eq!(world.exit(last, Ending::Status(0)).cause, Cause::ScaledDown);
    assert_eq!(world.alive.len(), 3);
    world.roster.resize(0, Cause::Removed, world.now);
    world.settle();
    assert_eq!(world.roster.target(), 1, "never nobody");
}

#[test]
fn a_paused_pool_pauses_children_to_come() {
    let mut world = World::serving(policy(2));
    world.roster.pause_all(true);
    world.settle();
    assert_eq!(world.paused, world.pids());
    world.exit(world.newest(), Ending::Signal(9));
    world.all_ready();
    assert_eq!(world.paused.len(), 3);
    world.roster.pause_all(false);
    world.settle();
    assert!(world.pids().iter().all(|pid| !world.paused.contains(pid)));
}

#[test]
fn one_child_can_be_paused_alone() {
    let mut world = World::serving(policy(2));
    let first = world.pids()[0];
    assert!(world.roster.pause_one(first, true));
    world.settle();
    assert_eq!(world.paused, [first]);
    let nobody = Pid::from_raw(9999).expect("pid");
    assert!(!world.roster.pause_one(nobody, true));
}

#[test]
fn a_pool_that_sleeps_keeps_nobody_and_wakes_with_as_many_as_before() {
    let mut world = World::serving(policy(3));
    assert!(world.roster.sleep(world.now));
    world.settle();
    assert_eq!(world.terminated.len(), 3);
    world.the_asked_finish();
    world.wait(Duration::from_secs(600));
    assert!(world.alive.is_empty() && world.roster.is_asleep());
    assert_eq!(world.roster.target(), 3);
    assert!(!world.roster.sleep(world.now), "it sleeps already");
    assert!(world.roster.wake(world.now));
    world.settle();
    world.all_ready();
    assert_eq!(world.roster.count().ready, 3);
    assert!(!world.roster.wake(world.now), "it is awake");
}

#[test]
fn a_pool_that_rolls_or_is_paused_or_not_full_does_not_sleep() {
    let mut world = World::serving(policy(2));
    world.roster.pause_all(true);
    assert!(!world.roster.sleep(world.now));
    world.roster.pause_all(false);
    world.roster.want_roll(None);
    assert!(!world.roster.sleep(world.now));
    world.settle();
    assert!(!world.roster.sleep(world.now));
    let mut world = World::with(policy(2));
    assert!(!world.roster.sleep(world.now), "nobody is ready");
    world.all_ready();
    assert!(world.roster.sleep(world.now));
}
