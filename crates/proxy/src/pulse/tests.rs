use std::task::Poll;

use super::*;
use crate::settings::LimitSettings;

fn limits() -> Limits {
    Limits::from(&LimitSettings::default())
}

fn after(pulse: &Pulse, seconds: u64) -> Option<Verdict> {
    pulse.overdue(&limits(), now() + seconds * 1000)
}

#[test]
fn a_new_connection_must_send_a_head_in_time() {
    let pulse = Pulse::new();
    assert_eq!(after(&pulse, 9), None);
    assert_eq!(after(&pulse, 11), Some(Verdict::Late));
}

#[test]
fn a_request_at_work_has_no_limit_here() {
    let pulse = Pulse::new();
    pulse.head_ends();
    pulse.request_begins();
    assert_eq!(after(&pulse, 3600), None);
}

#[test]
fn an_idle_connection_ends_after_its_limit() {
    let pulse = Pulse::new();
    pulse.head_ends();
    pulse.request_begins();
    pulse.request_ends();
    assert_eq!(after(&pulse, 74), None);
    assert_eq!(after(&pulse, 76), Some(Verdict::Idle));
}

#[test]
fn a_visitor_who_does_not_read_is_found_even_with_a_request_at_work() {
    let pulse = Pulse::new();
    pulse.request_begins();
    assert_eq!(pulse.writes(Poll::<()>::Pending), Poll::Pending);
    assert_eq!(after(&pulse, 31), Some(Verdict::Stalled));
    assert_eq!(pulse.writes(Poll::Ready(())), Poll::Ready(()));
    assert_eq!(after(&pulse, 31), None);
}

#[tokio::test]
async fn the_task_of_a_connection_hears_of_the_verdict() {
    let pulse = Pulse::new();
    *pulse.verdict.lock() = Some(Verdict::Idle);
    pulse.found.notify_one();
    assert_eq!(pulse.verdict().await, Verdict::Idle);
}

#[test]
fn a_window_kept_shut_is_a_visitor_who_does_not_read() {
    let pulse = Pulse::new();
    pulse.request_begins();
    pulse.window_is_shut(Some(now()));
    assert_eq!(after(&pulse, 31), Some(Verdict::Stalled));
    pulse.window_is_shut(None);
    assert_eq!(after(&pulse, 31), None);
}
