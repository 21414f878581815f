//! The pages of polls: lists and one poll. What its author changes is in [`author`].

pub(crate) mod author;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use kiuas::web::WebError;
use serde::Deserialize;
use uuid::Uuid;

use super::{Choice, Poll, store};
use crate::results::{self, Results};
use crate::state::State;
use crate::visit::{Page, SignedIn, Visit, html};
use crate::vote;

#[derive(Template)]
#[template(path = "poll/list.html")]
struct ListPage {
    page: Page,
    polls: Vec<Poll>,
    older: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "poll/mine.html")]
struct MinePage {
    page: Page,
    polls: Vec<Poll>,
    older: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "poll/show.html")]
struct ShowPage {
    page: Page,
    poll: Poll,
    choices: Vec<Choice>,
    results: Results,
    /// What this visitor has chosen.
    ballot: Option<Uuid>,
    /// Whether the visitor is its author.
    own: bool,
    /// What was wrong with the vote.
    error: Option<&'static str>,
}

impl ShowPage {
    /// Whether this visitor has voted for `choice`.
    fn chose(&self, choice: &Uuid) -> bool {
        self.ballot.as_ref() == Some(choice)
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Before {
    before: Option<Uuid>,
}

/// `GET /`
pub(crate) async fn list(
    state: web::Data<State>,
    visit: Visit,
    query: web::Query<Before>,
) -> Result<HttpResponse, WebError> {
    let connection = state.postgres.get().await?;
    let store::Page { polls, older } = store::newest(&connection, query.before).await?;
    let page = visit.page()?;
    html(StatusCode::OK, &ListPage { page, polls, older })
}

/// `GET /polls/mine`
pub(crate) async fn mine(
    state: web::Data<State>,
    visit: Visit,
    SignedIn(author): SignedIn,
    query: web::Query<Before>,
) -> Result<HttpResponse, WebError> {
    let connection = state.postgres.get().await?;
    let found = store::of_author(&connection, author.id, query.before).await?;
    let store::Page { polls, older } = found;
    let page = visit.page()?;
    html(StatusCode::OK, &MinePage { page, polls, older })
}

/// `GET /polls/{id}`
pub(crate) async fn show(
    state: web::Data<State>,
    visit: Visit,
    path: web::Path<Uuid>,
) -> Result<HttpResponse, WebError> {
    show_poll(StatusCode::OK, &state, &visit, path.into_inner(), None).await
}

/// The page of a poll, with what was wrong with the visitor's vote.
pub(crate) async fn show_poll(
    status: StatusCode,
    state: &State,
    visit: &Visit,
    id: Uuid,
    error: Option<&'static str>,
) -> Result<HttpResponse, WebError> {
    let connection = state.postgres.get().await?;
    let poll = store::find(&connection, id).await?;
    let poll = poll.ok_or_else(WebError::not_found)?;
    let choices = store::choices(&connection, id).await?;
    let voter = if poll.is_closed() {
        visit.voter()?
    } else {
        Some(visit.make_voter()?)
    };
    let ballot = match voter {
        Some(voter) => vote::store::ballot(&connection, id, voter).await?,
        None => None,
    };
    // Counting takes a connection of its own if the cache has no results.
    drop(connection);
    let results = results::current(state, id).await?;
    let page = if poll.is_closed() {
        visit.page()?
    } else {
        visit.form_page()?
    };
    let own = page
        .author
        .as_ref()
        .is_some_and(|author| author.id == poll.author_id);
    let content = ShowPage {
        page,
        poll,
        choices,
        results,
        ballot,
        own,
        error,
    };
    html(status, &content)
}
