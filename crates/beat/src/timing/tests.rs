use proptest::prelude::*;

use super::*;

const HELSINKI: &str = "Europe/Helsinki";

fn at(text: &str) -> Timestamp {
    text.parse().expect("time")
}

fn cron(expression: &str, zone: &str) -> Timing {
    Timing::cron(expression, zone).expect(expression)
}

/// Due times after `from` and not after `to`, in UTC.
fn dues(timing: &Timing, from: &str, to: &str) -> Vec<String> {
    let dues = timing.between(at(from), at(to));
    dues.map(|due| due.strftime("%d %H:%M").to_string())
        .collect()
}

#[test]
fn a_period_is_due_at_multiples_since_the_epoch() {
    let timing = Timing::every(Period::seconds(300)).expect("timing");
    for (moment, due) in [
        ("2026-11-23T15:00:00Z", "2026-11-23T15:05:00Z"),
        ("2026-11-23T15:04:59.9999Z", "2026-11-23T15:05:00Z"),
        ("2026-11-23T15:05:00Z", "2026-11-23T15:10:00Z"),
    ] {
        assert_eq!(timing.next(at(moment)), Some(at(due)), "{moment}");
    }
}

#[test]
fn cron_is_due_in_its_own_zone() {
    let daily = cron("0 3 * * *", HELSINKI);
    assert_eq!(
        dues(&daily, "2026-07-01T00:00:00Z", "2026-07-03T12:00:00Z"),
        ["02 00:00", "03 00:00"]
    );
    assert_eq!(
        dues(&daily, "2026-12-01T00:00:00Z", "2026-12-02T12:00:00Z"),
        ["01 01:00", "02 01:00"]
    );
}

#[test]
fn six_fields_begin_with_seconds() {
    let timing = cron("*/20 * * * * *", "UTC");
    let next = timing.next(at("2026-11-23T15:00:20.5Z"));
    assert_eq!(next, Some(at("2026-11-23T15:00:40Z")));
}

// Helsinki, 2026-03-29: 03:00 becomes 04:00 at 01:00 UTC.
#[test]
fn a_fixed_time_in_the_gap_is_due_once_right_after_it() {
    for expression in ["30 3 * * *", "0 3 * * *"] {
        let due = dues(
            &cron(expression, HELSINKI),
            "2026-03-28T12:00:00Z",
            "2026-03-29T22:00:00Z",
        );
        assert_eq!(due, ["29 01:00"], "{expression}");
    }
}

#[test]
fn intervals_go_on_over_the_gap() {
    assert_eq!(
        dues(
            &cron("*/30 * * * *", HELSINKI),
            "2026-03-29T00:00:00Z",
            "2026-03-29T02:00:00Z"
        ),
        ["29 00:30", "29 01:00", "29 01:30", "29 02:00"]
    );
}

// Helsinki, 2026-10-25: 04:00 becomes 03:00 at 01:00 UTC.
#[test]
fn a_fixed_time_in_the_overlap_is_due_once_the_first_time() {
    assert_eq!(
        dues(
            &cron("30 3 * * *", HELSINKI),
            "2026-10-24T12:00:00Z",
            "2026-10-26T12:00:00Z"
        ),
        ["25 00:30", "26 01:30"]
    );
}

#[test]
fn intervals_are_due_in_both_halves_of_the_overlap() {
    assert_eq!(
        dues(
            &cron("0 * * * *", HELSINKI),
            "2026-10-24T22:30:00Z",
            "2026-10-25T02:30:00Z"
        ),
        ["24 23:00", "25 00:00", "25 01:00", "25 02:00"]
    );
}

#[test]
fn due_times_do_not_depend_on_where_one_looks_from() {
    for day in ["2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z"] {
        let (begin, end) = (at(day), at(day) + SignedDuration::from_hours(12));
        for expression in [
            "30 3 * * *",
            "0 3 * * *",
            "*/15 * * * *",
            "15 */2 * * *",
            "59 2-4 * * *",
        ] {
            let timing = cron(expression, HELSINKI);
            let all: Vec<Timestamp> = timing
                .between(begin, end + SignedDuration::from_hours(36))
                .collect();
            let mut moment = begin;
            while moment < end {
                let expected = all.iter().copied().find(|due| *due > moment);
                assert_eq!(
                    timing.next(moment),
                    expected,
                    "`{expression}` after {moment}"
                );
                moment += SignedDuration::from_secs(7 * 60 + 30);
            }
        }
    }
}

