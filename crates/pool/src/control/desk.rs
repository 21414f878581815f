//! What the control socket answers with: it passes orders to the supervisor and tells what the monitor has
//! read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use super::{Answer, Request};
use crate::board::Boards;
use crate::command::{Command, Commander, Which};
use crate::dump;
use crate::overview::{About, Overview};
use crate::roster::Cause;
use crate::stats;
use crate::watch::symbols::Symbols;
use crate::watch::{Limits, Reading};

/// A roll of many children that start slowly takes minutes; no longer than this.
const ORDER_DEADLINE: Duration = Duration::from_secs(3600);
/// The monitor reads ten times a second.
const READING_DEADLINE: Duration = Duration::from_secs(5);

/// Answers requests about one pool. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) commander: Commander,
    pub(crate) readings: Receiver<Option<Arc<Reading>>>,
    pub(crate) boards: Boards,
    pub(crate) symbols: Arc<Symbols>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) about: About,
}

impl Desk {
    /// Does what is asked.
    pub(crate) async fn answer(&self, request: Request) -> Answer {
        match self.dispatch(request).await {
            Ok(value) => Answer::Ok(value),
            Err(problem) => Answer::Error(problem),
        }
    }

    async fn dispatch(&self, request: Request) -> Result<Value, String> {
        match request {
            Request::Status {} => Ok(json!(self.overview().await?)),
            Request::Events {} => Ok(json!(self.about.chronicle.events())),
            Request::Stats {} => self.stats().await,
            Request::Dump {} => {
                let reading = self.reading().await?;
                Ok(json!(
                    dump::take(&reading, &self.boards, &self.symbols).await
                ))
            }
            Request::Roll { program } => self.roll(program).await,
            Request::Upgrade { program } => self.upgrade(program).await,
            Request::Pause { pid } => self.order(Command::Pause(which(pid)?)).await,
            Request::Resume { pid } => self.order(Command::Resume(which(pid)?)).await,
            Request::Add { count } => self.order(Command::Add(count)).await,
            Request::Remove { count } => self.order(Command::Remove(count)).await,
            Request::Terminate { pid } => self.order(Command::Terminate(process(pid)?)).await,
            Request::Kill { pid } => {
                let (pid, cause) = (process(pid)?, Cause::Cut);
                self.order(Command::Kill { pid, cause }).await
            }
            Request::Stop {} => self.order(Command::Stop).await,
        }
    }

    async fn roll(&self, program: Option<Vec<String>>) -> Result<Value, String> {
        let is_empty = |command: &Vec<String>| command.first().is_none_or(String::is_empty);
        if program.as_ref().is_some_and(is_empty) {
            return Err("the new command is empty".to_owned());
        }
        self.order(Command::Roll { command: program }).await
    }

    async fn upgrade(&self, program: Option<PathBuf>) -> Result<Value, String> {
        self.order(Command::Upgrade { program }).await
    }

    /// The statistics in uWSGI's form.
    pub(crate) async fn stats(&self) -> Result<Value, String> {
        let reading = self.reading().await?;
        let overview = Overview::of(&reading, &self.limits, &self.about);
        Ok(stats::document(&reading, &overview))
    }

    async fn overview(&self) -> Result<Overview, String> {
        let reading = self.reading().await?;
        Ok(Overview::of(&reading, &self.limits, &self.about))
    }

    /// The next reading: an older one may miss what the same operator has just brought about.
    async fn reading(&self) -> Result<Arc<Reading>, String> {
        let asked = Instant::now();
        let mut readings = self.readings.clone();
        let is_new = |reading: &Option<Arc<Reading>>| {
            reading.as_ref().is_some_and(|reading| reading.at >= asked)
        };
        let next = readings.wait_for(is_new);
        match tokio::time::timeout(READING_DEADLINE, next).await {
            Ok(Ok(reading)) => reading
                .clone()
                .ok_or_else(|| "nothing was read yet".to_owned()),
            _ => Err("the pool's monitor does not answer".to_owned()),
        }
    }

    async fn order(&self, command: Command) -> Result<Value, String> {
        let answer = self
            .commander
            .ask(command)
            .map_err(|error| error.to_string())?;
        match tokio::time::timeout(ORDER_DEADLINE, answer).await {
            Ok(Ok(answer)) => answer.map(Value::String),
            Ok(Err(_)) => Err("the pool ended before it could answer".to_owned()),
            Err(_) => Err("the pool did not finish it within an hour".to_owned()),
        }
    }
}

fn which(pid: Option<i32>) -> Result<Which, String> {
    pid.map_or(Ok(Which::All), |pid| process(pid).map(Which::Child))
}

fn process(pid: i32) -> Result<Pid, String> {
    let valid = (pid > 0).then(|| Pid::from_raw(pid)).flatten();
    valid.ok_or_else(|| format!("{pid} is no process id"))
}
