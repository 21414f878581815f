//! What every request passes on its way in and every answer on its way out.
//!
//! In order: who asks (visitor, request id) → span and measures → body limit → whether it is begun at all
//! → the application, with a soft time limit and panics caught → error page → headers. The outermost middleware of every
//! application; nothing answers without it.
//!
//! A request is never cloned here before routing: actix-web would panic on it. So an answer in the
//! application's stead travels as an error that carries its response.

mod admission;
mod answer;
mod body;
mod headers;
mod measure;
mod route;
mod run;
mod visitor;

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING,
};
use actix_web::http::{ConnectionType, Method, StatusCode, Uri};
use actix_web::{Error, HttpMessage, HttpResponse};
use futures_util::future::LocalBoxFuture;
use kiuas_common::scoreboard::Kind;
use kiuas_common::telemetry::{
    Describe, Instrumented, LateSpan, TRACEPARENT, TRACESTATE, TraceContext,
};
use kiuas_common::{Environment, Period, Shutdown};
use tracing::{Span, field};

use crate::error::{Form, WebError};
use crate::load::{Begin, Load, Pulse, Slot, nanoseconds};
use crate::settings::WebSettings;

pub(crate) use admission::Places;
use admission::{Admission, Refusal, queue_time};
use answer::{Finish, Look, log_failure, log_slow, log_stall, record};
pub use body::Counted;
use body::Patience;
pub use headers::SecurityHeaders;
use headers::Wardrobe;
use measure::InFlight;
pub(crate) use measure::{Measures, Side};
use route::{Route, Routes};
use run::{Outcome, run};
pub(crate) use visitor::Peer;
pub use visitor::Visitor;

/// Put into the extensions of a response whose body has no end (WebSocket, event stream): it does not
/// hold up a drain. The handler must watch [`Shutdown`] and end the body.
#[derive(Debug, Clone, Copy)]
pub struct Endless;

/// The middleware.
#[derive(Clone)]
pub(crate) struct Boundary(Rc<Shared>);

/// Who is turned away may try again after so many seconds.
const AFTER: HeaderValue = HeaderValue::from_static("1");
/// Refusals are logged once in so long a time.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// What all requests of a thread use.
struct Shared {
    admission: Admission,
    last_warning: Cell<Option<Instant>>,
    finish: Finish,
    headers: Wardrobe,
    load: Rc<Load>,
    measures: Measures,
    routes: Routes,
    request_timeout: Duration,
    send_timeout: Duration,
    /// Slower answers are logged.
    slow_request: Option<Duration>,
    body_limit: usize,
}

impl Boundary {
    pub(crate) fn new(
        settings: &WebSettings,
        environment: Environment,
        measures: Measures,
        load: Rc<Load>,
        (shutdown, places): (Shutdown, Option<Arc<Places>>),
    ) -> Self {
        Self(Rc::new(Shared {
            admission: Admission {
                queue_timeout: settings.queue_timeout.duration(),
                places,
            },
            last_warning: Cell::new(None),
            finish: Finish {
                environment,
                shutdown,
                secure_cookies: settings.secure_cookies,
            },
            headers: Wardrobe::default(),
            load,
            routes: Routes::new(measures.clone()),
            measures,
            request_timeout: settings.request_timeout.duration(),
            send_timeout: settings.send_timeout.duration(),
            slow_request: settings.slow_request.map(Period::duration),
            body_limit: settings.body_limit.length(),
        }))
    }
}

impl<S, B> Transform<S, ServiceRequest> for Boundary
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<Counted>;
    type Error = Error;
    type Transform = BoundaryService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(BoundaryService {
            service: Rc::new(service),
            shared: Rc::clone(&self.0),
        }))
    }
}

pub(crate) struct BoundaryService<S> {
    service: Rc<S>,
    shared: Rc<Shared>,
}

/// What is known of a request before it is routed.
pub(super) struct Arrival {
    method: Method,
    route: Rc<Route>,
    visitor: Rc<Visitor>,
    form: Form,
    at: Instant,
    /// How long ago the proxy sent it.
    waited: Option<Duration>,
    uri: Uri,
    parent: Option<TraceContext>,
}

