//! Polls close by themselves, and their authors hear about it.

use std::time::Duration;

use askama::Template;
use kiuas::common::postgres::{PostgresError, Transaction};
use kiuas::queue::{Context, QueueError, Task, TaskError, TaskOptions};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store;
use crate::mail::Letter;
use crate::results::tasks::Tally;
use crate::state::State;

/// Polls closed in one transaction; what is left over waits for the next tick.
const AT_ONCE: i64 = 100;

/// Closes the polls whose time has come. Beat sends it all the time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CloseDue {}

impl Task<State> for CloseDue {
    const NAME: &'static str = "polls.close_due";
    /// How many it closed.
    type Output = usize;

    fn options() -> TaskOptions {
        TaskOptions {
            // The next tick does the same work: old ones need not pile up while no worker runs.
            expires: Some(Duration::from_secs(30)),
            ignore_result: true,
            ..TaskOptions::default()
        }
    }

    async fn run(self, ctx: Context<State>) -> Result<usize, TaskError> {
        let state = &ctx.state;
        let mut connection = state.postgres.get().await?;
        let transaction = connection.transaction().await?;
        let closed = store::close_due(&transaction, AT_ONCE).await?;
        for poll in &closed {
            follow_up(state, &transaction, *poll).await?;
        }
        transaction.commit().await?;
        Ok(closed.len())
    }
}

/// What could not be sent after a closing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowUpError {
    #[error("cannot note that a mail is due")]
    Note(#[from] PostgresError),
    #[error("cannot send the tasks that follow a closing")]
    Send(#[from] QueueError),
}

/// What follows the closing of `poll`, in the same transaction: watchers see it, the author gets a mail.
pub(crate) async fn follow_up(
    state: &State,
    transaction: &Transaction<'_>,
    poll: Uuid,
) -> Result<(), FollowUpError> {
    store::queue_closing_mail(transaction, poll).await?;
    state.queue.send_in(transaction, &Tally { poll }).await?;
    state
        .queue
        .send_in(transaction, &MailClosed { poll })
        .await?;
    Ok(())
}

/// Sends the result of a closed poll to its author, once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MailClosed {
    pub(crate) poll: Uuid,
}

impl Task<State> for MailClosed {
    const NAME: &'static str = "polls.mail_closed";
    /// False if it had been sent before.
    type Output = bool;

    fn options() -> TaskOptions {
        TaskOptions {
            soft_time_limit: Some(Duration::from_secs(60)),
            ..TaskOptions::default()
        }
    }

    async fn run(self, ctx: Context<State>) -> Result<bool, TaskError> {
        let state = &ctx.state;
        let mut connection = state.postgres.get().await?;
        // The row stays locked while the letter is on its way, so that a second run waits, and then sees
        // that it was sent. Only a crash between sending and commit can send it twice, with the same
        // Message-ID then.
        let transaction = connection.transaction().await?;
        let Some(closing) = store::lock_closing_mail(&transaction, self.poll).await? else {
            return Ok(false);
        };
        state
            .mailer
            .send(&letter(state, self.poll, &closing)?)
            .await?;
        store::closing_mail_sent(&transaction, self.poll).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

#[derive(Template)]
#[template(path = "mail/closed.txt")]
struct Text<'a> {
    closing: &'a store::Closing,
    link: String,
}

fn letter(state: &State, poll: Uuid, closing: &store::Closing) -> askama::Result<Letter> {
    let link = format!("{}/polls/{poll}", state.settings.base_url);
    Ok(Letter {
        id: format!("poll-closed-{poll}"),
        to: closing.email.clone(),
        subject: format!("Closed: {}", closing.question),
        text: Text { closing, link }.render()?,
    })
}
