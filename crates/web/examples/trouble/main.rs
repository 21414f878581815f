//! An application that does everything an application should not: the pool's fault tests and benchmarks
//! run it. It needs neither PostgreSQL nor Redis.
//!
//! Settings are those of any application (`KIUAS__WEB__THREADS=2`, `KIUAS__TELEMETRY__…`). How this
//! version of it behaves:
//!
//! | variable | effect |
//! |---|---|
//! | `VERSION` | value of the header `x-version` of every answer; default `1` |
//! | `START_DELAY_MS` | sleeps so long before it serves |
//! | `HOLD_START` | its threads wait for this file before they serve |
//! | `CRASH_AT_START` | exits with this status instead of serving |
//! | `NEVER_READY` | serves nothing and never says that it is ready |
//! | `DIE_AFTER_READY_MS` | aborts so long after it was ready |
//! | `SCRIBBLE` | writes random bytes over its scoreboard, again and again |

mod faults;

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};
use anyhow::Context;
use kiuas_common::admin::{self, Health};
use kiuas_common::listener::announce;
use kiuas_common::metrics::Metrics;
use kiuas_common::redis::{Redis, RedisSettings};
use kiuas_common::{Environment, Settings, Shutdown, exit, notify, scoreboard, telemetry};
use kiuas_web::csrf::Exempt;
use kiuas_web::server::{self, Server};
use kiuas_web::{Live, WebSettings};

/// Size of a scoreboard or more; the kernel refuses what is beyond its end.
const BOARD: usize = 1 << 20;
const PAGE: usize = 4096;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(error.as_ref(), exit::FAILED),
    }
}

fn run() -> anyhow::Result<()> {
    let settings = Settings::from_process()?;
    let _telemetry = telemetry::start(&settings.section("telemetry")?, "trouble")?;
    let web: WebSettings = settings.section("web")?;
    notify::follow_parent()?;
    if is_set("SCRIBBLE") {
        scribble()?;
    }
    std::thread::sleep(milliseconds("START_DELAY_MS").unwrap_or_default());
    if let Some(status) = number("CRASH_AT_START") {
        std::process::exit(i32::try_from(status)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(web, settings.environment()))
}

async fn serve(settings: WebSettings, environment: Environment) -> anyhow::Result<()> {
    let shutdown = Shutdown::new();
    shutdown.listen_for_signals()?;
    if is_set("NEVER_READY") {
        shutdown.draining().await;
        return Ok(());
    }
    let sockets = server::sockets(&settings)?;
    let addresses = sockets.addresses();
    // Never asked: nothing here has a session.
    let redis = Redis::cache(&RedisSettings::default())?;
    let (health, metrics) = (Health::new(), Metrics::new());
    if let Some(address) = &settings.admin {
        admin::serve(address, health.clone(), metrics.clone(), &shutdown)?;
    }
    let server = Server {
        settings,
        environment,
        live: Live::new(redis.clone()),
        redis,
        metrics,
        health,
        configure: Arc::new(configure),
    };
    let ready = || {
        addresses.iter().for_each(|it| announce("trouble", it));
        notify::ready();
        if let Some(delay) = milliseconds("DIE_AFTER_READY_MS") {
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                std::process::abort();
            });
        }
    };
    server.run(sockets, shutdown, ready).await?;
    Ok(())
}

fn configure(config: &mut ServiceConfig) {
    if let Some(file) = std::env::var_os("HOLD_START") {
        while !Path::new(&file).exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let version = std::env::var("VERSION").unwrap_or_else(|_| "1".to_owned());
    // Its clients are no browsers.
    config.app_data(Exempt {
        prefixes: vec!["/".to_owned()],
    });
    config.service(
        web::scope("")
            .wrap(DefaultHeaders::new().add(("x-version", version)))
            .configure(faults::routes),
    );
}

/// Scribbles over the scoreboard for as long as the process lives: some random page, every 20 ms.
fn scribble() -> anyhow::Result<()> {
    let number = std::env::var(scoreboard::VARIABLE).context("no scoreboard to scribble over")?;
    let board = std::fs::File::options()
        .write(true)
        .open(format!("/proc/self/fd/{number}"))?;
    let mut random = std::fs::File::open("/dev/urandom")?;
    std::thread::spawn(move || {
        let mut page = [0; PAGE];
        for at in (0..BOARD as u64).step_by(PAGE).cycle() {
            drop(random.read_exact(&mut page));
            // The board is sealed: what is beyond its end cannot be written.
            drop(board.write_all_at(&page, at));
            if at.is_multiple_of(16 * PAGE as u64) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    Ok(())
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn milliseconds(variable: &str) -> Option<Duration> {
    number(variable).map(Duration::from_millis)
}
