use super::*;
use crate::settings::TargetSettings;
use crate::upstream::member::Health;
use crate::upstream::target::Spec;

fn member(port: u16, weight: u32, backup: bool, most: usize) -> Arc<Member> {
    let settings = TargetSettings {
        target: format!("127.0.0.1:{port}"),
        weight,
        backup,
        max_connections: most,
    };
    Member::new(Spec::try_from(&settings).expect("target"))
}

struct Bench {
    members: Vec<Arc<Member>>,
    turns: Vec<Cell<i64>>,
    balance: Balance,
}

impl Bench {
    fn new(members: Vec<Arc<Member>>, balance: Balance) -> Self {
        let turns = members.iter().map(|_| Cell::new(0)).collect();
        Self {
            members,
            turns,
            balance,
        }
    }

    fn field<'a>(&'a self, tried: &'a [u64]) -> Field<'a> {
        Field {
            members: &self.members,
            turns: &self.turns,
            tried,
            balance: self.balance,
            slow: 0,
        }
    }

    fn first(&self) -> Choice {
        self.field(&[]).first()
    }
}

#[test]
fn weights_are_kept_and_spread_smoothly() {
    let members = vec![
        member(1, 5, false, 0),
        member(2, 1, false, 0),
        member(3, 1, false, 0),
    ];
    for balance in [Balance::RoundRobin, Balance::LeastConnections] {
        let bench = Bench::new(members.clone(), balance);
        let order: Vec<Choice> = (0..7).map(|_| bench.first()).collect();
        // nginx's example for 5, 1, 1.
        let expected = [0, 0, 1, 0, 2, 0, 0].map(Choice::Member);
        assert_eq!(order, expected, "{balance:?}");
    }
}

#[test]
fn the_fewest_requests_for_the_weight_win() {
    let bench = Bench::new(
        vec![member(1, 2, false, 0), member(2, 1, false, 0)],
        Balance::LeastConnections,
    );
    for _ in 0..30 {
        let Choice::Member(index) = bench.first() else {
            panic!("none");
        };
        assert!(bench.members[index].take());
    }
    let counts: Vec<usize> = bench.members.iter().map(|one| one.in_flight()).collect();
    assert_eq!(counts, [20, 10]);
}

#[test]
fn backups_serve_only_while_no_other_is_up() {
    let bench = Bench::new(
        vec![member(1, 1, false, 1), member(2, 1, true, 0)],
        Balance::LeastConnections,
    );
    assert_eq!(bench.first(), Choice::Member(0));
    assert!(bench.members[0].take());
    assert_eq!(bench.first(), Choice::Full);
    bench.members[0].set_health(Health::Down);
    assert_eq!(bench.first(), Choice::Member(1));
    bench.members[1].set_draining(true);
    assert_eq!(bench.first(), Choice::Down);
}

#[test]
fn rather_the_one_that_failed_longest_ago_than_none() {
    let rule = (&crate::settings::PassiveSettings {
        max_fails: 1,
        ..Default::default()
    })
        .into();
    let bench = Bench::new(
        vec![member(1, 1, false, 0), member(2, 1, false, 0)],
        Balance::LeastConnections,
    );
    bench.members[1].fails.failed(rule);
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert_eq!(bench.first(), Choice::Member(0));
    bench.members[0].fails.failed(rule);
    assert!(!bench.field(&[]).is_any_up());
    assert_eq!(bench.first(), Choice::Member(1));
    let tried = [bench.members[1].id];
    assert_eq!(bench.field(&tried).other(), Some(0));
}
