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

mod room {
    use std::sync::Arc;

    use super::*;

    fn waiting_for_body(bytes: u64) -> Arc<Pulse> {
        let pulse = working();
        pulse.body_begins();
        pulse.body_moves(bytes);
        pulse
    }

    fn working() -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::new());
        pulse.head_ends();
        pulse.request_begins();
        pulse
    }

    fn reason(pulse: &Pulse, later: u64) -> Option<Reason> {
        victim::rank(pulse, clock::milliseconds() + later).map(|(reason, _)| reason)
    }

    #[test]
    fn nobody_whom_an_application_works_for_has_to_go() {
        let pulse = working();
        assert_eq!(reason(&pulse, 3_600_000), None);
        let fast = waiting_for_body(1 << 20);
        assert_eq!(reason(&fast, 10_000), None, "a body that comes fast");
        assert_eq!(
            reason(&waiting_for_body(10), 200),
            None,
            "a body that just began"
        );
    }

    #[test]
    fn the_least_useful_go_first() {
        let head = Pulse::new();
        assert_eq!(reason(&head, 100), Some(Reason::Head));
        assert_eq!(reason(&head, 3000), Some(Reason::SlowHead));
        let idle = Pulse::new();
        idle.head_ends();
        assert_eq!(reason(&idle, 0), Some(Reason::Idle));
        assert_eq!(reason(&waiting_for_body(10), 3000), Some(Reason::SlowBody));
        let stalled = working();
        assert!(stalled.writes(Poll::<()>::Pending).is_pending());
        assert_eq!(reason(&stalled, 3000), Some(Reason::Stalled));
        assert!(Reason::SlowHead < Reason::Idle && Reason::Idle < Reason::SlowBody);
        assert!(
            Reason::Stalled < Reason::Head,
            "a newcomer is not pushed out by newcomers"
        );
    }

    #[tokio::test]
    async fn who_had_to_go_is_told_once_and_not_chosen_again() {
        let sweeper = Sweeper::default();
        let pulse = sweeper.watch(Stage::GraceOver);
        assert!(sweeper.make_room(|_| {}));
        assert_eq!(pulse.order().await, Order::Cut);
        assert!(!sweeper.make_room(|_| {}));
    }
}
