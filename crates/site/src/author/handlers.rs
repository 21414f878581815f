//! Signing up, in and out.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use kiuas::web::WebError;
use kiuas::web::flash::Level;

use super::form::{SignIn, SignUp, WRONG};
use super::password::PasswordError;
use super::store;
use crate::form::Errors;
use crate::state::State;
use crate::visit::{Author, Page, Visit, html, see_other};

#[derive(Template)]
#[template(path = "author/sign_up.html")]
struct SignUpPage {
    page: Page,
    form: SignUp,
    errors: Errors,
}

#[derive(Template)]
#[template(path = "author/sign_in.html")]
struct SignInPage {
    page: Page,
    form: SignIn,
    errors: Errors,
}

/// `GET /sign-up`
pub(crate) async fn sign_up_form(visit: Visit) -> Result<HttpResponse, WebError> {
    sign_up_page(StatusCode::OK, &visit, SignUp::default(), Errors::default())
}

/// `POST /sign-up`
pub(crate) async fn sign_up(
    state: web::Data<State>,
    visit: Visit,
    form: web::Form<SignUp>,
) -> Result<HttpResponse, WebError> {
    let mut form = form.into_inner();
    let mut errors = form.check();
    if errors.is_empty() {
        let hash = state.passwords.hash(form.take_password()).await;
        let hash = hash.map_err(refuse)?;
        let connection = state.postgres.get().await?;
        let id = store::insert(&connection, &form.name, &form.email, &hash).await?;
        if let Some(id) = id {
            let author = Author {
                id,
                name: form.name,
            };
            let response = visit.sign_in(&author)?;
            visit.tell(Level::Success, "Welcome! Now ask your first question.")?;
            return Ok(response);
        }
        errors.add(
            "email",
            "This e-mail has an account already: sign in with it.",
        );
    }
    sign_up_page(StatusCode::UNPROCESSABLE_ENTITY, &visit, form, errors)
}

/// `GET /sign-in`
pub(crate) async fn sign_in_form(visit: Visit) -> Result<HttpResponse, WebError> {
    sign_in_page(StatusCode::OK, &visit, SignIn::default(), Errors::default())
}

/// `POST /sign-in`
pub(crate) async fn sign_in(
    state: web::Data<State>,
    visit: Visit,
    form: web::Form<SignIn>,
) -> Result<HttpResponse, WebError> {
    let mut form = form.into_inner();
    let mut errors = form.check();
    if errors.is_empty() {
        if let Some(author) = authenticate(&state, &mut form).await? {
            let response = visit.sign_in(&author)?;
            visit.tell(Level::Success, "You are signed in.")?;
            return Ok(response);
        }
        errors.add("email", WRONG);
    }
    sign_in_page(StatusCode::UNPROCESSABLE_ENTITY, &visit, form, errors)
}

/// `POST /sign-out`
pub(crate) async fn sign_out(visit: Visit) -> HttpResponse {
    visit.sign_out();
    see_other("/")
}

/// The author whose e-mail and password these are. An unknown e-mail takes as long as a wrong password.
async fn authenticate(state: &State, form: &mut SignIn) -> Result<Option<Author>, WebError> {
    let connection = state.postgres.get().await?;
    let account = store::by_email(&connection, &form.email).await?;
    // The hash takes its time: nobody else shall wait for this connection meanwhile.
    drop(connection);
    let stored = account
        .as_ref()
        .map(|account| account.password_hash.clone());
    let right = state.passwords.verify(form.take_password(), stored).await;
    let right = right.map_err(refuse)?;
    Ok(account.filter(|_| right).map(|account| Author {
        id: account.id,
        name: account.name,
    }))
}

fn refuse(error: PasswordError) -> WebError {
    match error {
        PasswordError::Busy => WebError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people are signing in at this moment. Please try again.",
        ),
        error => error.into(),
    }
}

fn sign_up_page(
    status: StatusCode,
    visit: &Visit,
    form: SignUp,
    errors: Errors,
) -> Result<HttpResponse, WebError> {
    let page = visit.form_page()?;
    html(status, &SignUpPage { page, form, errors })
}

fn sign_in_page(
    status: StatusCode,
    visit: &Visit,
    form: SignIn,
    errors: Errors,
) -> Result<HttpResponse, WebError> {
    let page = visit.form_page()?;
    html(status, &SignInPage { page, form, errors })
}
