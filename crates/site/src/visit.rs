//! A visitor's request: who it is, and what every page shows.

use std::future::{Ready, ready};

use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use kiuas::web::csrf::Csrf;
use kiuas::web::flash::{self, Flash, Level};
use kiuas::web::{WebError, session};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::state::State;

const VOTER: &str = "voter";
const NEXT: &str = "next";

/// The author who is signed in, as the session remembers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Author {
    pub(crate) id: Uuid,
    pub(crate) name: String,
}

/// What the frame around every page shows.
pub(crate) struct Page {
    pub(crate) author: Option<Author>,
    pub(crate) notices: Vec<Flash>,
    pub(crate) csrf_token: String,
    pub(crate) mail_catcher: bool,
    /// False where the session cannot be asked: nothing is said about signing in or out then.
    pub(crate) known: bool,
}

impl Page {
    /// The frame around an error.
    pub(crate) fn anonymous() -> Self {
        Self {
            author: None,
            notices: Vec::new(),
            csrf_token: String::new(),
            mail_catcher: false,
            known: false,
        }
    }
}

/// A request with its session.
pub(crate) struct Visit {
    session: Session,
    csrf: web::Data<Csrf>,
    mail_catcher: bool,
}

impl FromRequest for Visit {
    type Error = WebError;
    type Future = Ready<Result<Self, WebError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = || {
            let state = request.app_data::<web::Data<State>>()?;
            Some(Self {
                session: request.get_session(),
                csrf: request.app_data::<web::Data<Csrf>>()?.clone(),
                mail_catcher: state.mail_catcher().is_some(),
            })
        };
        ready(visit().ok_or_else(|| WebError::internal("the application is not set up")))
    }
}

impl Visit {
    pub(crate) fn author(&self) -> Result<Option<Author>, WebError> {
        Ok(session::user(&self.session)?)
    }

    /// The frame of a page without a form of its own. It begins no session: who only reads leaves
    /// nothing in Redis. Takes the notices: call it where the page is rendered.
    pub(crate) fn page(&self) -> Result<Page, WebError> {
        let author = self.author()?;
        let csrf_token = match &author {
            // The frame has a form then: signing out.
            Some(_) => self.csrf.token(&self.session)?,
            None => String::new(),
        };
        Ok(Page {
            author,
            notices: flash::take(&self.session)?,
            csrf_token,
            mail_catcher: self.mail_catcher,
            known: true,
        })
    }

    /// The frame of a page with a form.
    pub(crate) fn form_page(&self) -> Result<Page, WebError> {
        let csrf_token = self.csrf.token(&self.session)?;
        Ok(Page {
            csrf_token,
            ..self.page()?
        })
    }

    /// Who votes, if this visitor has seen a poll before.
    pub(crate) fn voter(&self) -> Result<Option<Uuid>, WebError> {
        Ok(self.session.get(VOTER)?)
    }

    /// Who votes. Given where a poll is shown and not where a vote arrives: two votes that arrive
    /// together must not be two new voters.
    pub(crate) fn make_voter(&self) -> Result<Uuid, WebError> {
        if let Some(voter) = self.voter()? {
            return Ok(voter);
        }
        let voter = Uuid::new_v4();
        self.session.insert(VOTER, voter)?;
        Ok(voter)
    }

    /// A sentence for the next page.
    pub(crate) fn tell(&self, level: Level, text: &str) -> Result<(), WebError> {
        Ok(flash::push(&self.session, level, text)?)
    }

    /// Remembers the author, and says where to go: where they wanted to go before they had to sign in.
    pub(crate) fn sign_in(&self, author: &Author) -> Result<HttpResponse, WebError> {
        let next: Option<String> = self.session.get(NEXT)?;
        self.session.remove(NEXT);
        session::sign_in(&self.session, author)?;
        Ok(see_other(next.as_deref().unwrap_or("/")))
    }

    pub(crate) fn sign_out(&self) {
        session::sign_out(&self.session);
    }
}

/// An author who is signed in. Everybody else is sent to sign in, and back afterwards.
pub(crate) struct SignedIn(pub(crate) Author);

impl FromRequest for SignedIn {
    type Error = NotSignedIn;
    type Future = Ready<Result<Self, NotSignedIn>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = request.get_session();
        let author = match session::user(&session) {
            Ok(Some(author)) => return ready(Ok(Self(author))),
            Ok(None) => Ok(()),
            Err(error) => Err(WebError::from(error)),
        };
        let remember = author.and_then(|()| {
            if *request.method() == Method::GET {
                session.insert(NEXT, request.path())?;
            }
            flash::push(&session, Level::Info, "Please sign in first.")?;
            Ok(())
        });
        if let Err(error) = remember {
            tracing::warn!(%error, "could not remember where the visitor wanted to go");
        }
        ready(Err(NotSignedIn))
    }
}

/// Only authors may do this.
#[derive(Debug, thiserror::Error)]
#[error("nobody is signed in")]
pub(crate) struct NotSignedIn;

impl ResponseError for NotSignedIn {
    fn status_code(&self) -> StatusCode {
        StatusCode::SEE_OTHER
    }

    fn error_response(&self) -> HttpResponse {
        see_other("/sign-in")
    }
}

/// Sends the visitor to `path` with a GET.
pub(crate) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .finish()
}

/// A page that is this visitor's alone.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Result<HttpResponse, WebError> {
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .body(page.render()?))
}