impl<S, B> Service<ServiceRequest> for BoundaryService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<Counted>;
    type Error = Error;
    type Future = Instrumented<LocalBoxFuture<'static, Result<Self::Response, Error>>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let shared = Rc::clone(&self.shared);
        let arrival = Rc::new(Arrival::of(&request, &shared.routes));
        let mut held = (shared.enter(&request, &arrival), shared.measures.enter());
        let look = Look {
            headers: shared
                .headers
                .dress(request.app_data(), &arrival.visitor.host),
            page: request.app_data().cloned(),
        };
        let span = LateSpan::new(Rc::clone(&arrival) as Rc<dyn Describe>);
        request.extensions_mut().insert(Rc::clone(&arrival.visitor));
        let too_large = shared.limit_body(&mut request);
        let service = Rc::clone(&self.service);
        let inner = span.clone();
        let future = async move {
            let outcome = match too_large {
                Some(error) => Outcome::Refused(error),
                None => match shared.admit(&arrival, &mut held.0).await {
                    Ok(()) => run(service, request, &held.0).await,
                    Err(refusal) => Outcome::TurnedAway(refusal),
                },
            };
            shared.answer(&arrival, &look, &inner, outcome, held)
        };
        span.instrument(Box::pin(future))
    }
}

impl Shared {
    /// The request is in flight from here on.
    fn enter(&self, request: &ServiceRequest, arrival: &Arrival) -> Slot {
        let begin = Begin {
            method: arrival.method.as_str(),
            path: request.path(),
            id: &arrival.visitor.request_id,
            trace_id: trace_of(request.headers()),
            limit: self.request_timeout,
        };
        self.load.enter(request.conn_data::<Rc<Pulse>>(), begin)
    }

    /// The request may begin: its handler has not heard of it yet.
    async fn admit(&self, arrival: &Arrival, slot: &mut Slot) -> Result<(), Refusal> {
        let admitted = self.admission.admit(arrival.waited, slot.pulse()).await?;
        slot.keep(admitted.place);
        if let Some(waited) = admitted.waited {
            self.measures.waited(waited);
            self.load
                .board()
                .inspect(|board| board.waited(nanoseconds(waited)));
        }
        Ok(())
    }

    /// An error if the body is announced as too large; a body of unknown length is cut when it is.
    fn limit_body(&self, request: &mut ServiceRequest) -> Option<Error> {
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let limit = u64::try_from(self.body_limit).unwrap_or(u64::MAX);
        if announced.is_some_and(|length| length > limit) {
            return Some(WebError::status_only(StatusCode::PAYLOAD_TOO_LARGE).into());
        }
        if request.headers().contains_key(TRANSFER_ENCODING) {
            let payload = request.take_payload();
            request.set_payload(body::limited(payload, self.body_limit));
        }
        None
    }

