use super::*;

/// A roster in a world where time passes only when told and processes are numbers.
struct World {
    roster: Roster,
    now: Instant,
    next_pid: i32,
    alive: Vec<(Pid, usize, u64)>,
    terminated: Vec<Pid>,
    killed: Vec<Pid>,
    events: Vec<RollEvent>,
}

impl World {
    fn new(processes: usize) -> Self {
        let policy = Policy {
            processes,
            start_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(35),
            ready_after: None,
            backoff: BackoffPolicy {
                shortest: Duration::from_millis(200),
                longest: Duration::from_secs(30),
            },
        };
        let mut world = Self {
            roster: Roster::new(policy),
            now: Instant::now(),
            next_pid: 100,
            alive: Vec::new(),
            terminated: Vec::new(),
            killed: Vec::new(),
            events: Vec::new(),
        };
        world.settle();
        world
    }

    /// Does everything that the roster asks for.
    fn settle(&mut self) {
        for action in self.roster.plan(self.now) {
            match action {
                Action::Spawn { seat, generation } => {
                    let pid = Pid::from_raw(self.next_pid).expect("pid");
                    self.next_pid += 1;
                    self.alive.push((pid, seat, generation));
                    self.roster.spawned(seat, pid, self.now);
                }
                Action::Terminate(pid) => self.terminated.push(pid),
                Action::Kill(pid) => self.killed.push(pid),
            }
        }
        self.events.extend(self.roster.take_events());
    }

    fn wait(&mut self, span: Duration) {
        self.now += span;
        self.settle();
    }

    fn ready(&mut self, pid: Pid) {
        assert!(self.roster.ready(pid, self.now));
        self.settle();
    }

    fn all_ready(&mut self) {
        for (pid, _, _) in self.alive.clone() {
            self.roster.ready(pid, self.now);
        }
        self.settle();
    }

    fn exit(&mut self, pid: Pid, ending: Ending) -> Exit {
        self.alive.retain(|(other, _, _)| *other != pid);
        let exit = self.roster.exited(pid, ending, self.now);
        let exit = exit.expect("a child");
        self.settle();
        exit
    }

    fn newest(&self) -> Pid {
        self.alive.last().expect("a process").0
    }

    fn pids(&self) -> Vec<Pid> {
        self.alive.iter().map(|(pid, _, _)| *pid).collect()
    }
}

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
fn a_roll_replaces_seat_after_seat_and_never_has_fewer_ready() {
    let mut world = World::new(2);
    world.all_ready();
    let old = world.pids();
    world.roster.want_roll();
    world.settle();
    assert_eq!(world.alive.len(), 3, "one more, not two");
    assert_eq!(world.terminated, []);

    world.ready(world.newest());
    assert_eq!(world.terminated, old[..1]);
    assert_eq!(
        world.roster.count(),
        Count {
            starting: 1,
            ready: 2,
            draining: 1
        }
    );
    world.ready(world.newest());
    assert_eq!(world.terminated, old);
    assert!(matches!(
        world.events[..],
        [
            RollEvent::Began { generation: 2 },
            RollEvent::Done { generation: 2, .. }
        ]
    ));
    assert_eq!(world.exit(old[0], Ending::Status(0)).cause, Cause::Rolled);
    assert!(world.roster.is_full());
}

#[test]
fn a_roll_is_given_up_after_three_tries() {
    let mut world = World::new(2);
    world.all_ready();
    let old = world.pids();
    world.roster.want_roll();
    world.settle();
    for _ in 0..3 {
        world.exit(world.newest(), Ending::Status(1));
        world.wait(Duration::from_secs(31));
    }
    assert_eq!(world.pids(), old);
    assert_eq!(world.terminated, []);
    assert!(
        matches!(&world.events[..], [.., RollEvent::GivenUp { renewed: 0, reason }] if reason.contains("exit status 1"))
    );
    assert_eq!(world.roster.next_deadline(world.now), None, "nothing to do");
}

#[test]
fn a_child_that_dies_during_a_roll_is_replaced_by_the_roll_or_by_the_seat_never_twice() {
    let mut world = World::new(2);
    world.all_ready();
    world.wait(Duration::from_secs(10));
    let old = world.pids();
    world.roster.want_roll();
    world.settle();
    // The one being replaced: its replacement is on the way already.
    world.exit(old[0], Ending::Signal(9));
    assert_eq!(world.alive.len(), 2);
    // The one whose turn comes later: its seat is filled, by the new generation.
    world.exit(old[1], Ending::Signal(9));
    assert_eq!(world.alive.len(), 2);
    world.all_ready();
    assert!(matches!(world.events[..], [_, RollEvent::Done { .. }]));
    assert!(
        world
            .alive
            .iter()
            .all(|(_, _, generation)| *generation == 2)
    );
    assert_eq!(world.terminated, []);
}

#[test]
fn rolls_asked_for_during_a_roll_become_one() {
    let mut world = World::new(1);
    world.all_ready();
    for _ in 0..4 {
        world.roster.want_roll();
        world.settle();
    }
    world.ready(world.newest());
    world.ready(world.newest());
    let done = |event: &&RollEvent| matches!(event, RollEvent::Done { .. });
    assert_eq!(world.events.iter().filter(done).count(), 2);
    assert_eq!(
        world.roster.next_deadline(world.now),
        Some(world.now + Duration::from_secs(35))
    );
}

#[test]
fn a_storm_of_rolls_waits_for_children_that_still_drain() {
    let mut world = World::new(1);
    world.all_ready();
    for _ in 0..20 {
        world.roster.want_roll();
        world.settle();
        world.all_ready();
    }
    assert_eq!(world.alive.len(), 1 + MOST_DRAINING);
    world.wait(Duration::from_secs(35));
    assert_eq!(world.killed.len(), MOST_DRAINING);
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
    world.roster.want_roll();
    world.settle();
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
