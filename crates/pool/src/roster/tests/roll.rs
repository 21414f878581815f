//! Rolls: one seat after the other, and what ends one early.

use super::super::plan::MOST_DRAINING;
use super::*;

#[test]
fn a_roll_asks_nobody_to_finish_before_the_first_new_child_has_proven_itself() {
    let mut world = World::serving(policy(2));
    let old = world.pids();
    world.want_roll();
    assert_eq!(world.alive.len(), 3, "one more, not two");
    world.ready(world.newest());
    assert_eq!(world.terminated, [], "on probation");

    world.wait(PROBATION);
    assert_eq!(world.terminated, old[..1]);
    world.ready(world.newest());
    assert_eq!(world.terminated, old, "trusted: no probation before");
    assert_eq!(world.rolls_done(), 0, "but one after");
    world.wait(PROBATION);
    assert_eq!(world.rolls_done(), 1);
    assert_eq!(world.exit(old[0], Ending::Status(0)).cause, Cause::Rolled);
    assert!(world.roster.is_full());
}

#[test]
fn a_surge_of_three_replaces_three_at_a_time() {
    let mut world = World::serving(Policy {
        surge: 3,
        ..policy(4)
    });
    world.want_roll();
    assert_eq!(world.alive.len(), 7);
    world.all_ready();
    world.wait(PROBATION);
    assert_eq!((world.terminated.len(), world.alive.len()), (3, 8));
    world.carry_on();
    assert_eq!(world.generations(), [2, 2, 2, 2]);
    assert_eq!(world.rolls_done(), 1);
}

#[test]
fn a_surge_is_no_larger_than_memory_allows() {
    let mut world = World::serving(Policy {
        surge: 3,
        ..policy(4)
    });
    world.room = 1;
    world.want_roll();
    assert_eq!(world.alive.len(), 5);
    world.room = 0;
    world.carry_on();
    assert_eq!(world.roster.rolling(), Some(2), "it waits for memory");
    world.room = 1;
    world.carry_on();
    assert_eq!(world.rolls_done(), 1);
}

#[test]
fn a_roll_for_which_there_is_never_memory_is_given_up() {
    let mut world = World::serving(policy(2));
    let old = world.pids();
    world.room = 0;
    world.want_roll();
    world.wait(Duration::from_secs(59));
    assert_eq!(world.given_up(), None);
    world.wait(Duration::from_secs(1));
    let (renewed, reason) = world.given_up().expect("given up");
    assert_eq!(renewed, 0);
    assert!(reason.contains("no memory"), "{reason}");
    assert_eq!(world.pids(), old);
}

#[test]
fn a_version_that_dies_at_its_start_is_given_up_after_three_tries() {
    let mut world = World::serving(policy(2));
    let old = world.pids();
    world.want_roll();
    for _ in 0..3 {
        world.exit(world.newest(), Ending::Status(1));
        world.wait(Duration::from_secs(31));
    }
    assert_eq!(world.pids(), old);
    assert_eq!(world.terminated, []);
    let (renewed, reason) = world.given_up().expect("given up");
    assert_eq!(renewed, 0);
    assert!(reason.contains("exit status 1"), "{reason}");
    assert_eq!(world.roster.next_deadline(world.now), None, "nothing to do");
}

#[test]
fn a_version_that_dies_on_probation_costs_no_old_child() {
    let mut world = World::serving(policy(2));
    let old = world.pids();
    world.want_roll();
    for _ in 0..3 {
        world.ready(world.newest());
        world.wait(Duration::from_secs(1));
        world.exit(world.newest(), Ending::Signal(11));
        world.wait(Duration::from_secs(31));
    }
    assert_eq!(world.pids(), old);
    assert_eq!(world.terminated, []);
    assert!(world.given_up().is_some());
}

#[test]
fn a_version_that_fails_late_is_taken_back_from_every_seat() {
    let mut world = World::serving(policy(3));
    world.want_roll();
    world.ready(world.newest());
    world.wait(PROBATION);
    // Trusted: the second seat is renewed, and then the new children begin to die.
    world.ready(world.newest());
    for _ in 0..3 {
        let young = world.newest();
        world.exit(young, Ending::Status(3));
        world.wait(Duration::from_secs(31));
        world.roster.ready(world.newest(), world.now);
        world.settle();
    }
    let (_, reason) = world.given_up().expect("given up");
    assert!(reason.contains("exit status 3"), "{reason}");
    world.carry_on();
    assert_eq!(world.generations(), [1, 1, 1]);
    assert!(matches!(
        world.events.last(),
        Some(RollEvent::Restored { generation: 1 })
    ));
}

#[test]
fn the_version_after_one_that_was_given_up_has_a_number_of_its_own() {
    let mut world = World::serving(policy(1));
    world.want_roll();
    world.roster.version_failed("no such file".to_owned());
    world.settle();
    assert_eq!(world.given_up().map(|(renewed, _)| renewed), Some(0));
    world.want_roll();
    world.carry_on();
    assert_eq!(world.generations(), [3]);
}

#[test]
fn a_seat_that_falls_empty_before_the_version_is_trusted_gets_the_old_one() {
    let mut world = World::serving(policy(2));
    let old = world.pids();
    world.want_roll();
    world.exit(old[1], Ending::Signal(9));
    assert_eq!(world.generations(), [1, 2, 1]);
    world.carry_on();
    assert_eq!(world.generations(), [2, 2]);
}

#[test]
fn a_child_that_dies_while_it_is_replaced_is_replaced_once() {
    let mut world = World::serving(policy(2));
    let old = world.pids();
    world.want_roll();
    world.exit(old[0], Ending::Signal(9));
    assert_eq!(world.alive.len(), 2, "its successor has the seat");
    world.carry_on();
    assert_eq!(world.generations(), [2, 2]);
    assert_eq!(world.terminated, old[1..]);
}

#[test]
fn a_pool_that_serves_nothing_is_renewed_at_once() {
    let mut world = World::new(2);
    for pid in world.pids() {
        world.exit(pid, Ending::Status(1));
    }
    world.want_roll();
    world.wait(Duration::ZERO);
    assert_eq!(world.generations(), [2, 2]);
}

#[test]
fn rolls_asked_for_during_a_roll_become_one_with_the_last_command() {
    let mut world = World::serving(policy(1));
    world.want_roll();
    for command in [None, Some(vec!["new".to_owned()]), None] {
        world.roster.want_roll(command);
        world.settle();
    }
    world.ready(world.newest());
    world.wait(PROBATION);
    assert_eq!(world.rolls_done(), 1);
    world.carry_on();
    assert_eq!(world.rolls_done(), 2);
    assert_eq!(world.generations(), [3]);
}

#[test]
fn a_storm_of_rolls_waits_for_children_that_still_drain() {
    let mut world = World::serving(policy(1));
    for _ in 0..20 {
        world.want_roll();
        world.all_ready();
        world.wait(PROBATION);
        world.wait(PROBATION);
    }
    assert!(
        world.most_alive <= 2 + MOST_DRAINING,
        "{}",
        world.most_alive
    );
    assert!(world.rolls_done() >= MOST_DRAINING);
}

#[test]
fn a_roll_fills_seats_that_are_added_meanwhile() {
    let mut world = World::serving(policy(1));
    world.want_roll();
    world.roster.resize(3, Cause::Operator, world.now);
    world.settle();
    world.carry_on();
    assert_eq!(world.generations(), [2, 2, 2]);
    assert_eq!(world.rolls_done(), 1);
}
