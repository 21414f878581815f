//! What is handed over at an upgrade of the master.

use super::*;

/// The roster goes to the next program as text and comes back.
fn handed_over(world: &mut World) {
    let state = world.roster.state(world.now);
    let text = serde_json::to_string(&state).expect("text");
    let state = serde_json::from_str(&text).expect("state");
    let restored = Roster::restore(policy(1), state, world.now);
    world.roster = restored.expect("a roster");
    world.settle();
}

#[test]
fn nothing_happens_to_children_whose_roster_is_handed_over() {
    let mut world = World::serving(policy(2));
    let before = world.pids();
    handed_over(&mut world);
    assert_eq!(world.pids(), before);
    assert_eq!(
        (&world.terminated[..], &world.killed[..]),
        (&[][..], &[][..])
    );
    assert!(world.roster.is_full());
    assert_eq!(world.roster.target(), 2, "not what the settings say");
}

#[test]
fn a_roll_goes_on_where_it_was() {
    let mut world = World::serving(policy(2));
    world.want_roll();
    world.roster.want_roll(Some(vec!["newer".to_owned()]));
    world.ready(world.newest());
    world.wait(Duration::from_secs(1));
    handed_over(&mut world);
    assert_eq!(world.terminated, [], "still on probation");
    world.wait(Duration::from_secs(1));
    assert_eq!(world.terminated.len(), 1);
    world.carry_on();
    assert_eq!(world.rolls_done(), 2);
    assert_eq!(world.generations(), [3, 3]);
}

#[test]
fn a_child_that_drains_is_killed_when_it_would_have_been() {
    let mut world = World::serving(policy(1));
    let first = world.newest();
    world.roster.terminate(first, Cause::Operator, world.now);
    world.settle();
    world.wait(Duration::from_secs(20));
    handed_over(&mut world);
    world.wait(Duration::from_secs(14));
    assert_eq!(world.killed, []);
    world.wait(Duration::from_secs(1));
    assert_eq!(world.killed, [first]);
}
