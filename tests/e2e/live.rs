//! Live results reach every watcher, whichever process holds the connection.

use crate::harness::eventually::PATIENCE;
use crate::harness::ground::Options;
use crate::harness::live::Live;
use crate::harness::polls;
use crate::harness::stack::Stack;

/// Enough that both web children hold some of them.
const WATCHERS: usize = 12;

#[tokio::test]
async fn a_vote_reaches_the_watchers_of_every_child() {
    let stack = Stack::start(Options::default()).await;
    let mut visitor = stack.visitor();
    let poll = polls::new_poll(&mut visitor).await;
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        watchers.push(Live::open(&stack.authority, &poll.path).await);
    }

    polls::vote(&mut visitor, &poll).await;

    for watcher in &mut watchers {
        let results = watcher
            .until("the vote", PATIENCE, |results| results.total == 1)
            .await;
        let choice = poll.choices[0].parse().expect("uuid");
        assert_eq!(results.counts.get(&choice), Some(&1), "{results:?}");
        assert!(!results.closed);
    }
    // The proxy gives open WebSockets time at its end, and nobody here needs it.
    drop(watchers);
    stack.stop().await;
}
