//! One vote a visitor, counted at once.

use crate::stack::{Stack, wait_for};

#[tokio::test]
async fn a_vote_counts_and_a_second_one_does_not() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    let mut visitor = stack.visitor();
    let page = visitor.vote(&poll, 1).await;
    assert_eq!((page.status, page.location()), (303, poll.as_str()));
    let page = visitor.get(&poll).await;
    assert_eq!(page.counts(), [0, 1]);
    assert!(page.text.contains("your vote") && page.text.contains("Thank you"));
    assert!(
        page.after("<form class=\"card\" id=\"vote\"", "name")
            .is_none()
    );

    let page = visitor.vote_anyway(&poll, 0).await;
    assert_eq!(page.status, 303);
    let page = visitor.get(&poll).await;
    assert!(page.text.contains("You have voted before"), "{}", page.text);
    assert_eq!(page.counts(), [0, 1]);
}

#[tokio::test]
async fn votes_that_arrive_at_once_count_once() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    let mut visitor = stack.visitor();
    let page = visitor.get(&poll).await;
    let (token, choice) = (page.csrf_token(), page.choices()[0].clone());
    let mut votes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut visitor, poll) = (visitor.clone(), poll.clone());
        let (token, choice) = (token.clone(), choice.clone());
        votes.spawn(async move {
            let fields = [("choice", choice.as_str()), ("csrf_token", &token)];
            visitor.post(&format!("{poll}/vote"), &fields).await.status
        });
    }
    assert_eq!(votes.join_all().await, [303; 8]);
    assert_eq!(stack.count("SELECT count(*) FROM vote").await, 1);
    assert_eq!(visitor.get(&poll).await.counts(), [1, 0]);
}

#[tokio::test]
async fn results_are_cached_until_a_vote_purges_them() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    assert_eq!(stack.visitor().get(&poll).await.counts(), [0, 0]);
    // Behind the application's back: what the cache holds is shown.
    stack
        .execute(
            "INSERT INTO vote (poll_id, choice_id, voter)
             SELECT poll_id, id, gen_random_uuid() FROM choice WHERE position = 0",
        )
        .await;
    assert_eq!(stack.visitor().get(&poll).await.counts(), [0, 0]);
    stack.visitor().vote(&poll, 1).await;
    assert_eq!(stack.visitor().get(&poll).await.counts(), [1, 1]);
}

#[tokio::test]
async fn the_task_of_a_vote_keeps_the_tally_that_lists_show() {
    let stack = Stack::start_with_worker().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    for index in [0, 1, 1] {
        stack.visitor().vote(&poll, index).await;
    }
    wait_for("the tally", async || {
        let home = stack.visitor().get("/").await;
        home.text.contains("3 votes").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_vote_and_its_task_are_one_transaction() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    stack.visitor().vote(&poll, 0).await;
    assert_eq!(stack.count("SELECT count(*) FROM kiuas.outbox").await, 1);
    // If the task cannot be kept, neither is the vote.
    stack
        .execute("ALTER TABLE kiuas.outbox ADD CONSTRAINT refuse CHECK (queue = '') NOT VALID")
        .await;
    assert_eq!(stack.visitor().vote(&poll, 0).await.status, 500);
    assert_eq!(stack.count("SELECT count(*) FROM vote").await, 1);
}

#[tokio::test]
async fn a_vote_without_a_choice_is_asked_for_again() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    let mut visitor = stack.visitor();
    for choice in ["", "nonsense", "00000000-0000-0000-0000-000000000000"] {
        let fields = [("choice", choice)];
        let page = visitor
            .submit(&poll, &format!("{poll}/vote"), &fields)
            .await;
        assert_eq!(page.status, 422, "{choice}");
        assert!(page.text.contains("Choose one of the answers."));
    }
    assert_eq!(stack.count("SELECT count(*) FROM vote").await, 0);
}

#[tokio::test]
async fn a_poll_whose_time_has_come_takes_no_votes() {
    let stack = Stack::start().await;
    let poll = stack.author("ada").await.create("Q?", "a\nb", "").await;
    stack.execute("UPDATE poll SET closes_at = now()").await;
    let mut visitor = stack.visitor();
    visitor.vote(&poll, 0).await;
    let page = visitor.get(&poll).await;
    assert!(page.text.contains("takes no votes any more"));
    assert_eq!(stack.count("SELECT count(*) FROM vote").await, 0);
}
