//! Rolling the web pool fails no request, and killing a child fails only what nobody can repeat.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use kiuas_common::testing::skip;
use rustix::process::Signal;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::harness::eventually::{PATIENCE, eventually};
use crate::harness::ground::Options;
use crate::harness::polls::{self, Poll};
use crate::harness::run::say;
use crate::harness::stack::Stack;
use crate::harness::tree::{self, Running};
use crate::harness::visitor::Visitor;

/// Requests a second, all visitors together.
const RATE: u32 = 200;
const VISITORS: u32 = 40;
/// Every so many requests a visitor begins a new connection.
const CONNECTION_EVERY: u64 = 25;
/// Every so many requests a visitor posts, which nobody may repeat for him.
const POST_EVERY: u64 = 5;
/// An answer later than this is a failure.
const LATEST: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_rolls_under_load_fail_no_request() {
    let stack = Stack::start(Options::default()).await;
    let load = Load::start(&stack).await;
    load.some_requests(400).await;
    for _ in 0..3 {
        let before = Stack::children(&stack.web);
        stack.web.signal(Signal::HUP);
        replaced(&stack, &before, before.len()).await;
    }
    load.some_requests(400).await;
    let report = load.stop().await;
    assert_eq!(report.failures, [], "{} requests", report.sent);
    report.check_pace();
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_child_fails_only_posts_in_flight_and_is_replaced() {
    let stack = Stack::start(Options::default()).await;
    let load = Load::start(&stack).await;
    load.some_requests(400).await;
    let before = Stack::children(&stack.web);
    let in_flight = load.kill(before[0].pid).await;
    replaced(&stack, &before, 1).await;
    load.some_requests(400).await;
    let report = load.stop().await;
    say(&format!(
        "{} failed of {}: {:?}",
        report.failures.len(),
        report.sent,
        report.failures
    ));
    for failure in &report.failures {
        assert_eq!(
            failure.method,
            Method::POST,
            "a GET can be repeated: {failure:?}"
        );
        assert!(
            in_flight.contains(&failure.number),
            "{failure:?} was not in flight when the child was killed: {in_flight:?}"
        );
    }
    report.check_pace();
    stack.stop().await;
}

/// Waits until `count` children of `before` are gone and as many new ones serve.
async fn replaced(stack: &Stack, before: &[Running], count: usize) {
    eventually("the children to be replaced", PATIENCE, async || {
        let now = Stack::children(&stack.web);
        let kept = now.iter().filter(|child| before.contains(child)).count();
        (now.len() == before.len() && kept + count == before.len()).then_some(())
    })
    .await;
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    number: u64,
    method: Method,
    problem: String,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    answered: AtomicU64,
    in_flight: Mutex<BTreeSet<u64>>,
    failures: Mutex<Vec<Failed>>,
}

/// Visitors that send requests at a steady pace until they are stopped.
struct Load {
    shared: Arc<Shared>,
    visitors: Vec<tokio::task::JoinHandle<()>>,
    begin: Instant,
}

struct Report {
    sent: u64,
    failures: Vec<Failed>,
    elapsed: Duration,
}

impl Load {
    async fn start(stack: &Stack) -> Self {
        let poll = polls::new_poll(&mut stack.visitor()).await;
        let shared = Arc::new(Shared::default());
        let begin = Instant::now();
        let period = Duration::from_secs(1) * VISITORS / RATE;
        let mut visitors = Vec::new();
        for number in 0..VISITORS {
            let visitor = stack.visitor();
            let first = begin + period * number / VISITORS;
            #[expect(clippy::disallowed_methods, reason = "joined by `Load::stop`")]
            visitors.push(tokio::spawn(visit(
                shared.clone(),
                visitor,
                poll.clone(),
                first,
                period,
            )));
        }
        Self {
            shared,
            visitors,
            begin,
        }
    }

    /// Waits until so many more requests were answered.
    async fn some_requests(&self, count: u64) {
        let wanted = self.shared.answered.load(Ordering::Relaxed) + count;
        eventually("the load to go on", PATIENCE, async || {
            (self.shared.answered.load(Ordering::Relaxed) >= wanted).then_some(())
        })
        .await;
    }

    /// Kills a process and returns the requests that were in flight then.
    async fn kill(&self, pid: i32) -> BTreeSet<u64> {
        // While this is held, no request begins and none is forgotten: once the process is gone, what is
        // left is exactly what it may have taken with it.
        let in_flight = self.shared.in_flight.lock().await;
        tree::signal(pid, Signal::KILL);
        eventually("the killed process to be gone", PATIENCE, async || {
            (!tree::is_running(pid)).then_some(())
        })
        .await;
        in_flight.clone()
    }

    async fn stop(self) -> Report {
        self.shared.stop.store(true, Ordering::Relaxed);
        for visitor in self.visitors {
            visitor.await.expect("a visitor");
        }
        Report {
            sent: self.shared.sent.load(Ordering::Relaxed),
            failures: self.shared.failures.lock().await.clone(),
            elapsed: self.begin.elapsed(),
        }
    }
}

impl Report {
    /// What was promised is promised at [`RATE`]. A machine that is too busy for it is no failure of the
    /// stack, but it is said; far below, nothing has been shown.
    fn check_pace(&self) {
        let seconds = self.elapsed.as_secs_f64();
        let reached = f64::from(u32::try_from(self.sent).expect("a small number")) / seconds;
        say(&format!("{} requests, {reached:.0} a second", self.sent));
        assert!(
            reached >= f64::from(RATE) / 4.0,
            "only {reached:.0} requests a second"
        );
        if reached < f64::from(RATE) * 0.9 {
            skip(&format!(
                "load: only {reached:.0} of {RATE} requests a second on this machine"
            ));
        }
    }
}

async fn visit(
    shared: Arc<Shared>,
    mut visitor: Visitor,
    poll: Poll,
    first: Instant,
    period: Duration,
) {
    let token = visitor.token(&poll.path).await;
    let mut ticks = interval_at(first, period);
    // A request that waited for a slow answer is sent late, not left out.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut own = 0_u64;
    while !shared.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        own += 1;
        if own.is_multiple_of(CONNECTION_EVERY) {
            visitor.disconnect();
        }
        let number = shared.sent.fetch_add(1, Ordering::Relaxed);
        let method = if own.is_multiple_of(POST_EVERY) {
            Method::POST
        } else {
            Method::GET
        };
        shared.in_flight.lock().await.insert(number);
        let outcome = tokio::time::timeout(LATEST, send(&mut visitor, &poll, &token, &method))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {LATEST:?}")));
        shared.in_flight.lock().await.remove(&number);
        shared.answered.fetch_add(1, Ordering::Relaxed);
        if let Err(problem) = outcome {
            shared.failures.lock().await.push(Failed {
                number,
                method,
                problem,
            });
            visitor.disconnect();
        }
    }
}

/// Opens the poll, or votes in it (again: the site answers, and counts a visitor once).
async fn send(
    visitor: &mut Visitor,
    poll: &Poll,
    token: &str,
    method: &Method,
) -> Result<(), String> {
    let answer = if method == Method::GET {
        visitor.try_get(&poll.path).await
    } else {
        let choice = [("choice", poll.choices[1].as_str())];
        visitor.post(&poll.vote(), token, &choice).await
    };
    match answer {
        Ok(answer) if answer.status.is_success() || answer.status.is_redirection() => Ok(()),
        Ok(answer) if answer.status == http::StatusCode::CONFLICT => Ok(()),
        Ok(answer) => Err(answer.status.to_string()),
        Err(error) => Err(format!("{error:#}")),
    }
}
