use super::*;

/// Readings every 100 ms of a pool of 1 to 4 children, all ready.
struct Readings {
    scaler: Scaler,
    now: Instant,
    count: usize,
}

impl Readings {
    fn new(count: usize) -> Self {
        Self {
            scaler: Scaler::new(Scale::default(), 1, 4),
            now: Instant::now(),
            count,
        }
    }

    /// The number of children after `span` of such load.
    fn after(&mut self, span: Duration, busy: u8, backlog: u32) -> usize {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(100);
            let load = Load { busy, backlog };
            let wanted = self.scaler.decide(load, self.count, self.count, self.now);
            self.count = wanted.unwrap_or(self.count);
        }
        self.count
    }
}

#[test]
fn a_busy_pool_grows_one_by_one_to_its_most() {
    let mut readings = Readings::new(1);
    assert_eq!(readings.after(Duration::from_millis(900), 95, 0), 1);
    assert_eq!(readings.after(Duration::from_millis(300), 95, 0), 2);
    assert_eq!(readings.after(Duration::from_secs(20), 95, 0), 4);
}

#[test]
fn waiting_connections_alone_make_it_grow() {
    let mut readings = Readings::new(1);
    assert_eq!(readings.after(Duration::from_secs(2), 10, 17), 2);
}

#[test]
fn a_short_peak_changes_nothing() {
    let mut readings = Readings::new(2);
    for _ in 0..20 {
        assert_eq!(readings.after(Duration::from_millis(800), 100, 50), 2);
        assert_eq!(readings.after(Duration::from_millis(200), 50, 0), 2);
    }
}

#[test]
fn an_idle_pool_shrinks_slowly_to_its_fewest() {
    let mut readings = Readings::new(3);
    assert_eq!(readings.after(Duration::from_secs(59), 1, 0), 3);
    assert_eq!(readings.after(Duration::from_secs(2), 1, 0), 2);
    assert_eq!(readings.after(Duration::from_secs(600), 1, 0), 1);
}

#[test]
fn what_one_child_less_could_not_do_is_not_idle() {
    // 25 percent of two is 50 percent of one, which is not below 40.
    let mut readings = Readings::new(2);
    assert_eq!(readings.after(Duration::from_secs(600), 25, 0), 2);
    assert_eq!(readings.after(Duration::from_secs(600), 19, 0), 1);
}

#[test]
fn nothing_is_decided_while_a_child_starts() {
    let mut readings = Readings::new(1);
    let load = Load {
        busy: 100,
        backlog: 500,
    };
    for _ in 0..100 {
        readings.now += Duration::from_secs(1);
        assert_eq!(readings.scaler.decide(load, 2, 1, readings.now), None);
    }
}
