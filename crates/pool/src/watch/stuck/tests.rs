use kiuas_common::scoreboard::Kind;

use super::super::boards::{NOW, SECOND, slot, snapshot, thread};
use super::*;

fn labels<'a>(slots: impl Iterator<Item = &'a SlotView>) -> Vec<&'a str> {
    slots.map(|slot| slot.label.as_str()).collect()
}

#[test]
fn overdue_polled_and_silent_together_are_stuck() {
    let board = snapshot(vec![thread(0, 5 * SECOND, Some(3))], vec![slot(3, 0, -1)]);
    let (thread, slot) = stuck(&board).unwrap();
    assert_eq!((thread.index, slot.index), (0, 3));
}

#[test]
fn a_pending_future_on_a_live_thread_is_never_stuck() {
    let board = snapshot(vec![thread(0, SECOND / 10, Some(3))], vec![slot(3, 0, -60)]);
    assert!(stuck(&board).is_none());
    assert_eq!(labels(pending(&board)), ["GET /3"]);
}

#[test]
fn a_request_behind_a_stuck_one_is_not_what_the_process_is_ended_for() {
    let board = snapshot(
        vec![thread(0, 5 * SECOND, Some(1))],
        vec![slot(0, 0, -5), slot(1, 0, 3)],
    );
    assert!(stuck(&board).is_none());
    assert_eq!(labels(pending(&board)), [""; 0]);
    assert_eq!(next(&board), Some(NOW + 3 * SECOND));
}

#[test]
fn a_silent_thread_that_polls_nothing_and_a_slot_that_is_gone_are_no_reason() {
    let nothing = snapshot(vec![thread(0, 50 * SECOND, None)], vec![slot(0, 0, -5)]);
    assert!(stuck(&nothing).is_none());
    let gone = snapshot(vec![thread(0, 50 * SECOND, Some(9))], vec![slot(0, 0, -5)]);
    assert!(stuck(&gone).is_none());
}

#[test]
fn innocents_are_what_runs_on_live_threads_and_has_an_end() {
    let mut websocket = slot(4, 1, 100);
    websocket.kind = Kind::Websocket;
    let board = snapshot(
        vec![thread(0, 5 * SECOND, Some(0)), thread(1, 0, None)],
        vec![
            slot(0, 0, -1),
            slot(1, 0, 9),
            slot(2, 1, 9),
            slot(3, 1, -1),
            websocket,
        ],
    );
    assert_eq!(innocents(&board), 1);
    assert!(!is_dead(&board));
    let alone = snapshot(vec![thread(0, 5 * SECOND, Some(0))], vec![slot(0, 0, -1)]);
    assert!(is_dead(&alone));
}

#[test]
fn a_task_that_waits_goes_on_on_any_thread_that_is_well() {
    let task = |index, thread, left| {
        let mut task = slot(index, thread, left);
        task.kind = Kind::Task;
        task
    };
    // Both were polled by the thread that one of them holds now.
    let slots = vec![task(0, 0, -1), task(1, 0, 9)];
    let board = snapshot(
        vec![thread(0, 5 * SECOND, Some(0)), thread(1, 0, None)],
        slots.clone(),
    );
    assert_eq!(stuck(&board).map(|(_, slot)| slot.index), Some(0));
    assert_eq!(innocents(&board), 1);
    assert_eq!(labels(pending(&board)), [""; 0]);
    let alone = snapshot(vec![thread(0, 5 * SECOND, Some(0))], slots);
    assert_eq!(innocents(&alone), 0);
}
