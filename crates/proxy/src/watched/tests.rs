use std::task::Waker;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn a_turn_is_one_write() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let (mut watched, turn) = Watched::new(ours, Arc::new(Pulse::new()));
    for _ in 0..10 {
        watched.write_all(b"frame").await.expect("room");
        watched.flush().await.expect("no error");
    }
    let mut read = [0; 100];
    let nothing = futures_util::poll!(std::pin::pin!(theirs.read(&mut read)));
    assert!(nothing.is_pending(), "written before the turn's end");
    turn.end(&mut Context::from_waker(Waker::noop()));
    assert_eq!(theirs.read(&mut read).await.expect("bytes"), 50);
    assert!(watched.0.borrow().gathered.capacity() == 0);
}

#[tokio::test]
async fn more_than_the_buffer_holds_goes_out_within_the_turn_and_waits_for_the_reader() {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let (mut watched, turn) = Watched::new(ours, Arc::new(Pulse::new()));
    let sent = vec![7; MOST * 3];
    let write = async {
        watched.write_all(&sent).await.expect("written");
        std::future::poll_fn(|cx| {
            turn.end(cx);
            match watched.0.borrow().gathered.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    };
    let mut read = vec![0; MOST * 3];
    let (_, outcome) = tokio::join!(write, theirs.read_exact(&mut read));
    assert_eq!(outcome.expect("all"), MOST * 3);
    assert_eq!(read, sent);
}

#[tokio::test]
async fn a_write_that_failed_at_the_turns_end_is_reported() {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (mut watched, turn) = Watched::new(ours, Arc::new(Pulse::new()));
    drop(theirs);
    watched.write_all(b"frame").await.expect("room");
    turn.end(&mut Context::from_waker(Waker::noop()));
    assert!(watched.flush().await.is_err());
}