#[test]
fn the_newest_due_time_is_found_from_afar() {
    let now = at("2026-11-23T15:00:30Z");
    for (timing, first, latest, count) in [
        (
            cron("* * * * *", "UTC"),
            "2026-11-20T15:00:00Z",
            "2026-11-23T15:00:00Z",
            4321,
        ),
        (
            cron("0 3 * * *", "UTC"),
            "2026-11-20T03:00:00Z",
            "2026-11-23T03:00:00Z",
            4,
        ),
        (
            cron("0 3 * * 1", "UTC"),
            "2026-11-16T03:00:00Z",
            "2026-11-23T03:00:00Z",
            2,
        ),
        (
            cron("0 3 20 * *", "UTC"),
            "2026-11-20T03:00:00Z",
            "2026-11-20T03:00:00Z",
            1,
        ),
        (
            Timing::every(Period::seconds(1)).expect("timing"),
            "2026-11-20T15:00:00Z",
            "2026-11-23T15:00:30Z",
            259_231,
        ),
    ] {
        assert_eq!(timing.latest(at(first), now), at(latest), "{timing:?}");
        assert_eq!(timing.count(at(first), now), count, "{timing:?}");
    }
}

#[test]
fn the_newest_due_time_of_a_short_past_is_the_first() {
    let timing = Timing::every(Period::seconds(60)).expect("timing");
    let first = at("2026-11-23T15:00:00Z");
    assert_eq!(timing.latest(first, first), first);
    assert_eq!(timing.count(first, first), 1);
}

#[test]
fn unusable_timings_are_refused() {
    let problem = |outcome: Result<Timing, EntryProblem>| match outcome {
        Ok(timing) => format!("accepted: {timing:?}"),
        Err(problem) => problem.to_string(),
    };
    for (expression, zone, words) in [
        ("* * * *", "UTC", "is no cron expression"),
        ("61 * * * *", "UTC", "is no cron expression"),
        ("* * * * * * 2026", "UTC", "is no cron expression"),
        ("every day", "UTC", "is no cron expression"),
        ("", "UTC", "is no cron expression"),
        ("0 0 30 2 *", "UTC", "is never due"),
        ("0 3 * * *", "Europe/Turku", "is no time zone"),
    ] {
        let text = problem(Timing::cron(expression, zone));
        assert!(text.contains(words), "`{expression}` {zone}: {text}");
    }
    let text = problem(Timing::every(Period::milliseconds(0)));
    assert!(text.contains("shorter than 100ms"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_cron_text_panics(expression in "[-0-9*/,@?#LWa-z ]{0,24}|\\PC{0,24}") {
        drop(Timing::cron(&expression, "UTC"));
    }

    #[test]
    fn no_cron_fields_panic(fields in prop::collection::vec("[0-9*][-,/*0-9LW#]{0,6}", 5..7)) {
        let expression = fields.join(" ");
        if let Ok(timing) = Timing::cron(&expression, HELSINKI) {
            let moment = at("2026-03-29T00:59:59Z");
            prop_assert!(timing.next(moment).is_none_or(|due| due > moment));
        }
    }

    #[test]
    fn multiples_are_after_the_moment_and_aligned(
        millis in 0_i64..4_000_000_000_000,
        period in 100_u64..10_000_000,
    ) {
        let timing = Timing::every(Period::milliseconds(period)).expect("timing");
        let moment = Timestamp::from_millisecond(millis).expect("time");
        let due = timing.next(moment).expect("due").as_millisecond();
        let period = i64::try_from(period).expect("period");
        prop_assert!(due > millis && due - millis <= period && due % period == 0);
    }
}
