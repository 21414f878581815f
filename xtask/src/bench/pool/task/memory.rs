//! Memory of processes that have done something and do nothing now.

use std::time::Duration;

use anyhow::Result;

use super::super::super::cost;
use super::super::super::load::wrk;
use super::super::super::report::Sample;
use super::super::contender::Contender;
use super::super::stage::{Layout, Running, Stage};

const PROCESSES: u32 = 8;
const CONNECTIONS: u32 = 8;
const LOAD: f64 = 1.0;
/// Until what the load needed is given back.
const REST: Duration = Duration::from_secs(1);

pub(super) fn measure(contender: Contender, stage: &Stage) -> Result<Sample> {
    let server = Running::start(contender, Layout::of(PROCESSES, 1), stage)?;
    wrk(&server.url("/"), LOAD, CONNECTIONS, false)?;
    std::thread::sleep(REST);
    let kib = cost::pss_kib(&cost::tree(server.pid())?);
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    Ok(Sample {
        figure: kib as f64 * 1024.0 / 1e6,
        ..Sample::default()
    })
}
