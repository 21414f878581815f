//! The pages of the mail catcher.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use kiuas::web::WebError;

use crate::mail::{Caught, catcher};
use crate::state::State;
use crate::visit::{Page, Visit, html};

#[derive(Template)]
#[template(path = "mail/list.html")]
struct ListPage {
    page: Page,
    mails: Vec<Caught>,
}

#[derive(Template)]
#[template(path = "mail/show.html")]
struct ShowPage {
    page: Page,
    mail: Caught,
}

/// `GET /mail`
pub(crate) async fn list(state: web::Data<State>, visit: Visit) -> Result<HttpResponse, WebError> {
    let directory = state.mail_catcher().ok_or_else(WebError::not_found)?;
    let mails = catcher::list(directory).await?;
    let page = visit.page()?;
    html(StatusCode::OK, &ListPage { page, mails })
}

/// `GET /mail/{id}`
pub(crate) async fn show(
    state: web::Data<State>,
    visit: Visit,
    path: web::Path<String>,
) -> Result<HttpResponse, WebError> {
    let directory = state.mail_catcher().ok_or_else(WebError::not_found)?;
    let mail = catcher::find(directory, &path).await?;
    let mail = mail.ok_or_else(WebError::not_found)?;
    let page = visit.page()?;
    html(StatusCode::OK, &ShowPage { page, mail })
}
