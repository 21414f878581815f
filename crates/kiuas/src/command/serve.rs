//! `serve`: answers visitors.

use std::sync::Arc;

use actix_web::web::Data;
use kiuas_common::admin::Health;
use kiuas_common::listener::announce;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_common::{Settings, notify};
use kiuas_migrate::MigrateSettings;
use kiuas_web::WebSettings;
use kiuas_web::server::{self, Configure, Server, Sockets};

use crate::Application;
use crate::process::{Process, small_runtime};
use crate::resources::Resources;
use crate::schema;

pub(super) fn run<A: Application>(settings: Settings) -> anyhow::Result<()> {
    let web: WebSettings = settings.section("web")?;
    web.check(settings.environment())?;
    let migrate: MigrateSettings = settings.section("migrate")?;
    let process = Process::start(settings, A::NAME, "web")?;
    // Requests are served by the server's own threads; this one has the rest.
    process.run(&small_runtime()?, async move |process| {
        let sockets = server::sockets(&web)?;
        process.serve_admin(web.admin.as_ref())?;
        let Some(resources) = process.resources().await? else {
            return Ok(());
        };
        tokio::select! {
            current = schema::wait::<A>(&resources.postgres, &migrate) => current?,
            () = process.shutdown.draining() => return Ok(()),
        }
        serve::<A>(process, web, sockets, resources).await
    })
}

async fn serve<A: Application>(
    process: &Process,
    web: WebSettings,
    sockets: Sockets,
    resources: Resources,
) -> anyhow::Result<()> {
    let state = Data::new(A::state(&resources).await?);
    let configure: Configure = Arc::new(move |config| {
        config.app_data(state.clone());
        A::routes(config);
    });
    add_checks(&process.health, &resources);
    let shutdown = &process.shutdown;
    drop(shutdown.spawn(resources.live.clone().run(shutdown.clone())));
    let addresses = sockets.addresses();
    let server = Server {
        settings: web,
        environment: resources.environment,
        redis: resources.redis,
        live: resources.live,
        metrics: process.metrics.clone(),
        health: process.health.clone(),
        configure,
    };
    let ready = || {
        for address in &addresses {
            announce("web", address);
            tracing::info!(%address, "answering on {address}");
        }
        notify::ready();
    };
    match server.run(sockets, shutdown.clone(), ready).await? {
        DrainOutcome::Complete => tracing::info!("drained, no request was lost"),
        DrainOutcome::Cut { remaining } => {
            tracing::warn!(remaining, "the drain cut {remaining} requests off");
        }
    }
    Ok(())
}

/// Work may come only to a process that reaches its services.
fn add_checks(health: &Health, resources: &Resources) {
    let postgres = resources.postgres.clone();
    health.add_check("postgres", move || {
        let postgres = postgres.clone();
        async move { postgres.ping().await.map_err(|error| chain(&error)) }
    });
    let redis = resources.redis.clone();
    health.add_check("redis", move || {
        let redis = redis.clone();
        async move { redis.ping().await.map_err(|error| chain(&error)) }
    });
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
