//! Our child with the routes that are measured, and with everything around them that a site has: logs,
//! metrics, sessions, CSRF protection, headers, limits.
//!
//! `measured` takes the sockets that a pool hands over, else it listens at `web.listen`. No Redis is
//! needed: the visitors have no session.

#[path = "shared/routes.rs"]
mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use kiuas_common::admin::Health;
use kiuas_common::metrics::Metrics;
use kiuas_common::redis::Redis;
use kiuas_common::{Settings, Shutdown, notify, telemetry, tls};
use kiuas_web::csrf::Exempt;
use kiuas_web::server::{self, Server};
use kiuas_web::{Live, WebSettings};

fn main() -> anyhow::Result<()> {
    tls::install_provider();
    let settings = Settings::from_process()?;
    let _telemetry = telemetry::start(&settings.section("telemetry")?, "measured-web")?;
    notify::follow_parent()?;
    routes::start_slowly();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(&settings))
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let web: WebSettings = settings.section("web")?;
    web.check(settings.environment())?;
    let shutdown = Shutdown::new();
    shutdown.listen_for_signals()?;
    let sockets = server::sockets(&web)?;
    let redis = Redis::cache(&settings.section("redis")?)?;
    let server = Server {
        settings: web,
        environment: settings.environment(),
        live: Live::new(redis.clone()),
        redis,
        metrics: Metrics::new(),
        health: Health::new(),
        configure: Arc::new(configure),
    };
    let drained = server.run(sockets, shutdown, notify::ready).await?;
    tracing::info!(?drained, "drained");
    Ok(())
}

fn configure(config: &mut ServiceConfig) {
    config.app_data(Exempt {
        prefixes: vec!["/echo".to_owned()],
    });
    routes::routes(config);
}
