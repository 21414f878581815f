//! What authors do with their polls: ask, change, close.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use kiuas::web::flash::Level;
use kiuas::web::{WebError, transaction};
use uuid::Uuid;

use crate::form::Errors;
use crate::poll::form::PollForm;
use crate::poll::store::{self, Changeable};
use crate::poll::{Poll, tasks};
use crate::results;
use crate::state::State;
use crate::time;
use crate::visit::{Author, Page, SignedIn, Visit, html, see_other};

#[derive(Template)]
#[template(path = "poll/form.html")]
struct FormPage {
    page: Page,
    heading: &'static str,
    action: String,
    button: &'static str,
    form: PollForm,
    errors: Errors,
    /// People have voted: only the closing time can change.
    locked: bool,
}

const CLOSED: &str = "A closed poll cannot be changed.";

/// `GET /polls/new`
pub(crate) async fn new_form(visit: Visit, _author: SignedIn) -> Result<HttpResponse, WebError> {
    new_page(
        StatusCode::OK,
        &visit,
        PollForm::default(),
        Errors::default(),
    )
}

/// `POST /polls/new`
pub(crate) async fn create(
    state: web::Data<State>,
    visit: Visit,
    SignedIn(author): SignedIn,
    form: web::Form<PollForm>,
) -> Result<HttpResponse, WebError> {
    let draft = match form.read(Timestamp::now()) {
        Ok(draft) => draft,
        Err(errors) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return new_page(status, &visit, form.into_inner(), errors);
        }
    };
    let id = transaction(&state.postgres, async |tx| {
        Ok(store::insert(tx, author.id, &draft).await?)
    });
    let id = id.await?;
    visit.tell(Level::Success, "Your poll is open.")?;
    Ok(see_other(&format!("/polls/{id}")))
}

/// `GET /polls/{id}/edit`
pub(crate) async fn edit_form(
    state: web::Data<State>,
    visit: Visit,
    SignedIn(author): SignedIn,
    path: web::Path<Uuid>,
) -> Result<HttpResponse, WebError> {
    let poll = own(&state, &author, path.into_inner()).await?;
    if poll.is_closed() {
        return Err(WebError::conflict(CLOSED));
    }
    let connection = state.postgres.get().await?;
    let choices = store::choices(&connection, poll.id).await?;
    let locked = store::has_votes(&connection, poll.id).await?;
    let labels: Vec<String> = choices.into_iter().map(|choice| choice.label).collect();
    let form = PollForm {
        question: poll.question,
        choices: labels.join("\n"),
        closes_at: poll.closes_at.map(time::write).unwrap_or_default(),
    };
    edit_page(
        StatusCode::OK,
        &visit,
        poll.id,
        form,
        Errors::default(),
        locked,
    )
}

/// `POST /polls/{id}/edit`
pub(crate) async fn edit(
    state: web::Data<State>,
    visit: Visit,
    SignedIn(author): SignedIn,
    path: web::Path<Uuid>,
    form: web::Form<PollForm>,
) -> Result<HttpResponse, WebError> {
    let poll = own(&state, &author, path.into_inner()).await?;
    let form = form.into_inner();
    let change = transaction(&state.postgres, async |tx| {
        let changeable = store::lock_for_change(tx, poll.id).await?;
        let now = Timestamp::now();
        let errors = match changeable {
            Changeable::Nothing => return Err(WebError::conflict(CLOSED)),
            Changeable::All => match form.read(now) {
                Ok(draft) => return Ok(Ok(store::replace(tx, poll.id, &draft).await?)),
                Err(errors) => errors,
            },
            Changeable::ClosingTime => match form.closing(now) {
                Ok(time) => return Ok(Ok(store::reschedule(tx, poll.id, time).await?)),
                Err(errors) => errors,
            },
        };
        Ok(Err((errors, changeable == Changeable::ClosingTime)))
    });
    if let Err((errors, locked)) = change.await? {
        let form = PollForm {
            // A locked question is shown and not sent.
            question: if locked { poll.question } else { form.question },
            ..form
        };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return edit_page(status, &visit, poll.id, form, errors, locked);
    }
    // The results name the choices, which may be new.
    results::purge(&state, poll.id).await;
    visit.tell(Level::Success, "Your poll is changed.")?;
    Ok(see_other(&format!("/polls/{}", poll.id)))
}

/// `POST /polls/{id}/close`
pub(crate) async fn close(
    state: web::Data<State>,
    visit: Visit,
    SignedIn(author): SignedIn,
    path: web::Path<Uuid>,
) -> Result<HttpResponse, WebError> {
    let poll = own(&state, &author, path.into_inner()).await?;
    let closed = transaction(&state.postgres, async |tx| {
        let closed = store::close(tx, poll.id).await?;
        if closed {
            tasks::follow_up(&state, tx, poll.id).await?;
        }
        Ok(closed)
    });
    if closed.await? {
        results::purge(&state, poll.id).await;
        visit.tell(
            Level::Success,
            "Your poll is closed. The result is on its way to you.",
        )?;
    } else {
        visit.tell(Level::Info, "Your poll was closed already.")?;
    }
    Ok(see_other(&format!("/polls/{}", poll.id)))
}

/// The poll `id`, if it is the author's own: 404 if there is none, 403 if it is somebody else's.
async fn own(state: &State, author: &Author, id: Uuid) -> Result<Poll, WebError> {
    let connection = state.postgres.get().await?;
    let poll = store::find(&connection, id).await?;
    let poll = poll.ok_or_else(WebError::not_found)?;
    if poll.author_id == author.id {
        Ok(poll)
    } else {
        Err(WebError::forbidden("Only its author may change a poll."))
    }
}

fn new_page(
    status: StatusCode,
    visit: &Visit,
    form: PollForm,
    errors: Errors,
) -> Result<HttpResponse, WebError> {
    let content = FormPage {
        page: visit.form_page()?,
        heading: "New poll",
        action: "/polls/new".to_owned(),
        button: "Create",
        form,
        errors,
        locked: false,
    };
    html(status, &content)
}

fn edit_page(
    status: StatusCode,
    visit: &Visit,
    id: Uuid,
    form: PollForm,
    errors: Errors,
    locked: bool,
) -> Result<HttpResponse, WebError> {
    let content = FormPage {
        page: visit.form_page()?,
        heading: "Change poll",
        action: format!("/polls/{id}/edit"),
        button: "Save",
        form,
        errors,
        locked,
    };
    html(status, &content)
}
