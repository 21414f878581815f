use std::task::Poll;

use super::*;
use crate::settings::LimitSettings;

fn limits() -> Limits {
    Limits::from(&LimitSettings::default())
}

fn after(pulse: &Pulse, seconds: u64) -> Option<Order> {
    pulse.overdue(&limits(), clock::milliseconds() + seconds * 1000)
}

#[test]
fn a_new_connection_must_send_a_head_in_time() {
    let pulse = Pulse::new();
    assert_eq!(after(&pulse, 9), None);
    assert_eq!(after(&pulse, 11), Some(Order::Late));
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
    assert_eq!(after(&pulse, 76), Some(Order::Idle));
}

#[test]
fn a_visitor_who_does_not_read_is_found_even_with_a_request_at_work() {
    let pulse = Pulse::new();
    pulse.request_begins();
    assert_eq!(pulse.writes(Poll::<()>::Pending), Poll::Pending);
    assert_eq!(after(&pulse, 31), Some(Order::Stalled));
    assert_eq!(pulse.writes(Poll::Ready(())), Poll::Ready(()));
    assert_eq!(after(&pulse, 31), None);
}

#[tokio::test]
async fn the_task_of_a_connection_hears_each_order_once_the_urgent_one_first() {
    let pulse = Pulse::new();
    pulse.tell(Order::Finish);
    pulse.tell(Order::Stalled);
    assert_eq!(pulse.order().await, Order::Stalled);
    assert_eq!(pulse.order().await, Order::Finish);
    let context = &mut Context::from_waker(std::task::Waker::noop());
    assert_eq!(pulse.poll_order(context), Poll::Pending);
}

#[tokio::test]
async fn a_connection_that_comes_late_in_the_drain_is_told_at_once() {
    let sweeper = Sweeper::default();
    let early = sweeper.watch(Stage::GraceOver);
    sweeper.enter(Stage::Begun);
    let context = &mut Context::from_waker(std::task::Waker::noop());
    assert_eq!(early.poll_order(context), Poll::Pending);
    assert_eq!(sweeper.watch(Stage::Begun).order().await, Order::Finish);
    sweeper.enter(Stage::GraceOver);
    assert_eq!(early.order().await, Order::Finish);
    assert_eq!(sweeper.watch(Stage::GraceOver).order().await, Order::Finish);
}

#[test]
fn a_window_kept_shut_is_a_visitor_who_does_not_read() {
    let pulse = Pulse::new();
    pulse.request_begins();
    pulse.window_is_shut(Some(clock::milliseconds()));
    assert_eq!(after(&pulse, 31), Some(Order::Stalled));
    pulse.window_is_shut(None);
    assert_eq!(after(&pulse, 31), None);
}
