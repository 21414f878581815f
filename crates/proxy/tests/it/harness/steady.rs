//! A hundred requests a second whatever the answers do, while something is done to the proxy: how many
//! fail, and how much longer they wait than without it.
//!
//! A request has its moment and does not wait for the one before, so a stop of the proxy shows in all that
//! come meanwhile. Its wait is counted from that moment.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{PATIENCE, Visitor};

/// Between two requests.
const PACE: Duration = Duration::from_millis(10);
/// Connections that are kept. Each is used again before a drain that has begun may end it for being idle.
const KEPT: usize = 4;

type Idle = Arc<Mutex<VecDeque<Visitor>>>;

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// Answered otherwise than by 200, or not at all, each with why.
    pub(crate) failed: Vec<String>,
    sorted: Vec<Duration>,
}

impl Waits {
    /// Requests that were answered.
    pub(crate) fn answered(&self) -> usize {
        self.sorted.len()
    }

    /// The wait that so many in a thousand did not exceed.
    fn at(&self, thousandth: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        let index = (self.sorted.len() * thousandth / 1000).min(last);
        self.sorted.get(index).copied().unwrap_or_default()
    }
}

/// Requests `to` the proxy until `done` is over: every other one over a new connection, the rest over kept
/// ones.
pub(crate) async fn visit<T>(to: SocketAddr, done: impl Future<Output = T>) -> (Waits, T) {
    let idle = Idle::default();
    let mut asking = JoinSet::new();
    let mut moment = Instant::now();
    let mut kept = false;
    let mut done = std::pin::pin!(done);
    let outcome = loop {
        tokio::select! {
            outcome = &mut done => break outcome,
            () = tokio::time::sleep_until(moment) => {
                asking.spawn(ask(to, moment, kept.then(|| Arc::clone(&idle))));
                moment += PACE;
                kept = !kept;
            }
        }
    };
    let mut waits = Waits::default();
    while let Some(asked) = asking.join_next().await {
        match asked.expect("a visitor") {
            Ok(wait) => waits.sorted.push(wait),
            Err(why) => waits.failed.push(why),
        }
    }
    waits.sorted.sort_unstable();
    (waits, outcome)
}

async fn ask(to: SocketAddr, moment: Instant, idle: Option<Idle>) -> Result<Duration, String> {
    let kept = idle.as_ref().and_then(|idle| idle.lock().pop_front());
    let mut visitor = match kept {
        Some(visitor) => visitor,
        None => Visitor::new(
            TcpStream::connect(to)
                .await
                .map_err(|error| format!("connect: {error}"))?,
        ),
    };
    visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = visitor.try_answer(false).await;
    let wait = moment.elapsed();
    match (answer, idle) {
        (Some(answer), idle) if answer.status == 200 => {
            let idle = idle.filter(|_| answer.header("connection") != "close");
            if let Some(idle) = idle {
                let mut idle = idle.lock();
                if idle.len() < KEPT {
                    idle.push_back(visitor);
                }
            }
            Ok(wait)
        }
        (Some(answer), _) => Err(format!("{} after {wait:?}", answer.head)),
        (None, _) => Err(format!("no answer after {wait:?}")),
    }
}

/// Says how much longer requests waited than `before`, for whoever reads the results.
pub(crate) fn report(what: &str, before: &Waits, during: &Waits) {
    let line = [500, 990, 1000].map(|thousandth| {
        let (before, during) = (before.at(thousandth), during.at(thousandth));
        format!(
            "{:.1} ms, before {:.1}, added {:.1}",
            milliseconds(during),
            milliseconds(before),
            milliseconds(during.saturating_sub(before))
        )
    });
    let [median, most, longest] = line;
    #[expect(clippy::print_stderr, reason = "whoever reads the results must see it")]
    {
        eprintln!(
            "MEASURED {what}: {} of {} requests failed; median {median}; 99 %: {most}; longest {longest}",
            during.failed.len(),
            during.failed.len() + during.answered(),
        );
    }
}

fn milliseconds(wait: Duration) -> f64 {
    wait.as_secs_f64() * 1000.0
}

/// For so long nothing is done: what the waits are compared with.
pub(crate) async fn calm() {
    tokio::time::sleep(PATIENCE / 10).await;
}

/// Between two changes: some requests that meet the last one alone.
pub(crate) async fn between() {
    tokio::time::sleep(PACE * 8).await;
}
