use super::*;

const GRACE: Duration = Duration::from_millis(40);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn nobody_waits_for_an_empty_thread() {
    let load = Load::new();
    let left = leave(&load, LONG, LONG, &Shutdown::new()).await;
    assert_eq!(left, Left::Empty);
}

#[tokio::test]
async fn an_idle_connection_has_its_grace() {
    let load = Load::new();
    let _open = load.connect();
    let begin = Instant::now();
    let left = leave(&load, GRACE, LONG, &Shutdown::new()).await;
    assert_eq!(left, Left::Idle);
    assert!(begin.elapsed() >= GRACE);
}

#[tokio::test]
async fn a_connection_that_was_not_told_to_close_has_its_grace_from_its_last_answer() {
    let load = Load::new();
    let _open = load.connect();
    let slot = load.enter(None);
    let shutdown = Shutdown::new();
    let leaving = leave(&load, GRACE, LONG, &shutdown);
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
async fn an_endless_answer_holds_nothing_up() {
    let load = Load::new();
    let _open = load.connect();
    let mut slot = load.enter(None);
    slot.mark_endless();
    let left = leave(&load, GRACE, LONG, &Shutdown::new()).await;
    assert_eq!(left, Left::Idle);
}

#[tokio::test]
async fn the_deadline_cuts_what_is_in_flight() {
    let load = Load::new();
    let _open = load.connect();
    let _slots = (load.enter(None), load.enter(None));
    let left = leave(&load, GRACE, GRACE, &Shutdown::new()).await;
    assert_eq!(left, Left::Cut(2));
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let load = Load::new();
    let _open = load.connect();
    let _slot = load.enter(None);
    let shutdown = Shutdown::new();
    shutdown.cut();
    assert_eq!(leave(&load, LONG, LONG, &shutdown).await, Left::Cut(1));
}
