use std::task::Poll;

use super::*;
use crate::settings::LimitSettings;

fn limits() -> Limits {
    Limits::from(&LimitSettings::default())
}

fn blocked() -> Poll<io::Result<()>> {
    Poll::Pending
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
    assert!(pulse.writes(blocked()).is_pending());
    assert_eq!(after(&pulse, 31), Some(Order::Stalled));
    assert!(pulse.writes(Poll::Ready(Ok(1_usize))).is_ready());
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
    pulse.windows_are(Some(clock::milliseconds()), None);
    assert_eq!(after(&pulse, 31), Some(Order::Stalled));
    pulse.windows_are(None, None);
    assert_eq!(after(&pulse, 31), None);
}

/// A reader that took `bytes` in six seconds of waiting, and makes us wait again.
fn reader(bytes: usize) -> Pulse {
    let pulse = Pulse::new();
    pulse.request_begins();
    // What went into buffers before the first wait.
    assert!(pulse.writes(Poll::Ready(Ok(1_usize << 30))).is_ready());
    assert!(pulse.writes(blocked()).is_pending());
    let since = pulse.blocked_since.load(Ordering::Relaxed);
    pulse.blocked_since.store(since - 6000, Ordering::Relaxed);
    assert!(pulse.writes(Poll::Ready(Ok(bytes))).is_ready());
    assert!(pulse.writes(blocked()).is_pending());
    pulse
}

#[test]
fn a_visitor_who_reads_a_trickle_is_found() {
    assert_eq!(after(&reader(1000), 1), Some(Order::Stalled));
    assert_eq!(after(&reader(100_000), 1), None);
}

#[test]
fn a_stream_that_is_read_in_a_trickle_is_found() {
    let pulse = Pulse::new();
    pulse.request_begins();
    pulse.windows_are(None, Some(499));
    assert_eq!(after(&pulse, 1), Some(Order::Stalled));
    pulse.windows_are(None, Some(500));
    assert_eq!(after(&pulse, 1), None);
}

#[test]
fn a_slow_application_is_no_slow_reader() {
    let pulse = Pulse::new();
    pulse.request_begins();
    for _ in 0..3 {
        // Hours pass before each of these, and nothing blocks.
        assert!(pulse.writes(Poll::Ready(Ok(1_usize))).is_ready());
    }
    assert_eq!(after(&pulse, 36_000), None);
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
        assert!(stalled.writes(blocked()).is_pending());
        assert_eq!(reason(&stalled, 3000), Some(Reason::Stalled));
        assert_eq!(reason(&reader(10_000), 100), Some(Reason::SlowReader));
        assert_eq!(reason(&reader(1 << 20), 100), None, "a reader who is fast");
        let window = working();
        window.windows_are(Some(clock::milliseconds()), None);
        assert_eq!(reason(&window, 3000), Some(Reason::Stalled));
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
