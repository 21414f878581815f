//! `check`: validates all settings without starting anything.

use std::sync::Arc;

use kiuas_beat::Schedule;
use kiuas_common::metrics::Metrics;
use kiuas_common::{Settings, Shutdown};
use kiuas_web::WebSettings;

use super::print;
use crate::Application;
use crate::process::small_runtime;
use crate::resources::Resources;
use crate::{schema, sections};

pub(super) fn run<A: Application>(settings: Settings, connect: bool) -> anyhow::Result<()> {
    sections::all(&settings)?;
    let web: WebSettings = settings.section("web")?;
    web.check(settings.environment())?;
    A::check(&settings)?;
    let mut schedule = Schedule::new();
    A::schedule(&mut schedule);
    schedule.check()?;
    let environment = settings.environment();
    let resources = Resources::open(Arc::new(settings), A::NAME, Metrics::new(), Shutdown::new())?;
    print(&format!("settings for {environment}: good\n"))?;
    if connect {
        small_runtime()?.block_on(ask::<A>(&resources))?;
    }
    Ok(())
}

async fn ask<A: Application>(resources: &Resources) -> anyhow::Result<()> {
    resources.postgres.ping().await?;
    print("PostgreSQL: answers\n")?;
    resources.redis.ping().await?;
    resources.queue.ping().await?;
    print("Redis: answers\n")?;
    schema::check::<A>(&resources.postgres).await?;
    print("schema: up to date\n")
}