    fn answer<B: MessageBody + 'static>(
        self: &Rc<Self>,
        arrival: &Rc<Arrival>,
        look: &Look,
        span: &LateSpan,
        outcome: Outcome<B>,
        (mut slot, in_flight): (Slot, InFlight),
    ) -> Result<ServiceResponse<Counted>, Error> {
        let error = match outcome {
            Outcome::Answered(response) => {
                let (request, response) = response.into_parts();
                let response = response.map_into_boxed_body();
                let response = self.finish.finish(arrival, look, response);
                self.note(span, arrival, response.status(), response.error());
                slot.mark_answered();
                let kind = endless(&response);
                if let Some(kind) = kind {
                    slot.mark_endless(kind);
                }
                let patience = kind.is_none().then(|| Patience::new(self, arrival));
                if !response.head().keep_alive() {
                    slot.mark_last();
                }
                let counted = |body| Counted::new(body, slot, in_flight, patience);
                let response = response.map_body(|_, body| counted(body));
                return Ok(ServiceResponse::new(request, response));
            }
            Outcome::Refused(error) => error,
            Outcome::TimedOut => {
                self.measures.timed_out();
                self.load.board().inspect(|board| board.timed_out());
                WebError::status_only(StatusCode::GATEWAY_TIMEOUT).into()
            }
            Outcome::Panicked => {
                self.measures.panicked();
                self.load.board().inspect(|board| board.panicked());
                WebError::internal("the handler panicked").into()
            }
            Outcome::TurnedAway(refusal) => {
                self.turned_away(refusal);
                let error = WebError::status_only(refusal.status()).into();
                let mut response = self.finish.refuse(arrival, look, &error);
                if refusal == Refusal::ClientGone {
                    response
                        .head_mut()
                        .set_connection_type(ConnectionType::Close);
                    slot.mark_last();
                } else {
                    response.headers_mut().insert(RETRY_AFTER, AFTER);
                }
                self.count(span, arrival, response.status());
                return Err(InternalError::from_response(error, response).into());
            }
        };
        let response = self.finish.refuse(arrival, look, &error);
        self.note(span, arrival, response.status(), Some(&error));
        if !response.head().keep_alive() {
            slot.mark_last();
        }
        Err(InternalError::from_response(error, response).into())
    }

    /// Counts it, and says so once in a while: many are turned away at a time.
    fn turned_away(&self, refusal: Refusal) {
        self.measures.refused(refusal.label());
        if let Some(board) = self.load.board() {
            match refusal {
                Refusal::QueueTime => board.refused_queue_time(),
                Refusal::ClientGone => board.refused_client_gone(),
                Refusal::Concurrency => board.refused_concurrency(),
            }
        }
        let warned = self.last_warning.get();
        if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.last_warning.set(Some(Instant::now()));
            let reason = refusal.label();
            tracing::warn!(
                reason,
                "requests are not begun ({reason}): see kiuas_web_refused_total"
            );
        }
    }

    fn note(&self, span: &LateSpan, arrival: &Arrival, status: StatusCode, error: Option<&Error>) {
        log_failure(arrival, status, error);
        self.count(span, arrival, status);
    }

    fn count(&self, span: &LateSpan, arrival: &Arrival, status: StatusCode) {
        record(span, status);
        let took = arrival.at.elapsed();
        if let Some(board) = self.load.board() {
            board.answered(status.as_u16(), nanoseconds(took));
        }
        if self.slow_request.is_some_and(|limit| took >= limit) {
            log_slow(arrival, status, took);
        }
        self.routes
            .answered(&arrival.method, &arrival.route, status, took);
    }

    /// An answer is cut: its body has brought nothing for too long.
    fn stood_still(&self, arrival: &Arrival) {
        self.measures.stalled(Side::Body);
        log_stall(arrival, self.send_timeout);
    }
}

impl Arrival {
    fn of(request: &ServiceRequest, routes: &Routes) -> Self {
        Self {
            method: request.method().clone(),
            route: routes.find(request),
            visitor: Rc::new(Visitor::arriving(request)),
            form: Form::accepted(request.headers()),
            at: Instant::now(),
            waited: queue_time(request),
            uri: request.uri().clone(),
            parent: parent(request),
        }
    }
}

impl Describe for Arrival {
    fn describe(&self) -> Span {
        let span = tracing::info_span!(
            "request",
            otel.name = %format_args!("{} {}", self.method, self.route.pattern),
            otel.kind = "server",
            otel.status_code = field::Empty,
            http.request.method = %self.method,
            http.route = %self.route.pattern,
            http.response.status_code = field::Empty,
            url.path = %self.uri.path(),
            request.id = %self.visitor.request_id,
        );
        if let Some(parent) = &self.parent {
            parent.adopt(&span);
        }
        span
    }
}

/// The span in the process that sent the request.
fn parent(request: &ServiceRequest) -> Option<TraceContext> {
    let text = |name: &str| request.headers().get(name)?.to_str().ok();
    TraceContext::parse(text(TRACEPARENT)?, text(TRACESTATE))
}

/// The trace of the span in the process that sent a request: the digits between the first two dashes of a `traceparent`.
pub(crate) fn trace_of(headers: &HeaderMap) -> &str {
    headers
        .get(TRACEPARENT)
        .and_then(|value| value.to_str().ok()?.get(3..35))
        .unwrap_or("")
}

/// What an answer without an end is.
fn endless<B>(response: &HttpResponse<B>) -> Option<Kind> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Some(Kind::Websocket);
    }
    let is_event_stream = || {
        let media_type = response.headers().get(CONTENT_TYPE);
        media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
    };
    (response.extensions().contains::<Endless>() || is_event_stream()).then_some(Kind::Stream)
}
