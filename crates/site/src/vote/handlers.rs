//! Casting a vote.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use kiuas::web::flash::Level;
use kiuas::web::{WebError, transaction};
use serde::Deserialize;
use uuid::Uuid;

use super::store::{self, Outcome};
use crate::poll::handlers::show_poll;
use crate::results;
use crate::results::tasks::Tally;
use crate::state::State;
use crate::visit::{Visit, see_other};

/// What the form of a poll posts.
#[derive(Debug, Deserialize)]
pub(crate) struct Ballot {
    #[serde(default)]
    choice: String,
}

/// `POST /polls/{id}/vote`
pub(crate) async fn cast(
    state: web::Data<State>,
    visit: Visit,
    path: web::Path<Uuid>,
    form: web::Form<Ballot>,
) -> Result<HttpResponse, WebError> {
    let poll = path.into_inner();
    let Some(voter) = visit.voter()? else {
        // The session has ended since the page was shown.
        visit.tell(Level::Error, "Your vote did not arrive. Please vote again.")?;
        return Ok(see_other(&format!("/polls/{poll}")));
    };
    let outcome = match form.choice.parse() {
        Ok(choice) => record(&state, poll, choice, voter).await?,
        Err(_) => Outcome::NoSuchChoice,
    };
    match outcome {
        Outcome::Counted => {
            results::purge(&state, poll).await;
            visit.tell(Level::Success, "Thank you for your vote.")?;
        }
        Outcome::Already => visit.tell(
            Level::Error,
            "You have voted before: a vote cannot be changed.",
        )?,
        Outcome::Closed => visit.tell(Level::Error, "This poll takes no votes any more.")?,
        Outcome::NoSuchPoll => return Err(WebError::not_found()),
        Outcome::NoSuchChoice => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return show_poll(
                status,
                &state,
                &visit,
                poll,
                Some("Choose one of the answers."),
            )
            .await;
        }
    }
    Ok(see_other(&format!("/polls/{poll}")))
}

/// The vote and the task that counts it: both, or neither.
async fn record(state: &State, poll: Uuid, choice: Uuid, voter: Uuid) -> Result<Outcome, WebError> {
    transaction(&state.postgres, async |tx| {
        let outcome = store::cast(tx, poll, choice, voter).await?;
        if outcome == Outcome::Counted {
            state.queue.send_in(tx, &Tally { poll }).await?;
        }
        Ok(outcome)
    })
    .await
}
