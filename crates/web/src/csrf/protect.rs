//! The middleware in front of every route that changes something.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_session::SessionExt;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data, Query};
use actix_web::{Error, HttpMessage};
use futures_util::future::{Either, LocalBoxFuture};

use super::{Csrf, Exempt, FIELD, HEADER, SEED};
use crate::boundary::Visitor;
use crate::error::WebError;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

const FOREIGN: &str = "This request was made by another site.";
const STALE: &str = "This form is too old or does not belong to your session. \
     Please go back, reload the page and try again.";

/// Lets a request pass if it changes nothing, or proves that one of our pages made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protect;

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Protected<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Protected {
            service: Rc::new(service),
        }))
    }
}

/// The application behind the protection.
#[derive(Debug)]
pub(crate) struct Protected<S> {
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, Result<Self::Response, Error>>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        if request.method().is_safe() || is_exempt(&request) {
            return Either::Left(self.service.call(request));
        }
        let service = Rc::clone(&self.service);
        Either::Right(Box::pin(async move {
            check(&mut request).await?;
            service.call(request).await
        }))
    }
}

async fn check(request: &mut ServiceRequest) -> Result<(), Error> {
    let is_own = request
        .extensions()
        .get::<Rc<Visitor>>()
        .is_some_and(|visitor| visitor.is_same_origin(request.headers()));
    if !is_own {
        return Err(WebError::forbidden(FOREIGN).into());
    }
    let token = match header(request) {
        Some(token) => Some(token),
        None => field(request).await?,
    };
    let seed = request
        .get_session()
        .get::<String>(SEED)
        .map_err(WebError::from)?;
    let csrf = request
        .app_data::<Data<Csrf>>()
        .ok_or_else(|| WebError::internal("CSRF protection is not set up"))?;
    match (seed, token) {
        (Some(seed), Some(token)) if csrf.verify(&seed, &token) => Ok(()),
        _ => Err(WebError::forbidden(STALE).into()),
    }
}

fn is_exempt(request: &ServiceRequest) -> bool {
    request.app_data::<Exempt>().is_some_and(|exempt| {
        exempt
            .prefixes
            .iter()
            .any(|prefix| request.path().starts_with(prefix.as_str()))
    })
}

fn header(request: &ServiceRequest) -> Option<String> {
    let value = request.headers().get(HEADER)?;
    value.to_str().ok().map(str::to_owned)
}

/// The field of a form. The body, which the boundary has bounded, is read and put back.
async fn field(request: &mut ServiceRequest) -> Result<Option<String>, Error> {
    let is_form = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(FORM));
    if !is_form {
        return Ok(None);
    }
    let body = request.extract::<Bytes>().await?;
    let token = find(&body);
    request.set_payload(Payload::from(body));
    Ok(token)
}

fn find(body: &[u8]) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let fields = Query::<Vec<(String, String)>>::from_query(body).ok()?;
    fields
        .into_inner()
        .into_iter()
        .find_map(|(name, value)| (name == FIELD).then_some(value))
}
