//! Rolls under load: what is lost, and how long a request takes at most.

use std::time::Duration;

use anyhow::Result;

use super::super::super::report::Sample;
use super::super::contender::Contender;
use super::super::stage::{Layout, Running, Stage};
use super::callers::{Callers, Group};

/// Rolls in all rounds together.
const ROLLS: u32 = 40;
/// Rolls of the application that starts slowly, in a round.
const SLOW_ROLLS: u32 = 3;
/// Before the first roll, and after each.
const PAUSE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);

/// 32 clients who do what visitors' connections do; where there is no Unix socket, all use the port.
pub(super) fn measure(contender: Contender, stage: &Stage, rounds: u32) -> Result<Sample> {
    let mut server = Running::start(contender, Layout::of(2, 4), stage)?;
    let port = server.address().to_string();
    let socket = server.socket().unwrap_or_else(|| port.clone());
    let group = |kind, count, address, path| Group {
        kind,
        count,
        address,
        path,
    };
    let groups = [
        group("keep-alive", 10, port.as_str(), "/"),
        group("new", 8, &port, "/"),
        group("post", 6, &port, "/echo"),
        group("stream", 4, &port, "/stream"),
        group("keep-alive", 2, &socket, "/"),
        group("new", 2, &socket, "/"),
    ];
    let callers = Callers::start(stage, PATIENCE, &groups)?;
    let rolls = ROLLS.div_ceil(rounds);
    roll(&mut server, rolls)?;
    let calls = callers.stop()?;
    let mut details = calls.details();
    details.insert("rolls".to_owned(), f64::from(rolls));
    #[expect(clippy::cast_precision_loss, reason = "lost requests of some seconds")]
    Ok(Sample {
        figure: calls.lost() as f64,
        p99_us: Some(calls.p99_us),
        details,
        ..Sample::default()
    })
}

/// 8 clients on new connections; the handler holds its thread for 5 ms.
pub(super) fn slow_start(contender: Contender, stage: &Stage) -> Result<Sample> {
    let layout = Layout {
        start_ms: 1000,
        ..Layout::of(2, 1)
    };
    let mut server = Running::start(contender, layout, stage)?;
    let port = server.address().to_string();
    let groups = [Group {
        kind: "new",
        count: 8,
        address: &port,
        path: "/work",
    }];
    let callers = Callers::start(stage, PATIENCE, &groups)?;
    roll(&mut server, SLOW_ROLLS)?;
    let calls = callers.stop()?;
    Ok(Sample {
        figure: calls.longest_us / 1000.0,
        p99_us: Some(calls.p99_us),
        failed: calls.lost(),
        details: calls.details(),
        ..Sample::default()
    })
}

fn roll(server: &mut Running<'_>, times: u32) -> Result<()> {
    std::thread::sleep(PAUSE);
    for _ in 0..times {
        server.roll()?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
