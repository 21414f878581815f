//! One caller: request after request until it is told to stop.

use std::str::FromStr;
use std::time::{Duration, Instant};

use kiuas_common::Address;
use tokio::sync::watch::Receiver;

use crate::exchange::{Answer, Connection, Loss, Request};
use crate::tally::Calls;

/// Between two requests, so that callers do not use up the ports of the machine.
const PACE: Duration = Duration::from_millis(2);
/// Longest pause on a connection that stays open; shorter than a proxy keeps idle connections.
const IDLE_MS: u64 = 1000;
/// Body of a POST.
const BODY: [u8; 1024] = [b'x'; 1024];
/// What the stream of the measured applications consists of.
const STREAM: &str = "chunk\n";
const CHUNKS: usize = 20;

/// What a caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// GET on a connection that stays open, with pauses.
    KeepAlive,
    /// GET, each on a connection of its own.
    New,
    /// POST of 1 KiB that comes back, on a connection that stays open.
    Post,
    /// GET of an answer that takes a while to come, on a connection that stays open.
    Stream,
    /// One GET whose outcome is not counted.
    Once,
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "keep-alive" => Self::KeepAlive,
            "new" => Self::New,
            "post" => Self::Post,
            "stream" => Self::Stream,
            "once" => Self::Once,
            other => anyhow::bail!("`{other}` is no kind of caller"),
        })
    }
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) kind: Kind,
    pub(crate) address: Address,
    pub(crate) path: String,
    /// For a whole answer; then the request is lost.
    pub(crate) patience: Duration,
}

impl Caller {
    /// Calls until `stopped` says so, and tells how it went.
    pub(crate) async fn call(self, mut stopped: Receiver<bool>) -> Calls {
        let mut calls = Calls::default();
        let request = match self.kind {
            Kind::Post => Request::post(&self.path, &BODY),
            Kind::New | Kind::Once => Request::get(&self.path, true),
            Kind::KeepAlive | Kind::Stream => Request::get(&self.path, false),
        };
        let mut connection = None;
        if self.kind == Kind::Once {
            tokio::select! {
                _ = self.exchange(&mut connection, &request) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
            return calls;
        }
        while !*stopped.borrow() {
            let begun = Instant::now();
            let exchange = self.exchange(&mut connection, &request);
            let outcome = match tokio::time::timeout(self.patience, exchange).await {
                Ok(outcome) => outcome.and_then(|answer| self.check(&answer)),
                Err(_) => Err(Loss::TimedOut),
            };
            if outcome.is_err() {
                connection = None;
            }
            calls.add(outcome, begun.elapsed());
            tokio::select! {
                () = tokio::time::sleep(self.pause()) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        }
        calls
    }

    async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        request: &Request,
    ) -> Result<Answer, Loss> {
        if let Some(kept) = connection
            && !kept.is_open().await
        {
            *connection = None;
        }
        let mut open = match connection.take() {
            Some(kept) => kept,
            None => Connection::open(&self.address).await?,
        };
        let answer = open.ask(request).await?;
        if answer.keeps && self.kind != Kind::New {
            *connection = Some(open);
        }
        Ok(answer)
    }

    /// A shorter answer than the application gave is no answer.
    fn check(&self, answer: &Answer) -> Result<(), Loss> {
        let is_whole = match self.kind {
            Kind::Post => answer.body == BODY,
            Kind::Stream => answer.body == STREAM.repeat(CHUNKS).as_bytes(),
            Kind::KeepAlive | Kind::New | Kind::Once => !answer.body.is_empty(),
        };
        if is_whole { Ok(()) } else { Err(Loss::Wrong) }
    }

    fn pause(&self) -> Duration {
        match self.kind {
            Kind::KeepAlive | Kind::Post => Duration::from_millis(rand::random_range(0..=IDLE_MS)),
            Kind::New | Kind::Stream | Kind::Once => PACE,
        }
    }
}
