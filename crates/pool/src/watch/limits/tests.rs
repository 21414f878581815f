use kiuas_common::{Bytes, Period};
use rustix::process::Pid;

use super::*;

fn child(age: Duration, phase: Phase) -> (ChildView, Instant) {
    let started = Instant::now();
    let child = ChildView {
        pid: Pid::INIT,
        seat: 0,
        generation: 1,
        started,
        phase,
        paused: false,
        cause: None,
        killed: None,
        respawns: 0,
    };
    (child, started + age)
}

fn verdict(settings: &PoolSettings, usage: Usage, age: Duration) -> Option<Cause> {
    let limits = Limits::from(settings);
    let phase = Phase::Ready {
        since: Instant::now(),
    };
    let (child, now) = child(age, phase);
    limits.should_go(&child, &limits.draw(0.0), &usage, now)
}

fn settings() -> PoolSettings {
    PoolSettings {
        min_lifetime: Period::seconds(10),
        ..PoolSettings::default()
    }
}

const OLD: Duration = Duration::from_secs(60);
const YOUNG: Duration = Duration::from_secs(9);

#[test]
fn every_limit_has_its_cause_and_none_holds_before_the_minimum_lifetime() {
    let cases = [
        (
            PoolSettings {
                max_requests: Some(100),
                ..settings()
            },
            Cause::MaxRequests,
        ),
        (
            PoolSettings {
                max_lifetime: Some(Period::seconds(30)),
                ..settings()
            },
            Cause::Lifetime,
        ),
        (
            PoolSettings {
                rss_soft: Some(Bytes(1000)),
                ..settings()
            },
            Cause::RssSoft,
        ),
        (
            PoolSettings {
                pss_soft: Some(Bytes(500)),
                ..settings()
            },
            Cause::PssSoft,
        ),
        (
            PoolSettings {
                uss_soft: Some(Bytes(400)),
                ..settings()
            },
            Cause::UssSoft,
        ),
        (
            PoolSettings {
                vsz_soft: Some(Bytes(9000)),
                ..settings()
            },
            Cause::VszSoft,
        ),
        (
            PoolSettings {
                max_panics: Some(3),
                ..settings()
            },
            Cause::MaxPanics,
        ),
        (
            PoolSettings {
                files: Some(20),
                ..settings()
            },
            Cause::Files,
        ),
        (
            PoolSettings {
                cpu_time: Some(Period::seconds(5)),
                ..settings()
            },
            Cause::CpuTime,
        ),
    ];
    let usage = Usage {
        requests: 100,
        panics: 3,
        resident: 1001,
        virtual_size: 9001,
        memory: Some(Rollup {
            pss: 501,
            uss: 401,
            swap: 0,
        }),
        files: Some(21),
        cpu: Duration::from_secs(6),
    };
    for (settings, cause) in cases {
        assert_eq!(verdict(&settings, usage, OLD), Some(cause));
        assert_eq!(verdict(&settings, usage, YOUNG), None, "{cause:?}");
        assert_eq!(verdict(&settings, Usage::default(), YOUNG), None);
    }
    assert_eq!(verdict(&settings(), usage, OLD), None);
}

#[test]
fn a_child_that_leaves_already_is_left_alone() {
    let limits = Limits::from(&PoolSettings {
        max_requests: Some(1),
        ..settings()
    });
    let usage = Usage {
        requests: 100,
        ..Usage::default()
    };
    let since = Instant::now();
    for phase in [Phase::Starting, Phase::Draining { since }] {
        let (child, now) = child(OLD, phase);
        assert_eq!(
            limits.should_go(&child, &limits.draw(0.0), &usage, now),
            None
        );
    }
}

#[test]
fn jitter_only_ever_adds() {
    let limits = Limits::from(&PoolSettings {
        max_requests: Some(1000),
        max_lifetime: Some(Period::seconds(100)),
        jitter: 20,
        ..settings()
    });
    assert_eq!(limits.draw(0.0).max_requests, Some(1000));
    assert_eq!(limits.draw(1.0).max_requests, Some(1200));
    assert_eq!(limits.draw(7.0).max_requests, Some(1200));
    assert_eq!(
        limits.draw(0.5).max_lifetime,
        Some(Duration::from_secs(110))
    );
    assert_eq!(Limits::from(&settings()).draw(1.0), Drawn::default());
}

#[test]
fn the_hard_limit_on_memory_holds_at_any_age() {
    let limits = Limits::from(&PoolSettings {
        rss_hard: Some(Bytes(1000)),
        ..settings()
    });
    let resident = |resident| Usage {
        resident,
        ..Usage::default()
    };
    assert_eq!(limits.must_end(&resident(1000)), None);
    assert_eq!(limits.must_end(&resident(1001)), Some(Cause::RssHard));
}
