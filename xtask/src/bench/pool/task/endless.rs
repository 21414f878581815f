//! One handler never returns, and 24 clients go on calling.

use std::time::Duration;

use anyhow::Result;

use super::super::super::report::Sample;
use super::super::contender::Contender;
use super::super::stage::{Layout, Running, Stage};
use super::callers::{Callers, Group};

const WATCHED: Duration = Duration::from_secs(5);
/// Longer than it is watched: a client that hangs is lost once.
const PATIENCE: Duration = Duration::from_secs(6);

pub(super) fn measure(contender: Contender, stage: &Stage) -> Result<Sample> {
    let layout = Layout {
        request_timeout: "1500ms",
        hard_grace: "1s",
        ..Layout::of(2, 2)
    };
    let server = Running::start(contender, layout, stage)?;
    let port = server.address().to_string();
    let group = |kind, count, path| Group {
        kind,
        count,
        address: &port,
        path,
    };
    let groups = [group("once", 1, "/loop"), group("new", 24, "/")];
    let callers = Callers::start(stage, PATIENCE, &groups)?;
    std::thread::sleep(WATCHED);
    let calls = callers.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "lost requests of some seconds")]
    Ok(Sample {
        figure: calls.lost() as f64,
        p99_us: Some(calls.p99_us),
        details: calls.details(),
        ..Sample::default()
    })
}
