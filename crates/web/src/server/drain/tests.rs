use std::rc::Rc;

use kiuas_common::scoreboard::Kind;

use super::*;
use crate::load::{Begin, Slot};

const GRACE: Duration = Duration::from_millis(40);
const LONG: Duration = Duration::from_secs(60);

fn load() -> Rc<Load> {
    Load::new(None, None, LONG)
}

fn enter(load: &Rc<Load>) -> Slot {
    load.enter(
        None,
        Begin {
            method: "GET",
            path: "/",
            id: "",
            trace_id: "",
            limit: LONG,
        },
    )
}

fn patience(grace: Duration, deadline: Duration) -> Patience {
    Patience {
        grace,
        endless: GRACE,
        deadline,
    }
}

#[tokio::test]
async fn nobody_waits_for_an_empty_thread() {
    let load = load();
    let left = leave(&load, patience(LONG, LONG), &Shutdown::new()).await;
    assert_eq!(left, Left::Empty);
}

#[tokio::test]
async fn an_idle_connection_has_its_grace() {
    let load = load();
    let _open = load.connect();
    let begin = Instant::now();
    let left = leave(&load, patience(GRACE, LONG), &Shutdown::new()).await;
    assert_eq!(left, Left::Idle);
    assert!(begin.elapsed() >= GRACE);
}

#[tokio::test]
async fn a_connection_that_was_not_told_to_close_has_its_grace_from_its_last_answer() {
    let load = load();
    let _open = load.connect();
    let slot = enter(&load);
    let shutdown = Shutdown::new();
    let leaving = leave(&load, patience(GRACE, LONG), &shutdown);
    let ended = async {
        tokio::time::sleep(GRACE * 2).await;
        drop(slot);
        Instant::now()
    };
    let (left, ended) = tokio::join!(leaving, ended);
    assert_eq!(left, Left::Idle);
    assert!(ended.elapsed() >= GRACE);
}

#[tokio::test]
async fn an_endless_answer_has_its_own_time_and_is_no_loss() {
    let load = load();
    let _open = load.connect();
    let mut slot = enter(&load);
    slot.mark_endless(Kind::Stream);
    let begin = Instant::now();
    let left = leave(&load, patience(Duration::ZERO, LONG), &Shutdown::new()).await;
    assert_eq!(left, Left::Idle);
    assert!(begin.elapsed() >= GRACE);
    let left = leave(&load, patience(LONG, GRACE), &Shutdown::new()).await;
    assert_eq!(left, Left::Idle, "nobody waits for an answer that ends");
}

#[tokio::test]
async fn the_deadline_cuts_what_is_in_flight() {
    let load = load();
    let _open = load.connect();
    let _slots = (enter(&load), enter(&load));
    let left = leave(&load, patience(GRACE, GRACE), &Shutdown::new()).await;
    assert_eq!(left, Left::Cut(2));
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let load = load();
    let _open = load.connect();
    let _slot = enter(&load);
    let shutdown = Shutdown::new();
    shutdown.cut();
    assert_eq!(
        leave(&load, patience(LONG, LONG), &shutdown).await,
        Left::Cut(1)
    );
}
