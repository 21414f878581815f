//! How long a handler may take, where that is not `web.request_timeout`.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpRequest};

use crate::load::Pulse;

/// Gives the handlers that it is wrapped around `limit` instead of `web.request_timeout`, counted from
/// the head of the request:
///
/// ```ignore
/// web::resource("/report").wrap(deadline(Duration::from_secs(120))).get(report)
/// ```
#[must_use]
pub fn deadline(limit: Duration) -> Deadline {
    Deadline { limit }
}

/// Gives the running handler `rest` from now on, whatever time it had left: for work that knows only
/// on its way how long it takes. The supervisor hears of it at once.
pub fn extend_deadline(request: &HttpRequest, rest: Duration) {
    if let Some(pulse) = request.conn_data::<Rc<Pulse>>() {
        pulse.extend(rest);
    }
}

/// See [`deadline`].
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    limit: Duration,
}

impl<S, B> Transform<S, ServiceRequest> for Deadline
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = DeadlineService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(DeadlineService {
            service,
            limit: self.limit,
        }))
    }
}

/// What [`Deadline`] makes of a service.
#[derive(Debug)]
pub struct DeadlineService<S> {
    service: S,
    limit: Duration,
}

impl<S, B> Service<ServiceRequest> for DeadlineService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = S::Future;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if let Some(pulse) = request.conn_data::<Rc<Pulse>>() {
            pulse.limit(self.limit);
        }
        self.service.call(request)
    }
}
