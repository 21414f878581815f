//! Redis and PostgreSQL may go and come back: no acknowledged vote is lost and the tally catches up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use kiuas_common::postgres::Postgres;
use kiuas_common::testing::TestDatabase;

use crate::harness::eventually::{PATIENCE, eventually};
use crate::harness::form;
use crate::harness::ground::Options;
use crate::harness::polls::{self, Poll};
use crate::harness::run::say;
use crate::harness::stack::Stack;
use crate::harness::visitor::Visitor;

const OUTAGES: usize = 3;
/// Votes before each outage, and after the last one.
const VOTES: u64 = 10;
/// Attempts during an outage.
const ATTEMPTS: u64 = 5;
/// An outage must not make a visitor wait longer for his answer, whatever it is.
const LATEST: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_redis_loses_no_vote() {
    let mut stack = Stack::start(Options::default()).await;
    let (voting, poll) = Voting::start(&stack).await;
    for _ in 0..OUTAGES {
        voting.counted(VOTES).await;
        stack.ground.redis.stop();
        voting.attempted(ATTEMPTS).await;
        stack.ground.redis.start_again();
    }
    voting.counted(VOTES).await;
    nothing_lost(&stack, &poll, voting.stop().await).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_postgresql_loses_no_vote() {
    let stack = Stack::start(Options::default()).await;
    let (voting, poll) = Voting::start(&stack).await;
    for _ in 0..OUTAGES {
        voting.counted(VOTES).await;
        let outage = Outage::begin(&stack.ground.database).await;
        voting.attempted(ATTEMPTS).await;
        outage.end().await;
    }
    voting.counted(VOTES).await;
    nothing_lost(&stack, &poll, voting.stop().await).await;
    stack.stop().await;
}

/// Every acknowledged vote is stored, and page, tally and table agree in the end.
async fn nothing_lost(stack: &Stack, poll: &Poll, acknowledged: u64) {
    let database = stack.ground.database.open();
    let stored = number(&database, "SELECT count(*) FROM vote").await;
    say(&format!(
        "{acknowledged} votes acknowledged, {stored} stored"
    ));
    assert!(
        stored >= acknowledged,
        "{acknowledged} acknowledged, only {stored} stored"
    );
    eventually("the tally to catch up", PATIENCE, async || {
        let tally = number(
            &database,
            "SELECT coalesce(sum(votes), 0)::bigint FROM tally",
        )
        .await;
        (tally == stored).then_some(())
    })
    .await;
    let mut visitor = stack.visitor();
    eventually("the page to show every vote", PATIENCE, async || {
        let page = visitor.get(&poll.path).await;
        let shown: u64 = form::counts(&page.text())
            .iter()
            .map(|(_, count)| count)
            .sum();
        (shown == stored).then_some(())
    })
    .await;
}

async fn number(database: &Postgres, query: &str) -> u64 {
    let connection = database.get().await.expect("connection");
    let row = connection.query_one(query, &[]).await.expect("query");
    u64::try_from(row.get::<_, i64>(0)).expect("a count")
}

/// The database refuses every connection, and those that were open are gone.
struct Outage<'a>(&'a TestDatabase);

impl<'a> Outage<'a> {
    async fn begin(database: &'a TestDatabase) -> Self {
        let outage = Self(database);
        outage.allow(false).await;
        let name = database.name();
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity";
        outage
            .run(&format!("{terminate} WHERE datname = '{name}'"))
            .await;
        outage
    }

    async fn end(self) {
        self.allow(true).await;
    }

    async fn allow(&self, allow: bool) {
        let name = self.0.name();
        self.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}"))
            .await;
    }

    async fn run(&self, statement: &str) {
        let connection = self.0.server().get().await.expect("connection");
        connection.batch_execute(statement).await.expect(statement);
    }
}

/// New visitors that vote one after another, whatever happens.
struct Voting {
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    attempted: AtomicU64,
    acknowledged: AtomicU64,
}

impl Voting {
    async fn start(stack: &Stack) -> (Self, Poll) {
        let poll = polls::new_poll(&mut stack.visitor()).await;
        let shared = Arc::new(Shared::default());
        #[expect(clippy::disallowed_methods, reason = "joined by `Voting::stop`")]
        let task = tokio::spawn(vote_on(
            shared.clone(),
            stack.authority.clone(),
            poll.clone(),
        ));
        (Self { shared, task }, poll)
    }

    async fn counted(&self, more: u64) {
        wait_for("votes to be acknowledged", &self.shared.acknowledged, more).await;
    }

    async fn attempted(&self, more: u64) {
        wait_for("attempts to vote", &self.shared.attempted, more).await;
    }

    /// The number of acknowledged votes.
    async fn stop(self) -> u64 {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the voters");
        self.shared.acknowledged.load(Ordering::Relaxed)
    }
}

async fn wait_for(what: &str, counter: &AtomicU64, more: u64) {
    let wanted = counter.load(Ordering::Relaxed) + more;
    eventually(what, PATIENCE * 2, async || {
        (counter.load(Ordering::Relaxed) >= wanted).then_some(())
    })
    .await;
}

async fn vote_on(shared: Arc<Shared>, authority: String, poll: Poll) {
    while !shared.stop.load(Ordering::Relaxed) {
        let attempt = vote(Visitor::new(&authority), &poll);
        let acknowledged = tokio::time::timeout(LATEST, attempt).await;
        let acknowledged = acknowledged.expect("every request is answered in time");
        shared.attempted.fetch_add(1, Ordering::Relaxed);
        if acknowledged {
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// True if the site said that the vote counts.
async fn vote(mut visitor: Visitor, poll: &Poll) -> bool {
    let page = visitor.get(&poll.path).await;
    let Some(token) = form::value(&page.text(), "csrf_token") else {
        assert!(
            page.status.is_server_error(),
            "{}: {}",
            page.status,
            page.text()
        );
        return false;
    };
    let choice = [("choice", poll.choices[0].as_str())];
    let answer = visitor.post(&poll.vote(), &token, &choice).await;
    if answer.expect("an answer").status != StatusCode::SEE_OTHER {
        return false;
    }
    polls::is_thanked(&visitor.get(&poll.path).await)
}
