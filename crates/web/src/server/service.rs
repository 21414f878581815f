//! The application as a service for connections: HTTP/1.1 around the middleware around the routes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{Service, ServiceFactory, map_config};
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::web::{self, Data, FormConfig, JsonConfig, PayloadConfig, ServiceConfig};
use actix_web::{App, Error};
use kiuas_common::Shutdown;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::{Server, ServerError, probe};
use crate::boundary::{Boundary, Counted, Measures, Places};
use crate::conversation::Conversations;
use crate::csrf::{Csrf, Protect};
use crate::load::Load;
use crate::session;

/// How long closing connections may take to send what is in their buffers.
pub(super) const FLUSH: Duration = Duration::from_secs(2);

/// What a thread's service is made of.
pub(super) struct Parts {
    pub(super) server: Server,
    pub(super) measures: Measures,
    pub(super) load: Rc<Load>,
    pub(super) shutdown: Shutdown,
    pub(super) places: Option<Arc<Places>>,
    /// Closes idle connections: the last step of the drain.
    pub(super) finish: CancellationToken,
}

/// Builds it.
pub(super) async fn service(
    parts: Parts,
) -> Result<
    impl Service<(Connection, Option<SocketAddr>), Response = (), Error = DispatchError> + 'static,
    ServerError,
> {
    let settings = &parts.server.settings;
    let finish = parts.finish.clone();
    let app = map_config(app(&parts), |()| AppConfig::default());
    HttpService::build()
        .keep_alive(settings.keep_alive.duration())
        .client_request_timeout(settings.head_timeout.duration())
        .client_disconnect_timeout(FLUSH)
        .on_connect_ext(|connection: &Connection, data| {
            data.insert(connection.peer());
            data.insert(connection.pulse());
        })
        .graceful_shutdown_signal(move || finish.clone().cancelled_owned())
        .h1(app)
        .new_service(())
        .await
        .map_err(|()| ServerError::Application)
}

/// The application with everything around it. The last wrap is the outermost.
fn app(
    parts: &Parts,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<Counted>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let server = &parts.server;
    let boundary = Boundary::new(
        &server.settings,
        server.environment,
        parts.measures.clone(),
        Rc::clone(&parts.load),
        (parts.shutdown.clone(), parts.places.clone()),
    );
    App::new()
        .configure(|config| data(parts, config))
        .route(probe::PATH, web::get().to(probe::answer))
        .configure(|config| (server.configure)(config))
        .wrap(Protect)
        .wrap(session::middleware(&server.settings, server.redis.clone()))
        .wrap(boundary)
}

fn data(parts: &Parts, config: &mut ServiceConfig) {
    let settings = &parts.server.settings;
    let limit = settings.body_limit.length();
    config
        .app_data(PayloadConfig::new(limit))
        .app_data(FormConfig::default().limit(limit))
        .app_data(JsonConfig::default().limit(limit))
        .app_data(parts.shutdown.clone())
        .app_data(Conversations {
            load: Rc::clone(&parts.load),
            limit: settings.request_timeout.duration(),
        })
        .app_data(Data::new(Csrf::new(&settings.secret_key)))
        .app_data(Data::new(parts.server.live.clone()));
}
