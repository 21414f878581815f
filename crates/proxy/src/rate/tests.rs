use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn quota(per_second: u32, burst: u32) -> Quota {
    Quota {
        every: Duration::from_secs(1) / per_second,
        burst,
    }
}

fn granted(buckets: &Buckets, key: u32, quota: Quota, times: usize, now: u64) -> usize {
    (0..times)
        .filter(|_| buckets.take_at(1, key, quota, now).granted)
        .count()
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let buckets = Buckets::default();
    let quota = quota(10, 4);
    assert_eq!(granted(&buckets, 1, quota, 20, SECOND), 5);
    assert_eq!(granted(&buckets, 1, quota, 20, SECOND + SECOND / 10), 1);
    assert_eq!(
        granted(&buckets, 1, quota, 20, 3 * SECOND),
        5,
        "it is full again"
    );
    assert_eq!(
        granted(&buckets, 2, quota, 20, SECOND),
        5,
        "another key has its own"
    );
    assert_eq!(
        (0..20)
            .filter(|_| buckets.take_at(2, 1, quota, 3 * SECOND).granted)
            .count(),
        5,
        "another limit has its own"
    );
}

#[test]
fn who_is_refused_learns_how_long_to_wait() {
    let buckets = Buckets::default();
    let quota = quota(2, 1);
    let first = buckets.take_at(1, "a", quota, SECOND);
    assert_eq!(
        (first.granted, first.left, first.wait),
        (true, 1, Duration::ZERO)
    );
    let second = buckets.take_at(1, "a", quota, SECOND);
    assert_eq!(
        (second.granted, second.left, second.wait),
        (true, 0, Duration::from_millis(500))
    );
    let third = buckets.take_at(1, "a", quota, SECOND);
    assert_eq!(
        (third.granted, third.wait),
        (false, Duration::from_millis(500))
    );
    assert_eq!(third.full_in, Duration::from_secs(1));
}

#[test]
fn the_table_is_bounded_and_a_full_set_gives_up_the_calmest_key() {
    let buckets = Buckets::default();
    let quota = quota(1, 10);
    for key in 0..500_000_u32 {
        assert!(buckets.take_at(1, key, quota, SECOND).granted);
    }
    let slots: usize = buckets
        .shards
        .iter()
        .map(|shard| shard.lock().len() * WAYS)
        .sum();
    assert_eq!(slots, 131_072);
}

#[test]
fn neighbours_in_ipv6_share_a_key() {
    let key = |text: &str| of_address(text.parse().expect("address"));
    assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
    assert_ne!(key("10.0.0.2"), key("10.0.0.1"));
}

proptest! {
    #[test]
    fn never_more_than_burst_and_rate_allow(
        burst in 0_u32..20,
        gaps in proptest::collection::vec(0_u64..300_000_000, 1..200),
    ) {
        let buckets = Buckets::default();
        let quota = quota(10, burst);
        let mut now = SECOND;
        let mut count = 0_u64;
        for gap in &gaps {
            now += gap;
            count += u64::from(buckets.take_at(1, 1, quota, now).granted);
        }
        let elapsed = gaps.iter().sum::<u64>();
        prop_assert!(count <= u64::from(burst) + 1 + elapsed / (SECOND / 10) + 1);
    }
}
