use super::*;

fn requests(requests: u64) -> Counters {
    Counters {
        requests,
        ..Counters::default()
    }
}

#[test]
fn sums_go_on_when_a_child_is_replaced() {
    let (old, new) = (Pid::from_raw(10).unwrap(), Pid::from_raw(11).unwrap());
    let mut tally = Tally::default();
    tally.add(old, 0, requests(5));
    tally.add(old, 0, requests(8));
    tally.end(old, 0, requests(9));
    tally.add(new, 0, requests(2));
    assert_eq!(tally.total.requests, 11);
    assert_eq!(tally.seats[&0].requests, 11);
    assert_eq!(tally.of(new).requests, 2);
    assert_eq!(tally.of(old).requests, 0);
}

#[test]
fn counters_that_somebody_scribbled_over_never_go_back() {
    let pid = Pid::from_raw(10).unwrap();
    let mut tally = Tally::default();
    for value in [5, 0, u64::MAX, 3, u64::MAX] {
        let before = tally.total.requests;
        tally.add(pid, 0, requests(value));
        assert!(tally.total.requests >= before);
    }
    assert_eq!(tally.total.requests, u64::MAX);
}
