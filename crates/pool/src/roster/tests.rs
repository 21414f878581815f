//! The roster in a world where time passes only when told and processes are numbers.

mod life;
mod order;
mod roll;
mod state;

use super::*;

const PROBATION: Duration = Duration::from_secs(2);

struct World {
    roster: Roster,
    now: Instant,
    next_pid: i32,
    /// Process, seat, generation.
    alive: Vec<(Pid, usize, u64)>,
    terminated: Vec<Pid>,
    killed: Vec<Pid>,
    paused: Vec<Pid>,
    events: Vec<RollEvent>,
    /// For how many more children there is memory.
    room: usize,
    most_alive: usize,
}

fn policy(processes: usize) -> Policy {
    Policy {
        processes,
        start_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(35),
        ready_after: None,
        probation: PROBATION,
        surge: 1,
        backoff: BackoffPolicy {
            shortest: Duration::from_millis(200),
            longest: Duration::from_secs(30),
        },
    }
}

impl World {
    fn new(processes: usize) -> Self {
        Self::with(policy(processes))
    }

    fn with(policy: Policy) -> Self {
        let mut world = Self {
            roster: Roster::new(policy),
            now: Instant::now(),
            next_pid: 100,
            alive: Vec::new(),
            terminated: Vec::new(),
            killed: Vec::new(),
            paused: Vec::new(),
            events: Vec::new(),
            room: usize::MAX,
            most_alive: 0,
        };
        world.settle();
        world
    }

    /// A world whose children are all ready and settled.
    fn serving(policy: Policy) -> Self {
        let mut world = Self::with(policy);
        world.all_ready();
        world.wait(Duration::from_secs(10));
        world
    }

    /// Does everything that the roster asks for.
    fn settle(&mut self) {
        loop {
            let room = self.room;
            let actions = self.roster.plan(self.now, || room);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.perform(action);
            }
        }
        self.events.extend(self.roster.take_events());
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Begin { .. } => {}
            Action::Spawn { seat, generation } => {
                let pid = Pid::from_raw(self.next_pid).expect("pid");
                self.next_pid += 1;
                self.alive.push((pid, seat, generation));
                self.most_alive = self.most_alive.max(self.alive.len());
                self.roster.spawned(seat, pid, generation, self.now);
            }
            Action::Terminate { pid, .. } => self.terminated.push(pid),
            Action::Kill(pid) => self.killed.push(pid),
            Action::Pause(pid) => self.paused.push(pid),
            Action::Resume(pid) => self.paused.retain(|other| *other != pid),
        }
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

    /// Everybody who was asked to finish does.
    fn the_asked_finish(&mut self) {
        for pid in self.terminated.clone() {
            if self.alive.iter().any(|(other, _, _)| *other == pid) {
                self.exit(pid, Ending::Status(0));
            }
        }
    }

    /// Lets new children become ready and prove themselves, and old ones end, until nothing changes.
    fn carry_on(&mut self) {
        for _ in 0..20 {
            self.all_ready();
            self.the_asked_finish();
            self.wait(PROBATION);
        }
    }

    fn want_roll(&mut self) {
        self.roster.want_roll(None);
        self.settle();
    }

    fn newest(&self) -> Pid {
        self.alive.last().expect("a process").0
    }

    fn pids(&self) -> Vec<Pid> {
        self.alive.iter().map(|(pid, _, _)| *pid).collect()
    }

    /// Generations of the living, by seat.
    fn generations(&self) -> Vec<u64> {
        let mut alive = self.alive.clone();
        alive.sort_by_key(|(_, seat, _)| *seat);
        alive
            .into_iter()
            .map(|(_, _, generation)| generation)
            .collect()
    }

    fn given_up(&self) -> Option<(usize, &str)> {
        self.events.iter().find_map(|event| match event {
            RollEvent::GivenUp {
                renewed, reason, ..
            } => Some((*renewed, reason.as_str())),
            _ => None,
        })
    }

    fn rolls_done(&self) -> usize {
        let done = |event: &&RollEvent| matches!(event, RollEvent::Done { .. });
        self.events.iter().filter(done).count()
    }
}
