//! CPU time of a request to a trivial handler: two processes of one thread (actix-web: one process of
//! two) on one core, wrk on the other.

use anyhow::{Result, bail};

use super::super::super::cost;
use super::super::super::load::wrk;
use super::super::super::report::Sample;
use super::super::contender::Contender;
use super::super::stage::{Layout, Running, Stage};

const CONNECTIONS: u32 = 32;
/// Load before it counts, so that caches and tables are warm.
const WARM_UP: f64 = 1.0;

pub(super) fn measure(
    contender: Contender,
    stage: &Stage,
    close: bool,
    seconds: f64,
) -> Result<Sample> {
    let layout = Layout {
        is_pinned: true,
        ..Layout::of(2, 1)
    };
    let server = Running::start(contender, layout, stage)?;
    let url = server.url("/");
    wrk(&url, WARM_UP, CONNECTIONS, close)?;
    let processes = cost::tree(server.pid())?;
    let before = cost::cpu(&processes);
    let outcome = wrk(&url, seconds, CONNECTIONS, close)?;
    let used = cost::cpu(&processes).saturating_sub(before).as_secs_f64();
    if outcome.requests == 0 {
        bail!("{} answered no request", contender.name);
    }
    #[expect(clippy::cast_precision_loss, reason = "requests of some seconds")]
    let requests = outcome.requests as f64;
    let unit = if close { 100_000.0 } else { 1e6 };
    Ok(Sample {
        figure: used * unit / requests,
        rate: Some(requests / seconds.max(1.0).round()),
        p99_us: Some(outcome.p99_us),
        failed: outcome.failed,
        ..Sample::default()
    })
}
