//! `ctl top`: a pool live, in the terminal.

mod app;
mod draw;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::control::client::{self, CtlError};
use crate::control::{Request, in_words};
use crate::overview::Overview;
use app::{App, Do};

const REFRESH: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);
/// A roll that is begun here goes on when nobody waits for it any more.
const ORDER_PATIENCE: Duration = Duration::from_secs(3600);
/// Keys that wait to be handled; more are lost.
const MOST_KEYS: usize = 64;
/// Orders whose answers are outstanding.
const MOST_ORDERS: usize = 8;

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopError {
    /// It draws on a terminal.
    #[error("`ctl top` needs a terminal; `ctl status` prints the same once")]
    NoTerminal,
    /// The terminal cannot be used.
    #[error("cannot draw on the terminal")]
    Terminal(#[source] std::io::Error),
    /// The pool does not answer.
    #[error(transparent)]
    Pool(#[from] CtlError),
}

/// Shows the pool behind the control socket `path` until `q` is pressed.
///
/// # Errors
/// [`TopError`]. A pool that ends meanwhile is shown as gone, and again when it is back.
pub async fn run(path: &Path) -> Result<(), TopError> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(TopError::NoTerminal);
    }
    // One that is not there is an error before the screen is taken.
    let first = status(path).await?;
    let mut terminal = ratatui::try_init().map_err(TopError::Terminal)?;
    let result = show(&mut terminal, path, first).await;
    ratatui::restore();
    result
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    path: &Path,
    first: Overview,
) -> Result<(), TopError> {
    let mut app = App::new(first);
    let mut keys = keys();
    let (said, mut answers) = mpsc::channel(MOST_ORDERS);
    let mut ticks = tokio::time::interval(REFRESH);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        terminal
            .draw(|frame| draw::draw(frame, &app))
            .map_err(TopError::Terminal)?;
        let next = tokio::select! {
            key = keys.recv() => match key {
                Some(key) => app.key(key),
                None => return Ok(()),
            },
            Some((request, answer)) = answers.recv() => {
                app.answered(&request, answer);
                None
            }
            _ = ticks.tick() => {
                app.update(status(path).await.map_err(|error| error.to_string()));
                None
            }
        };
        match next {
            None => {}
            Some(Do::Quit) => return Ok(()),
            Some(Do::Export) => app.say(export(&app)),
            Some(Do::Ask(request)) => order(path, request, said.clone()),
        }
    }
}

/// Asks beside the screen: a roll takes its time.
fn order(path: &Path, request: Request, said: mpsc::Sender<(Request, Result<String, String>)>) {
    let path = path.to_owned();
    #[expect(
        clippy::disallowed_methods,
        reason = "the process ends when the screen is left, and its orders are the pool's affair then"
    )]
    tokio::spawn(async move {
        let answer = client::ask(&path, &request, ORDER_PATIENCE).await;
        let text = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| in_words(&request, &answer).map_err(|error| error.to_string()));
        // Nobody reads it when the screen was left.
        drop(said.send((request, text)).await);
    });
}

async fn status(path: &Path) -> Result<Overview, CtlError> {
    let answer = client::ask(path, &Request::Status {}, PATIENCE).await?;
    Overview::deserialize(&answer).map_err(|error| CtlError::Answer(error.into()))
}

/// The keys, read on a thread of their own: the terminal has no asynchronous interface.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (sender, keys) = mpsc::channel(MOST_KEYS);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if let Event::Key(key) = event
                && key.kind != KeyEventKind::Release
                && sender.blocking_send(key).is_err()
            {
                return;
            }
        }
    });
    keys
}

/// Writes what is shown to a file of the working directory. Returns what to tell the operator.
fn export(app: &App) -> String {
    let overview = app.overview();
    let name = format!("{}-{}.json", overview.name, crate::chronicle::unix_time());
    let written = serde_json::to_vec_pretty(overview)
        .map_err(std::io::Error::other)
        .and_then(|text| std::fs::write(&name, text));
    match written {
        Ok(()) => format!("written to {name}"),
        Err(error) => format!("cannot write {name}: {error}"),
    }
}

#[cfg(test)]
mod tests;
