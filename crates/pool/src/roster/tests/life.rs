//! The life of single children: starts, crashes, pauses, limits.

use super::*;

#[test]
fn every_seat_is_filled_at_the_start() {
    let mut world = World::new(3);
    let seats: Vec<_> = world.alive.iter().map(|(_, seat, _)| *seat).collect();
    assert_eq!(seats, [0, 1, 2]);
    assert!(!world.roster.is_full());
    world.all_ready();
    assert!(world.roster.is_full());
}

#[test]
fn a_settled_child_is_replaced_at_once_and_a_young_one_after_a_pause() {
    let mut world = World::new(1);
    world.all_ready();
    world.wait(Duration::from_secs(6));
    let exit = world.exit(world.newest(), Ending::Signal(9));
    assert_eq!(
        (exit.cause, exit.ran),
        (Cause::Crash, Duration::from_secs(6))
    );
    assert_eq!(world.alive.len(), 1, "no pause");

    world.all_ready();
    world.exit(world.newest(), Ending::Signal(9));
    assert_eq!(world.alive.len(), 0);
    let deadline = world
        .roster
        .next_deadline(world.now)
        .expect("the end of the pause");
    assert!(deadline - world.now <= Duration::from_millis(200));
    world.wait(deadline - world.now);
    assert_eq!(world.alive.len(), 1);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let policy = BackoffPolicy {
        shortest: Duration::from_millis(200),
        longest: Duration::from_secs(3),
    };
    let pauses: Vec<_> = (1..=6)
        .map(|failures| policy.pause(failures, 0.0).as_millis())
        .collect();
    assert_eq!(pauses, [200, 400, 800, 1600, 3000, 3000]);
    assert_eq!(policy.pause(u32::MAX, 1.0), Duration::from_millis(2250));
}

#[test]
fn a_child_that_is_not_ready_in_time_is_killed_once() {
    let mut world = World::new(1);
    world.wait(Duration::from_secs(60));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.killed, world.pids());
    assert!(!world.roster.ready(world.newest(), world.now), "too late");
    assert_eq!(
        world.exit(world.newest(), Ending::Signal(9)).cause,
        Cause::StartTimeout
    );
}

#[test]
fn a_child_that_leaves_by_itself_frees_its_seat_but_not_in_a_hot_loop() {
    let mut world = World::new(1);
    world.all_ready();
    let first = world.newest();
    world.roster.stopping_by_itself(first, world.now);
    world.settle();
    assert_eq!(world.alive.len(), 1, "young: a pause first");
    world.wait(Duration::from_millis(200));
    assert_eq!(world.alive.len(), 2);
    assert_eq!(world.exit(first, Ending::Status(0)).cause, Cause::OwnWill);
}

#[test]
fn stopping_ends_everybody_and_fills_no_seat() {
    let mut world = World::new(2);
    world.all_ready();
    world.want_roll();
    let all = world.pids();
    world.roster.stop(world.now);
    world.settle();
    let mut terminated = world.terminated.clone();
    terminated.sort_by_key(|pid| pid.as_raw_nonzero());
    assert_eq!(terminated, all);
    for pid in all {
        assert!(!world.roster.is_over(world.now));
        world.exit(pid, Ending::Status(0));
    }
    assert!(world.roster.is_over(world.now));
}

#[test]
fn a_process_that_survives_sigkill_is_left_behind() {
    let mut world = World::new(1);
    world.all_ready();
    world.roster.stop(world.now);
    world.roster.cut(world.now);
    world.settle();
    assert_eq!(world.killed, world.pids());
    assert!(!world.roster.is_over(world.now));
    let deadline = world.roster.next_deadline(world.now).expect("an end");
    world.wait(deadline - world.now);
    assert!(world.roster.is_over(world.now));
}

#[test]
fn orphans_are_none_of_ours() {
    let mut world = World::new(1);
    let orphan = Pid::from_raw(9999).expect("pid");
    assert!(
        world
            .roster
            .exited(orphan, Ending::Status(0), world.now)
            .is_none()
    );
}
