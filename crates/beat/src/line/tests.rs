use kiuas_common::Period;
use kiuas_queue::Call;
use serde_json::Map;

use super::*;
use crate::entry::Entry;
use crate::timing::TimingText;

const GRACE: SignedDuration = SignedDuration::from_secs(30);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("time")
}

fn ats(seconds: &[i64]) -> Vec<Timestamp> {
    seconds.iter().copied().map(at).collect()
}

/// Every ten seconds, after the tick `last`, begun at second 1.
fn line(missed: Missed, last: Option<i64>) -> Line {
    let mut entry = Entry::new("entry", TimingText::Every(Period::seconds(10)), || {
        Ok(Call::new("task", Vec::new(), Map::new()))
    });
    entry.missed(missed);
    Line::new(entry.check().expect("entry"), last.map(at), at(1))
}

#[test]
fn an_entry_without_history_begins_now() {
    let line = line(Missed::Once, None);
    assert_eq!(line.next(), Some(at(10)));
    assert_eq!(line.due(at(9), GRACE), None);
}

#[test]
fn an_entry_goes_on_after_its_newest_tick() {
    assert_eq!(line(Missed::Once, Some(-20)).next(), Some(at(-10)));
}

#[test]
fn a_tick_from_the_future_or_from_long_ago_is_no_place_to_go_on() {
    for last in [500, -8 * 24 * 3600] {
        assert_eq!(line(Missed::Once, Some(last)).next(), Some(at(10)));
    }
}

#[test]
fn ticks_within_the_grace_are_all_due() {
    for missed in [Missed::Once, Missed::Skip] {
        let due = line(missed, None).due(at(40), GRACE).expect("due");
        assert_eq!(
            (due.ticks, due.missed),
            (ats(&[10, 20, 30, 40]), 0),
            "{missed:?}"
        );
    }
}

#[test]
fn of_missed_ticks_the_newest_is_due_once() {
    let due = line(Missed::Once, None).due(at(105), GRACE).expect("due");
    assert_eq!(
        (due.ticks, due.missed, due.until),
        (ats(&[100]), 9, at(105))
    );
}

#[test]
fn skipped_ticks_are_not_due_but_late_ones_are() {
    let due = line(Missed::Skip, None).due(at(105), GRACE).expect("due");
    assert_eq!((due.ticks, due.missed), (ats(&[80, 90, 100]), 7));
}

#[test]
fn a_lone_skipped_tick_is_not_due() {
    let mut entry = line(Missed::Skip, None);
    entry.entry.timing = crate::Timing::every(Period::seconds(3600)).expect("timing");
    let due = entry.due(at(105), GRACE).expect("due");
    assert_eq!((due.ticks, due.missed, due.until), (vec![], 1, at(105)));
}

#[test]
fn an_advanced_line_is_due_after_what_was_handled() {
    let mut line = line(Missed::Once, None);
    line.advance(at(40));
    assert_eq!(line.next(), Some(at(50)));
}

#[test]
fn a_pass_takes_a_bounded_number_of_ticks_and_goes_on_after_them() {
    let mut line = line(Missed::Once, None);
    let now = at(100_000);
    let due = line.due(now, SignedDuration::from_hours(48)).expect("due");
    assert_eq!(due.ticks.len(), MOST + 1);
    assert_eq!(due.ticks.last(), Some(&due.until));
    line.advance(due.until);
    assert_eq!(line.next(), Some(due.until + SignedDuration::from_secs(10)));
}
